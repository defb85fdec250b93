# SPDX-License-Identifier: Apache-2.0
"""Rules of a storage object's attrib/: what a spec describes, and what the kernel adds to it.

drivers/target/target_core_configfs.c (*_store), for user backstores target_core_user.c
(tcmu_*_store). Names, types and defaults are the spec's; here is only what depends on more than
the value.
"""

from __future__ import annotations

import errno
from dataclasses import replace

from lioshell.kernel.sim.rules_backstores import backstore_of
from lioshell.kernel.sim.rules_statistics import show_identity
from lioshell.kernel.sim.rules_wwn import require_unexported, show_reservations
from lioshell.kernel.sim.schema import Attribute, Group, from_parameter
from lioshell.kernel.sim.values import Refused, signed, switch, unsigned
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from lioshell.kernel.sim.schema import Write
    from lioshell.specs import BackstoreSpec, Parameter

_SET_AT_ENABLE = frozenset(
    {
        *("hw_block_size", "block_size", "hw_max_sectors", "optimal_sectors"),
        *("hw_queue_depth", "queue_depth", "is_nonrot", "max_write_same_len"),
        *("max_unmap_lba_count", "max_unmap_block_desc_count"),
        *("unmap_granularity", "unmap_granularity_alignment"),
    }
)
"""Zero until the object is enabled; a spec gives what they are then."""

_ONLY_UNEXPORTED = frozenset(
    {
        *("emulate_model_alias", "emulate_ua_intlck_ctrl", "emulate_tas", "force_pr_aptpl"),
        *("unmap_zeroes_data", "queue_depth", "optimal_sectors", "block_size", "cmd_time_out"),
    }
)
_FILEIO_MAX_BYTES = 8388608
_PRODUCT_MAX = 15
_CONFIG_MAX_BYTES = 255


def attrib_group(spec: BackstoreSpec) -> Group:
    """Return attrib/ of a backstore's storage objects."""
    return Group({p.name: _attribute(spec, p) for p in spec.attributes})


def _attribute(spec: BackstoreSpec, parameter: Parameter) -> Attribute:
    name = parameter.name
    numeric = parameter.type in ("int", "size") and parameter.default is None
    fresh = "0" if name in _SET_AT_ENABLE or numeric else None
    attribute = from_parameter(parameter, fabric=False, text=fresh)
    attribute = replace(attribute, own=name in _SET_AT_ENABLE or numeric)
    if attribute.store is None:
        return attribute
    own = {**_RULES, **_RULES_OF.get(spec.hba_prefix, {})}.get(name)
    return replace(attribute, store=_guarded(name, own, attribute.store))


def _guarded(
    name: str,
    own: Callable[[Write], str | None] | None,
    plain: Callable[[Write], str | None],
) -> Callable[[Write], str | None]:
    """Return a store that asks first whether the object is exported, then the attribute's rule."""

    def store(write: Write) -> str | None:
        if name in _ONLY_UNEXPORTED:
            require_unexported(write)
        if own is not None and (text := own(write)) is not None:
            return text or None
        return plain(write)

    return store


# The rules of single attributes: they return a new text, "" to leave the old one as it is, or None
# for what the attribute's type says.


def _ignored(write: Write) -> str:
    del write
    return ""


def _model_alias(write: Write) -> str:
    flag = switch(write.value)
    name = write.parent.rpartition("/")[2][:_PRODUCT_MAX]
    product = name if flag else backstore_of(write.parent).product
    write.sim.tree.put(f"{write.parent}/wwn/product_id", f"{product}\n")
    show_identity(write.sim, write.parent)
    return f"{int(flag)}\n"


def _needs_unmap(write: Write) -> None:
    """UNMAP wants a backing that can free blocks.

    Before enable the kernel crashes here (fd_configure_unmap, iblock_configure_unmap use what
    enable opens); the simulation refuses.
    """
    tree, attrib = write.sim.tree, write.folder
    if not switch(write.value) or tree.value(f"{attrib}/max_unmap_block_desc_count") != "0":
        return
    values = backstore_of(write.parent).unmap
    if not values:
        raise Refused(errno.ENOSYS)
    if tree.value(f"{write.parent}/enable") != "1":
        raise Refused(errno.EFAULT)
    for name, value in values.items():
        tree.put(f"{attrib}/{name}", f"{value}\n")


def _rest_reord(write: Write) -> None:
    if switch(write.value):
        raise Refused(errno.ENOSYS)


def _pi_prot_type(write: Write) -> str | None:
    number = unsigned(write.value)
    if number == 2:
        raise Refused(errno.ENOSYS)
    if number > 3:
        raise Refused(errno.EINVAL)
    if not backstore_of(write.parent).can_protect:
        if number:
            raise Refused(errno.ENOSYS)
        return ""
    if write.sim.tree.value(f"{write.parent}/enable") != "1":
        raise Refused(errno.ENODEV)
    require_unexported(write)
    write.sim.tree.put(f"{write.folder}/pi_prot_verify", f"{int(number != 0)}\n")
    return None


def _pi_prot_format(write: Write) -> str:
    """Always reads 0; only fileio can format, and only with protection on."""
    if not switch(write.value):
        return ""
    if not write.parent.startswith("core/fileio_"):
        raise Refused(errno.ENOSYS)
    if write.sim.tree.value(f"{write.parent}/enable") != "1":
        raise Refused(errno.ENODEV)
    require_unexported(write)
    if write.read(f"{write.folder}/pi_prot_type") == "0\n":
        raise Refused(errno.ENODEV)
    return ""


def _pi_prot_verify(write: Write) -> str | None:
    without = write.read(f"{write.folder}/pi_prot_type") == "0\n"
    return "" if switch(write.value) and without else None


def _queue_depth(write: Write) -> str:
    from lioshell.kernel.sim.rules_device import show_info

    number = unsigned(write.value)
    tree = write.sim.tree
    most = max(int(tree.value(write.path)), int(tree.value(f"{write.folder}/hw_queue_depth")))
    if not 0 < number <= most:
        raise Refused(errno.EINVAL)
    tree.change_state(write.parent, queue_depth=number)
    show_info(write.sim, write.parent)
    return f"{number}\n"


def _optimal_sectors(write: Write) -> None:
    if unsigned(write.value) > int(write.read(f"{write.folder}/hw_max_sectors")):
        raise Refused(errno.EINVAL)


def _block_size(write: Write) -> str:
    from lioshell.kernel.sim.rules_device import show_info

    number = unsigned(write.value)
    if number not in (512, 1024, 2048, 4096):
        raise Refused(errno.EINVAL)
    tree, device = write.sim.tree, write.parent
    tree.put(write.path, f"{number}\n")
    if device.startswith("core/fileio_") and tree.value(f"{device}/enable") == "1":
        tree.put(f"{write.folder}/hw_max_sectors", f"{_FILEIO_MAX_BYTES // number}\n")
    show_info(write.sim, device)
    return f"{number}\n"


def _fixed(write: Write) -> str:
    """alua_support and pgr_support take only what they are, but for user backstores."""
    if switch(write.value) != (write.read(write.path) == "1\n"):
        raise Refused(errno.ENOSYS)
    return ""


def _emulate_pr(write: Write) -> None:
    passthrough = write.read(f"{write.folder}/pgr_support") == "0\n"
    emulated = switch(write.value)
    show_reservations(write.sim, write.parent, emulated=emulated, passthrough=passthrough)


def _user_pgr_support(write: Write) -> None:
    emulated = write.read(f"{write.folder}/emulate_pr") == "1\n"
    passthrough = not switch(write.value)
    show_reservations(write.sim, write.parent, emulated=emulated, passthrough=passthrough)


def _require_listener(write: Write) -> None:
    """A change of an enabled user object goes to its handler over netlink; nobody listens here."""
    if write.sim.tree.value(f"{write.parent}/enable") == "1":
        raise Refused(errno.ESRCH)


def _no_write_cache(write: Write) -> None:
    if switch(write.value):
        raise Refused(errno.EINVAL)


def _user_write_cache(write: Write) -> str:
    number = unsigned(write.value, 8)
    _require_listener(write)
    return f"{number}\n"


def _user_config(write: Write) -> str:
    from lioshell.kernel.sim.rules_device import show_info

    if len(write.value.encode()) > _CONFIG_MAX_BYTES:
        raise Refused(errno.EINVAL)
    _require_listener(write)
    write.sim.tree.put(write.path, f"{write.value}\n")
    show_info(write.sim, write.parent)
    return f"{write.value}\n"


def _user_size(write: Write) -> str:
    from lioshell.kernel.sim.rules_device import show_info

    number = unsigned(write.value, 64)
    _require_listener(write)
    write.sim.tree.put(write.path, f"{number}\n")
    show_info(write.sim, write.parent)
    return f"{number}\n"


def _flag_byte(write: Write) -> str:
    number = unsigned(write.value, 8)
    if number > 1:
        raise Refused(errno.EINVAL)
    return f"{number}\n"


_RULES: dict[str, Callable[[Write], str | None]] = {
    "emulate_dpo": _ignored,
    "emulate_fua_read": _ignored,
    "emulate_model_alias": _model_alias,
    "emulate_tpu": _needs_unmap,
    "emulate_tpws": _needs_unmap,
    "unmap_zeroes_data": _needs_unmap,
    "emulate_rest_reord": _rest_reord,
    "emulate_pr": _emulate_pr,
    "pi_prot_type": _pi_prot_type,
    "pi_prot_format": _pi_prot_format,
    "pi_prot_verify": _pi_prot_verify,
    "queue_depth": _queue_depth,
    "optimal_sectors": _optimal_sectors,
    "block_size": _block_size,
    "alua_support": _fixed,
    "pgr_support": _fixed,
}
_RULES_OF: dict[str, dict[str, Callable[[Write], str | None]]] = {
    "iblock": {"emulate_write_cache": _no_write_cache},
    "user": {
        "alua_support": lambda _write: None,
        "pgr_support": _user_pgr_support,
        "emulate_write_cache": _user_write_cache,
        "dev_config": _user_config,
        "dev_size": _user_size,
        "tmr_notification": _flag_byte,
        "nl_reply_supported": lambda write: f"{signed(write.value, 8)}\n",
    },
}
