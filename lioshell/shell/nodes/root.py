# SPDX-License-Identifier: Apache-2.0
"""/ : the backstores, the fabrics, and what concerns the whole configuration."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, ClassVar

from lioshell.errors import NotFoundError, PartialError, SpecError, UsageError
from lioshell.lio.fabrics import Fabric
from lioshell.shell.nodes.export_command import ExportCommands
from lioshell.shell.nodes.fabric_command import FabricCommand
from lioshell.shell.nodes.sessions_command import SessionsCommand
from lioshell.shell.nodes.specs_command import SpecsCommand
from lioshell.shell.values import boolean
from lioshell.specs import Parameter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lioshell.lio.sessions import Login
    from lioshell.shell.node import Node


_SAVEFILE = Parameter("savefile", "path", "The file; that of the boot, when not given")


class RootNode(SpecsCommand, SessionsCommand, ExportCommands, FabricCommand):
    """The root of the tree."""

    command_parameters: ClassVar[dict[str, tuple[Parameter, ...]]] = {
        "saveconfig": (_SAVEFILE,),
        "restoreconfig": (
            _SAVEFILE,
            Parameter("clear_existing", "bool", "Remove everything first", default="false"),
        ),
        "clearconfig": (Parameter("confirm", "bool", "Mean it", default="false"),),
    }

    def child_names(self) -> list[str]:
        """List backstores first, then the fabrics that this machine has something for."""
        names = self.lio.specs.fabric_names()
        return ["backstores", *(name for name in names if self._is_listed(name))]

    def _is_listed(self, fabric: str) -> bool:
        try:
            return Fabric(self.lio, self.lio.specs.fabric(fabric)).is_listed
        except SpecError:
            # Its node says what is wrong with it.
            return True

    def aliases(self) -> dict[str, str]:
        """Return the older names of fabrics, and those that are not listed."""
        return self.lio.specs.fabric_words()

    def child(self, name: str) -> Node | None:
        """Return backstores or a fabric."""
        if name == "backstores":
            from lioshell.shell.nodes.backstores import BackstoresNode

            return BackstoresNode(name, self, self.session)
        from lioshell.shell.nodes.fabric import FabricNode

        with contextlib.suppress(NotFoundError):  # no fabric, and no node either
            return FabricNode(self, self.session, self.lio.specs.fabric(name))
        return None

    def ui_command_saveconfig(self, savefile: str | None = None) -> None:
        """Save the running configuration, so that it can be restored at boot.

        SAVEFILE is targetcli's JSON; the default is the file that is restored at boot.

        Examples:
            saveconfig
            saveconfig /root/before-change.json
        """
        from lioshell.config.save import save
        from lioshell.config.unsaved import unsaved

        path = os.path.abspath(savefile or self.session.saveconfig_path)
        if self.lio.dry_run:
            self.out.say(f"The configuration would be saved to {path}")
            return
        changed = save(self.lio, path, force=self.session.assume_yes)
        for line in unsaved(self.lio):
            self.out.note(f"not saved: {line}", "error")
        if path == os.path.abspath(self.session.saveconfig_path):
            self.session.changed = False
        if not changed:
            self.out.say(f"Nothing has changed since {path} was written.")
        else:
            self.out.say(f"Configuration saved to {path}", "good")

    def ui_command_restoreconfig(
        self, savefile: str | None = None, clear_existing: str = "false"
    ) -> None:
        """Restore a saved configuration; what exists already is left as it is and reported.

        With clear_existing=true everything is removed first.

        Examples:
            restoreconfig
            restoreconfig /root/before-change.json clear_existing=true
        """
        from lioshell.config.restore import restore
        from lioshell.config.saved_file import read

        path = savefile or self.session.saveconfig_path
        document = read(path)
        if boolean(clear_existing, "clear_existing"):
            from lioshell.lio import impact
            from lioshell.lio.clearing import clear

            self.session.before_removal(impact.of_everything(self.lio, "restoreconfig"))
            clear(self.lio)
        report = restore(self.lio, document, path, serve=self.session.serve)
        if report.failures:
            error = PartialError(
                f"{len(report.failures)} of {report.total} objects could not be restored",
                hint="Mend the causes shown above, then restore again; "
                "saveconfig refuses to forget them until then.",
                path=path,
            )
            error.details = tuple(f"not restored: {f.path}: {f.reason}" for f in report.failures)
            raise error
        self.out.say(f"Configuration restored from {path}", "good")

    def ui_command_clearconfig(self, confirm: str = "false") -> None:
        """Remove all targets, LUNs and storage objects; saved files are left as they are.

        It wants confirm=True, or the option --yes. Files and devices keep their data; that of
        ramdisks is gone.

        Examples:
            clearconfig confirm=True
        """
        from lioshell.lio import impact
        from lioshell.lio.clearing import clear

        if not boolean(confirm, "confirm") and not self.session.assume_yes:
            raise UsageError(
                "clearconfig removes all targets and storage objects",
                hint="Say that you mean it: clearconfig confirm=True",
            )
        self.session.before_removal(impact.of_everything(self.lio, "clearconfig"))
        clear(self.lio)
        self.out.say("All configuration cleared", "good")

    def logins(self) -> Iterable[Login]:
        """Return the sessions of all targets."""
        from lioshell.lio.sessions import all_logins

        return all_logins(self.lio)

    def ui_command_version(self) -> None:
        """Show the version of lioshell and of the kernel's target.

        Examples:
            version
        """
        from lioshell import __version__

        configfs = self.lio.configfs
        kernel = configfs.read("version") if configfs.exists("version") else "not loaded"
        self.out.fields({"lioshell": __version__, "kernel": kernel})
