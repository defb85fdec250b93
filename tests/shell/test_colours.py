# SPDX-License-Identifier: Apache-2.0
"""What is known of a line later than its keys came is painted all the same."""

import io
import threading

from prompt_toolkit.application import create_app_session
from prompt_toolkit.data_structures import Size
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output.vt100 import Vt100_Output

from lioshell.shell import highlighting, repl
from tests.patience import eventually

CTRL_U, CTRL_D = "\x15", "\x04"
UNDERLINED = "\x1b[0;4mnowhere"


def test_colours_that_come_late_are_painted_without_another_key(terminal, monkeypatch):
    monkeypatch.setattr(highlighting, "_PATIENCE_S", 0)
    shown = io.StringIO()
    output = Vt100_Output(shown, lambda: Size(rows=24, columns=80), term="xterm")

    def type_and_look():
        pipe.send_text("nowhere x")
        try:
            eventually(lambda: UNDERLINED in shown.getvalue(), seconds=10)
        finally:
            pipe.send_text(CTRL_U + CTRL_D)

    with create_pipe_input() as pipe, create_app_session(input=pipe, output=output):
        typist = threading.Thread(target=type_and_look)
        typist.start()
        repl.run(terminal.session, terminal_input=pipe, terminal_output=output)
        typist.join()
    assert UNDERLINED in shown.getvalue()
