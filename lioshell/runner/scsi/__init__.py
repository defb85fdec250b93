# SPDX-License-Identifier: Apache-2.0
"""SCSI commands by family, sense data, vital product data and mode pages of a disk."""
