# SPDX-License-Identifier: Apache-2.0
"""The toolbar: what it tells, how it fits, and that looking is no load."""

import threading

import pytest

from lioshell.lio.sessions import Login
from lioshell.shell import toolbar
from lioshell.shell.toolbar import Seen, Toolbar

LONG_S = 30.0


def text(session, seen):
    return " | ".join(piece for _, piece in toolbar.pieces(session, seen))


def styles(session, seen):
    return {piece: style for style, piece in toolbar.pieces(session, seen)}


def test_what_it_tells(shell):
    session = shell.session
    assert "simulated kernel | no changes" in text(session, Seen())
    assert "session" not in text(session, Seen())
    shell.run("/backstores/ramdisk create r 1M")
    assert "unsaved changes" in text(session, Seen())
    assert styles(session, Seen())["unsaved changes"] == "class:toolbar.attention"
    shell.run("saveconfig")
    assert "no changes" in text(session, Seen())


@pytest.mark.parametrize(
    ("seen", "shown"),
    [
        (Seen(0, sessions=0), "no changes | 0 sessions"),
        (Seen(0, sessions=1), "| 1 session |"),
        (Seen(2, by_service=True, sessions=3), "user: service | 3 sessions"),
        (Seen(2), "user: served |"),
        (Seen(3, unserved=2, by_service=True), "user: 2 without a runner"),
    ],
)
def test_who_serves_and_who_is_logged_in(shell, seen, shown):
    assert shown in text(shell.session, seen)


def test_disks_served_here(shell, monkeypatch):
    monkeypatch.setattr(type(shell.session.hosting), "served_here", lambda self: ["a", "b"])
    assert "user: served here (2)" in text(shell.session, Seen(2))


@pytest.mark.parametrize("width", [0, 1, 10, 40, 80, 200])
def test_it_fits(shell, width):
    shown = Toolbar(shell.session, lambda: None).fragments(width)
    assert len("".join(text for _, text in shown)) <= max(width, 1)


def test_a_look_counts_sessions_and_devices(built, monkeypatch):
    logins = [Login("a", "/t", kind="Normal"), Login("b", "/t", kind="Discovery")]
    monkeypatch.setattr("lioshell.lio.sessions.all_logins", lambda lio: iter(logins))
    assert toolbar.look(built.session) == Seen(0, 0, False, 1)
    built.run(f"/backstores/user:file create v 1M {built.folder}/v.img")
    assert toolbar.look(built.session) == Seen(1, 1, False, 1)


def test_what_cannot_be_looked_at_is_not_known(built, monkeypatch):
    def broken(lio):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("lioshell.lio.sessions.all_logins", broken)
    assert toolbar.look(built.session) == Seen()


def test_it_looks_after_a_command_and_redraws_only_for_news(shell, monkeypatch):
    looks = threading.Semaphore(0)
    seen = iter([Seen(0, sessions=1), Seen(0, sessions=1), Seen(0, sessions=2)])

    def look(session):
        looks.release()
        return next(seen)

    monkeypatch.setattr(toolbar, "look", look)
    redrawn = threading.Semaphore(0)
    bar = Toolbar(shell.session, redrawn.release)
    bar.look()
    assert looks.acquire(timeout=LONG_S)
    assert redrawn.acquire(timeout=LONG_S)
    bar.look()
    assert looks.acquire(timeout=LONG_S)
    bar.look()
    assert looks.acquire(timeout=LONG_S)
    assert redrawn.acquire(timeout=LONG_S)
    assert "2 sessions" in "".join(piece for _, piece in bar.fragments(80))
    bar.close()
    assert not redrawn.acquire(blocking=False)
