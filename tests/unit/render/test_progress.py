# SPDX-License-Identifier: Apache-2.0
import io

from lioshell.render.progress import progress_bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_bar_shows_how_far_it_is_and_goes(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with progress_bar(stream) as show:
        show(0, 3, "/backstores/fileio/[bold]")
        show(2, 3, "/iscsi/iqn.x")
    text = stream.getvalue()
    assert "2/3" in text
    assert "/iscsi/iqn.x" in text
    assert text.endswith("\x1b[2K"), "the line is cleared"
