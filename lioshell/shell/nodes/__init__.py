# SPDX-License-Identifier: Apache-2.0
"""The nodes of the tree, one file a level."""
