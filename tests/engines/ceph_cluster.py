# SPDX-License-Identifier: Apache-2.0
"""A Ceph cluster of one monitor and one OSD on loopback, all of it in one folder."""

from __future__ import annotations

import contextlib
import os
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from tests.engines.daemons import Engine, free_port, run, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGES = ("ceph-mon", "ceph-osd", "ceph-common", "librbd1")

_CONF = """[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{v2},v1:127.0.0.1:{v1}]
auth cluster required = none
auth service required = none
auth client required = none
osd pool default size = 1
osd pool default min size = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
run dir = {folder}
admin socket = {folder}/$name.$pid.asok
pid file = {folder}/$name.pid
log file = {folder}/$name.log
mon cluster log file = {folder}/cluster.log
mon data = {folder}/mon
mon data avail crit = 1
osd data = {osd_data}
osd objectstore = {store}
memstore device bytes = 4294967296
bluestore block size = 4294967296
bluestore block db create = false
bluestore block wal create = false
keyring = {folder}/keyring
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
# An OSD that was killed is seen to be down, and up again, in seconds.
osd heartbeat grace = 3
osd heartbeat interval = 1
mon osd min down reporters = 1
"""


class CephCluster(Engine):
    """`conf` is its configuration file; there is a pool `rbd`.

    BlueStore keeps what it acknowledged when its OSD is killed; memstore is faster and does not.
    """

    def __init__(self, folder: Path, store: str = "bluestore") -> None:
        super().__init__()
        self.folder = folder
        self.store = store
        self.conf = str(folder / "ceph.conf")

    def start(self) -> None:
        """Make and start monitor and OSD, and a pool."""
        folder = self.folder
        (folder / "mon").mkdir(parents=True)
        osd_data = self._osd_folder()
        fsid, osd_id = str(uuid.uuid4()), str(uuid.uuid4())
        v2, v1 = free_port(), free_port()
        text = _CONF.format(
            fsid=fsid, v2=v2, v1=v1, folder=folder, osd_data=osd_data, store=self.store
        )
        (folder / "ceph.conf").write_text(text)
        monmap = str(folder / "monmap")
        addresses = f"[v2:127.0.0.1:{v2},v1:127.0.0.1:{v1}]"
        run("monmaptool", "--create", "--fsid", fsid, "--addv", "a", addresses, monmap)
        conf = ("-c", self.conf)
        run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap, *conf)
        self.monitor = self.daemon(folder, "mon", "ceph-mon", "-f", "-i", "a", *conf)
        self.ceph("osd", "new", osd_id)
        run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd_id, *conf)
        self.osd = self.daemon(folder, "osd0", "ceph-osd", "-f", "-i", "0", *conf)
        self.ceph("config", "set", "mon", "mon_allow_pool_size_one", "true")
        self.ceph("osd", "pool", "create", "rbd", "8")
        self.ceph("osd", "pool", "application", "enable", "rbd", "rbd")
        self.wait_for_osd()

    def _osd_folder(self) -> Path:
        """Return a folder whose file system has O_DIRECT, which BlueStore wants and tmpfs lacks."""
        folder = self.folder / "osd"
        folder.mkdir()
        probe = folder / "probe"
        try:
            os.close(os.open(probe, os.O_CREAT | os.O_RDWR | os.O_DIRECT))
        except OSError:
            elsewhere = tempfile.TemporaryDirectory(prefix="lioshell-osd-", dir="/var/tmp")
            return Path(self.cleanup.enter_context(elsewhere))
        finally:
            probe.unlink(missing_ok=True)
        return folder

    def ceph(self, *words: str) -> str:
        """Run `ceph` with some words."""
        return run("ceph", "--connect-timeout", "30", "-c", self.conf, *words)

    def rbd(self, *words: str) -> str:
        """Run `rbd` with some words."""
        return run("rbd", "-c", self.conf, *words)

    def wait_for_osd(self) -> None:
        """Wait until every placement group serves."""

        def serves() -> bool:
            self.osd.check()
            return '"num_up_osds":1' in self.ceph("osd", "stat", "-f", "json").replace(" ", "")

        wait_until(serves, "the OSD is not up")

    @contextlib.contextmanager
    def without_osd(self) -> Iterator[None]:
        """Kill the OSD, and start it again at the end."""
        self.osd.stop()
        try:
            yield
        finally:
            self.osd.start()

    @contextlib.contextmanager
    def without_monitor(self) -> Iterator[None]:
        """Kill the monitor, and start it again at the end."""
        self.monitor.stop()
        try:
            yield
        finally:
            self.monitor.start()
