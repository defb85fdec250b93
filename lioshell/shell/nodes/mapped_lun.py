# SPDX-License-Identifier: Apache-2.0
""".../acls/INITIATOR/mapped_lunN: a LUN as one initiator sees it."""

from __future__ import annotations

from lioshell.errors import KernelError
from lioshell.shell.common_commands import ShellNode
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from lioshell.lio.acls import MappedLun
    from lioshell.shell.node import Node
    from lioshell.shell.session import Session


class MappedLunNode(ShellNode):
    """A LUN as one initiator sees it."""

    def __init__(self, parent: Node, session: Session, mapped: MappedLun) -> None:
        super().__init__(f"mapped_lun{mapped.index}", parent, session)
        self.mapped = mapped

    def summary(self) -> tuple[str, bool | None]:
        """Return the TPG's LUN, what it exports, and whether it can be written."""
        try:
            lun = self.mapped.tpg_lun
            storage_object = None if lun is None else lun.storage_object
            if lun is None or storage_object is None:
                return ("BROKEN LUN LINK", False)
            access = "ro" if self.mapped.write_protect else "rw"
        except KernelError as error:
            return (f"unreadable: {error}", False)
        return (f"lun{lun.index} {storage_object.plugin}/{storage_object.name} ({access})", True)

    def ui_command_info(self) -> None:
        """Show what this mapped LUN is.

        Examples:
            info
        """
        lun = self.mapped.tpg_lun
        self.out.fields(
            {
                "mapped_lun": self.mapped.index,
                "tpg_lun": None if lun is None else lun.index,
                "write_protect": self.mapped.write_protect,
                "alias": self.mapped.alias,
            }
        )
