# SPDX-License-Identifier: Apache-2.0
"""The C sources of a fabric module's skeleton, in the four files that such modules have."""

from __future__ import annotations

from lioshell.fabricgen.callbacks import IN_CONFIGFS, chosen, filled, head, text_of
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from lioshell.fabricgen.headers import Callback, FabricOps
    from lioshell.fabricgen.names import ModuleName
    from lioshell.fabricgen.protocols import Protocol

_SPDX = "SPDX-License-Identifier: GPL-2.0"

_BASE = """\
#ifndef @GUARD@_BASE_H
#define @GUARD@_BASE_H

#include <target/target_core_base.h>

/* An initiator that an ACL names. */
struct @F@_nacl {
	/* First: the core allocates the whole and takes it for its own part. */
	struct se_node_acl se_nacl;
	/* The initiator's port name as a number, 0 where it is a text only. */
	u64 @I@_wwn;
};

/* A target: one port of the fabric. */
struct @F@_@P@ {
	/* The target's port name as a number, 0 where it is a text only. */
	u64 wwn;
	/* The name as it was given to mkdir. */
	char name[TRANSPORT_IQN_LEN];
	struct se_wwn se_wwn;
};

/* A target portal group. */
struct @F@_tpg {
	/* The N of tpgt_N. */
	u16 tag;
	bool enabled;
	struct @F@_@P@ *@P@;
	struct se_portal_group se_tpg;
};

#endif /* @GUARD@_BASE_H */
"""

_FABRIC = """\
/*
 * What the target core asks of the fabric. Nothing here moves data yet:
 * submit commands with target_submit_cmd(), and answer them in the
 * queue_*() functions.
 */
#include <linux/kernel.h>
#include <linux/types.h>

#include <target/target_core_base.h>
#include <target/target_core_fabric.h>

#include "@M@_base.h"
#include "@M@_fabric.h"
"""

_CONFIGFS = """\
/*
 * What mkdir, rmdir and the registration of the fabric do below
 * /sys/kernel/config/target/@F@/.
 */
#include <linux/module.h>
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/err.h>
#include <scsi/scsi_proto.h>

#include <target/target_core_base.h>
#include <target/target_core_fabric.h>

#include "@M@_base.h"
#include "@M@_fabric.h"

/* A port or an initiator: @EXAMPLE@ */
static int @F@_parse_name(const char *name, u64 *value)
{
@PARSE@}
"""

_REGISTER = """\
static int __init @F@_init(void)
{
	return target_register_template(&@F@_ops);
}

static void __exit @F@_exit(void)
{
	target_unregister_template(&@F@_ops);
}

MODULE_DESCRIPTION("@F@: a fabric module of the kernel's SCSI target");
MODULE_LICENSE("GPL");
module_init(@F@_init);
module_exit(@F@_exit);
"""


def sources(name: ModuleName, protocol: Protocol, ops: FabricOps) -> dict[str, str]:
    """Return file name -> C text for the headers that `ops` was read from.

    Raises HostError where those declare a callback in a form that is not known.
    """
    callbacks, left_out = chosen(ops, protocol)
    words = {
        "F": name.fabric,
        "M": name.module,
        "GUARD": name.option,
        "P": protocol.port,
        "I": protocol.init,
        "PROTOCOL": protocol.identifier,
        "EXAMPLE": protocol.example,
        "PARSE": protocol.parse,
    }
    in_fabric = [c for c in callbacks if c.name not in IN_CONFIGFS]
    in_configfs = [c for c in callbacks if c.name in IN_CONFIGFS]
    fabric = [filled(_FABRIC, words), *(text_of(c, words) for c in in_fabric)]
    configfs = [
        filled(_CONFIGFS, words),
        *(text_of(c, words, "static ") for c in in_configfs),
        _operations(callbacks, left_out, ops, words),
        filled(_REGISTER, words),
    ]
    return {
        f"{name.module}_base.h": f"/* {_SPDX} */\n{filled(_BASE, words)}",
        f"{name.module}_fabric.h": _declarations(in_fabric, words),
        f"{name.module}_fabric.c": f"// {_SPDX}\n" + "\n".join(fabric),
        f"{name.module}_configfs.c": f"// {_SPDX}\n" + "\n".join(configfs),
    }


def _declarations(callbacks: list[Callback], words: dict[str, str]) -> str:
    guard = f"{words['GUARD']}_FABRIC_H"
    heads = "".join(f"{head(c, words['F'])};\n" for c in callbacks)
    return (
        f"/* {_SPDX} */\n#ifndef {guard}\n#define {guard}\n\n#include <linux/types.h>\n\n"
        "struct se_cmd;\nstruct se_node_acl;\nstruct se_portal_group;\nstruct se_session;\n\n"
        f"{heads}\n#endif /* {guard} */\n"
    )


def _operations(
    callbacks: list[Callback], left_out: list[str], ops: FabricOps, words: dict[str, str]
) -> str:
    """Return the table of callbacks, with a comment on those that the skeleton leaves out."""
    fabric = words["F"]
    entries = [("module", "THIS_MODULE")]
    # Kernels before 5.2 have the folder's name in `name`, and a function for the fabric's.
    entries.append(("fabric_name" if "fabric_name" in ops.members else "name", f'"{fabric}"'))
    if "node_acl_size" in ops.members:
        entries.append(("node_acl_size", f"sizeof(struct {fabric}_nacl)"))
    entries += [(c.name, f"{fabric}_{c.name}") for c in callbacks]
    width = max(len(name) for name, _ in entries) + 1
    lines = []
    for name, value in entries:
        tabs = "\t" * ((width // 8 + 1) - len(f".{name}") // 8)
        lines.append(f"\t.{name}{tabs}= {value},\n")
    note = ""
    if left_out:
        wrapped = _wrapped(left_out)
        note = f"/*\n * Not used here, each of them may be added:\n{wrapped} */\n"
    table = f"static const struct target_core_fabric_ops {fabric}_ops = {{\n"
    return f"{note}{table}{''.join(lines)}}};\n"


def _wrapped(names: list[str]) -> str:
    import textwrap

    lines = textwrap.wrap(", ".join(names), 70)
    return "".join(f" *   {line}\n" for line in lines)
