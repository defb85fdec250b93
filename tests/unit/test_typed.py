# SPDX-License-Identifier: Apache-2.0
"""lioshell.typed: named tuples as typing makes them, without typing."""

import inspect
import pickle
import subprocess
import sys

import pytest

from lioshell.lio.export import Export
from lioshell.typed import TYPE_CHECKING, NamedTuple


class Portal(NamedTuple):
    """An address and its port."""

    address: str
    port: int = 3260
    is_iser: bool = False

    @property
    def shown(self):
        return f"{self.address}:{self.port}"

    @classmethod
    def everywhere(cls):
        return cls("0.0.0.0")


def test_a_named_tuple_has_fields_defaults_methods_and_documentation():
    portal = Portal("192.0.2.1", is_iser=True)
    assert portal == ("192.0.2.1", 3260, True)
    assert Portal._fields == ("address", "port", "is_iser")
    assert portal._replace(port=860).shown == "192.0.2.1:860"
    assert Portal.everywhere().shown == "0.0.0.0:3260"
    assert repr(portal) == "Portal(address='192.0.2.1', port=3260, is_iser=True)"
    assert (Portal.__doc__, Portal.__name__) == ("An address and its port.", "Portal")
    assert Portal.__module__ == __name__
    assert list(inspect.signature(Portal).parameters) == ["address", "port", "is_iser"]


def test_it_takes_no_other_field_and_keeps_what_it_has():
    with pytest.raises(TypeError, match="missing"):
        Portal()
    with pytest.raises(TypeError, match="unexpected"):
        Portal("192.0.2.1", speed=1)
    with pytest.raises(AttributeError):
        Portal("192.0.2.1").port = 1


def test_it_goes_from_process_to_process():
    made = Export("/iscsi", None, None, 0, (("192.0.2.1", 3260),), "rw", True)
    assert pickle.loads(pickle.dumps(made)) == made


def test_typing_is_not_imported_for_it():
    assert TYPE_CHECKING is False
    script = "import sys, lioshell.typed; print('typing' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", script],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert done.stdout.strip() == "False", done
