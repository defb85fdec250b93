# SPDX-License-Identifier: Apache-2.0
"""`fabric new`: all files of a fabric module's skeleton, in a new folder or in a kernel tree."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lioshell.errors import ConflictError, HostError
from lioshell.fabricgen import build_files
from lioshell.fabricgen.callbacks import chosen
from lioshell.fabricgen.headers import find_headers, read_fabric_ops
from lioshell.fabricgen.names import ModuleName, module_name
from lioshell.fabricgen.protocols import protocol as protocol_of
from lioshell.fabricgen.sources import sources


@dataclass(frozen=True, slots=True)
class Skeleton:
    """What was made: the folder, its files, and files of a kernel tree that were changed."""

    name: ModuleName
    folder: Path
    files: tuple[str, ...]
    registered_in: tuple[Path, ...]
    headers: str
    left_out: tuple[str, ...]


def new_fabric(
    text: str,
    *,
    protocol: str,
    folder: str = "",
    headers: str = "",
    kernel_tree: str = "",
    taken: frozenset[str] = frozenset(),
    dry_run: bool = False,
) -> Skeleton:
    """Make the skeleton of a fabric module.

    `folder` is made, ./tcm_NAME by default; with `kernel_tree` it is drivers/target/tcm_NAME of
    that tree, which is registered in its Makefile and Kconfig. The callbacks are those that
    `headers` (a tree or a build folder; by default the running kernel's, or the kernel tree's)
    declare. `taken` are fabrics that exist. A dry run only checks. Either everything is made or
    nothing. Raises UsageError, ConflictError, HostError.
    """
    name = module_name(text, taken)
    spoken = protocol_of(protocol)
    ops = read_fabric_ops(find_headers(headers or kernel_tree))
    files = sources(name, spoken, ops)
    files["Kbuild"] = build_files.kbuild(name)
    files["Kconfig"] = build_files.kconfig(name)
    files[f"{name.fabric}.yaml"] = build_files.spec(name, spoken, ops)
    if kernel_tree:
        target = Path(kernel_tree) / "drivers/target"
        registration = _registration(target, name)
        place = target / name.module
    else:
        registration = {}
        files["Makefile"] = build_files.makefile(name)
        place = Path(folder or name.module)
    _, left_out = chosen(ops, spoken)
    made = Skeleton(
        name, place, tuple(sorted(files)), tuple(registration), ops.path, tuple(left_out)
    )
    _refuse_existing(place)
    if dry_run:
        return made
    _write_folder(place, files)
    try:
        for path, content in registration.items():
            _replace(path, content)
    except OSError as error:
        shutil.rmtree(place)
        raise HostError(
            f"The kernel tree cannot be changed: {error.strerror}",
            hint="Check its rights.",
            path=str(error.filename),
        ) from error
    return made


def _registration(target: Path, name: ModuleName) -> dict[Path, str]:
    """Return the changed build files of a kernel tree with the module's lines in them."""
    build = next((target / n for n in ("Kbuild", "Makefile") if (target / n).is_file()), None)
    config = target / "Kconfig"
    if build is None or not config.is_file():
        raise HostError(
            f"{target} is not the target folder of a kernel tree",
            hint="Give the folder of the kernel's sources: kernel_tree=FOLDER",
            path=str(target),
        )
    object_line = f"obj-$(CONFIG_{name.option})\t\t+= {name.module}/\n"
    source_line = f'source "drivers/target/{name.module}/Kconfig"\n'
    build_text, config_text = _read(build), _read(config)
    if f"{name.module}/" in build_text or source_line in config_text:
        raise ConflictError(
            f"{name.module} is registered in {target} already", hint="Take another name."
        )
    build_text = build_text.rstrip("\n") + "\n" + object_line
    # The last `endif` closes the menu of the target core.
    start, end, rest = config_text.rpartition("\nendif")
    config_text = (
        f"{start.rstrip()}\n{source_line}{end}{rest}" if end else config_text + source_line
    )
    return {build: build_text, config: config_text}


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise HostError(
            f"{path} cannot be read: {reason}", hint="Check the kernel tree.", path=str(path)
        ) from error


def _refuse_existing(place: Path) -> None:
    if place.exists() or place.is_symlink():
        raise ConflictError(
            f"{place} exists already", hint="Name another folder: dir=FOLDER", path=str(place)
        )


def _write_folder(place: Path, files: dict[str, str]) -> None:
    """Make a folder with its files under another name, then give it its own."""
    try:
        parent = place.absolute().parent
        work = Path(tempfile.mkdtemp(prefix=f".{place.name}.", dir=parent))
        try:
            work.chmod(0o755)
            for name, text in files.items():
                (work / name).write_text(text, encoding="utf-8")
            work.rename(place)
        except BaseException:
            shutil.rmtree(work)
            raise
    except OSError as error:
        raise HostError(
            f"{place} cannot be made: {error.strerror}",
            hint="Name another folder: dir=FOLDER",
            path=str(place),
        ) from error


def _replace(path: Path, content: str) -> None:
    work = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        work.write_text(content, encoding="utf-8")
        shutil.copymode(path, work)
        work.replace(path)
    finally:
        work.unlink(missing_ok=True)
