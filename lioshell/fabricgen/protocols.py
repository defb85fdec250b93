# SPDX-License-Identifier: Apache-2.0
"""The protocols that a skeleton can be made for: what their ports and initiators are called.

The TransportID of an initiator, for persistent reservations, is made by the kernel's core from the
protocol that the TPG is registered with (drivers/target/target_core_fabric_lib.c); it decides how
the names of initiators have to be written.
"""

from __future__ import annotations

from dataclasses import dataclass

from lioshell.errors import UsageError


@dataclass(frozen=True, slots=True)
class Protocol:
    """A protocol: its number in the kernel, and the C of its names.

    `parse` is the body of a function that checks and reads a port's or an initiator's `name` into
    `value` (u64) and returns 0 or -EINVAL; `port` and `init` name the two kinds of ports in C.
    """

    name: str
    identifier: str
    port: str
    init: str
    wwn_types: tuple[str, ...]
    example: str
    parse: str
    initiator_sid: bool
    wwn_form: str = ""
    """How configfs writes a WWN, where it is not as the shell does (lioshell.specs)."""


_HEX = """\
	u8 wwn[8];
	int i;

	if (strncmp(name, "naa.", 4) || strlen(name) != 20)
		return -EINVAL;
	if (hex2bin(wwn, name + 4, sizeof(wwn)))
		return -EINVAL;
	*value = 0;
	for (i = 0; i < sizeof(wwn); i++)
		*value = *value << 8 | wwn[i];
	return 0;
"""

_COLONS = """\
	u8 wwn[8];
	int i;

	/* The core reads an initiator's name as bytes with colons between. */
	if (strlen(name) != 3 * sizeof(wwn) - 1)
		return -EINVAL;
	*value = 0;
	for (i = 0; i < sizeof(wwn); i++) {
		if (i && name[3 * i - 1] != ':')
			return -EINVAL;
		if (hex2bin(&wwn[i], name + 3 * i, 1))
			return -EINVAL;
		*value = *value << 8 | wwn[i];
	}
	return 0;
"""

_ISCSI = """\
	/* RFC 7143: the text is all that there is to an iSCSI name. */
	*value = 0;
	if (strlen(name) >= TRANSPORT_IQN_LEN)
		return -EINVAL;
	if (!strncmp(name, "iqn.", 4) || !strncmp(name, "eui.", 4))
		return 0;
	return strncmp(name, "naa.", 4) ? -EINVAL : 0;
"""

PROTOCOLS = {
    "fc": Protocol(
        "FC",
        "SCSI_PROTOCOL_FCP",
        "lport",
        "nport",
        ("naa",),
        "50:01:40:5a:1b:2c:3d:4e",
        _COLONS,
        initiator_sid=False,
        wwn_form="colons",
    ),
    "sas": Protocol(
        "SAS",
        "SCSI_PROTOCOL_SAS",
        "tport",
        "iport",
        ("naa",),
        "naa.5001405a1b2c3d4e",
        _HEX,
        initiator_sid=False,
    ),
    "iscsi": Protocol(
        "iSCSI",
        "SCSI_PROTOCOL_ISCSI",
        "tport",
        "iport",
        ("iqn", "naa", "eui"),
        "iqn.2003-01.com.example:vol0",
        _ISCSI,
        initiator_sid=True,
    ),
}


def protocol(text: str) -> Protocol:
    """Return a protocol by its name in any case; raises UsageError."""
    try:
        return PROTOCOLS[text.lower()]
    except KeyError:
        raise UsageError(
            f"There is no protocol {text!r}",
            hint=f"Take one of {', '.join(p.name for p in PROTOCOLS.values())}.",
        ) from None
