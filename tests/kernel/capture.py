# SPDX-License-Identifier: Apache-2.0
"""Record what a real kernel's configfs shows after each step of the scripts.

    python3 -m tests.kernel.capture [NAME ...]

boots the virtual machine, does the steps of tests/data/captures/scripts/NAME.script (all of them
without a name) and writes tests/data/captures/linux-6.1/NAME.jsonl. The contract suite compares
both kernels with these (tests/contract/test_captures.py). In the guest it is run with --here.
"""

from __future__ import annotations

import sys
import tempfile

from tests.contract import capture


def main() -> int:
    """Record in the virtual machine, or here where the first word is --here."""
    words = sys.argv[1:]
    if words[:1] == ["--here"]:
        _record_here(words[1:])
        return 0
    from tests.kernel.vm import Guest, ensure_image

    names = words or capture.scripts()
    with Guest.boot(ensure_image()) as guest:
        guest.push_project()
        folder = capture.RECORDED.relative_to(capture.CAPTURES.parents[2])
        script = (
            f"cd /srv/lioshell && python3 -m tests.kernel.capture --here {' '.join(names)} && "
            f"cp {folder}/*.jsonl /share"
        )
        print(guest.run(script, timeout_s=540, check=True).stdout, end="")
        for name in names:
            text = (guest.share / f"{name}.jsonl").read_text("utf-8")
            capture.RECORDED.mkdir(parents=True, exist_ok=True)
            (capture.RECORDED / f"{name}.jsonl").write_text(text, "utf-8")
    return 0


def _record_here(names: list[str]) -> None:
    from lioshell.kernel.open import open_real
    from tests.contract.open_iscsi import OpenIscsi

    kernel = open_real()
    kernel.system.prepare()
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            records = list(capture.play(kernel, name, {"$DIR": folder}, OpenIscsi()))
        capture.record(name, records)
        print(f"{name}: {len(records) - 1} steps", flush=True)


if __name__ == "__main__":
    sys.exit(main())
