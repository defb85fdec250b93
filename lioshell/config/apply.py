# SPDX-License-Identifier: Apache-2.0
"""Apply: bring what runs in line with a saved configuration, and touch nothing else.

Unlike a restore it works on a running target: what is equal is left alone, so that nobody who is
logged in to it notices anything.
"""

from __future__ import annotations

import contextlib

from lioshell.config import applied
from lioshell.config.document import SECTIONS, entries, identity, tree_path
from lioshell.config.plan import DELETE, REPLACE, SET, plan
from lioshell.config.restore import Options, restore
from lioshell.config.save import dump
from lioshell.config.unrestored import Unrestored
from lioshell.errors import LioshellError
from lioshell.lio.backstores import find_storage_object
from lioshell.lio.fabrics import Fabric
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from lioshell.config.attempts import Progress, Report
    from lioshell.config.document import Document
    from lioshell.config.plan import Step
    from lioshell.config.restore import Serving
    from lioshell.lio.fabrics import Target
    from lioshell.lio.impact import Impact
    from lioshell.lio.root import Lio
    from lioshell.lio.tpgs import Tpg

_SWITCHES = (("iser", "iser"), ("offload", "cxgbit"))


def steps_to(lio: Lio, wanted: Document) -> list[Step]:
    """Return what `apply` would do."""
    return plan(dump(lio), wanted, applied.read(lio.kernel.run_dir) or {})


def apply(
    lio: Lio,
    wanted: Document,
    source: str,
    steps: Iterable[Step],
    *,
    serving: Serving | None = None,
    progress: Progress | None = None,
) -> Report:
    """Do what `steps_to` has returned; one step that fails does not stop the others.

    `source` is the file of the document, for messages. The report has the failures of all steps.
    Raises HostError where what is to be done cannot be written down.
    """
    steps = list(steps)
    failures: list[Unrestored] = []
    for step in steps:
        with _failing_alone(step, failures):
            _take_away(lio, step)
    # A disk that cannot become what it should be is no reason to take the rest from it.
    refused = {s.path for s in steps if s.action == REPLACE and s.kind == "storage_objects"}
    document = _part_of(wanted, [s for s in steps if s.action != DELETE], refused)
    options = Options(progress=progress, existing=True)
    report = restore(lio, document, source, serving=serving, options=options)
    report.total += sum(step.action == DELETE for step in steps) + len(refused)
    report.failures[:0] = failures
    if not lio.dry_run:
        applied.remember(lio.kernel.run_dir, wanted)
    return report


def impact_of(lio: Lio, step: Step) -> Impact | None:
    """Return what a step takes away from initiators; None where it takes nothing."""
    from lioshell.lio import impact

    if step.action == SET:
        off = step.kind == "tpgs" and step.item.get("enable") is False
        return impact.of_tpg(_tpg(lio, step), "disable") if off else None
    if step.action not in (DELETE, REPLACE):
        return None
    if step.kind == "targets":
        return impact.of_target(_target(lio, step))
    if step.kind == "tpgs":
        return impact.of_tpg(_tpg(lio, step))
    if step.kind == "luns":
        return impact.of_lun(_tpg(lio, step), int(step.item["index"]))
    if step.kind == "node_acls":
        tpg = _tpg(lio, step)
        return impact.of_acl(tpg, tpg.acl(str(step.item["node_wwn"])))
    if step.kind == "mapped_luns":
        tpg = _tpg(lio, step)
        acl = tpg.acl(step.path.split("/")[5])
        return impact.of_mapped_lun(tpg, acl, acl.mapped_lun(int(step.item["index"])))
    return None


@contextlib.contextmanager
def _failing_alone(step: Step, failures: list[Unrestored]) -> Iterator[None]:
    try:
        yield
    except LioshellError as error:
        failures.append(Unrestored(step.path, str(error), error.hint))


def _take_away(lio: Lio, step: Step) -> None:
    """Delete what a step deletes or replaces, and switch off what it switches off."""
    if step.action == REPLACE and step.kind == "storage_objects":
        raise LioshellError(
            f"{', '.join(step.fields)} cannot be changed while the object exists",
            hint=f"Delete {step.path} with its LUNs, then: lioshell apply",
            path=step.path,
        )
    if step.action in (DELETE, REPLACE):
        _DELETIONS[step.kind](lio, step)
    elif step.action == SET and step.kind == "tpgs" and step.item.get("enable") is False:
        _tpg(lio, step).set_enabled(False)
    elif step.action == SET and step.kind == "portals":
        _switch_off(lio, step)


def _part_of(wanted: Document, steps: Iterable[Step], refused: set[str]) -> Document:
    """Return the objects of a document that steps concern."""
    paths = {step.path for step in steps} - refused
    # Of each, what it is below of too.
    concerned = {place for path in paths for place in _places(path)}
    return {
        section: [
            item for item in entries(wanted, section) if tree_path(section, item) in concerned
        ]
        for section in SECTIONS
    }


def _places(path: str) -> Iterator[str]:
    yield path
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def _target(lio: Lio, step: Step) -> Target:
    _, fabric, wwn, *_ = step.path.split("/")
    return Fabric(lio, lio.specs.fabric(fabric)).target(wwn)


def _tpg(lio: Lio, step: Step) -> Tpg:
    return _target(lio, step).tpg(int(step.path.split("/")[3].removeprefix("tpg")))


def _delete_storage_object(lio: Lio, step: Step) -> None:
    plugin, name = identity("storage_objects", step.item)
    find_storage_object(lio, plugin, name).delete()


def _delete_alua_group(lio: Lio, step: Step) -> None:
    from lioshell.lio.alua import delete_group

    _, _, plugin, name, _, group = step.path.split("/")
    delete_group(find_storage_object(lio, plugin, name), group)


def _delete_discovery(lio: Lio, step: Step) -> None:
    from lioshell.lio.clearing import clear_discovery

    clear_discovery(Fabric(lio, lio.specs.fabric(str(step.item["name"]))))


def _delete_acl(lio: Lio, step: Step) -> None:
    _tpg(lio, step).acl(str(step.item["node_wwn"])).delete()


def _delete_mapped_lun(lio: Lio, step: Step) -> None:
    wwn = step.path.split("/")[5]
    _tpg(lio, step).acl(wwn).mapped_lun(int(step.item["index"])).delete()


def _delete_portal(lio: Lio, step: Step) -> None:
    address, port = str(step.item["ip_address"]), int(step.item["port"])
    for portal in _tpg(lio, step).portals():
        if (portal.ip_address.strip("[]"), portal.ip_port) == (address.strip("[]"), port):
            portal.delete()


def _switch_off(lio: Lio, step: Step) -> None:
    address, port = str(step.item["ip_address"]), int(step.item["port"])
    for portal in _tpg(lio, step).portals():
        if (portal.ip_address.strip("[]"), portal.ip_port) == (address.strip("[]"), port):
            for key, file in _SWITCHES:
                if key in step.fields and not step.item.get(key):
                    lio.configfs.write(f"{portal.path}/{file}", "0")


_DELETIONS: dict[str, Callable[[Lio, Step], None]] = {
    "storage_objects": _delete_storage_object,
    "alua_tpgs": _delete_alua_group,
    "fabric_modules": _delete_discovery,
    "targets": lambda lio, step: _target(lio, step).delete(),
    "tpgs": lambda lio, step: _tpg(lio, step).delete(),
    "luns": lambda lio, step: _tpg(lio, step).delete_lun(int(step.item["index"])),
    "portals": _delete_portal,
    "node_acls": _delete_acl,
    "mapped_luns": _delete_mapped_lun,
}
