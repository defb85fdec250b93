# SPDX-License-Identifier: Apache-2.0
"""All that is shown: trees, tables, errors, JSON; nothing else prints."""
