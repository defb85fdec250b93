# SPDX-License-Identifier: Apache-2.0
"""Lists of what the machine has: block devices with a size, IP addresses."""

from __future__ import annotations

import os
import socket
import struct

_SIOCGIFCONF = 0x8912
"""include/uapi/linux/sockios.h"""

_IFREQ_BYTES = 40
"""sizeof(struct ifreq) on 64-bit kernels: a name of 16 bytes and a sockaddr (linux/if.h)."""

_MAX_IFREQS = 512
_MAX_DEVICES = 1000
_NEVER = ("ram", "zram", "fd", "sr")
"""Names of devices that no disk image is kept on."""


def block_device_names(sysfs: str) -> list[str]:
    """Return the names of block devices that have a size; none is opened."""
    folder = f"{sysfs}/class/block"
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        # No sysfs: nothing is known.
        return []
    usable = [name for name in names if not name.startswith(_NEVER)]
    return [name for name in usable if _sectors(f"{folder}/{name}/size")][:_MAX_DEVICES]


def _sectors(path: str) -> int:
    try:
        with open(path, encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        # It has gone meanwhile.
        return 0


def ip_addresses() -> list[tuple[str, str]]:
    """Return the IPv4 and then the IPv6 addresses with their interfaces; link-local ones not."""
    return [*_ipv4_addresses(), *_ipv6_addresses()]


def _ipv4_addresses() -> list[tuple[str, str]]:
    """Ask with SIOCGIFCONF, which knows an interface's further addresses too (netdevice(7))."""
    import array
    import fcntl

    buffer = array.array("B", bytes(_MAX_IFREQS * _IFREQ_BYTES))
    request = struct.pack("iP", len(buffer), buffer.buffer_info()[0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        answer = fcntl.ioctl(asked.fileno(), _SIOCGIFCONF, request)
    used = struct.unpack("iP", answer)[0]
    found = []
    for start in range(0, used, _IFREQ_BYTES):
        entry = buffer[start : start + _IFREQ_BYTES].tobytes()
        name = entry[:16].partition(b"\0")[0].decode("ascii", "replace")
        found.append((socket.inet_ntoa(entry[20:24]), name))
    return found


def _ipv6_addresses() -> list[tuple[str, str]]:
    try:
        with open("/proc/net/if_inet6", encoding="ascii") as file:
            lines = file.read().splitlines()
    except OSError:
        # A kernel without IPv6.
        return []
    found = []
    for line in lines:
        number, _, _, scope, _, name = line.split()
        # net/ipv6/addrconf.c, if6_seq_show: scope 20 is link-local, which needs an interface.
        if scope != "20":
            found.append((socket.inet_ntop(socket.AF_INET6, bytes.fromhex(number)), name))
    return found
