# SPDX-License-Identifier: Apache-2.0
"""The shell: its grammar, the nodes of the tree, completion, the interactive session."""
