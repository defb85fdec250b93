# SPDX-License-Identifier: Apache-2.0
"""What the machine has to offer, on this machine and on a made-up sysfs."""

import ipaddress
import socket

from lioshell.kernel import machine_lists


def test_devices_without_a_size_and_without_a_use_are_left_out(tmp_path):
    sizes = {"sdb": "2048\n", "sda1": "8\n", "loop0": "0\n", "ram0": "64\n", "sr0": "4\n"}
    for name, size in sizes.items():
        (tmp_path / "class" / "block" / name).mkdir(parents=True)
        (tmp_path / "class" / "block" / name / "size").write_text(size)
    (tmp_path / "class" / "block" / "gone").mkdir()
    assert machine_lists.block_device_names(str(tmp_path)) == ["sda1", "sdb"]


def test_no_sysfs_no_devices(tmp_path):
    assert machine_lists.block_device_names(str(tmp_path)) == []


def test_the_addresses_are_those_that_one_can_listen_on():
    found = machine_lists.ip_addresses()
    assert ("127.0.0.1", "lo") in found
    names = [name for _, name in socket.if_nameindex()]
    for address, interface in found:
        version = ipaddress.ip_address(address).version
        family = socket.AF_INET if version == 4 else socket.AF_INET6
        assert interface.partition(":")[0] in names
        with socket.socket(family, socket.SOCK_STREAM) as listener:
            listener.bind((address, 0))
