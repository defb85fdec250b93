# SPDX-License-Identifier: Apache-2.0
"""An NBD client: many requests in flight on one connection, which is made again when it breaks."""
