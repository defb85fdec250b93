# SPDX-License-Identifier: Apache-2.0
"""ALUA: the target port groups of a storage object, and which of them a LUN is in.

core/<hba>/<name>/alua/<group>/ (drivers/target/target_core_configfs.c, target_tg_pt_gp_*;
target_core_alua.c; SPC-6 5.18). The kernel shows some attributes in words, and takes numbers.
"""

from __future__ import annotations

from functools import partial

from lioshell.errors import ConflictError, NotFoundError, UsageError
from lioshell.lio.backstores import DEFAULT_ALUA_GROUP
from lioshell.lio.groups import ParameterGroup
from lioshell.lio.luns import Lun, group_in
from lioshell.specs import Parameter
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lioshell.lio.backstores import StorageObject
    from lioshell.lio.root import Lio
    from lioshell.lio.transaction import Transaction

ALUA_WORDS = {
    "alua_access_type": ("None", "Implicit", "Explicit", "Implicit and Explicit"),
    "alua_access_status": ("None", "Altered by Explicit STPG", "Altered by Implicit ALUA"),
}
"""Attribute -> the word of each number (drivers/target/target_core_alua.c,
core_alua_show_access_type and core_alua_dump_status)."""

STATES = {
    0: "Active/optimized",
    1: "Active/non-optimized",
    2: "Standby",
    3: "Unavailable",
    4: "LBA dependent",
    14: "Offline",
    15: "Transitioning",
}
_STATE_HELP = ", ".join(f"{number} {word.lower()}" for number, word in STATES.items())
_SUPPORTED = {
    "offline": "offline",
    "standby": "standby",
    "transitioning": "transitioning",
    "active_nonoptimized": "active/non-optimized",
    "unavailable": "unavailable",
    "active_optimized": "active/optimized",
    "lba_dependent": "LBA dependent",
}
_PARAMETERS = (
    Parameter("alua_access_state", "int", _STATE_HELP, minimum=0, maximum=15),
    Parameter("alua_access_status", "int", "0 none, 1 altered by STPG, 2 altered implicitly"),
    Parameter("alua_access_type", "int", "0 none, 1 implicit, 2 explicit, 3 implicit and explicit"),
    Parameter("alua_write_metadata", "bool", "Keep the state in files, over a reboot"),
    Parameter("preferred", "bool", "Initiators should prefer the paths of this group"),
    Parameter("nonop_delay_msecs", "int", "Milliseconds that a command waits in state 1"),
    Parameter("trans_delay_msecs", "int", "Milliseconds that a change of state takes"),
    Parameter("implicit_trans_secs", "int", "Seconds that initiators may wait for such a change"),
    *(
        Parameter(f"alua_support_{name}", "bool", f"The state {words} can be taken")
        for name, words in _SUPPORTED.items()
    ),
    Parameter("tg_pt_gp_id", "int", "The group's number, 1 to 65535", writable=False),
    Parameter("members", "string", "The LUNs in this group", writable=False),
)
_LUN_PARAMETERS = (
    Parameter("alua_tg_pt_gp_name", "string", "The LUN's ALUA group, one of its storage object"),
    Parameter("alua_tg_pt_offline", "bool", "The LUN's port is offline, whatever its group says"),
    Parameter("alua_tg_pt_status", "int", "0 none, 1 altered by STPG, 2 altered implicitly"),
    Parameter("alua_tg_pt_write_md", "bool", "Keep offline and status in a file, over a reboot"),
)
_MAX_TAG = 65535
_MAX_NAME_BYTES = 255


class AluaGroup(ParameterGroup):
    """One target port group, with its parameters."""

    def __init__(self, lio: Lio, device_path: str, name: str) -> None:
        super().__init__(lio, "alua", f"{device_path}/alua/{name}", _PARAMETERS)
        self.group_name = name

    @property
    def state(self) -> str:
        """The access state in words."""
        text = self.get("alua_access_state")
        return STATES.get(int(text), text) if text.isdigit() else text

    def is_writable(self, name: str) -> bool:
        """Tell whether a parameter can be changed; the number only once, which `create` does."""
        declared = self.declared.get(name)
        return (declared is None or declared.writable) and super().is_writable(name)

    def shown(self, name: str, text: str) -> str:
        """Return the number of what the kernel shows in words; the members in one line."""
        if name == "members":
            return " ".join(text.replace("\0", "\n").split())
        words = ALUA_WORDS.get(name, ())
        return str(words.index(text)) if text in words else text


class LunAluaGroup(ParameterGroup):
    """The ALUA parameters of a LUN: its group, and whether its port is offline."""

    def __init__(self, lio: Lio, lun: Lun) -> None:
        super().__init__(lio, "alua", lun.path, _LUN_PARAMETERS)
        self._lun = lun
        self._files = {"alua_tg_pt_gp_name": "alua_tg_pt_gp"}

    def names(self) -> list[str]:
        """Return the parameters that this LUN's storage object has."""
        names = (parameter.name for parameter in _LUN_PARAMETERS)
        return [name for name in names if self.lio.configfs.exists(self.file_of(name))]

    def has(self, name: str) -> bool:
        """Tell whether there is such a parameter: the folder's other files are none."""
        return name in self.declared and super().has(name)

    def shown(self, name: str, text: str) -> str:
        """Return the group's name out of all that the kernel tells of it."""
        return group_in(text) or DEFAULT_ALUA_GROUP if name == "alua_tg_pt_gp_name" else text

    def _checked(self, name: str, value: str) -> str:
        text = super()._checked(name, value)
        if name == "alua_tg_pt_gp_name":
            device_path = self._lun.storage_object_path
            if device_path is None or text not in group_names(self.lio, device_path):
                raise NotFoundError(
                    f"The storage object of this LUN has no ALUA group {value}",
                    hint="Make it with: alua/ create NAME TAG, at the storage object.",
                )
        return text


def group_names(lio: Lio, device_path: str) -> list[str]:
    """Return the names of all groups of a storage object, unsorted."""
    folder = f"{device_path}/alua"
    return lio.configfs.folders(folder) if lio.configfs.is_dir(folder) else []


def create_group(storage_object: StorageObject, name: str, tag: int) -> AluaGroup:
    """Make a target port group; raises UsageError, ConflictError."""
    lio = storage_object.lio
    bad = next((c for c in name if c == "/" or c.isspace() or not c.isprintable()), None)
    if not name or bad is not None or len(name.encode()) > _MAX_NAME_BYTES:
        raise UsageError(f"{name!r} is no name for an ALUA group", hint="As in: create ao 10")
    if not 1 <= tag <= _MAX_TAG:
        raise UsageError(f"{tag} is no ALUA group number", hint=f"Give 1 to {_MAX_TAG}.")
    groups = {each: AluaGroup(lio, storage_object.path, each) for each in _names(storage_object)}
    if name in groups:
        raise ConflictError(f"The ALUA group {name} exists already", hint="Choose another name.")
    for each, group in groups.items():
        if group.get("tg_pt_gp_id") == str(tag):
            raise ConflictError(f"{tag} is the ALUA group {each} already", hint="Choose another.")
    made = AluaGroup(lio, storage_object.path, name)
    with lio.transaction() as steps:
        steps.mkdir(made.folder)
        steps.write(f"{made.folder}/tg_pt_gp_id", str(tag))
    return made


def delete_group(storage_object: StorageObject, name: str) -> None:
    """Remove a target port group; its LUNs are in the default one then.

    Raises NotFoundError, and UsageError for the default one.
    """
    lio = storage_object.lio
    if name not in _names(storage_object):
        raise NotFoundError(
            f"{storage_object.tree_path} has no ALUA group {name}", hint="See them with: ls"
        )
    if name == DEFAULT_ALUA_GROUP:
        raise UsageError("The default ALUA group cannot be deleted", hint="It stays.")
    luns = [lun for lun in _luns_of(storage_object) if lun.alua_group == name]
    with lio.transaction() as steps:
        # On failure, when the group is there again.
        for lun in luns:
            steps.on_failure(f"join {name}", partial(lun.join_alua_group, name))
        remove_group(steps, AluaGroup(lio, storage_object.path, name))


def remove_group(steps: Transaction, group: AluaGroup) -> None:
    """Remove a target port group as a part of a transaction; undone, it has its number again."""
    number = group.get("tg_pt_gp_id")
    group.keep(steps)
    if number:
        steps.on_failure(f"restore {group.folder}", partial(_number_again, group, number))
    steps.rmdir(group.folder)


def _number_again(group: AluaGroup, number: str) -> None:
    """Give a group that was made again its number, which can be set once.

    target_core_alua.c, core_alua_set_tg_pt_gp_id; a group that was never removed has it.
    """
    if group.get("tg_pt_gp_id") != number:
        group.lio.configfs.write(f"{group.folder}/tg_pt_gp_id", number)


def _luns_of(storage_object: StorageObject) -> Iterator[Lun]:
    for path in storage_object.users():
        tpg_path, _, name = path.rpartition("/lun/")
        yield Lun(storage_object.lio, tpg_path, int(name.removeprefix("lun_")))


def _names(storage_object: StorageObject) -> list[str]:
    return group_names(storage_object.lio, storage_object.path)
