# SPDX-License-Identifier: Apache-2.0
"""The commands of the saved configuration: saveconfig, restoreconfig, clearconfig, unrestored."""

from __future__ import annotations

import contextlib
import os

from lioshell.environment import is_terminal
from lioshell.errors import NotFoundError, PartialError, UsageError
from lioshell.shell.common_commands import ShellNode
from lioshell.shell.values import boolean
from lioshell.specs import Parameter
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import ClassVar

    from lioshell.config.attempts import Progress, Report
    from lioshell.config.restore import Serving
    from lioshell.config.selection import Selection
    from lioshell.config.unrestored import Unrestored

_RETRY = "--retry"
"""The word of `restoreconfig` that tries only what is not restored."""

SAVEFILE = Parameter("savefile", "path", "The file; that of the boot, when not given")


class SavedConfigurationNode(ShellNode):
    """What the root can do with the whole configuration."""

    command_parameters: ClassVar[dict[str, tuple[Parameter, ...]]] = {
        "saveconfig": (SAVEFILE,),
        "restoreconfig": (
            SAVEFILE,
            Parameter("clear_existing", "bool", "Remove first what is restored", default="false"),
            Parameter("target", "string", "Only this target, and the disks it needs"),
            Parameter("storage_object", "string", "Only this storage object"),
            Parameter("abort_on_error", "bool", "Stop at the first failure", default="false"),
            Parameter("retry", "bool", "Only what is not restored yet", default="false"),
        ),
        "clearconfig": (Parameter("confirm", "bool", "Mean it", default="false"),),
        "unrestored": (
            Parameter("action", "enum", "list, or forget", values=("list", "forget")),
            Parameter("path", "string", "The object to forget, or all"),
        ),
    }

    def ui_command_saveconfig(self, savefile: str | None = None) -> None:
        """Save the running configuration, so that it can be restored at boot.

        SAVEFILE is targetcli's JSON, or YAML where its name ends in .yaml; the default is the file
        that is restored at boot, of which older versions are kept (max_backup_files). What the last
        restore could not bring back is carried over.

        Examples:
            saveconfig
            saveconfig /root/before-change.json
            saveconfig /root/target.yaml
        """
        from lioshell.config.save import save
        from lioshell.config.unsaved import unsaved

        path = _path(savefile or self.session.saveconfig_path)
        usual = path == _path(self.session.saveconfig_path)
        if self.lio.dry_run:
            self.out.say(f"The configuration would be saved to {path}")
            return
        limit = self.session.prefs.number("max_backup_files") if usual else None
        saved = save(self.lio, path, max_backups=limit, warn=self.out.note)
        for line in unsaved(self.lio):
            self.out.note(f"not saved: {line}", "error")
        for one in saved.carried:
            self.out.note(f"carried over, as it is not restored: {one.path}: {one.reason}")
        if usual:
            from lioshell.config import applied

            self.session.changed = False
            applied.remember(self.lio.kernel.run_dir, saved.document)
        if not saved.changed:
            self.out.say(f"Nothing has changed since {path} was written.")
        else:
            self.out.say(f"Configuration saved to {path}", "good")

    def ui_command_restoreconfig(
        self,
        savefile: str | None = None,
        clear_existing: str = "false",
        target: str | None = None,
        storage_object: str | None = None,
        abort_on_error: str = "false",
        retry: str = "false",
    ) -> None:
        """Restore a saved configuration; refused where something of it exists already.

        With clear_existing=true what is restored is removed first: everything, or only TARGET and
        STORAGE_OBJECT. What fails is reported, remembered, shown by ls, kept by saveconfig, and
        tried again with --retry (or retry=true).

        Examples:
            restoreconfig
            restoreconfig --retry
            restoreconfig /root/before-change.json clear_existing=true
        """
        from lioshell.config.restore import Options, restore
        from lioshell.config.restore import retry as try_again
        from lioshell.config.selection import Selection

        again = boolean(retry, "retry") or savefile == _RETRY
        stops = boolean(abort_on_error, "abort_on_error")
        clears = boolean(clear_existing, "clear_existing")
        if again:
            if clears or target is not None or storage_object is not None:
                raise UsageError(
                    "A retry takes what is not restored, and nothing else",
                    hint="Type: restoreconfig --retry",
                )
            with self._progress() as progress:
                report = try_again(
                    self.lio, serving=self._serving(), progress=progress, abort_on_error=stops
                )
            self._tell(report, "What was not restored is restored." if report.total else
                       "Everything is restored already.")  # fmt: skip
            return
        from lioshell.config.saved_file import read

        path = _path(savefile or self.session.saveconfig_path)
        document = read(path, warn=self.out.note)
        selection = Selection(target, storage_object)
        if clears:
            self._before_clearing(selection)
        with self._progress() as progress:
            options = Options(clears, selection, stops, progress)
            report = restore(self.lio, document, path, serving=self._serving(), options=options)
        self._tell(report, f"Configuration restored from {path}", path)

    def ui_command_clearconfig(self, confirm: str = "false") -> None:
        """Remove all targets, LUNs and storage objects, and forget what is not restored.

        It wants confirm=True, or the option --yes. Saved files stay as they are; files and devices
        keep their data, that of ramdisks is gone.

        Examples:
            clearconfig confirm=True
        """
        from lioshell.config.unrestored import forget
        from lioshell.lio import impact
        from lioshell.lio.clearing import clear

        if not boolean(confirm, "confirm") and not self.session.assume_yes:
            raise UsageError(
                "clearconfig removes all targets and storage objects",
                hint="Say that you mean it: clearconfig confirm=True",
            )

        self.session.before_removal(impact.of_everything(self.lio, "clearconfig"))
        clear(self.lio)
        if not self.lio.dry_run:
            for path in forget(self.lio, []):
                self.out.note(f"forgotten, as it was not restored: {path}")
        self.out.say("All configuration cleared", "good")

    def ui_command_unrestored(self, action: str = "list", path: str | None = None) -> None:
        """List what the last restore could not bring back, or give up what is at PATH of it.

        Until it is restored or forgotten, every save carries it over.

        Examples:
            unrestored
            unrestored forget /backstores/fileio/disk1
            unrestored forget all
        """
        from lioshell.config.unrestored import forget, unrestored

        if action == "list":
            rows = [[one.path, one.reason, one.hint] for one in self._below(path)]
            self.out.table(["PATH", "WHY", "WHAT TO DO"], rows)
            return
        if action != "forget" or path is None:
            raise UsageError(
                f"unrestored {action} is not possible",
                hint="Type: unrestored, unrestored forget PATH, or unrestored forget all",
            )
        known = unrestored(self.lio.kernel.run_dir)
        if self.lio.dry_run:
            self.out.say(f"{path} would be forgotten")
            return
        gone = forget(self.lio, [] if path == "all" else [path.rstrip("/")])
        if not gone and known:
            raise NotFoundError(
                f"{path} is nothing that is not restored", hint="See what is with: unrestored"
            )
        for one in gone:
            self.out.say(f"Forgotten: {one}")

    def _below(self, path: str | None) -> Iterator[Unrestored]:
        from lioshell.config.unrestored import unrestored

        for one in unrestored(self.lio.kernel.run_dir):
            if path is None or one.path == path or one.path.startswith(f"{path}/"):
                yield one

    def _before_clearing(self, selection: Selection) -> None:
        """Let nobody lose a disk that is in use, without --yes."""
        from lioshell.lio import impact

        if not selection:
            self.session.before_removal(impact.of_everything(self.lio, "restoreconfig"))
            return
        targets = [fabric.target(wwn) for fabric, wwn in selection.running_targets(self.lio)]
        impacts = [
            *map(impact.of_target, targets),
            *map(impact.of_storage_object, selection.running_storage_objects(self.lio)),
        ]
        self.session.consent.require_together("restoreconfig", impacts)

    def _serving(self) -> Serving:
        from lioshell.config.restore import Serving
        from lioshell.service.linking import link_problem
        from lioshell.service.units import is_ours

        kernel = self.lio.kernel
        return Serving(
            self.session.serve,
            lambda subtype: is_ours(kernel, f"{subtype}/"),
            link_problem(kernel.uio),
        )

    def _tell(self, report: Report, text: str, path: str = "") -> None:
        if not report.failures:
            self.out.say(text, "good")
            return
        error = PartialError(
            f"{len(report.failures)} of {report.total} objects could not be restored",
            hint="Mend the causes shown above, then: restoreconfig --retry; "
            "saveconfig keeps them until then.",
            path=path,
        )
        error.details = tuple(
            f"not restored: {one.path}: {one.reason}{f' ({one.hint})' if one.hint else ''}"
            for one in report.failures
        )
        raise error

    @contextlib.contextmanager
    def _progress(self) -> Iterator[Progress | None]:
        """Show how far a long restore is, on a terminal; None elsewhere."""
        out, stderr = self.out, self.session.env.stderr
        if out.form != "text" or out.quiet or not is_terminal(stderr):
            yield None
            return
        from lioshell.render.progress import progress_bar

        with progress_bar(stderr) as show:
            yield show


def _path(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path))
