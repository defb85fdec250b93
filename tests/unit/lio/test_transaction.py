# SPDX-License-Identifier: Apache-2.0
import errno

import pytest

from lioshell.errors import KernelError, UsageError
from lioshell.lio.transaction import Transaction


class Configfs:
    """Remembers what is done; fails or is interrupted where a test says so."""

    def __init__(self, **raises):
        self.done = []
        self.values = {}
        self._raises = raises
        self.counts = {}

    def _do(self, operation, path, *rest):
        self.counts[operation] = self.counts.get(operation, 0) + 1
        error = self._raises.get(operation)
        if callable(error):
            error = error(path, self.counts[operation])
        if error is not None:
            raise error
        self.done.append(" ".join((operation, path, *rest)))

    def mkdir(self, path):
        self._do("mkdir", path)

    def rmdir(self, path):
        self._do("rmdir", path)

    def symlink(self, target, path):
        self._do("symlink", path, target)

    def unlink(self, path):
        self._do("unlink", path)

    def write(self, path, value, *, secret=False):
        self._do("write", path, value)
        self.values[path] = value

    def read(self, path):
        return self.values.get(path, "")


def test_success_undoes_nothing():
    configfs = Configfs()
    with Transaction(configfs) as steps:
        steps.mkdir("a")
        steps.symlink("b", "a/link")
        steps.write("a/x", "1")
    assert configfs.done == ["mkdir a", "symlink a/link b", "write a/x 1"]


def test_a_failure_undoes_the_steps_last_first():
    configfs = Configfs()
    configfs.values["x"] = "old"
    undone = []
    with pytest.raises(UsageError) as caught, Transaction(configfs) as steps:
        steps.mkdir("a")
        steps.on_failure("remove the file", lambda: undone.append(len(configfs.done)))
        steps.symlink("b", "a/link")
        steps.change("x", "new")
        raise UsageError("no")

    assert configfs.done[3:] == ["write x old", "unlink a/link", "rmdir a"]
    assert undone == [5]
    assert caught.value.remains == ()


def test_a_refused_step_is_not_undone():
    refused = KernelError("mkdir", "b", errno.EEXIST)
    configfs = Configfs(mkdir=lambda path, n: refused if path == "b" else None)
    with pytest.raises(KernelError), Transaction(configfs) as steps:
        steps.mkdir("a")
        steps.mkdir("b")
    assert configfs.done == ["mkdir a", "rmdir a"]


def test_what_cannot_be_undone_is_told_and_the_rest_undone():
    busy = KernelError("rmdir", "b", errno.EBUSY)
    configfs = Configfs(rmdir=lambda path, n: busy if path == "b" else None)

    def broken():
        raise ZeroDivisionError("a defect")

    with pytest.raises(UsageError) as caught, Transaction(configfs) as steps:
        steps.mkdir("a")
        steps.mkdir("b")
        steps.on_failure("remove the file", broken)
        raise UsageError("no")

    assert caught.value.remains == ("remove the file: a defect", f"rmdir b: {busy}")
    assert configfs.done[-1] == "rmdir a"


def test_an_os_error_while_undoing_is_told_in_words():
    def broken():
        raise OSError(errno.EROFS, "x")

    with pytest.raises(UsageError) as caught, Transaction(Configfs()) as steps:
        steps.on_failure("remove the file", broken)
        raise UsageError("no")
    assert caught.value.remains == ("remove the file: Read-only file system",)


def test_what_is_gone_already_needs_no_undoing():
    gone = KernelError("rmdir", "a", errno.ENOENT)
    with pytest.raises(UsageError) as caught, Transaction(Configfs(rmdir=gone)) as steps:
        steps.mkdir("a")
        raise UsageError("no")
    assert caught.value.remains == ()


def test_ctrl_c_right_after_a_step_undoes_it():
    class Late(Configfs):
        def mkdir(self, path):
            super().mkdir(path)
            raise KeyboardInterrupt

    configfs = Late()
    with pytest.raises(KeyboardInterrupt), Transaction(configfs) as steps:
        steps.mkdir("a")
    assert configfs.done == ["mkdir a", "rmdir a"]


def test_another_ctrl_c_while_undoing_does_not_stop_it():
    interrupts = Configfs(rmdir=lambda path, n: KeyboardInterrupt() if n <= 2 else None)
    with pytest.raises(KeyboardInterrupt), Transaction(interrupts) as steps:
        steps.mkdir("a")
        steps.mkdir("b")
        raise KeyboardInterrupt
    assert interrupts.done == ["mkdir a", "mkdir b", "rmdir b", "rmdir a"]


def test_ctrl_c_without_end_ends_it_and_is_told():
    configfs = Configfs(rmdir=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt) as caught, Transaction(configfs) as steps:
        steps.mkdir("a")
        raise KeyboardInterrupt
    assert caught.value.__notes__ == ["Could not be undone: rmdir a: interrupted"]


def test_a_value_that_reads_as_empty_is_restored_as_unset():
    configfs = Configfs()
    with pytest.raises(UsageError), Transaction(configfs) as steps:
        steps.change("userid", "me", unset="NULL")
        raise UsageError("no")
    assert configfs.done == ["write userid me", "write userid NULL"]


def test_one_inside_another_is_undone_with_it(lio):
    with pytest.raises(UsageError), lio.transaction() as outer:
        outer.mkdir("core/rd_mcp_0")
        with lio.transaction() as inner:
            inner.mkdir("core/rd_mcp_0/a")
        assert lio.configfs.is_dir("core/rd_mcp_0/a")
        raise UsageError("no")
    assert lio.configfs.folders("core") == ["alua"]


def test_a_failure_inside_that_is_survived_undoes_only_the_inner_one(lio):
    with lio.transaction() as outer:
        outer.mkdir("core/rd_mcp_0")
        with pytest.raises(UsageError), lio.transaction() as inner:
            inner.mkdir("core/rd_mcp_1")
            raise UsageError("no")
    assert sorted(lio.configfs.folders("core")) == ["alua", "rd_mcp_0"]
    with pytest.raises(UsageError), lio.transaction():
        raise UsageError("one that has ended is not undone by a later one")
    assert lio.configfs.is_dir("core/rd_mcp_0")
