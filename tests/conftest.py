# SPDX-License-Identifier: Apache-2.0
"""What all tests have in common: none fails because the machine was busy for a moment."""

from __future__ import annotations

from hypothesis import settings

# hypothesis' own limit for an example is 200 ms.
settings.register_profile("lioshell", deadline=None)
settings.load_profile("lioshell")
