# SPDX-License-Identifier: Apache-2.0
"""Images as qemu-img makes and describes them.

The format of an image is always said and never guessed: a raw image begins with what its user
wrote, and that may look like the head of another format, which names any file as its backing file.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass

from lioshell.errors import ConflictError, LioshellError, RunnerError
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, Final

FORMATS: Final = ("qcow2", "qcow", "qed", "raw", "vdi", "vhdx", "vmdk", "vpc", "parallels")
_TIMEOUT_S: Final = 60.0
_CHAIN_LIMIT: Final = 200


@dataclass(frozen=True)
class Image:
    """What an image's head says; `backing_path` is "" without a backing file."""

    path: str
    format: str
    size_bytes: int
    backing_path: str = ""
    backing_format: str = ""
    encrypted: bool = False


def describe(path: str, image_format: str) -> Image:
    """Read the head of an image, also of one that is in use. Raises LioshellError."""
    words = ["info", "--force-share", "--output=json", "-f", image_format, path]
    try:
        told: dict[str, Any] = json.loads(_qemu_img(words, f"read {path}", path))
        size_bytes = int(told["virtual-size"])
    except (ValueError, KeyError, TypeError):
        raise RunnerError(
            f"qemu-img says nothing of {path} that can be understood",
            hint=f"Look at it: qemu-img info -f {image_format} {path}",
            path=path,
        ) from None
    return Image(
        path,
        image_format,
        size_bytes,
        str(told.get("full-backing-filename") or told.get("backing-filename") or ""),
        str(told.get("backing-filename-format") or ""),
        bool(told.get("encrypted")),
    )


def check_chain(image: Image) -> None:
    """Look whether an image and all behind it can be used, without a format that is guessed.

    Raises ConflictError or RunnerError.
    """
    seen: set[str] = set()
    while True:
        if image.encrypted:
            raise ConflictError(
                f"{image.path} is encrypted, and there is no place for its key here",
                hint=f"Make one that is not: qemu-img convert -O qcow2 {image.path} NEW",
                path=image.path,
            )
        if not image.backing_path:
            return
        behind = image.backing_path
        if not behind.startswith("/"):
            raise ConflictError(
                f"{image.path} has a backing file that is no file: {behind}",
                hint="Use an image whose backing file is a file of this machine.",
                path=image.path,
            )
        if not image.backing_format:
            raise ConflictError(
                f"{image.path} does not say which format its backing file {behind} has",
                hint=f"Say it: qemu-img rebase -u -f {image.format} -b {behind} -F FORMAT "
                f"{image.path}",
                path=image.path,
            )
        if os.path.realpath(behind) in seen or len(seen) > _CHAIN_LIMIT:
            raise ConflictError(
                f"The backing files of {image.path} form a circle",
                hint="Look at them: qemu-img info --backing-chain",
                path=image.path,
            )
        seen.add(os.path.realpath(behind))
        image = describe(behind, image.backing_format)


def create(
    path: str, image_format: str, size_bytes: int, backing_path: str, backing_format: str
) -> None:
    """Make an image in a file that is there and empty, and put it on stable storage.

    Raises RunnerError.
    """
    words = ["create", "-q", "-f", image_format]
    if image_format == "vpc":
        # Else its size is rounded to what cylinders, heads and sectors can name.
        words += ["-o", "force_size=on"]
    if backing_path:
        words += ["-b", backing_path, "-F", backing_format]
    _qemu_img([*words, path, str(size_bytes)], f"make an image in {path}", path)
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def resize(path: str, image_format: str, size_bytes: int, *, shrink: bool) -> None:
    """Give an image that is not in use another size. Raises RunnerError."""
    words = ["resize", "-q", "-f", image_format, *(["--shrink"] if shrink else [])]
    _qemu_img([*words, path, str(size_bytes)], f"resize {path}", path)


def _qemu_img(words: list[str], what: str, path: str) -> str:
    """Run qemu-img and return what it says. Raises LioshellError."""
    try:
        done = subprocess.run(
            ["qemu-img", *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
            # Ctrl-C at the prompt is not meant for it.
            start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        raise RunnerError(
            f"Cannot {what}: qemu-img does not end", hint="Check the file system.", path=path
        ) from None
    except OSError as error:
        raise RunnerError(
            f"Cannot {what}: qemu-img does not start: {error.strerror}",
            hint="Install qemu-utils (Debian) or qemu-img (Fedora).",
            path=path,
        ) from None
    if done.returncode:
        raise refusal(f"Cannot {what}", done.stderr.decode(errors="replace"), path)
    return done.stdout.decode(errors="replace")


def refusal(what: str, said: str, path: str) -> LioshellError:
    """Return the error for what one of QEMU's programs said on stderr."""
    lines = [line.partition(": ")[2] or line for line in said.splitlines() if line.strip()]
    reason = " ".join(" ".join(lines[:3]).split())[:300] or "it gives no reason"
    if "lock" in said and "another process" in said:
        return ConflictError(
            f"{what}: another program uses it (a virtual machine?)",
            hint=f"End it, or use another image; fuser -v {path} names it.",
            path=path,
        )
    hint = f"Look at it: qemu-img info -U {path}"
    if ("not in" in said and "format" in said) or "invalid" in said:
        hint = "Say which format it has, as in ;format=vmdk; raw has no head at all."
    elif "No space left" in said:
        hint = "Make room on the file system, or name a file on another one."
    return RunnerError(f"{what}: {reason}", hint=hint, path=path)
