# SPDX-License-Identifier: Apache-2.0
"""The callbacks that a skeleton has, as C: what a fabric has to answer before it moves any data.

Each is written for the parameters that the kernel declares today or did since 4.1; headers that
declare another form are refused, because a guess would compile and be wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

from lioshell.errors import HostError
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from lioshell.fabricgen.headers import Callback, FabricOps
    from lioshell.fabricgen.protocols import Protocol

_TPG = "struct se_portal_group *"
_CMD = "struct se_cmd *"
_SESS = "struct se_session *"
_NACL = "struct se_node_acl *"
_WWN = "struct se_wwn *"

_NAMES = {
    _TPG: "se_tpg",
    _CMD: "se_cmd",
    _SESS: "se_sess",
    _NACL: "se_nacl",
    _WWN: "wwn",
    "struct target_fabric_configfs *": "tf",
    "struct config_group *": "group",
    "const char *": "name",
    "unsigned char *": "buf",
    "u32": "size",
    "bool": "enable",
}
"""What a parameter of a type is called in the skeleton."""

_OF_TPG = """\
	struct @F@_tpg *tpg = container_of(se_tpg, struct @F@_tpg, se_tpg);

"""


@dataclass(frozen=True, slots=True)
class Body:
    """The C of a callback: its parameters, its text, and what a reader has to know of it."""

    parameters: tuple[str, ...]
    text: str
    comment: str = ""


_NOTHING = ""
_ZERO = "\treturn 0;\n"

BODIES: dict[str, Body] = {
    "get_fabric_name": Body(("void",), '\treturn "@F@";\n'),
    "tpg_get_wwn": Body((_TPG,), _OF_TPG + "\treturn tpg->@P@->name;\n"),
    "tpg_get_tag": Body((_TPG,), _OF_TPG + "\treturn tpg->tag;\n", "The N of tpgt_N."),
    "tpg_get_default_depth": Body((_TPG,), "\treturn 1;\n", "Commands of one initiator at once."),
    "tpg_check_demo_mode": Body((_TPG,), _ZERO, "Initiators without an ACL are not let in."),
    "tpg_check_demo_mode_cache": Body((_TPG,), _ZERO),
    "tpg_check_demo_mode_write_protect": Body((_TPG,), _ZERO),
    "tpg_check_prod_mode_write_protect": Body((_TPG,), _ZERO),
    "tpg_get_inst_index": Body((_TPG,), "\treturn 1;\n"),
    "check_stop_free": Body(
        (_CMD,),
        "\treturn transport_generic_free_cmd(se_cmd, 0);\n",
        "The core is done with a command; 1 says that it is freed.",
    ),
    "release_cmd": Body((_CMD,), _NOTHING, "Free what the fabric allocated around the command."),
    "shutdown_session": Body((_SESS,), _ZERO),
    "close_session": Body((_SESS,), _NOTHING),
    "sess_get_index": Body((_SESS,), _ZERO),
    "sess_get_initiator_sid": Body(
        (_SESS, "unsigned char *", "u32"), _ZERO, "The ISID of the session (RFC 7143)."
    ),
    "write_pending": Body(
        (_CMD,), _ZERO, "Fetch the data of a write, then call target_execute_cmd()."
    ),
    "write_pending_status": Body((_CMD,), _ZERO),
    "set_default_node_attributes": Body((_NACL,), _NOTHING),
    "get_task_tag": Body((_CMD,), _ZERO),
    "get_cmd_state": Body((_CMD,), _ZERO),
    "queue_data_in": Body((_CMD,), _ZERO, "Send the data of a read and its status."),
    "queue_status": Body((_CMD,), _ZERO, "Send the status of a command without data."),
    "queue_tm_rsp": Body((_CMD,), _NOTHING, "Send the answer to a task management request."),
    "aborted_task": Body((_CMD,), _NOTHING),
    "fabric_make_wwn": Body(
        ("struct target_fabric_configfs *", "struct config_group *", "const char *"),
        """\
	struct @F@_@P@ *@P@;
	u64 wwn;

	if (@F@_parse_name(name, &wwn))
		return ERR_PTR(-EINVAL);
	@P@ = kzalloc(sizeof(*@P@), GFP_KERNEL);
	if (!@P@)
		return ERR_PTR(-ENOMEM);
	@P@->wwn = wwn;
	strscpy(@P@->name, name, sizeof(@P@->name));
	return &@P@->se_wwn;
""",
        "mkdir of a target.",
    ),
    "fabric_drop_wwn": Body(
        (_WWN,), "\tkfree(container_of(wwn, struct @F@_@P@, se_wwn));\n", "rmdir of a target."
    ),
    "fabric_make_tpg": Body(
        (_WWN, "const char *"),
        """\
	struct @F@_@P@ *@P@ = container_of(wwn, struct @F@_@P@, se_wwn);
	struct @F@_tpg *tpg;
	u16 tag;
	int ret;

	if (strncmp(name, "tpgt_", 5) || kstrtou16(name + 5, 10, &tag))
		return ERR_PTR(-EINVAL);
	tpg = kzalloc(sizeof(*tpg), GFP_KERNEL);
	if (!tpg)
		return ERR_PTR(-ENOMEM);
	tpg->@P@ = @P@;
	tpg->tag = tag;
	ret = core_tpg_register(wwn, &tpg->se_tpg, @PROTOCOL@);
	if (ret) {
		kfree(tpg);
		return ERR_PTR(ret);
	}
	return &tpg->se_tpg;
""",
        "mkdir of a target portal group.",
    ),
    "fabric_enable_tpg": Body(
        (_TPG, "bool"),
        _OF_TPG + "\ttpg->enabled = enable;\n\treturn 0;\n",
        "Start or stop to answer initiators.",
    ),
    "fabric_drop_tpg": Body(
        (_TPG,),
        _OF_TPG + "\tcore_tpg_deregister(se_tpg);\n\tkfree(tpg);\n",
        "rmdir of a target portal group.",
    ),
    "fabric_init_nodeacl": Body(
        (_NACL, "const char *"),
        """\
	struct @F@_nacl *nacl = container_of(se_nacl, struct @F@_nacl, se_nacl);

	return @F@_parse_name(name, &nacl->@I@_wwn);
""",
        "mkdir of an ACL: its name has to be an initiator's.",
    ),
}

IN_CONFIGFS = (
    *("fabric_make_wwn", "fabric_drop_wwn", "fabric_make_tpg", "fabric_enable_tpg"),
    *("fabric_drop_tpg", "fabric_init_nodeacl"),
)
"""What stands in the file of configfs; the other callbacks stand in the file of the fabric."""

_OLD_FORMS = {
    "fabric_make_tpg": (_WWN, "struct config_group *", "const char *"),
}
"""Parameters that a callback had in earlier kernels, of the same meaning."""


def chosen(ops: FabricOps, protocol: Protocol) -> tuple[list[Callback], list[str]]:
    """Return the callbacks of a skeleton, and the names of those that it leaves out.

    Raises HostError where the headers declare one in another form than the skeleton's.
    """
    taken, left_out = [], []
    for callback in ops.callbacks:
        body = BODIES.get(callback.name)
        if body is None or (
            callback.name == "sess_get_initiator_sid" and not protocol.initiator_sid
        ):
            left_out.append(callback.name)
            continue
        if callback.parameters not in (body.parameters, _OLD_FORMS.get(callback.name)):
            raise HostError(
                f"{ops.path} declares {callback.name}({', '.join(callback.parameters)}), which is "
                f"not the form that is known: ({', '.join(body.parameters)})",
                hint="Give the headers of another kernel: headers=FOLDER",
                path=ops.path,
            )
        taken.append(callback)
    return taken, left_out


def head(callback: Callback, fabric: str, storage: str = "") -> str:
    """Return the head of a function in the kernel's style, its lines at most 80 columns wide."""
    returns = callback.returns if callback.returns.endswith("*") else f"{callback.returns} "
    start = f"{storage}{returns}{fabric}_{callback.name}("
    parameters = [_named(kind) for kind in callback.parameters]
    one_line = f"{start}{', '.join(parameters)})"
    if len(one_line) <= 80:
        return one_line
    # A tab is eight columns, and alignment below the bracket is the kernel's way.
    indent = "\t" * (len(start) // 8) + " " * (len(start) % 8)
    return start + f",\n{indent}".join(parameters) + ")"


def _named(kind: str) -> str:
    if kind == "void":
        return kind
    return kind + _NAMES[kind] if kind.endswith("*") else f"{kind} {_NAMES[kind]}"


def text_of(callback: Callback, module: dict[str, str], storage: str = "") -> str:
    """Return a whole function of C; `module` has what stands for each @WORD@."""
    body = BODIES[callback.name]
    comment = f"/* {body.comment} */\n" if body.comment else ""
    text = f"{comment}{head(callback, module['F'], storage)}\n{{\n{body.text}}}\n"
    return filled(text, module)


def filled(text: str, module: dict[str, str]) -> str:
    """Put the module's words in the place of each @WORD@."""
    for word, value in module.items():
        text = text.replace(f"@{word}@", value)
    return text
