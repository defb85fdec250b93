# SPDX-License-Identifier: Apache-2.0
"""A device changes hands between a session and the service while an initiator uses it."""

from __future__ import annotations

import threading
import time

import pytest

from lioshell.errors import UsageError
from lioshell.kernel.sim.initiator import SimDisk
from lioshell.service.hosting import Hosting, SessionHosting
from tests.patience import Patience

PATH = "core/user_0/vol0"
LONG_S = 30.0


class Initiator(threading.Thread):
    """Writes and reads back until it is stopped; remembers the first failure."""

    def __init__(self, sim):
        super().__init__(daemon=True)
        self.sim = sim
        self.over = threading.Event()
        self.rounds = 0
        self.failure = None

    def run(self):
        try:
            with SimDisk.open(self.sim, PATH, LONG_S) as disk:
                while not self.over.is_set():
                    data = self.rounds.to_bytes(8, "big") * 64
                    disk.write(self.rounds % 2048, data)
                    assert disk.read(self.rounds % 2048, 1) == data
                    if self.rounds % 16 == 0:
                        disk.flush()
                    self.rounds += 1
        except Exception as error:  # noqa: BLE001 - shown by the test's own thread
            self.failure = error

    def goes_on(self):
        before, patience = self.rounds, Patience(LONG_S)
        while self.rounds < before + 20:
            assert self.failure is None, self.failure
            assert patience.lasts()
            time.sleep(0.01)


@pytest.fixture
def initiator(cli, process, tmp_path):
    made = process("/backstores/user:file", "create", "vol0", "1M", str(tmp_path / "vol0.img"))
    assert made.code == 0, made
    thread = Initiator(str(cli.sim))
    thread.start()
    yield thread
    thread.over.set()
    thread.join(LONG_S)
    assert thread.failure is None, thread.failure


def server(cli):
    fields = cli("-o", "json", "/backstores/user:file/vol0", "info").json["result"]
    return fields.get("served_by")


def test_service_session_service_session_service(cli, process, initiator):
    reports = []
    service = server(cli)
    assert service
    session = SessionHosting(cli.kernel(), lambda: pytest.fail("one runs"), reports.append)
    initiator.goes_on()
    for _ in range(3):
        assert session.serve_here(PATH) == ["vol0 is served by this session."]
        assert session.served_here() == [PATH]
        initiator.goes_on()
        session.to_service(PATH)
        assert session.served_here() == []
        assert server(cli) == service
        initiator.goes_on()
    # A session that just ends: the service takes the device again by itself.
    session.serve_here(PATH)
    initiator.goes_on()
    session.close()
    initiator.goes_on()
    assert server(cli) == service
    assert reports == []


def test_a_one_liner_can_serve_nothing(cli, initiator):
    with pytest.raises(UsageError, match="ends with its command"):
        Hosting(cli.kernel(), lambda: None).serve_here(PATH)
    result = cli("/backstores/user:file/vol0", "serve", "here")
    assert result.code == 2
    assert cli("/backstores/user:file/vol0", "serve", "service").code == 0
    assert cli("/backstores/user:file/vol0", "serve", "nobody").code == 2
