# SPDX-License-Identifier: Apache-2.0
"""The saved configuration: its document, save, restore, and the lock of changes."""
