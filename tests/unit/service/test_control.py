# SPDX-License-Identifier: Apache-2.0
import json
import os
import socket
import subprocess
import sys

import pytest

from lioshell.service.control import ControlServer, ask_all

ASK = """
import json, sys
from lioshell.service.control import ask_all
print(json.dumps(ask_all(sys.argv[1], {"op": "status"})))
"""


@pytest.fixture
def run_dir(tmp_path):
    # Deeper than a socket's address can be long.
    folder = tmp_path / ("d" * 100) / "run"
    folder.mkdir(parents=True)
    return str(folder)


def ask(run_dir):
    command = [sys.executable, "-c", ASK, run_dir]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(result.stdout)


def test_every_server_is_asked(run_dir):
    server = ControlServer(run_dir, lambda request: {"pid": 1, "got": request["op"]})
    try:
        assert ask(run_dir) == [{"pid": 1, "got": "status"}]
    finally:
        server.close()
    assert ask(run_dir) == []
    assert os.listdir(f"{run_dir}/hosts") == []


def test_a_process_does_not_ask_itself(run_dir):
    server = ControlServer(run_dir, lambda _: {})
    try:
        assert ask_all(run_dir, {"op": "status"}) == []
    finally:
        server.close()


def test_the_socket_of_a_dead_server_is_removed(run_dir):
    os.makedirs(f"{run_dir}/hosts")
    dead = socket.socket(socket.AF_UNIX)
    folder = os.open(f"{run_dir}/hosts", os.O_PATH)
    dead.bind(f"/proc/self/fd/{folder}/1.sock")
    dead.close()
    os.close(folder)

    assert ask_all(run_dir, {"op": "status"}) == []
    assert os.listdir(f"{run_dir}/hosts") == []


@pytest.mark.parametrize(
    "request_bytes", [b"", b"nonsense\n", b'{"no": "op"}\n', b"[]\n", b"\xff\n"]
)
def test_nonsense_harms_nobody(run_dir, request_bytes):
    server = ControlServer(run_dir, lambda request: {"op": request["op"]})
    try:
        folder = os.open(f"{run_dir}/hosts", os.O_PATH)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(f"/proc/self/fd/{folder}/{os.getpid()}.sock")
            client.sendall(request_bytes)
            client.shutdown(socket.SHUT_WR)
            assert client.recv(100) == b""
        os.close(folder)
        assert ask(run_dir) == [{"op": "status"}]
    finally:
        server.close()
