# SPDX-License-Identifier: Apache-2.0
"""Who an attached disk is: names that are the same at every attach, and no other disk's."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass

from lioshell.errors import UsageError
from lioshell.runner.scsi.unit import LIO_COMPANY_ID
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

_MACHINE_ID: Final = "/etc/machine-id"


@dataclass(frozen=True, slots=True)
class InquiryInfo:
    """What INQUIRY tells of a disk: ASCII, cut or padded to 8, 16 and 4 characters.

    An empty product is the name of the disk.
    """

    vendor: str = "LIO-ORG"
    product: str = ""
    revision: str = "0001"


@dataclass(frozen=True, slots=True)
class NaaWwn:
    """A World Wide Name of the Network Address Authority: hexadecimal digits in three parts.

    `oui` is the IEEE's (6 digits), `vendor_id` a serial number (8), `vendor_id_ext` 16 more or none
    (SPC-4 7.8.6.6: NAA 6h with them, else 5h). Raises UsageError for anything else.
    """

    oui: str
    vendor_id: str
    vendor_id_ext: str = ""

    def __post_init__(self) -> None:
        for name, text, lengths in (
            ("oui", self.oui, (6,)),
            ("vendor_id", self.vendor_id, (8,)),
            ("vendor_id_ext", self.vendor_id_ext, (0, 16)),
        ):
            if len(text) not in lengths or not re.fullmatch("[0-9a-fA-F]*", text):
                wanted = " or ".join(str(length) for length in lengths)
                raise UsageError(f"{name}={text!r} has to be {wanted} hexadecimal digits")

    def device_id(self) -> str:
        """Return the name of the target, as naa.5..."""
        return self._name("0")

    def nexus_id(self) -> str:
        """Return the name of its only initiator."""
        return self._name("1")

    def _name(self, which: str) -> str:
        kind = "6" if self.vendor_id_ext else "5"
        return f"naa.{kind}{self.oui}{which}{self.vendor_id}{self.vendor_id_ext}".lower()


def generate_serial(name: str) -> str:
    """Return 32 hexadecimal digits for a volume of this host: always the same, and no other's."""
    seed = f"lioshell\0{_machine()}\0{os.uname().nodename}\0{name}"
    return hashlib.sha256(seed.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def generate_wwn(name: str) -> NaaWwn:
    """Return a target name for a volume of this host, under LIO's own company id."""
    return NaaWwn(f"{LIO_COMPANY_ID:06x}", generate_serial(name)[:8], "")


def _machine() -> str:
    try:
        with open(_MACHINE_ID, encoding="ascii") as file:
            return file.read().strip()
    except (OSError, ValueError):
        # The host's name has to do.
        return ""
