# SPDX-License-Identifier: Apache-2.0
"""Options written to a storage object's `control`: values that the kernel would misread.

lib/parser.c, match_token; drivers/target/target_core_*.c, *_set_configfs_dev_params.
"""

from __future__ import annotations

from lioshell.errors import UsageError


def check_value(value: str) -> None:
    """Raise UsageError for what the kernel would cut: it splits options at commas and newlines."""
    bad = next((c for c in value if c == "," or not c.isprintable()), None)
    if bad is not None:
        raise UsageError(
            f"{value!r} holds {bad!r}, where the kernel's option parser would cut it",
            hint="Rename the file, or reach it through a link without it.",
        )


def check_user_option(option: str) -> None:
    """Raise UsageError for a zero that the kernel divides by.

    Linux 6.1, drivers/target/target_core_user.c, tcmu_set_configfs_dev_params.
    """
    key, _, value = option.partition("=")
    if key == "data_pages_per_blk" and not (value.isascii() and value.strip("0").isdigit()):
        raise UsageError(f"{option!r} is not possible", hint=f"Give {key} as 1 or more.")
