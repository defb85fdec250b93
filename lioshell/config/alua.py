# SPDX-License-Identifier: Apache-2.0
"""ALUA attributes that configfs shows in words, and that are written and saved as numbers."""

from __future__ import annotations

ALUA_WORDS = {
    "alua_access_type": ("None", "Implicit", "Explicit", "Implicit and Explicit"),
    "alua_access_status": ("None", "Altered by Explicit STPG", "Altered by Implicit ALUA"),
}
"""Attribute -> the word of each number (drivers/target/target_core_alua.c,
core_alua_show_access_type and core_alua_dump_status)."""
