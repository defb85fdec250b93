# SPDX-License-Identifier: Apache-2.0
"""Serving user: devices: in a session, in the foreground service, or handed over to it."""
