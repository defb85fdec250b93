# SPDX-License-Identifier: Apache-2.0
"""Live objects: create, read, change and delete each thing of a LIO configuration."""
