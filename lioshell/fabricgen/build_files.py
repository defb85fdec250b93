# SPDX-License-Identifier: Apache-2.0
"""What builds a fabric module: Kbuild, Kconfig, a Makefile outside of the kernel, and its spec."""

from __future__ import annotations

from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from lioshell.fabricgen.headers import FabricOps
    from lioshell.fabricgen.names import ModuleName
    from lioshell.fabricgen.protocols import Protocol

_SPDX = "# SPDX-License-Identifier: GPL-2.0"


def kbuild(name: ModuleName) -> str:
    """Return the Kbuild of the module, the same inside and outside of a kernel tree."""
    module = name.module
    return (
        f"{_SPDX}\n{module}-y := {module}_fabric.o {module}_configfs.o\n"
        f"obj-$(CONFIG_{name.option}) += {module}.o\n"
    )


def makefile(name: ModuleName) -> str:
    """Return a Makefile that builds the module for the running kernel, or for KDIR."""
    return (
        f"{_SPDX}\n# make, or make KDIR=/lib/modules/VERSION/build\n"
        "KDIR ?= /lib/modules/$(shell uname -r)/build\n\n"
        "modules modules_install clean:\n"
        f"\t$(MAKE) -C $(KDIR) M=$(CURDIR) CONFIG_{name.option}=m $@\n\n"
        ".PHONY: modules modules_install clean\n"
    )


def kconfig(name: ModuleName) -> str:
    """Return the Kconfig entry of the module."""
    return (
        f"{_SPDX}\nconfig {name.option}\n"
        f'\ttristate "{name.fabric}: SCSI target fabric module"\n'
        "\tdepends on TARGET_CORE && CONFIGFS_FS\n"
        "\tdefault n\n"
        "\thelp\n"
        f"\t  The fabric {name.fabric} of the kernel's SCSI target. Its targets are made\n"
        f"\t  in configfs, below target/{name.fabric}.\n\n"
        f"\t  To compile this as a module, choose M here: the module will be\n"
        f"\t  called {name.module}.\n"
    )


def spec(name: ModuleName, protocol: Protocol, ops: FabricOps) -> str:
    """Return the spec file with which lioshell shows the fabric."""
    features = ["tpgts", "luns", "acls"]
    if any(callback.name == "fabric_enable_tpg" for callback in ops.callbacks):
        # The core makes the file `enable` only where there is a callback for it.
        features.append("enable")
    lines = [
        "# SPDX-License-Identifier: Apache-2.0",
        "kind: fabric",
        f"name: {name.fabric}",
        f"group: {name.fabric}",
        f"module: {name.module}",
        f'help: "{name.fabric}: a fabric of your own ({protocol.name})"',
        f"wwn_types: [{', '.join(protocol.wwn_types)}]",
    ]
    if protocol.wwn_form:
        lines.append(f"wwn_form: {protocol.wwn_form}")
    lines.append(f"features: [{', '.join(features)}]")
    return "\n".join(lines) + "\n"
