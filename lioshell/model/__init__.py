# SPDX-License-Identifier: Apache-2.0
"""What a LIO configuration is: names, sizes, secrets, objects; no input or output."""
