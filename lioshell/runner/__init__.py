# SPDX-License-Identifier: Apache-2.0
"""The embedded TCMU runner: from the kernel's command ring to storage and back."""
