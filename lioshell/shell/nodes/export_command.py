# SPDX-License-Identifier: Apache-2.0
"""The commands `export` and `unexport`: their words, and what the initiator has to type."""

from __future__ import annotations

import os

from lioshell.errors import LioshellError, UsageError
from lioshell.shell.common_commands import ShellNode
from lioshell.shell.option_words import taken_apart
from lioshell.shell.values import boolean, number
from lioshell.specs import Parameter
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import ClassVar

    from lioshell.lio.export import Export, Login
    from lioshell.shell.session import Session

EXPORT_PARAMETERS = (
    Parameter("file_or_dev", "path", "The file or block device to export", required=True),
    Parameter("portal", "string", "ADDRESS or ADDRESS:PORT to listen on; all, when not given"),
    Parameter("iqn", "string", "The target's name; of host and file, when not given"),
    Parameter("initiator", "string", "An initiator to let in; may be given several times"),
    Parameter("chap", "string", "The user that initiators give; the password is asked for"),
    Parameter("chap_password_file", "path", "A file with the password, not to be asked for it"),
    Parameter("demo", "bool", "Let anybody read and write", "false"),
)
UNEXPORT_PARAMETERS = (
    Parameter("file_or_dev", "path", "The file, the block device or the IQN", required=True),
)
_SHORT = {"p": "portal"}
_WILDCARDS = ("::0", "0.0.0.0")  # noqa: S104  # names of portals, no socket of ours
_DEFAULT_PORT = 3260


class ExportCommands(ShellNode):
    """What a node needs to have the commands."""

    command_parameters: ClassVar[dict[str, tuple[Parameter, ...]]] = {
        "export": EXPORT_PARAMETERS,
        "unexport": UNEXPORT_PARAMETERS,
    }

    def ui_command_export(self, *words: str, **options: str) -> None:
        """Export a file or block device as an iSCSI target: `export FILE [-p PORTAL]`.

        Makes what is missing of it, so that a second call changes nothing. Nobody is let in but
        whom --initiator names, who knows the password (--chap), or anybody (--demo).

        Examples:
            export /srv/disk.img --initiator iqn.1994-05.com.redhat:client1
            export /srv/disk.img -p 127.0.0.1:3260 --iqn iqn.2003-01.com.example:disk.img
        """
        export(self.session, words, options)

    def ui_command_unexport(self, *words: str, **options: str) -> None:
        """Undo `export`: the target and the storage object go, the file or device stays.

        Examples:
            unexport /srv/disk.img
            unexport iqn.2003-01.com.example:disk.img
        """
        unexport(self.session, words, options)


def export(session: Session, words: tuple[str, ...], named: dict[str, str]) -> None:
    """Run `export`: make what is missing, and tell the initiator's side what to type."""
    from lioshell.lio import export as exports

    positional, options = _arguments("export", words, named)
    found = exports.export(
        session.lio,
        positional,
        iqn=options.get("iqn", [None])[-1],
        portals=[_portal(text) for text in options.get("portal", [])],
        initiators=options.get("initiator", []),
        login=_login(session, options),
        demo=boolean(options.get("demo", ["false"])[-1], "demo"),
    )
    out = session.out
    if found.is_new:
        out.say(f"{found.path} is exported as {found.iqn}, LUN {found.lun}.", "good")
    else:
        out.say(f"{found.path} is exported already as {found.iqn}, LUN {found.lun}.")
    _tell_access(session, found)
    if session.env.stdout.isatty() and not session.lio.dry_run:
        node = session.node_at(f"/iscsi/{found.iqn}", session.node)
        out.tree(node.tree_item(None))
    if found.access != exports.NOBODY:
        _tell_initiator(session, found)


def unexport(session: Session, words: tuple[str, ...], named: dict[str, str]) -> None:
    """Run `unexport`: remove the target and the storage object, never the file."""
    from lioshell.lio import export as exports
    from lioshell.lio import impact
    from lioshell.lio.fabrics import Fabric

    positional, _ = _arguments("unexport", words, named)
    found = exports.find_export(session.lio, positional)
    target = Fabric(session.lio, found.tpg.spec).target(found.iqn)
    session.before_removal(impact.of_target(target))
    exports.unexport(session.lio, found)
    session.out.say(f"{found.path} is not exported any more ({found.iqn} is deleted).", "good")


def _arguments(
    command: str, words: tuple[str, ...], named: dict[str, str]
) -> tuple[str, dict[str, list[str]]]:
    parameters = EXPORT_PARAMETERS if command == "export" else ()
    file_or_dev = named.pop("file_or_dev", None)
    positional, options = taken_apart(command, words, named, parameters, _SHORT)
    if file_or_dev is not None:
        positional.append(file_or_dev)
    if len(positional) != 1:
        raise UsageError(
            f"{command} takes one file or device", hint=f"For example: {command} /srv/disk.img"
        )
    return positional[0], options


def _portal(text: str) -> tuple[str, int]:
    """Return address and port of "192.0.2.1", "192.0.2.1:3260", "::1" or "[::1]:3260"."""
    import ipaddress

    address, _, port = text.rpartition(":")
    if text.startswith("["):
        address, _, port = text[1:].partition("]")
        port = port.removeprefix(":")
    elif text.count(":") != 1:
        address, port = text, ""
    try:
        ipaddress.ip_address(address)
    except ValueError:
        raise UsageError(
            f"{text!r} is no address and port", hint="Write 192.0.2.1:3260 or [2001:db8::1]:3260."
        ) from None
    return address, number(port, "port") if port else _DEFAULT_PORT


def _login(session: Session, options: dict[str, list[str]]) -> Login | None:
    """Return the credentials; the password comes from a file, the terminal or standard input."""
    from lioshell.lio.export import Login
    from lioshell.model.secret import Secret

    if "chap" not in options:
        if "chap_password_file" in options:
            raise UsageError("A password without a user", hint="Give the user: --chap USER")
        return None
    user = options["chap"][-1]
    if "chap_password_file" in options:
        path = options["chap_password_file"][-1]
        try:
            with open(path, encoding="utf-8") as file:
                password = file.readline().rstrip("\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = os.strerror(error.errno or 0) if isinstance(error, OSError) else "no text"
            raise LioshellError(
                f"The password file {path} cannot be read: {reason}", hint="Check it.", path=path
            ) from error
    elif session.env.stdin.isatty():
        import getpass

        password = getpass.getpass(f"CHAP password of {user}: ")
    else:
        password = session.env.stdin.readline().rstrip("\n")
    if not password:
        raise UsageError(
            f"There is no password for {user}",
            hint="Type it, send it on standard input, or give --chap-password-file FILE.",
        )
    return Login(user, Secret(password))


def _tell_access(session: Session, found: Export) -> None:
    from lioshell.lio import export as exports

    if found.access == exports.DEMO:
        session.out.note(
            "Demo mode: anybody who reaches a portal reads and writes this disk. "
            f"For initiators that you name: lioshell unexport {found.path}, "
            f"then lioshell export {found.path} --initiator IQN",
            "error",
        )
    elif found.access == exports.NOBODY:
        session.out.say(
            f"Nobody is let in yet: lioshell export {found.path} --initiator IQN "
            "(or --chap USER, or --demo)"
        )


def _tell_initiator(session: Session, found: Export) -> None:
    from lioshell.lio import export as exports

    out = session.out
    address, port = found.portals[0]
    shown = os.uname().nodename if address in _WILDCARDS else address
    shown = f"[{shown}]" if ":" in shown else shown
    place = f"{shown}:{port}"
    out.say("On the initiator:")
    out.say(f"  iscsiadm -m discovery -t sendtargets -p {place}")
    if _wants_password(found, exports.CHAP):
        node = f"  iscsiadm -m node -T {found.iqn} -p {place} -o update -n node.session.auth."
        out.say(f"{node}authmethod -v CHAP")
        user = found.tpg.group("auth").get("userid") or "USER"
        out.say(f"{node}username -v {user}")
        out.say(f"{node}password -v PASSWORD")
    out.say(f"  iscsiadm -m node -T {found.iqn} -p {place} --login")


def _wants_password(found: Export, chap: str) -> bool:
    return found.access == chap or found.tpg.attribute("authentication") == "1"
