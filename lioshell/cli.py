# SPDX-License-Identifier: Apache-2.0
"""argv -> options -> a mode (interactive, one-liner, script, serve); exceptions -> exit codes."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from lioshell import options as command_line
from lioshell.environment import SAVECONFIG, Environment
from lioshell.errors import ExitCode, LioshellError, UsageError
from lioshell.render.output import Output

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lioshell.kernel.ports import Kernel
    from lioshell.options import Options
    from lioshell.shell.session import Session
    from lioshell.specs import Specs


def main(argv: Sequence[str] | None = None, env: Environment | None = None) -> int:
    """Run lioshell and return the exit code of design.md, section 2."""
    env = env or Environment()
    out = Output(env)
    verbose = False
    try:
        found = command_line.parse(sys.argv[1:] if argv is None else argv, env.default_sim_dir)
        if isinstance(found, str):
            env.stdout.write(found)
            return ExitCode.OK
        verbose = found.verbose
        out = Output(
            env,
            form=found.output,
            color=env.wants_color(found.color),
            quiet=found.quiet,
            verbose=found.verbose,
        )
        return _run(found, env, out)
    except LioshellError as error:
        if verbose:
            _traceback(env)
        out.error(error)
        return error.exit_code
    except KeyboardInterrupt:
        out.note("interrupted")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # Who read the answer (head, less) has gone; that is no failure of ours.
        _forget_stdout()
        return ExitCode.OK
    except Exception as error:  # noqa: BLE001
        # The last net: a defect of ours still ends with a sentence and not with a traceback.
        if verbose:
            _traceback(env)
        kind = type(error).__name__
        out.error(
            LioshellError(
                f"lioshell itself failed: {kind}: {error}",
                hint="Run it again with -v and report what it prints.",
            )
        )
        return ExitCode.FAILED


def _run(options: Options, env: Environment, out: Output) -> int:
    if options.words[:1] == ("completion",):
        from lioshell.completion_script import completion_script

        env.stdout.write(completion_script(options.words[1:]))
        return ExitCode.OK
    from lioshell.specs import Specs, default_folders

    specs = Specs(env.spec_folders or default_folders())
    kernel = env.kernel or open_kernel(options, specs, out)
    kernel.system.prepare()
    if options.words[:1] == ("serve",):
        return _serve(kernel, options, out)
    session = open_session(kernel, specs, options, env, out)
    try:
        return _run_lines(session, options, env, out)
    finally:
        session.hosting.close()


def open_kernel(options: Options, specs: Specs, out: Output) -> Kernel:
    """Return the kernel that the options choose, with each write shown where they ask for it."""
    if options.sim is not None:
        from lioshell.kernel.open import open_sim

        kernel = open_sim(options.sim, specs)
    else:
        from lioshell.kernel.open import open_real

        kernel = open_real(options.configfs)
    if options.dry_run:
        from lioshell.kernel.dry_run import dry_run

        return dry_run(kernel, lambda text: out.say(text, "plain"))
    if options.verbose:
        from lioshell.kernel.traced import traced

        return traced(kernel, out.trace)
    return kernel


def open_session(
    kernel: Kernel, specs: Specs, options: Options, env: Environment, out: Output
) -> Session:
    """Return a session on a kernel."""
    from lioshell.config.lock import ChangeLock
    from lioshell.lio.root import Lio
    from lioshell.service.hosting import Hosting, SessionHosting
    from lioshell.shell.session import Session

    def start_service() -> None:
        from lioshell.service.detached import start

        start(kernel, options.kernel_options)

    interactive = not (options.words or options.lines or options.script) and env.interactive
    folder = options.sim if options.sim is not None else "/"
    return Session(
        env,
        Lio(kernel, specs, dry_run=options.dry_run),
        out,
        SessionHosting(kernel, start_service, out.note)
        if interactive
        else Hosting(kernel, start_service),
        saveconfig_path=os.path.join(folder, SAVECONFIG.lstrip("/")),
        lock=ChangeLock(kernel.run_dir),
        assume_yes=options.yes,
    )


def _serve(kernel: Kernel, options: Options, out: Output) -> int:
    from lioshell.service.serve import serve

    until_idle, ready_fd = False, None
    for word in options.words[1:]:
        if word == "--until-idle":
            until_idle = True
        elif word.startswith("--ready-fd=") and word[11:].isdigit():
            ready_fd = int(word[11:])
        else:
            raise UsageError(f"serve: unknown word {word!r}", hint="Type: lioshell serve")
    kernel.system.require_root()
    serve(kernel, out.note, until_idle=until_idle, ready_fd=ready_fd)
    return ExitCode.OK


def _run_lines(session: Session, options: Options, env: Environment, out: Output) -> int:
    if options.words:
        session.run_arguments(options.words)
        return ExitCode.OK
    if options.lines:
        return _run_script(session, options.lines, "-c ", out, keep_going=options.keep_going)
    if options.script is not None:
        lines = _read_script(options.script)
        name = f"{options.script}:"
        return _run_script(session, lines, name, out, keep_going=options.keep_going)
    if env.interactive:
        from lioshell.shell.repl import run

        return run(session)
    return _run_script(session, env.stdin, "line ", out, keep_going=options.keep_going)


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
        except LioshellError as error:
            if out.verbose:
                _traceback(session.env)
            out.error(error, f"{name}{number}: " if many or number > 1 else "")
            code = code or error.exit_code
            if not keep_going:
                break
    return code


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


def _forget_stdout() -> None:
    """Let the interpreter's own flush at exit go nowhere instead of failing."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
