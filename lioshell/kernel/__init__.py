# SPDX-License-Identifier: Apache-2.0
"""The only code that touches the system; everything above it speaks to `ports`."""
