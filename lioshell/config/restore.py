# SPDX-License-Identifier: Apache-2.0
"""Restore: make what a document describes; one object that fails does not stop the others."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from lioshell.config import saved_file
from lioshell.config.restore_objects import restore_storage_object, restore_target
from lioshell.errors import (
    ConflictError,
    DocumentError,
    HostError,
    LioshellError,
    NotFoundError,
)
from lioshell.lio.backstores import find_storage_object
from lioshell.lio.fabrics import Fabric

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lioshell.config.saved_file import Document
    from lioshell.lio.root import Lio

    Serve = Callable[[str], str]

_MALFORMED = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)
"""What taking a document apart raises that has not the shape it should have."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One object that could not be restored: its path in the tree, and why."""

    path: str
    reason: str


@dataclass
class Report:
    """What a restore did: the number of objects tried and those that failed."""

    total: int = 0
    failures: list[Failure] = field(default_factory=list)

    @contextlib.contextmanager
    def attempt(self, path: str) -> Iterator[None]:
        """Count an object, and note it as failed when what is inside raises."""
        self.total += 1
        try:
            yield
        except LioshellError as error:
            remains = "".join(f"; could not be undone: {what}" for what in error.remains)
            self.failures.append(Failure(path, str(error) + remains))
        except _MALFORMED as error:
            # A document written by hand or by another program: say which object is malformed.
            self.failures.append(Failure(path, f"malformed: {_what_is_wrong(error)}"))


def restore(lio: Lio, document: Document, path: str, *, serve: Serve) -> Report:
    """Make everything that a document describes, and report what could not be made.

    Raises ConflictError before the first change when an object of the document exists already.
    `serve` has a user: device (its configfs path) served, and returns what keeps it from being so.
    What is not restored, because it failed or because the restore was interrupted, is remembered
    beside `path`, so that a save does not forget it. A dry run has nothing served and remembers
    nothing.
    """
    _refuse_conflicts(lio, document)
    report = Report()
    steps = _steps(lio, document, report, _nobody if lio.dry_run else serve)
    left = [where for where, _ in steps]
    if not lio.dry_run:
        with contextlib.suppress(HostError):  # told at the end, when it matters
            saved_file.remember_unrestored(path, left)
    try:
        for where, step in steps:
            with report.attempt(where):
                step()
            left.remove(where)
    finally:
        if not lio.dry_run:
            failed = [failure.path for failure in report.failures]
            try:
                saved_file.remember_unrestored(path, [*failed, *left])
            except HostError as error:
                # What was and was not restored has to be told all the same.
                report.failures.append(Failure(path, str(error)))
    return report


def _steps(
    lio: Lio, document: Document, report: Report, serve: Serve
) -> list[tuple[str, Callable[[], None]]]:
    """Return the path of each object with what restores it, in their order."""
    steps: list[tuple[str, Callable[[], None]]] = []
    for item in document.get("storage_objects", []):
        where = f"/backstores/{item.get('plugin')}/{item.get('name')}"
        make = partial(restore_storage_object, lio, item, serve, report.attempt)
        steps.append((where, make))
    for item in document.get("fabric_modules", []):
        where = f"/{item.get('name')} discovery_auth"
        steps.append((where, partial(_restore_discovery, lio, item)))
    for item in document.get("targets", []):
        where = f"/{item.get('fabric')}/{item.get('wwn')}"
        steps.append((where, partial(restore_target, lio, item, report.attempt)))
    return steps


def _nobody(path: str) -> str:
    """Serve nothing, and find nothing wrong with that."""
    del path
    return ""


def _what_is_wrong(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)


def _refuse_conflicts(lio: Lio, document: Document) -> None:
    existing = []
    for item in document.get("storage_objects", []):
        plugin, name = item.get("plugin"), item.get("name")
        if plugin in lio.specs.backstore_names() and isinstance(name, str):
            with contextlib.suppress(NotFoundError):  # the good case
                existing.append(find_storage_object(lio, plugin, name).tree_path)
    for item in document.get("targets", []):
        fabric, wwn = item.get("fabric"), item.get("wwn")
        if (
            fabric in lio.specs.fabric_names()
            and wwn in Fabric(lio, lio.specs.fabric(fabric)).targets()
        ):
            existing.append(f"/{fabric}/{wwn}")
    if existing:
        shown = ", ".join(existing[:5]) + (", ..." if len(existing) > 5 else "")
        raise ConflictError(
            f"These exist already: {shown}",
            hint="Delete them, or remove everything first with clear_existing=true.",
        )


def _restore_discovery(lio: Lio, item: dict[str, Any]) -> None:
    name = item["name"]
    if name not in lio.specs.fabric_names():
        raise DocumentError(f"There is no fabric {name}", hint="Add a spec for it.")
    values = {
        key.removeprefix("discovery_"): str(value)
        for key, value in item.items()
        if key.startswith("discovery_") and key != "discovery_enable_auth"
    }
    if "discovery_enable_auth" in item:
        values["enable"] = str(int(bool(item["discovery_enable_auth"])))
    if values:
        Fabric(lio, lio.specs.fabric(name)).discovery_auth().set_all(values)
