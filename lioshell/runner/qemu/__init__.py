# SPDX-License-Identifier: Apache-2.0
"""Disk images by QEMU's own programs: qemu-img makes them, qemu-nbd reads and writes them."""
