# SPDX-License-Identifier: Apache-2.0
"""What a LUN is to export: a storage object by its path in the tree, or a file or device."""

from __future__ import annotations

import os

from lioshell.errors import NotFoundError
from lioshell.shell.nodes.luns import LunNode
from lioshell.shell.nodes.storage_object import StorageObjectNode
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from lioshell.lio.backstores import StorageObject
    from lioshell.shell.node import Node

_HINT = "Give one such as /backstores/fileio/disk1, a file or a device; see: ls /backstores"


def storage_object_for(node: Node, text: str) -> StorageObject | LunNode:
    """Return what a text means at a node; a file or device gets a storage object of its own.

    That one has the defaults and the file's name, as in targetcli. The caller's transaction undoes
    it. Raises NotFoundError.
    """
    try:
        found = node.session.node_at(text, node)
    except NotFoundError:
        made = _made_of(node, text)
        if made is None:
            raise
        return made
    if isinstance(found, StorageObjectNode):
        return found.storage_object
    if isinstance(found, LunNode):
        return found
    raise NotFoundError(f"{found.path} is no storage object", hint=_HINT)


def _made_of(node: Node, text: str) -> StorageObject | None:
    """Return a new storage object on a file or block device, None where there is neither."""
    from lioshell.lio.backstore_create import create_block, create_fileio

    lio, name = node.lio, os.path.basename(text)
    alias = node.session.prefs.flag("export_backstore_name_as_model")
    if lio.kernel.system.block_device(text) is not None:
        made = create_block(lio, name, text, model_alias=alias)
    elif text.startswith("/") and os.path.isfile(text):
        made = create_fileio(lio, name, text, None, model_alias=alias)
    else:
        return None
    node.out.say(f"Created storage object {made.tree_path}.")
    return made
