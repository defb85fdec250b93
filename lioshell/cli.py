# SPDX-License-Identifier: Apache-2.0
"""argv -> options -> a mode (interactive, one-liner, script, serve); exceptions -> exit codes."""

from __future__ import annotations

import errno
import os
import sys

from lioshell import options as command_line
from lioshell.environment import SAVECONFIG, Environment, is_terminal
from lioshell.errors import ExitCode, HostError, LioshellError, UsageError
from lioshell.render.output import Output
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import TextIO

    from lioshell.kernel.ports import Kernel
    from lioshell.options import Options
    from lioshell.shell.session import Session
    from lioshell.specs import Specs

_LIBRARIES = {
    "configshell": "configshell-fb",
    "prompt_toolkit": "prompt_toolkit",
    "rich": "rich",
    "yaml": "pyyaml",
}
"""Import name -> name of the package."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""What a write to standard output fails with where that is a file on a full disk."""


_BOOT_LOCK_S = 120.0
"""How long the service waits at its start for another command that changes the target."""


def main(argv: Sequence[str] | None = None, env: Environment | None = None) -> int:
    """Run lioshell and return the exit code of design.md, section 2."""
    env = env or Environment()
    out = Output(env)
    code: int = ExitCode.OK
    try:
        try:
            found = command_line.parse(sys.argv[1:] if argv is None else argv, env.default_sim_dir)
            if isinstance(found, str):
                env.stdout.write(found)
            else:
                out = Output(
                    env,
                    form=found.output,
                    color=env.wants_color(found.color, env.stdout),
                    color_errors=env.wants_color(found.color, env.stderr),
                    color_is_fixed=found.color == "always",
                    quiet=found.quiet,
                    verbose=found.verbose,
                )
                code = _run(found, env, out)
        except LioshellError as error:
            if out.verbose:
                _traceback(env)
            code = error.exit_code
            out.error(error)
        # Here and not when the interpreter ends, where nobody could tell of a failure any more.
        env.stdout.flush()
        return code
    except KeyboardInterrupt as interrupt:
        for note in getattr(interrupt, "__notes__", ()):
            out.note(note, "error")
        out.note("interrupted")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # Who read the answer (head, less) has gone; that is no failure of ours.
        _forget(env.stdout)
        return code
    except Exception as error:  # noqa: BLE001  # no traceback reaches a user without -v
        return _last_net(error, env, out)


def _last_net(error: Exception, env: Environment, out: Output) -> int:
    """Tell of a failure that nobody expected in a sentence, and not with a traceback."""
    if out.verbose:
        _traceback(env)
    if isinstance(error, OSError) and error.errno in _FULL and not error.filename:
        # Nothing more can be said there, in whatever form.
        _forget(env.stdout)
        out = Output(env)
        reason: LioshellError = LioshellError(
            f"The answer cannot be written: {os.strerror(error.errno or 0)}",
            hint="Look where standard output goes.",
        )
    elif isinstance(error, ModuleNotFoundError) and (error.name or "") in _LIBRARIES:
        reason = HostError(
            f"The library {error.name} is missing",
            hint=f"Install it with: pip install {_LIBRARIES[error.name or '']}",
        )
    else:
        reason = LioshellError(
            f"lioshell itself failed: {type(error).__name__}: {error}",
            hint="Run it again with -v and report what it prints.",
        )
    try:
        out.error(reason)
        env.stderr.flush()
    except (OSError, ValueError):
        # Nobody can be told any more.
        _forget(env.stderr)
    return reason.exit_code


def _look_for_handlers(options: Options, env: Environment) -> None:
    """Say where handlers of others lie, where that is not /etc/lioshell/handlers.d alone."""
    if env.handlers_dir or options.sim is not None:
        from lioshell.runner.handlers import third_party

        folders = [env.handlers_dir or third_party.FOLDER]
        if options.sim is not None:
            folders.append(f"{options.sim}{third_party.FOLDER}")
        third_party.use_folders(folders)


def _run(options: Options, env: Environment, out: Output) -> int:
    if options.words[:1] == ("completion",):
        from lioshell.completion_script import completion_script

        env.stdout.write(completion_script(options.words[1:]))
        return ExitCode.OK
    _look_for_handlers(options, env)
    if options.words[:1] == ("exercise",):
        from lioshell.exercise import exercise, parse

        return exercise(parse(options.words[1:]), out, overwrite=options.yes)
    from lioshell.specs import DROP_INS, Specs, default_folders

    folders = env.spec_folders or default_folders()
    if options.sim is not None:
        # A simulated machine has an /etc of its own, as its saveconfig.json shows.
        folders = (*folders, f"{options.sim}{DROP_INS}")
    specs = Specs(folders)
    kernel = shown_kernel(env.kernel or open_kernel(options, specs), options, specs, out)
    kernel.system.prepare()
    if options.words[:1] == ("serve",):
        return _serve(kernel, specs, options, env, out)
    for problem in specs.refused():
        out.note(f"not loaded: {problem}", "error")
    session = open_session(kernel, specs, options, env, out)
    try:
        return _run_lines(session, options, env, out)
    finally:
        session.hosting.close()
        if env.interactive:
            import signal

            # All is done: a late Ctrl-C would only make a failure of the interpreter's own end.
            signal.signal(signal.SIGINT, signal.SIG_IGN)


def open_kernel(options: Options, specs: Specs) -> Kernel:
    """Return the kernel that the options choose."""
    if options.sim is not None:
        from lioshell.kernel.open import open_sim

        return open_sim(options.sim, specs)
    from lioshell.kernel.open import open_real

    return open_real(options.configfs)


def shown_kernel(kernel: Kernel, options: Options, specs: Specs, out: Output) -> Kernel:
    """Return a kernel whose every write is shown, or shown instead of done, as the options ask."""
    if options.dry_run:
        from lioshell.kernel.dry_run import dry_run

        return dry_run(kernel, specs, lambda text: out.say(text, "plain"))
    if options.verbose:
        from lioshell.kernel.traced import traced

        return traced(kernel, out.trace)
    return kernel


def open_session(
    kernel: Kernel, specs: Specs, options: Options, env: Environment, out: Output
) -> Session:
    """Return a session on a kernel."""
    from lioshell.lio.lock import ChangeLock
    from lioshell.lio.root import Lio
    from lioshell.service.hosting import Hosting, SessionHosting
    from lioshell.shell.session import Session

    def start_service() -> None:
        from lioshell.service.detached import start

        start(kernel, options.kernel_options)

    def spin_us() -> int:
        return session.prefs.number("runner_spin_us")

    has_lines = bool(options.words or options.lines or options.script is not None)
    interactive = env.interactive and not has_lines
    session = Session(
        env,
        Lio(kernel, specs, dry_run=options.dry_run),
        out,
        SessionHosting(kernel, start_service, out.note, spin_us)
        if interactive
        else Hosting(kernel, start_service),
        saveconfig_path=_saveconfig_path(options),
        lock=ChangeLock(kernel.run_dir),
        assume_yes=options.yes,
    )
    return session


def _saveconfig_path(options: Options) -> str:
    """Return the file that is restored at boot, of a simulated kernel one in its folder."""
    folder = options.sim if options.sim is not None else "/"
    return os.path.join(folder, SAVECONFIG.lstrip("/"))


def _serve(kernel: Kernel, specs: Specs, options: Options, env: Environment, out: Output) -> int:
    from lioshell import serve_options
    from lioshell.service.notify import Notifier
    from lioshell.service.serve import serve

    chosen = serve_options.parse(options.words[1:])
    kernel.system.require_root()
    if chosen.only:
        from lioshell.service.processes import serve_one

        serve_one(kernel, chosen.only, out.note, chosen.slow_s, chosen.spin_us)
        return ExitCode.OK
    boot = None
    if chosen.restore:
        from lioshell.config.boot import BootRestore
        from lioshell.lio.lock import ChangeLock
        from lioshell.lio.root import Lio
        from lioshell.service.boot import Boot
        from lioshell.service.linking import link_problem
        from lioshell.service.units import is_ours

        restorer = BootRestore(
            Lio(kernel, specs),
            os.path.abspath(chosen.savefile or _saveconfig_path(options)),
            ChangeLock(kernel.run_dir, timeout_s=_BOOT_LOCK_S),
            is_ours=lambda subtype: is_ours(kernel, f"{subtype}/"),
            may_link=link_problem(kernel.uio),
            warn=out.note,
        )
        remove = chosen.on_stop == serve_options.REMOVE
        boot = Boot(kernel, restorer, wait_s=chosen.wait_s, remove_at_stop=remove)
    serve(
        kernel,
        out.note,
        until_idle=chosen.until_idle,
        ready_fd=chosen.ready_fd,
        boot=boot,
        notifier=None if chosen.until_idle else Notifier(env.environ),
        slow_s=chosen.slow_s,
        spin_us=chosen.spin_us,
        per_device=options.kernel_options if chosen.per_device else None,
    )
    return ExitCode.OK


def _run_lines(session: Session, options: Options, env: Environment, out: Output) -> int:
    if options.words:
        session.run_arguments(options.words)
        return ExitCode.OK
    if options.lines:
        return _run_script(session, options.lines, "-c ", out, keep_going=options.keep_going)
    if options.script is not None:
        script, name = _read_script(options.script), f"{options.script}:"
        return _run_script(session, script, name, out, keep_going=options.keep_going)
    if env.interactive:
        from lioshell.shell.repl import run

        if is_terminal(env.stdout):
            return run(session)
        from prompt_toolkit.output import create_output

        # The answers go to a pipe or a file, the prompt to who types.
        return run(session, terminal_output=create_output(stdout=env.stderr))
    lines = _stdin_lines(env)
    return _run_script(session, lines, "line ", out, keep_going=options.keep_going)


def _run_script(
    session: Session, lines: Iterable[str], name: str, out: Output, *, keep_going: bool
) -> int:
    """Run lines in order; stop at the first failure, or with `keep_going` fail at the end."""
    code = ExitCode.OK
    many = name != "-c "
    for number, line in enumerate(lines, 1):
        try:
            if not session.run_line(line.rstrip("\n")):
                break
            # A program that types line by line waits for the answer to each.
            session.env.stdout.flush()
        except LioshellError as error:
            if out.verbose:
                _traceback(session.env)
            out.error(error, f"{name}{number}: " if many or number > 1 else "")
            code = code or error.exit_code
            if not keep_going:
                break
    return code


def _stdin_lines(env: Environment) -> Iterator[str]:
    """Yield the lines of a script on standard input as they come; raises UsageError for no text."""
    try:
        yield from env.stdin
    except UnicodeDecodeError as error:
        raise UsageError(
            "The script on standard input is no text", hint="Give lines in UTF-8."
        ) from error


def _read_script(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = os.strerror(error.errno or 0) if isinstance(error, OSError) else "it is no text"
        raise UsageError(
            f"The script {path} cannot be read: {reason}", hint="Check the name.", path=path
        ) from error


def _traceback(env: Environment) -> None:
    import traceback

    traceback.print_exc(file=env.stderr)


def _forget(stream: TextIO) -> None:
    """Let what is still to be printed, at the interpreter's end too, go nowhere."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        # No file: a test's own stream.
        return
    null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    os.dup2(null, descriptor)
    os.close(null)
