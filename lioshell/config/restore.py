# SPDX-License-Identifier: Apache-2.0
"""Restore: make what a document describes; one object that fails does not stop the others."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lioshell.config import saved_file
from lioshell.config.restore_objects import restore_storage_object, restore_target
from lioshell.errors import ConflictError, DocumentError, LioshellError, NotFoundError
from lioshell.lio.backstores import find_storage_object, list_storage_objects
from lioshell.lio.fabrics import Fabric

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lioshell.config.saved_file import Document
    from lioshell.lio.root import Lio

    Serve = Callable[[str], str]


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
            self.failures.append(Failure(path, str(error)))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            # A document written by hand or by another program: say which object is malformed.
            self.failures.append(Failure(path, f"malformed: {type(error).__name__}: {error}"))


def restore(lio: Lio, document: Document, path: str, *, serve: Serve) -> Report:
    """Make everything that a document describes, and report what could not be made.

    Raises ConflictError before the first change when an object of the document exists already.
    `serve` has a user: device (its configfs path) served, and returns what keeps it from being so.
    The failed ones are remembered beside `path`, so that a save does not forget them.
    """
    _refuse_conflicts(lio, document)
    report = Report()
    for item in document.get("storage_objects", []):
        where = f"/backstores/{item.get('plugin')}/{item.get('name')}"
        with report.attempt(where):
            restore_storage_object(lio, item, serve)
    for item in document.get("fabric_modules", []):
        with report.attempt(f"/{item.get('name')} discovery_auth"):
            _restore_discovery(lio, item)
    for item in document.get("targets", []):
        where = f"/{item.get('fabric')}/{item.get('wwn')}"
        with report.attempt(where):
            restore_target(lio, item, report.attempt)
    saved_file.remember_unrestored(path, [failure.path for failure in report.failures])
    return report


def clear(lio: Lio) -> None:
    """Remove every target and storage object."""
    for name in lio.specs.fabric_names():
        fabric = Fabric(lio, lio.specs.fabric(name))
        for wwn in fabric.targets():
            fabric.target(wwn).delete()
    for plugin in lio.specs.backstore_names():
        for storage_object in list_storage_objects(lio, plugin):
            storage_object.delete()


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
    group = Fabric(lio, lio.specs.fabric(name)).discovery_auth()
    values = {
        key.removeprefix("discovery_"): str(value)
        for key, value in item.items()
        if key.startswith("discovery_") and key != "discovery_enable_auth"
    }
    values["enable"] = str(int(bool(item.get("discovery_enable_auth"))))
    group.set_all(values)
