# SPDX-License-Identifier: Apache-2.0
"""Skeletons of new kernel fabric modules, made for the headers at hand."""
