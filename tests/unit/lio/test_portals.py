# SPDX-License-Identifier: Apache-2.0
import pytest

from lioshell.errors import ConflictError, KernelError, UsageError
from lioshell.lio.portals import configfs_name


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("0.0.0.0", "0.0.0.0:3260"),
        ("192.168.1.139", "192.168.1.139:3260"),
        ("::0", "[::0]:3260"),
        ("[::0]", "[::0]:3260"),
        ("2001:db8::1", "[2001:db8::1]:3260"),
        ("fe80::1%eth0", "[fe80::1%eth0]:3260"),
    ],
)
def test_the_name_in_configfs(address, name):
    assert configfs_name(address, 3260) == name


@pytest.mark.parametrize("address", ["", "localhost", "1.2.3", "1.2.3.4.5", "::g", "1.2.3.4/8"])
def test_what_is_no_address(address):
    with pytest.raises(UsageError):
        configfs_name(address, 3260)


@pytest.mark.parametrize("port", [-1, 0, 65536])
def test_what_is_no_port(port):
    with pytest.raises(UsageError):
        configfs_name("127.0.0.1", port)


def test_address_and_port_of_a_portal(tpg):
    for address, port in (("127.0.0.1", 3261), ("[::1]", 3262)):
        portal = tpg.create_portal(address, port)
        assert (portal.ip_address, portal.ip_port) == (address, port)
    assert sorted(p.name for p in tpg.portals()) == ["127.0.0.1:3261", "[::1]:3262"]


def test_a_portal_that_is_there(tpg):
    tpg.create_portal("127.0.0.1", 3261)
    with pytest.raises(ConflictError):
        tpg.create_portal("127.0.0.1", 3261)


def test_a_driver_that_the_kernel_does_not_have(tpg):
    portal = tpg.create_portal("127.0.0.1", 3261)
    assert not portal.flag("none")
    assert not portal.flag("iser")


def test_a_portal_that_the_kernel_refuses(tpg):
    tpg.create_portal("0.0.0.0", 3260)
    with pytest.raises(KernelError):
        tpg.create_portal("127.0.0.1", 3260)
    assert [p.name for p in tpg.portals()] == ["0.0.0.0:3260"]
