# SPDX-License-Identifier: Apache-2.0
"""configshell-fb's node, loaded without the rest of its package.

configshell gives the node and command model: ui_command_* methods, their signatures, config
groups, types. Importing the package itself would import its grammar, its readline loop and its
log as well: 60 ms at every start, a SIGINT handler and a log file that holds secrets.
"""

from __future__ import annotations

import importlib.util
import sys
import types

from lioshell.errors import HostError
from lioshell.typed import TYPE_CHECKING

_VARARGS, _VARKEYWORDS = 0x04, 0x08
"""Flags of a function's code (Python's Data model, codeobject.co_flags)."""


class NullLog:
    """configshell's nodes log through their shell; we do not (its log holds secrets)."""

    def debug(self, message: str) -> None:
        """Drop a message."""


if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    class ExecutionError(Exception):
        """A command that configshell refuses to call."""

    class ConfigNode:
        """The part of configshell.node.ConfigNode that is used here."""

        _name: str
        _parent: Any
        _configuration_groups: dict[str, dict[str, list[Any]]]
        name: str
        path: str

        def is_root(self) -> bool: ...
        def get_root(self) -> Any: ...
        def list_commands(self) -> tuple[str, ...]: ...
        def get_command_method(self, command: str) -> Any: ...
        def get_command_signature(self, command: str) -> tuple[list[str], Any, Any]: ...
        def get_command_syntax(self, command: str) -> tuple[str, list[str], str]: ...
        def assert_params(self, method: Any, pparams: list[str], kparams: dict[str, str]) -> None:
            """Raise ExecutionError unless the parameters fit the method."""

        def define_config_group_param(
            self,
            group: str,
            param: str,
            type: str,  # noqa: A002  # configshell's name
            description: str | None = None,
            writable: bool = True,
        ) -> None: ...
        def list_config_groups(self) -> Any: ...
        def list_group_params(self, group: str, writable: bool | None = None) -> list[str]: ...
        def get_group_param(self, group: str, param: str) -> dict[str, Any]: ...

else:

    def _load() -> types.ModuleType:
        spec = importlib.util.find_spec("configshell")
        if spec is None or not spec.submodule_search_locations:
            raise HostError(
                "The library configshell-fb is missing",
                hint="Install it with: pip install configshell-fb",
            )
        if "configshell.node" in sys.modules:
            return sys.modules["configshell.node"]
        package = types.ModuleType("configshell")
        package.__path__ = list(spec.submodule_search_locations)
        there = {name: sys.modules.get(name) for name in ("configshell", "curses", "inspect")}
        sys.modules["configshell"] = package
        # For its `cd` without a path, which is ours.
        sys.modules["curses"] = types.ModuleType("curses")
        sys.modules["inspect"] = _signatures()
        try:
            return importlib.import_module("configshell.node")
        finally:
            # A later `import` of these by somebody else gets the whole of each.
            for name, module in there.items():
                if module is None:
                    del sys.modules[name]
                else:
                    sys.modules[name] = module

    def _signatures() -> types.ModuleType:
        """Return what configshell's node uses of `inspect`, whose import takes 10 ms."""
        found = types.ModuleType("inspect")
        found.ismethod = lambda method: isinstance(method, types.MethodType)
        found.getfullargspec = _arguments
        return found

    def _arguments(method: Callable[..., Any]) -> types.SimpleNamespace:
        """Return a method's parameters, as inspect.getfullargspec does."""
        code = method.__code__
        count = code.co_argcount
        more = list(code.co_varnames[count + code.co_kwonlyargcount :])
        varargs = more.pop(0) if code.co_flags & _VARARGS else None
        varkw = more.pop(0) if code.co_flags & _VARKEYWORDS else None
        return types.SimpleNamespace(
            args=list(code.co_varnames[:count]),
            varargs=varargs,
            varkw=varkw,
            defaults=method.__defaults__,
        )

    _node = _load()
    ConfigNode = _node.ConfigNode
    ExecutionError = _node.ExecutionError
