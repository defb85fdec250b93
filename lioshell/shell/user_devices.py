# SPDX-License-Identifier: Apache-2.0
"""What a session does about devices of user space: who has a handler for them, and who serves."""

from __future__ import annotations

from lioshell.errors import NotFoundError, RunnerError
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lioshell.lio.backstores import StorageObject
    from lioshell.lio.root import Lio
    from lioshell.render.output import Output
    from lioshell.runner.handlers.base import Handler
    from lioshell.service.hosting import Hosting


class UserDevices:
    """The part of a session that nodes ask about user: objects."""

    lio: Lio
    hosting: Hosting
    out: Output

    def handler_names(self) -> list[str]:
        """Return the subtypes that the embedded runner has handlers for."""
        from lioshell.runner.handlers import registry

        return list(registry.names())

    def handler(self, subtype: str) -> type[Handler]:
        """Return a handler class; raises NotFoundError, and HostError for one that is broken."""
        from lioshell.runner.handlers import registry

        return registry.find(subtype)

    def handler_for_new(self, subtype: str, config: str) -> type[Handler]:
        """Return the handler of a new device, with its configuration checked.

        Raises HostError with what to install, UsageError and NotFoundError.
        """
        from lioshell.runner.handlers import registry

        return registry.for_new(subtype, config)

    def shown_config(self, storage_object: StorageObject) -> str:
        """Return a user: object's dev_config with secrets as ***."""
        from lioshell.runner.handlers import registry

        return registry.shown(storage_object.dev_config)

    def has_tray(self, subtype: str) -> bool:
        """Tell whether the devices of a subtype are drives whose medium can be changed."""
        from lioshell.runner.handlers import registry

        return registry.has_tray(subtype)

    def lacking(self, subtype: str) -> str:
        """Return what a subtype lacks on this machine, "" where nothing; costs next to nothing."""
        from lioshell.runner.handlers import registry

        return registry.lacking(subtype)

    def is_foreign(self, subtype: str) -> bool:
        """Tell whether a running tcmu-runner has registered a subtype: it serves all of it."""
        return subtype in self.lio.kernel.system.foreign_subtypes()

    def devices_changed(self, created: Sequence[str]) -> list[str]:
        """Have new user: devices served."""
        return [] if self.lio.dry_run else self.hosting.devices_changed(created)

    def serve(self, path: str) -> str:
        """Have one user: device served; return what keeps it from being so, or ""."""
        self.hosting.devices_changed([path])
        return self.hosting.problem(path)

    def have_served(self, path: str) -> str:
        """Have a user: device served whose disk goes; return what keeps it from being so, or "".

        Another program that has it open answers for it.
        """
        from lioshell.lio.answering import problem_of
        from lioshell.runner.states import SERVED_ELSEWHERE
        from lioshell.service.hosting import HIDDEN_RUNNER, NO_RUNNER

        problem = self.hosting.problem(path)
        of_others = (NO_RUNNER, HIDDEN_RUNNER, SERVED_ELSEWHERE)
        if not problem or (problem in of_others and not problem_of(self.lio, path)):
            return ""
        try:
            lines = self.hosting.devices_changed([path])
        except RunnerError as error:
            return error.message.partition(": ")[2]
        for line in lines:
            self.out.say(line)
        return ""

    def runner_problem(self, storage_object: StorageObject) -> str:
        """Return what keeps a user: object from being served, "" where it is served."""
        if self.is_foreign(storage_object.subtype):
            return ""
        return self.hosting.problem(storage_object.path)

    def require_served_if_user(self, storage_object: StorageObject) -> None:
        """Raise NotFoundError for a new LUN of a user: object that nobody serves.

        A LUN is scanned while it is linked: somebody has to answer.
        """
        if storage_object.plugin == "user":
            self.require_served(storage_object)

    def require_served(self, storage_object: StorageObject) -> None:
        """Raise UsageError where nobody would answer the commands of a new LUN."""
        problem = "" if self.lio.dry_run else self.runner_problem(storage_object)
        if problem:
            raise NotFoundError(
                f"Nobody serves {storage_object.tree_path} ({problem}): "
                "a LUN on it would hang whoever opens it",
                hint="Start the service: lioshell serve",
                path=storage_object.path,
            )
