# SPDX-License-Identifier: Apache-2.0
import gzip

import pytest

from lioshell.config import backups


@pytest.mark.parametrize("step_s", [0.0, 1e-6, 0.3, 1.0])
def test_the_newest_versions_stay_however_fast_they_come(tmp_path, monkeypatch, step_s):
    now = [1_700_000_000.999]
    monkeypatch.setattr(backups.time, "time", lambda: now[0])
    path = tmp_path / "saveconfig.json"
    for number in range(30):
        path.write_text(str(number))
        backups.keep(str(path), 4)
        now[0] += step_s

    found = [tmp_path / "backup" / name for name in backups.names(str(path))]
    assert [gzip.decompress(p.read_bytes()) for p in found] == [b"26", b"27", b"28", b"29"]
