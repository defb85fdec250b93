# SPDX-License-Identifier: Apache-2.0
"""The virtual machine itself: what every other test of this folder relies on."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.kernel.vm import CommandError, CommandTimeoutError

if TYPE_CHECKING:
    from tests.kernel.vm import Guest

TARGET_MODULES = ("target_core_mod", "target_core_user", "tcm_loop", "iscsi_target_mod")


def test_guest_runs_debians_kernel(guest: Guest) -> None:
    version = guest.run("uname -rv", check=True).stdout
    assert "-amd64" in version
    assert "Debian" in version
    assert guest.kernel_release in version


def test_guest_starts_without_a_target(guest: Guest) -> None:
    # What was noted at the start of this boot, so that the order of the tests does not matter.
    assert "configfs" not in guest.mounts_at_boot
    assert not any(name in guest.modules_at_boot for name in ("configfs", *TARGET_MODULES))


def test_guest_has_what_every_linux_has(guest: Guest) -> None:
    assert guest.run("hostname", check=True).stdout == "lioshell-vm\n"
    assert "InitiatorName=iqn." in guest.run(["cat", "/etc/iscsi/initiatorname.iscsi"]).stdout
    assert "LOWER_UP" in guest.run("ip link show lo", check=True).stdout
    guest.run("udevadm settle && ls /dev/disk/by-uuid/*", check=True)
    assert guest.run("pidof dbus-daemon tcmu-runner").rc == 1
    free_kib = int(guest.run("df --output=avail / | tail -1", check=True).stdout)
    assert free_kib > 1.5 * (1 << 20)


def test_nothing_of_the_target_is_started_by_an_init(guest: Guest) -> None:
    there = guest.run("cd /etc; ls -d systemd/system/*.wants/* rc?.d/S*").stdout
    names = [line.rpartition("/")[2] for line in there.splitlines()]
    assert names
    assert [n for n in names if "targetctl" in n or "tcmu" in n or "iscsi" in n] == []
    programs = ("targetcli", "targetctl", "tcmu-runner", "iscsi-test-cu", "qemu-nbd", "genisoimage")
    for program in (*programs, "blkzone", "dmsetup", "systemctl"):
        guest.run(["sh", "-c", f"command -v {program}"], check=True)


def test_output_and_code_are_kept_apart(guest: Guest) -> None:
    result = guest.run("echo to-stdout; echo to-stderr >&2; exit 7")
    assert (result.rc, result.stdout, result.stderr) == (7, "to-stdout\n", "to-stderr\n")


def test_run_takes_words_input_and_environment(guest: Guest) -> None:
    words = ["sh", "-c", 'printf "%s|%s|" "$1" "$VALUE"; pwd; cat', "sh", "a  b; $HOME"]
    result = guest.run(words, input="given\n", env={"VALUE": "x y"}, cwd="/etc")
    assert result.stdout == "a  b; $HOME|x y|/etc\ngiven\n"


def test_large_output_arrives_whole(guest: Guest) -> None:
    assert len(guest.run("head -c 3000000 /dev/zero | tr '\\0' x").stdout) == 3_000_000


def test_check_raises_with_the_output(guest: Guest) -> None:
    with pytest.raises(CommandError, match=r"ended with 1[\s\S]*the reason"):
        guest.run("echo the reason >&2; false", check=True)


def test_unknown_program_is_an_error_at_once(guest: Guest) -> None:
    with pytest.raises(CommandError, match="no-such-program"):
        guest.run(["no-such-program"])


def test_time_out_kills_the_whole_group(guest: Guest) -> None:
    started = time.monotonic()
    with pytest.raises(CommandTimeoutError) as raised:
        guest.run("echo before; sleep 4321 & sleep 4321", timeout_s=1)
    assert time.monotonic() - started < 30
    assert raised.value.stdout == "before\n"
    assert guest.run("pgrep -f '^sleep 4321'").rc == 1


def test_daemon_left_behind_holds_nobody_up(guest: Guest) -> None:
    started = time.monotonic()
    guest.run("setsid sleep 60 &", timeout_s=30, check=True)
    assert time.monotonic() - started < 20


def test_commands_run_beside_each_other(guest: Guest) -> None:
    # Each waits for the file that the other makes, so neither can end alone.
    def meet(mine: str, other: str) -> int:
        script = f"touch /run/{mine}; until [ -e /run/{other} ]; do sleep 0.1; done"
        return guest.run(script, timeout_s=30).rc

    with ThreadPoolExecutor() as pool:
        codes = list(pool.map(meet, ("meet-a", "meet-b"), ("meet-b", "meet-a")))
    assert codes == [0, 0]


def test_background_command(guest: Guest) -> None:
    with guest.start("echo started; read line; echo $line; sleep 4322", input="hello\n") as job:
        deadline = time.monotonic() + 30
        while "hello" not in job.output()[0] and time.monotonic() < deadline:
            time.sleep(0.1)
        assert job.output() == ("started\nhello\n", "")
        assert job.poll() is None
        killed = job.kill()
    assert killed is not None
    assert killed.rc == -9
    assert guest.run("pgrep -f '^sleep 4322'").rc == 1


def test_share_is_seen_from_both_sides(guest: Guest) -> None:
    (guest.share / "from-host").write_text("host\n", encoding="utf-8")
    assert guest.run("cat /share/from-host && echo guest >/share/from-guest").stdout == "host\n"
    assert (guest.share / "from-guest").read_text(encoding="utf-8") == "guest\n"


@pytest.mark.parametrize("module", TARGET_MODULES)
def test_target_modules_can_be_loaded(guest: Guest, module: str) -> None:
    guest.run(["modprobe", module], check=True)
    assert module in guest.run(["lsmod"], check=True).stdout.split()


@pytest.mark.parametrize("library", ["prompt_toolkit", "rich", "configshell", "yaml", "pytest"])
def test_libraries_are_in_the_guests_own_python(guest: Guest, library: str) -> None:
    script = f"import {library}; print({library}.__file__, {library}.__cached__)"
    file, cached = guest.run(["python3", "-c", script], check=True).stdout.split()
    assert file.startswith("/usr/local/lib/python3")
    guest.run(["test", "-e", cached], check=True)


def test_project_is_in_the_guest(guest: Guest) -> None:
    guest.run(["test", "-x", "/usr/local/bin/lioshell"], check=True)
    there = guest.run(["cat", "/srv/lioshell/tests/kernel/test_harness.py"], check=True).stdout
    assert there.startswith("# SPDX-License-Identifier")


def test_project_is_byte_compiled(guest: Guest) -> None:
    script = "import lioshell; print(lioshell.__cached__)"
    env = {"PYTHONPATH": "/srv/lioshell"}
    # Python would say that it compiles the module now, were the byte code not taken.
    result = guest.run(["python3", "-v", "-c", script], env=env, check=True)
    assert result.stdout.startswith("/srv/lioshell/lioshell/__pycache__/")
    assert "matches /srv/lioshell/lioshell/__init__.py" in result.stderr


def test_pytest_in_the_guest_is_reported(guest: Guest) -> None:
    lines = (
        "import pytest",
        "def test_good(): pass",
        "def test_bad(): assert 1 == 2",
        "def test_absent(): pytest.skip('not here')",
    )
    script = "mkdir -p /tmp/inner && cat >/tmp/inner/test_inner.py"
    guest.run(script, input="\n".join(lines), check=True)
    report = guest.pytest("/tmp/inner/test_inner.py", "--rootdir=/tmp/inner", timeout_s=120)
    assert not report.ok
    assert [(test.name.split("::")[-1], test.outcome) for test in report.outcomes] == [
        ("test_good", "passed"),
        ("test_bad", "failed"),
        ("test_absent", "skipped"),
    ]
    assert "assert 1 == 2" in str(report)
