# SPDX-License-Identifier: Apache-2.0
"""The simulated kernel: a folder of plain files and links, with the kernel's rules."""
