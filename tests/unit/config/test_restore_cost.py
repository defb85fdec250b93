# SPDX-License-Identifier: Apache-2.0
"""What a restore, a dump and a clear cost for each LUN does not grow with their number."""

from lioshell.config.restore import restore
from lioshell.config.save import dump
from lioshell.lio.clearing import clear
from lioshell.lio.root import Lio


class Counting:
    """A configfs that counts what is asked of it."""

    def __init__(self, configfs):
        self._configfs = configfs
        self.operations = 0

    def __getattr__(self, name):
        found = getattr(self._configfs, name)
        if not callable(found):
            return found

        def counted(*arguments, **keywords):
            self.operations += 1
            return found(*arguments, **keywords)

        return counted


def document(luns):
    disks = [{"plugin": "ramdisk", "name": f"r{n}", "size": 4096} for n in range(luns)]
    exported = [{"index": n, "storage_object": f"/backstores/ramdisk/r{n}"} for n in range(luns)]
    mapped = [{"index": n, "tpg_lun": n} for n in range(luns)]
    acls = [{"node_wwn": f"iqn.1994-05.com.example:c{n}", "mapped_luns": mapped} for n in range(2)]
    tpg = {"tag": 1, "enable": True, "luns": exported, "node_acls": acls}
    target = {"fabric": "iscsi", "wwn": "iqn.2003-01.com.example:x", "tpgs": [tpg]}
    return {"storage_objects": disks, "targets": [target]}


def costs(new_lio, luns):
    """Return the operations a LUN of a restore, a dump and a clear."""
    lio = new_lio()
    counting = Counting(lio.kernel.configfs)
    lio = Lio(lio.kernel._replace(configfs=counting), lio.specs)
    found = []
    steps = (lambda: restore(lio, document(luns)), lambda: dump(lio), lambda: clear(lio))
    for step in steps:
        counting.operations = 0
        result = step()
        found.append(counting.operations / luns)
        assert not getattr(result, "failures", None)
    return found


def test_the_cost_of_a_lun_does_not_grow(new_lio):
    few, many = costs(new_lio, 10), costs(new_lio, 60)
    assert all(b <= a for a, b in zip(few, many, strict=True)), (few, many)
    assert many[0] < 20
