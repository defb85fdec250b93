# SPDX-License-Identifier: Apache-2.0
"""One file is one disk, whichever subtype stands on it."""

from __future__ import annotations

import pytest

from lioshell.errors import ConflictError
from lioshell.lio.backstore_create import create_user
from lioshell.lio.user_backing import user_backing_path
from lioshell.runner.handlers import config_string, registry


@pytest.mark.parametrize(
    ("dev_config", "path"),
    [
        ("file//srv/a.img", "/srv/a.img"),
        ("file//srv/a.img;sync", "/srv/a.img"),
        ("file//srv/a;b.img", "/srv/a;b.img"),
        ("overlay//srv/a.cow;base=/srv/b.img", "/srv/a.cow"),
        ("overlay//srv/a;;b.cow;base=/srv/b.img", "/srv/a;b.cow"),
        ("qcow//srv/a.qcow2", "/srv/a.qcow2"),
        ("fault/file//srv/a.img;;sync;read_error=all", "/srv/a.img"),
        ("fault/fault/file//srv/a.img;delay_ms=1", "/srv/a.img"),
        ("zbc//srv/a.zbc;zone_size=1M", "/srv/a.zbc"),
        ("zbc/model-HM/conv-1@/srv/a.zbc", "/srv/a.zbc"),
        ("fbo//srv/a.disc", "/srv/a.disc"),
        ("fbo//srv/a.iso;read_only=false", "/srv/a.iso"),
        ("fbo//srv/a.iso", ""),
        ("fbo//srv/a.ISO;read_only", ""),
        ("fbo//srv/a.disc;read_only=yes", ""),
        ("fbo/ro//srv/a.disc", ""),
        ("fbo/none", ""),
        ("fault/ram/x", ""),
        ("rbd/pool/image", ""),
        ("qcow/relative", ""),
        ("", ""),
        ("file", ""),
        ("fault", ""),
        ("fault/", ""),
    ],
)
def test_the_file_behind_a_configuration(dev_config, path):
    assert user_backing_path(dev_config) == path


@pytest.mark.parametrize("subtype", registry.names())
def test_every_subtype_that_makes_a_file_is_known(subtype, tmp_path):
    config = registry.find(subtype).scratch_config(str(tmp_path))
    if config is None:
        return
    main = config_string.shown(config).partition(";")[0].partition("file/")[2] or config
    found = user_backing_path(f"{subtype}/{config}")
    assert found.startswith(str(tmp_path)) == (str(tmp_path) in main), (subtype, found)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("file/{0};sync", "overlay/{0};base=/srv/b.img"),
        ("fault/file/{0}", "file/{0}"),
        ("qcow/{0}", "fault/qcow/{0};every=2"),
    ],
)
def test_a_file_behind_two_subtypes_is_refused(lio, tmp_path, first, second):
    path = tmp_path / "a.img"
    path.write_bytes(bytes(1 << 20))
    create_user(lio, "one", 1 << 20, first.format(path))
    with pytest.raises(ConflictError, match="one"):
        create_user(lio, "two", 1 << 20, second.format(path))
