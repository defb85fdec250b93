# SPDX-License-Identifier: Apache-2.0
"""Save, clear, restore, save: the same again, for configurations that nobody thought of.

The long form: LIOSHELL_EXAMPLES=1000 python -m pytest tests/property/test_saved_configuration.py.
With LIOSHELL_CONTRACT=real, as root in a virtual machine, it runs on the real kernel.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from lioshell.config import saved_file
from lioshell.config.document import IDENTITY, MAPS, identity
from lioshell.config.restore import restore
from lioshell.config.save import dump, save
from lioshell.config.unrestored import forget
from lioshell.kernel.open import open_real, open_sim
from lioshell.lio.clearing import clear
from lioshell.lio.root import Lio
from lioshell.specs import Specs

from .configurations import documents

if TYPE_CHECKING:
    from collections.abc import Iterator

REAL = os.environ.get("LIOSHELL_CONTRACT") == "real"
EXAMPLES = int(os.environ.get("LIOSHELL_EXAMPLES", "25"))
SPECS = Specs(cache_folder="")
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


@contextmanager
def kernel_in(folder: Path) -> Iterator[Lio]:
    """A kernel without any object, before and after."""
    kernel = open_real() if REAL else open_sim(str(folder / "sim"), SPECS)
    kernel.system.prepare()
    lio = Lio(kernel, SPECS)
    try:
        clear(lio)
        forget(lio, [])
        yield lio
    finally:
        clear(lio)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="lioshell-property-"))
    if MEMORY is not None:
        # A simulated kernel is hundreds of small files; what it takes for disks is elsewhere.
        (path / "sim").symlink_to(tempfile.mkdtemp(prefix="lioshell-property-", dir=MEMORY))
    yield path
    shutil.rmtree((path / "sim").resolve(), ignore_errors=True)
    shutil.rmtree(path)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    derandomize=EXAMPLES < 100,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_save_clear_restore_save_is_the_same(folder: Path, data: st.DataObject) -> None:
    document = data.draw(documents(folder))
    path = str(folder / data.draw(st.sampled_from(("saved.json", "saved.yaml"))))
    event(f"{len(document['storage_objects'])} objects, {len(document['targets'])} targets")
    with kernel_in(folder) as lio:
        report = restore(lio, document)
        assert report.failures == []
        save(lio, path)
        first = saved_file.read(path)
        clear(lio)
        assert dump(lio) == {"storage_objects": [], "fabric_modules": [], "targets": []}

        assert restore(lio, first).failures == []
        again = dump(lio)
        assert lacking(document, first) == []
        assert lacking(first, again) == lacking(again, first) == []
        assert again == first
        assert not save(lio, path).changed


def lacking(wanted: dict[str, Any], found: dict[str, Any], where: str = "") -> list[str]:
    """Return what was asked for and is not there."""
    missing = []
    for key, value in wanted.items():
        if key in IDENTITY:
            there = {identity(key, item): item for item in found.get(key, [])}
            for item in value:
                match = there.get(identity(key, item))
                at = f"{where}/{identity(key, item)}"
                missing += [at] if match is None else lacking(item, match, at)
            if key == "portals" and [p["port"] for p in found[key]] != made_in_order(value):
                missing.append(f"{where} order of portals")
        elif key in MAPS:
            has = found.get(key, {})
            other = {name: has.get(name) for name in value if has.get(name) != value[name]}
            missing += [f"{where}: {other}"] if other else []
        elif key == "control":
            missing += [f"{where} {o}" for o in value.split(",") if o not in found[key]]
        elif found.get(key) != value and not is_default(key, value):
            missing.append(f"{where} {key}={value}: {found.get(key)}")
    return missing


def made_in_order(portals: list[dict[str, Any]]) -> list[int]:
    ports = [portal["port"] for portal in portals]
    return ports if REAL else sorted(ports)


def is_default(key: str, value: object) -> bool:
    """Tell whether a value is what a new object has, so that it need not be saved."""
    return (key, value) in (
        ("company_id", "0x001405"),
        ("vendor_id", "LIO-ORG"),
        ("alua_support_lba_dependent", 0),
    ) or key == "cmdsn_depth"
