# SPDX-License-Identifier: Apache-2.0
"""What the engines tier says of packages that are not there."""

from __future__ import annotations

from tests.engines.packages import install, missing


def test_only_what_is_not_unpacked_is_missing():
    assert missing(["dpkg", "no-such-package-of-debian"]) == ["no-such-package-of-debian"]
    assert install(["dpkg"]) == ""
