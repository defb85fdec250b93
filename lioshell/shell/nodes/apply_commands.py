# SPDX-License-Identifier: Apache-2.0
"""The commands `plan` and `apply`: what runs and a saved configuration, compared and made equal."""

from __future__ import annotations

import os

from lioshell.errors import PlanChangesError
from lioshell.shell.nodes.saved_configuration import SAVEFILE, SavedConfigurationNode
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import ClassVar

    from lioshell.config.document import Document
    from lioshell.config.plan import Step
    from lioshell.lio.impact import Impact
    from lioshell.specs import Parameter


class ApplyCommands(SavedConfigurationNode):
    """What the root can do with the difference."""

    command_parameters: ClassVar[dict[str, tuple[Parameter, ...]]] = {
        "plan": (SAVEFILE,),
        "apply": (SAVEFILE,),
    }

    def ui_command_plan(self, savefile: str | None = None) -> None:
        """Show what `apply` would do; the exit code is 10 where that is anything.

        Examples:
            plan
            plan /root/before-change.json
        """
        path, _, steps = self._steps(savefile)
        if not steps and self.out.form == "text":
            self.out.say(f"{path} is what runs already.")
            return
        self.out.table(
            ["ACTION", "PATH", "VALUES"],
            [[step.action, step.path, " ".join(step.fields)] for step in steps],
        )
        if steps:
            raise PlanChangesError(
                f"{len(steps)} change{'' if len(steps) == 1 else 's'}", hint="Do it with: apply"
            )

    def ui_command_apply(self, savefile: str | None = None) -> None:
        """Bring what runs in line with a saved configuration; `plan` shows the steps before.

        What is equal is left alone, and so is what was never in the file. What somebody removed
        from the file since it was last saved or applied is deleted.

        Examples:
            apply
            apply /root/before-change.json
        """
        from lioshell.config.apply import apply

        path, document, steps = self._steps(savefile)
        self.session.consent.require_together(f"apply {path}", self._impacts(steps))
        with self._progress() as progress:
            report = apply(
                self.lio, document, path, steps, serving=self._serving(), progress=progress
            )
        for step in steps:
            self.out.say(str(step))
        self._tell(report, f"{path} is applied." if steps else f"{path} is what runs already.")

    def _steps(self, savefile: str | None) -> tuple[str, Document, list[Step]]:
        from lioshell.config.apply import steps_to
        from lioshell.config.saved_file import read

        path = os.path.abspath(os.path.expanduser(savefile or self.session.saveconfig_path))
        document = read(path, warn=self.out.note)
        return path, document, steps_to(self.lio, document)

    def _impacts(self, steps: list[Step]) -> list[Impact]:
        """Return what the deletions take away, to be asked for before the first of them."""
        from lioshell.config.apply import impact_of

        return [found for step in steps if (found := impact_of(self.lio, step)) is not None]
