# SPDX-License-Identifier: Apache-2.0
"""The entry to everything live: one kernel, the specs, and what both allow."""

from __future__ import annotations

import contextlib
from functools import partial

from lioshell.errors import HostError
from lioshell.lio.answering import problem_of
from lioshell.lio.object_index import ObjectIndex
from lioshell.lio.transaction import Transaction
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from types import TracebackType
    from typing import Self

    from lioshell.kernel.ports import ConfigfsPort, Kernel
    from lioshell.lio.fabrics import Fabric
    from lioshell.lio.survey import Survey
    from lioshell.specs import FabricSpec, Specs


class Lio:
    """LIO on one kernel, described by specs; used with `with`, the block is one transaction.

    `changing()` is a context that the outermost transaction is run in, as the lock of changes; who
    holds that already, as the shell does, gives none.
    """

    def __init__(
        self,
        kernel: Kernel,
        specs: Specs,
        *,
        dry_run: bool = False,
        changing: Callable[[], AbstractContextManager[None]] | None = None,
    ) -> None:
        self.kernel = kernel
        self.specs = specs
        self.dry_run = dry_run
        """Nothing may be changed: backing files are not made either."""
        self.freed_devices: set[str] = set()
        """Devices that a dry run would have given up by now."""
        self.index = ObjectIndex(kernel.configfs, kernel.run_dir, keep=not dry_run)
        self.survey: Survey | None = None
        """What storage objects there are, where many steps ask for it (`surveyed`)."""
        self.have_served: Callable[[str], str] = partial(problem_of, self)
        """Has a user: device (its configfs path) served; returns what keeps it from being so. A
        script can only look; the shell starts who serves."""
        self._changing = changing
        self._running: list[Transaction] = []
        self._blocks: list[AbstractContextManager[Transaction]] = []

    @property
    def configfs(self) -> ConfigfsPort:
        """The `target` folder of configfs."""
        return self.kernel.configfs

    def fabric(self, name: str) -> Fabric:
        """Return a fabric by name or alias; raises NotFoundError or SpecError."""
        from lioshell.lio.fabrics import Fabric

        return Fabric(self, self.specs.fabric(name))

    def fabrics(self) -> list[Fabric]:
        """Return the fabrics that this machine can have, or has targets of, by name."""
        found = (self.fabric(name) for name in self.specs.fabric_names())
        return [fabric for fabric in found if fabric.is_listed]

    def __enter__(self) -> Self:
        block = self.transaction()
        block.__enter__()
        self._blocks.append(block)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._blocks.pop().__exit__(kind, error, traceback)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Return a context that undoes its configfs steps when one fails.

        One inside another belongs to it: a failure further out undoes its steps too.
        """
        outermost = not self._running
        with self._changing() if outermost and self._changing else contextlib.nullcontext():
            steps = Transaction(self.configfs, None if outermost else self._running[-1])
            self._running.append(steps)
            try:
                with steps:
                    yield steps
            finally:
                self._running.pop()

    @contextlib.contextmanager
    def surveyed(self) -> Iterator[Survey]:
        """Return a context in which the storage objects are looked at once, and not for each step.

        Nobody else may create or delete any meanwhile.
        """
        from lioshell.lio.survey import Survey

        self.survey = Survey(self)
        try:
            yield self.survey
        finally:
            survey, self.survey = self.survey, None
        survey.keep()

    def require_fabric(self, spec: FabricSpec) -> None:
        """Make a fabric's folder: load its module, and mkdir it, as a step where one is running.

        Raises HostError when the kernel has no such fabric (drivers/target/target_core_configfs.c,
        target_core_register_fabric: the mkdir finds the registered fabric by name).
        """
        if self.configfs.is_dir(spec.group):
            return
        self.kernel.system.load_module(spec.module)
        if not self.configfs.is_dir(spec.group):
            with self.transaction() as steps:
                steps.mkdir(spec.group)

    def require_backstore_module(self, name: str) -> None:
        """Load the module of a kind of backstore; raises HostError when there is none."""
        try:
            self.kernel.system.load_module(self.specs.backstore(name).module)
        except HostError as error:
            error.message = f"Backstores of type {name} are not available: {error.message}"
            raise
