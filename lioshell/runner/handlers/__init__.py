# SPDX-License-Identifier: Apache-2.0
"""The handlers of user: backstores: one module a subtype, found through registry."""
