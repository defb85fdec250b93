# SPDX-License-Identifier: Apache-2.0
"""Portals: the default one gives way, IPv4 and IPv6, drivers other than TCP."""

from pathlib import Path

import pytest

from lioshell.errors import ConflictError, KernelError, UsageError
from lioshell.kernel.sim.faults import Faults

from .conftest import CLIENT, IQN, TPG

OTHER = "iqn.2003-01.com.example:other"


def portals(shell, path=TPG):
    lines = shell.run(f"ls {path}/portals").splitlines()[1:]
    return [line.split()[1] for line in lines]


def test_the_default_portal_gives_way_to_the_one_that_is_asked_for(built):
    shown = built.run(f"{TPG}/portals create 192.168.1.139")
    assert "Removed the portal [::0]:3260, which listened on all addresses." in shown
    assert "Created network portal 192.168.1.139:3260." in shown
    assert portals(built) == ["192.168.1.139:3260"]


def test_it_does_not_for_another_port_or_beside_another_portal(built):
    built.run(f"{TPG}/portals create 192.168.1.139 3261")
    assert portals(built) == ["192.168.1.139:3261", "[::0]:3260"]
    error = built.fails(f"{TPG}/portals create 192.168.1.140")
    assert isinstance(error, KernelError)
    assert error.hint.endswith(f"first: {TPG}/portals delete [::0]:3260")


def test_it_does_not_while_somebody_is_logged_in(built):
    configfs = Path(built.lio.configfs.location)
    info = configfs / f"iscsi/{IQN}/tpgt_1/acls/{CLIENT}/info"
    info.write_text(f"InitiatorName: {CLIENT}\n")
    error = built.fails(f"{TPG}/portals create 192.168.1.139")
    assert error.hint.endswith(f"first: {TPG}/portals delete [::0]:3260")
    assert portals(built) == ["[::0]:3260"]


def test_it_is_there_again_when_the_new_one_is_refused(built, monkeypatch):
    faults = Faults(fail_nth=2)
    monkeypatch.setattr(built.lio.configfs, "_faults", faults)
    built.fails(f"{TPG}/portals create 192.168.1.139")
    assert faults.operations[1][0] == "mkdir"
    assert portals(built) == ["[::0]:3260"]


def test_a_portal_of_another_target_in_the_way_is_named(built):
    built.run(
        "set global auto_add_default_portal=false",
        f"/iscsi create {OTHER}",
        f"/iscsi/{OTHER}/tpg1/portals create",
        f"{TPG}/portals delete *",
    )
    error = built.fails(f"{TPG}/portals create 192.168.1.139")
    assert error.hint.endswith(f"first: /iscsi/{OTHER}/tpg1/portals delete [::0]:3260")


def test_create_alone_is_content_with_the_default_one(built):
    assert "[::0]:3260 listens on all addresses already." in built.run(f"{TPG}/portals create")
    assert isinstance(built.fails(f"{TPG}/portals create ::0"), ConflictError)
    assert portals(built) == ["[::0]:3260"]


def test_as_the_tutorials_type_it(built):
    built.run(f"cd {TPG}/portals", "delete [::0] 3260", "create")
    assert portals(built) == ["[::0]:3260"]
    built.run("delete ip_address=[::0] ip_port=3260", "create 0.0.0.0")
    assert portals(built) == ["0.0.0.0:3260"]


def test_ipv6_beside_all_of_ipv4(built):
    built.run(f"{TPG}/portals delete ::0", f"{TPG}/portals create 0.0.0.0")
    built.run(f"{TPG}/portals create 2001:db8::1")
    assert portals(built) == ["0.0.0.0:3260", "[2001:db8::1]:3260"]


def test_iser_is_switched(built):
    path = f"{TPG}/portals/[::0]:3260"
    assert "iSER has been enabled" in built.run(f"{path} enable_iser true")
    assert "iSER is already enabled" in built.run(f"{path} enable_iser boolean=True")
    assert "iser: yes" in built.run(f"{path} info")
    assert "[iser]" in built.run(f"ls {path}")
    built.run(f"{path} enable_iser false")
    assert "iser: no" in built.run(f"{path} info")
    assert isinstance(built.fails(f"{path} enable_iser maybe"), UsageError)


def test_offload_needs_a_card(built):
    path = f"{TPG}/portals/[::0]:3260"
    assert "offload is already disabled" in built.run(f"{path} enable_offload false")
    error = built.fails(f"{path} enable_offload true")
    assert isinstance(error, KernelError)
    assert "card" in error.hint


@pytest.mark.parametrize("port", ["0", "65536", "-1", "x", ""])
def test_what_is_no_port(built, port):
    assert isinstance(built.fails(f"{TPG}/portals create 127.0.0.1 '{port}'"), UsageError)
