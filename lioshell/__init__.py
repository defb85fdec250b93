# SPDX-License-Identifier: Apache-2.0
"""lioshell: an admin shell for LIO, the SCSI target in the Linux kernel."""

__version__ = "0.1.0"
