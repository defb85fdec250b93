# SPDX-License-Identifier: Apache-2.0
"""Restore: make what a document describes; one object that fails does not stop the others.

What is to be restored is written down before the first change, and what is left at the end, or at
a kill, stays written down (`lioshell.config.unrestored`): a save carries it over, `retry` makes it.
"""

from __future__ import annotations

import contextlib

from lioshell.config import unrestored
from lioshell.config.attempts import Attempts, Journal, Report
from lioshell.config.clear_part import clear_part
from lioshell.config.document import (
    SECTIONS,
    Document,
    Item,
    empty,
    entries,
    merged,
    names,
    objects,
    tree_path,
)
from lioshell.config.restore_backstores import restore_storage_object
from lioshell.config.restore_targets import TargetRestore
from lioshell.config.restore_values import credentials
from lioshell.config.selection import Selection
from lioshell.config.unrestored import CLEARING, RESTORING, Pending
from lioshell.errors import ConflictError, DocumentError, LioshellError
from lioshell.lio.backstores import find_storage_object
from lioshell.lio.clearing import clear, remove_empty_hbas
from lioshell.lio.fabrics import Fabric, Target
from lioshell.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from lioshell.config.attempts import Progress
    from lioshell.lio.root import Lio


def _every_subtype(subtype: str) -> bool:
    """Tell that a subtype is ours."""
    return bool(subtype)


def _nothing_in_the_way(path: str, fabric: str = "") -> str:
    """Serve nothing, and find nothing wrong with that."""
    del path, fabric
    return ""


class Serving(NamedTuple):
    """What a restore has to know of the runners of user: devices.

    `serve` has a device (its configfs path) served and returns what keeps it from being so;
    `is_ours` tells whether a subtype is for it to serve; `may_link` returns what keeps a LUN of a
    fabric from being made on a device. Each returns "" where nothing is in the way.
    """

    serve: Callable[[str], str] = _nothing_in_the_way
    is_ours: Callable[[str], bool] = _every_subtype
    may_link: Callable[[str, str], str] = _nothing_in_the_way


class Options(NamedTuple):
    """How a restore goes about it; `clear_existing` removes first what `selection` names.

    `existing`: what exists already is brought in line, and no reason to refuse.
    """

    clear_existing: bool = False
    selection: Selection = Selection()
    abort_on_error: bool = False
    progress: Progress | None = None
    existing: bool = False


def restore(
    lio: Lio,
    document: Document,
    source: str = "",
    *,
    serving: Serving | None = None,
    options: Options | None = None,
) -> Report:
    """Make what a document describes, and report what could not be made.

    `source` is the file it was read from, for messages. What an interrupted restore has made
    already is brought in line. Raises ConflictError before the first change when another object of
    the document exists already, NotFoundError when the selection fits nothing, HostError when what
    is to be restored cannot be written down. A dry run writes down and serves nothing.
    """
    options = options or Options()
    wanted = options.selection.of(document, lio)
    before = unrestored.read(lio.kernel.run_dir)
    began = before.begun if before is not None and before.interrupted else ()
    everything = not options.selection
    if options.clear_existing:
        exports = options.selection.exports(lio)
        wanted = merged(wanted, exports)
        kept = None if everything else before
        phase = CLEARING if everything else RESTORING
    else:
        if not options.existing:
            _refuse_conflicts(lio, wanted, began)
        exports, kept, phase = {}, before, RESTORING
    pending = _begin(source, phase, wanted, kept)
    journal = Journal(lio.kernel.run_dir, pending, dry_run=lio.dry_run)
    if options.clear_existing:
        with _failing_clear_remembered(lio, journal, wanted, before):
            if everything:
                clear(lio)
            else:
                clear_part(lio, options.selection)
        journal.add(phase=RESTORING)
    existing = options.existing or bool(began) or bool(exports)
    run = _Run(lio, journal, serving or Serving(), options, existing=existing)
    return run.run(wanted, kept)


def retry(
    lio: Lio,
    *,
    serving: Serving | None = None,
    progress: Progress | None = None,
    abort_on_error: bool = False,
) -> Report:
    """Try what is not restored, and nothing else.

    A restore that was interrupted while it removed what ran before removes the rest first. Raises
    DocumentError or HostError when the list cannot be read.
    """
    pending = unrestored.read(lio.kernel.run_dir)
    if pending is None:
        return Report()
    options = Options(progress=progress, abort_on_error=abort_on_error)
    phase = CLEARING if pending.phase == CLEARING else RESTORING
    # Until each was tried, it stays for its old reason.
    journal = Journal(lio.kernel.run_dir, pending._replace(phase=phase), dry_run=lio.dry_run)
    if phase == CLEARING:
        with _failing_clear_remembered(lio, journal, pending.document, None):
            clear(lio)
        journal.add(phase=RESTORING)
    run = _Run(lio, journal, serving or Serving(), options, existing=True)
    return run.run(pending.document, None)


@contextlib.contextmanager
def _failing_clear_remembered(
    lio: Lio, journal: Journal, wanted: Document, before: Pending | None
) -> Iterator[None]:
    """When what ran cannot be removed, let pending be what is gone, and not what still runs.

    A clear that fails puts back what it can: what runs then is as the user left it, and counts.
    """
    try:
        yield
    except LioshellError as error:
        left, failures = ({}, []) if before is None else (before.document, list(before.objects))
        there = set(_existing(lio, wanted))
        gone = empty()
        for section, item in objects(wanted):
            path = tree_path(section, item)
            if path not in there and section != "fabric_modules":
                gone[section].append(item)
                hint = "Mend that, then: restoreconfig --retry"
                reason = f"what ran before could not be removed: {error}"
                failures.append(unrestored.Unrestored(path, reason, hint))
        journal.end(merged(left, gone), failures)
        raise


def _begin(source: str, phase: str, wanted: Document, kept: Pending | None) -> Pending:
    """Return what is pending before the first change: all that is wanted, and what was before."""
    if kept is None:
        return Pending(source, phase, wanted, ())
    return Pending(source, phase, merged(wanted, kept.document), kept.objects)


class _Run:
    """One pass over a document."""

    def __init__(
        self, lio: Lio, journal: Journal, serving: Serving, options: Options, *, existing: bool
    ) -> None:
        self._lio = lio
        self._journal = journal
        self._serving = Serving(is_ours=serving.is_ours) if lio.dry_run else serving
        self._options = options
        self._existing = existing

    def run(self, wanted: Document, kept: Pending | None) -> Report:
        """Restore; what was not restored before stays so, unless it is wanted now."""
        attempts = Attempts(
            self._journal,
            count(wanted),
            progress=self._options.progress,
            abort_on_error=self._options.abort_on_error,
        )
        targets = TargetRestore(
            self._lio, attempts, may_link=self._serving.may_link, existing=self._existing
        )
        if self._existing:
            remove_empty_hbas(self._lio)
        with self._lio.kernel.system.expedited(), self._lio.surveyed():
            for section, item in objects(wanted):
                path = tree_path(section, item)
                with attempts.attempt(path, {section: [item]}):
                    if section == "storage_objects":
                        self._storage_object(item, attempts)
                    elif section == "fabric_modules":
                        _restore_fabric(self._lio, item)
                    else:
                        targets.run(item)
                attempts.done(path)
        left, old = ({}, []) if kept is None else _still_missing(kept, wanted)
        attempts.left.append(left)
        attempts.end(old)
        return attempts.report

    def _storage_object(self, item: Item, attempts: Attempts) -> None:
        restore_storage_object(
            self._lio,
            item,
            attempts,
            serve=self._serving.serve,
            is_ours=self._serving.is_ours,
            existing=self._existing,
        )


def _still_missing(kept: Pending, wanted: Document) -> tuple[Document, list[unrestored.Unrestored]]:
    """Return what was not restored before, without the objects that this restore tried again."""
    from lioshell.config.pending import without

    left = without(kept, [tree_path(section, item) for section, item in objects(wanted)])
    return left.document, list(left.objects)


def count(document: Document) -> int:
    """Return how many attempts a document takes."""
    total = sum(len(entries(document, section)) for section in SECTIONS)
    for target in entries(document, "targets"):
        for tpg in entries(target, "tpgs"):
            acls = entries(tpg, "node_acls")
            total += 1 + len(entries(tpg, "luns")) + len(entries(tpg, "portals")) + len(acls)
            total += sum(len(entries(acl, "mapped_luns")) for acl in acls)
    return total


def _existing(lio: Lio, document: Document) -> Iterator[str]:
    """Yield the paths of the storage objects and targets of a document that there are."""
    with lio.surveyed():
        for item in entries(document, "storage_objects"):
            plugin, name = item.get("plugin"), item.get("name")
            if plugin in lio.specs.backstore_names() and isinstance(name, str):
                with contextlib.suppress(LioshellError):  # not there: the good case
                    find_storage_object(lio, str(plugin), name)
                    yield tree_path("storage_objects", item)
    for item in entries(document, "targets"):
        fabric, wwn = item.get("fabric"), item.get("wwn")
        if fabric not in lio.specs.fabric_names() or not isinstance(wwn, str):
            continue
        if wwn.strip(".") == "" or "/" in wwn:
            continue
        target = Target(lio, lio.specs.fabric(str(fabric)), wwn)
        if lio.configfs.is_dir(target.path):
            yield target.tree_path


def _refuse_conflicts(lio: Lio, document: Document, began: Collection[str]) -> None:
    """Raise ConflictError for objects that exist, but for those of an interrupted restore."""
    existing = [path for path in _existing(lio, document) if path not in began]
    if existing:
        raise ConflictError(
            f"These exist already: {names(existing)}",
            hint="Delete them, or remove everything first with clear_existing=true; "
            "what the last restore left out is tried again with: restoreconfig --retry",
        )


def _restore_fabric(lio: Lio, item: Item) -> None:
    """Restore what belongs to a whole fabric: its discovery credentials, the CPUs it may use."""
    name = item["name"]
    if name not in lio.specs.fabric_words():
        raise DocumentError(f"There is no fabric {name}", hint="Add a spec for it.")
    fabric = Fabric(lio, lio.specs.fabric(name))
    values = {
        key.removeprefix("discovery_"): str(value)
        for key, value in item.items()
        if key.startswith("discovery_") and key != "discovery_enable_auth"
    } | credentials(item, "discovery_")
    if "discovery_enable_auth" in item:
        values["enable"] = str(int(bool(item["discovery_enable_auth"])))
    values |= {name: str(value) for name, value in (item.get("parameters") or {}).items()}
    if values:
        fabric.discovery_auth().set_all(values)
    cpus = item.get("cpus_allowed_list")
    if cpus:
        with lio.transaction():
            lio.require_fabric(fabric.spec)
            path = f"{fabric.path}/cpus_allowed_list"
            if lio.configfs.read(path) != str(cpus):
                lio.configfs.write(path, str(cpus))
