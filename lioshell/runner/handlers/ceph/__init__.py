# SPDX-License-Identifier: Apache-2.0
"""Ceph's librados and librbd, for the `rbd` subtype."""
