# SPDX-License-Identifier: Apache-2.0
"""The text behind SUBTYPE/ in dev_config: `MAIN[;name=value]...`, as tcmu-runner's rbd has it.

`;;` stands for a ";" of the text itself, in MAIN and in values. A bool may be given by its name
alone: `;sync` is `;sync=true`. What the kernel cannot hold is refused: its parser of `control` ends
a value at "," or a newline without a word, and keeps 255 bytes (TCMU_CONFIG_LEN,
drivers/target/target_core_user.c).

No secret belongs here, because the kernel shows dev_config to everybody: `refuse_secrets` keeps
them out of new devices, `shown` masks those that were made by others.
"""

from __future__ import annotations

import os
import re

from lioshell.errors import LioshellError, UsageError
from lioshell.model.secret import MASK
from lioshell.model.sizes import parse_size
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lioshell.runner.handlers.base import Option

DEV_CONFIG_LIMIT_BYTES = 255
"""TCMU_CONFIG_LEN less its NUL (drivers/target/target_core_user.c)."""

_MAX_DIGITS = 19

_TRUE = frozenset(("true", "yes", "on", "1"))
_FALSE = frozenset(("false", "no", "off", "0"))
_URI_PASSWORD = re.compile(r"(://[^/@:\s]*):[^/@\s]+@")


def check_text(text: str, prefix: str, what: str = "the configuration string") -> None:
    """Check that the kernel can hold `text` behind `prefix`, SUBTYPE/. Raises UsageError.

    `what` is what the text is to its reader, as in "path".
    """
    name = shown(text)
    if "," in text:
        raise UsageError(
            f'{name} contains ",", at which the kernel cuts {what} off',
            hint='Choose one without ",".',
        )
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in text):
        raise UsageError(
            f"{name!r} contains a control character", hint="Choose printable characters."
        )
    try:
        length = len(os.fsencode(prefix + text))
    except UnicodeEncodeError:
        raise UsageError(
            f"{name!r} cannot be written in the encoding of file names",
            hint="Choose characters of your locale.",
        ) from None
    if length > DEV_CONFIG_LIMIT_BYTES:
        raise UsageError(
            f"{name} is too long: {prefix}... may have {DEV_CONFIG_LIMIT_BYTES} bytes, "
            f"this has {length}",
            hint="Choose a shorter one; a path can be shortened by a link to its folder.",
        )


def split_options(config: str, options: Iterable[Option]) -> tuple[str, dict[str, str]]:
    """Return the main part and the value of each option that is given or has a default.

    Values are checked and put in one form by their kind: an int and a size are decimal digits (of
    bytes), a bool is true or false. Raises UsageError, which lists what there is.
    """
    options = tuple(options)
    check_text(config, "")
    known = {option.name: option for option in options}
    main, *rest = _pieces(config)
    values = {o.name: _checked(o, o.default) for o in options if o.default is not None}
    given = set()
    for piece in rest:
        name, separator, value = piece.partition("=")
        option = known.get(name)
        if option is None:
            raise UsageError(f"There is no option {name!r}", hint=_what_there_is(options))
        if name in given:
            raise UsageError(f"The option {name} is given twice", hint="Give it once.")
        given.add(name)
        if not separator and option.kind != "bool":
            raise UsageError(f"The option {name} has no value", hint=f"As in ;{name}=VALUE.")
        values[name] = _checked(option, value if separator else "true")
    return main, values


def join_options(main: str, values: Mapping[str, str], options: Iterable[Option]) -> str:
    """Return the text of a main part and of the values that differ from their defaults."""
    text = main.replace(";", ";;")
    for option in options:
        if option.name in values:
            value = _checked(option, values[option.name])
            if not _is_default(option, value):
                text += _piece(option, value)
    return text


def merged(config: str, given: Mapping[str, str], options: Iterable[Option]) -> str:
    """Return a configuration string with further options behind it, as `create` takes them.

    Raises UsageError for an option that stands in the string already, and for a value that does
    not fit.
    """
    there = {piece.partition("=")[0] for piece in _pieces(config)[1:]}
    for option in options:
        if option.name not in given:
            continue
        if option.name in there:
            raise UsageError(
                f"{option.name} is given twice: it stands in the configuration string too",
                hint="Give it once.",
            )
        value = _checked(option, given[option.name])
        if not _is_default(option, value):
            config += _piece(option, value)
    return config


def shown(config: str, options: Iterable[Option] = ()) -> str:
    """Return a configuration string as it may be shown: secrets as ***."""
    secret = {option.name for option in options if is_secret(option)}
    parts = _pieces(config)
    for number, piece in enumerate(parts[1:], 1):
        name, separator, _ = piece.partition("=")
        if separator and name in secret:
            parts[number] = f"{name}={MASK}"
    text = ";".join(part.replace(";", ";;") for part in parts)
    return _URI_PASSWORD.sub(rf"\1:{MASK}@", text)


def is_secret(option: Option) -> bool:
    """Tell whether an option's value must not be shown."""
    return option.secret or option.kind == "secret"


def refuse_secrets(config: str, options: Iterable[Option]) -> None:
    """Raise UsageError for a secret in a configuration string, which everybody could read."""
    given = {piece.partition("=")[0] for piece in _pieces(config)[1:]}
    for option in options:
        if is_secret(option) and option.name in given:
            raise UsageError(
                f"{option.name} is a secret, and the kernel shows the configuration string to "
                "everybody (/sys/class/uio)",
                hint=f"{option.help.rstrip('.')}.",
            )
    if _URI_PASSWORD.search(config):
        raise UsageError(
            f"{shown(config)} holds a password, and the kernel shows the configuration string to "
            "everybody (/sys/class/uio)",
            hint="Leave it out, and let the handler read it from a file that only root can read.",
        )


def _pieces(config: str) -> list[str]:
    """Return the parts between single ";"s, with ";;" as ";"."""
    return [piece.replace("\0", ";") for piece in config.replace(";;", "\0").split(";")]


def _piece(option: Option, value: str) -> str:
    if option.kind == "bool" and value == "true":
        return f";{option.name}"
    return f";{option.name}={value.replace(';', ';;')}"


def _is_default(option: Option, value: str) -> bool:
    return option.default is not None and value == _checked(option, option.default)


def _checked(option: Option, value: str) -> str:
    """Return a value in the one form of its kind. Raises UsageError."""
    kind = option.kind
    if kind == "bool":
        word = value.lower()
        if word in _TRUE or word in _FALSE:
            return "true" if word in _TRUE else "false"
        raise _unfit(option, value, "neither true nor false", f"Say ;{option.name}=true.")
    if kind == "int":
        if value.isascii() and value.isdigit() and len(value) <= _MAX_DIGITS:
            return str(int(value))
        raise _unfit(option, value, "no number", "Give a whole number, as in 0.")
    if kind == "size":
        try:
            return str(parse_size(value))
        except LioshellError as error:
            raise _unfit(option, value, "no size", error.hint) from None
    if kind == "path" and not value.startswith("/"):
        raise _unfit(option, value, "no absolute path", "Give the whole path, as in /etc/a.conf.")
    if kind == "enum" and value not in option.values:
        raise _unfit(
            option, value, "not one of its words", f"Give one of: {', '.join(option.values)}."
        )
    if not value:
        raise _unfit(option, value, "empty", "Give a value, or leave the option out.")
    return value


def _unfit(option: Option, value: str, why: str, hint: str) -> UsageError:
    text = MASK if is_secret(option) else repr(value)
    return UsageError(f"{option.name}={text} is {why}", hint=hint)


def _what_there_is(options: tuple[Option, ...]) -> str:
    if not options:
        return 'This subtype has no options; write ";;" for a ";" of the text.'
    names = ", ".join(option.name for option in options)
    return f'There is: {names}. Write ";;" for a ";" of the text.'
