# SPDX-License-Identifier: Apache-2.0
"""Gluster's libgfapi, for the `glfs` subtype."""
