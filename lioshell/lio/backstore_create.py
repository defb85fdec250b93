# SPDX-License-Identifier: Apache-2.0
"""Create storage objects: checks first, then the configfs steps, all or nothing."""

from __future__ import annotations

import errno
import os
import re

from lioshell.errors import (
    ConflictError,
    KernelError,
    NotFoundError,
    UsageError,
)
from lioshell.lio.backing_use import learn, refuse_second_use, remember
from lioshell.lio.backstores import StorageObject, known_storage_object
from lioshell.lio.control_option import check_user_option, check_value
from lioshell.lio.survey import HbaNumbers
from lioshell.lio.user_backing import user_backing_path
from lioshell.model.names import check_object_name
from lioshell.model.sizes import check_block_multiple
from lioshell.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lioshell.lio.root import Lio
    from lioshell.lio.transaction import Transaction

_BLOCK_SIZE_BYTES = 512
_PAGE_SIZE_BYTES = 4096
_TYPE_DISK = 0
_USER_BLOCK_SIZES_BYTES = (512, 1024, 2048, 4096)


def create_fileio(
    lio: Lio,
    name: str,
    file_or_dev: str,
    size_bytes: int | None,
    *,
    write_back: bool = True,
    sparse: bool = True,
    aio: bool = False,
    wwn: str | None = None,
    model_alias: bool = True,
    as_saved: bool = False,
) -> StorageObject:
    """Create a fileio object on a file or block device; a missing file is made.

    `size_bytes` counts for a file that is made; an existing file keeps its own size, as in
    targetcli. With `as_saved` (restore) it is exported with `size_bytes`, and a missing file, or
    one that is smaller, is refused: its file system may only not be mounted yet, and the kernel
    would make an empty one (target_core_file.c, O_CREAT).
    """
    from lioshell.lio.backing_file import kernel_path, prepare_file

    path = kernel_path(file_or_dev)
    with lio.transaction() as steps:
        _begin(lio, "fileio", name)
        refuse_second_use(lio, path)
        control = f"fd_dev_name={path}"
        device = lio.kernel.system.block_device(path)
        if device is not None:
            _require_unused(lio, path, in_use=device.in_use)
        else:
            size_bytes = prepare_file(
                lio, steps, path, size_bytes, sparse=sparse, as_saved=as_saved
            )
            control += f",fd_dev_size={size_bytes}"
        storage_object = _make(lio, steps, "fileio", name)
        base = storage_object.path
        steps.write(f"{base}/control", control)
        if write_back:
            steps.write(f"{base}/attrib/emulate_write_cache", "1")
            steps.write(f"{base}/control", "fd_buffered_io=1")
        if aio:
            steps.write(f"{base}/control", "fd_async_io=1")
        steps.write(f"{base}/udev_path", path)
        _finish(steps, storage_object, wwn, model_alias=model_alias)
    if lio.dry_run:
        storage_object.planned_size_bytes = device.size_bytes if device else size_bytes
    return _remembered(lio, storage_object)


def create_block(
    lio: Lio,
    name: str,
    dev: str,
    *,
    readonly: bool | None = None,
    exclusive: bool = True,
    wwn: str | None = None,
    model_alias: bool = True,
) -> StorageObject:
    """Create a block object on a block device; `readonly` None means as the device itself is.

    `exclusive` False takes a device that something else uses, a cluster's for instance, where the
    kernel can (6.17 on; drivers/target/target_core_iblock.c, Opt_exclusive): an older one ignores
    the option, so what it shows is looked at. Raises UsageError there.
    """
    check_value(dev)
    with lio.transaction() as steps:
        _begin(lio, "block", name)
        refuse_second_use(lio, dev)
        device = lio.kernel.system.block_device(dev)
        if device is None:
            raise _no_block_device(dev)
        if device.scsi_type not in (None, _TYPE_DISK):
            raise UsageError(
                f"{dev} is a SCSI device of type {device.scsi_type}, no disk",
                hint="Export it with pscsi.",
            )
        _require_unused(lio, dev, in_use=device.in_use and exclusive)
        read_only = device.read_only if readonly is None else readonly
        storage_object = _make(lio, steps, "block", name)
        base = storage_object.path
        steps.write(f"{base}/udev_path", dev)
        steps.write(f"{base}/control", f"udev_path={dev}")
        steps.write(f"{base}/control", f"readonly={int(read_only)}")
        if not exclusive:
            steps.write(f"{base}/control", "exclusive=0")
            if not lio.dry_run and not re.search(r"exclusive: *0", storage_object.info()):
                raise UsageError(
                    "This kernel uses a block device alone or not at all",
                    hint="exclusive=false needs Linux 6.17; export a file on it instead.",
                )
        _finish(steps, storage_object, wwn, model_alias=model_alias)
    return _remembered(lio, storage_object)


def create_ramdisk(
    lio: Lio,
    name: str,
    size_bytes: int,
    *,
    nullio: bool = False,
    wwn: str | None = None,
    model_alias: bool = True,
) -> StorageObject:
    """Create a ramdisk; the size is rounded up to whole pages."""
    with lio.transaction() as steps:
        _begin(lio, "ramdisk", name)
        check_block_multiple(size_bytes, _BLOCK_SIZE_BYTES)
        pages = -(-size_bytes // _PAGE_SIZE_BYTES)
        storage_object = _make(lio, steps, "ramdisk", name)
        steps.write(f"{storage_object.path}/control", f"rd_pages={pages}")
        if nullio:
            steps.write(f"{storage_object.path}/control", "rd_nullio=1")
        _finish(steps, storage_object, wwn, model_alias=model_alias)
    return _remembered(lio, storage_object)


def create_pscsi(lio: Lio, name: str, dev: str) -> StorageObject:
    """Create a pass-through of a SCSI device, given by node or as H:C:T:L."""
    with lio.transaction() as steps:
        _begin(lio, "pscsi", name)
        address = lio.kernel.system.scsi_address(dev)
        if address is None:
            raise NotFoundError(
                f"{dev} is no SCSI device of this machine",
                hint="Give a device such as /dev/sdb or its address host:channel:target:lun.",
            )
        host, channel, target, lun = address
        if "/" not in dev:
            # The kernel opens a disk by its node (target_core_pscsi.c, pscsi_create_type_disk).
            found = lio.kernel.system.disks_at(f"{host}:{channel}:{target}", lun)
            dev = next(iter(found), dev)
        storage_object = _make(lio, steps, "pscsi", name)
        base = storage_object.path
        steps.write(
            f"{base}/control",
            f"scsi_host_id={host},scsi_channel_id={channel},"
            f"scsi_target_id={target},scsi_lun_id={lun}",
        )
        steps.write(f"{base}/udev_path", dev)
        steps.write(f"{base}/enable", "1")
    return _remembered(lio, storage_object)


def create_user(
    lio: Lio,
    name: str,
    size_bytes: int,
    dev_config: str,
    *,
    prepare: Callable[[int], Callable[[], None]] | None = None,
    wwn: str | None = None,
    block_size_bytes: int = _BLOCK_SIZE_BYTES,
    control: Sequence[str] = (),
    cmd_time_out_s: int | None = None,
) -> StorageObject:
    """Create a TCMU device that some runner has to serve.

    `prepare(block_size_bytes)` makes the backing storage and returns what removes it again.
    `control` are further kernel options ("max_data_area_mb=64"), written as given, before enable;
    `cmd_time_out_s` is after how long the kernel gives a command up, 0 for never.
    `nl_reply_supported=-1` keeps the kernel from waiting for a netlink answer without a limit
    (drivers/target/target_core_user.c, tcmu_netlink_event_send).
    """
    check_value(dev_config)
    if len(os.fsencode(dev_config)) > 255:
        raise UsageError("The configuration string is longer than 255 bytes", hint="Shorten it.")
    if block_size_bytes not in _USER_BLOCK_SIZES_BYTES:
        raise UsageError(
            f"A block of {block_size_bytes} bytes is not possible",
            hint="Give hw_block_size=512, 1024, 2048 or 4096.",
        )
    for option in control:
        check_user_option(option)
    check_block_multiple(size_bytes, block_size_bytes)
    with lio.transaction() as steps:
        _begin(lio, "user", name)
        path = user_backing_path(dev_config)
        if path:
            refuse_second_use(lio, path)
        if prepare is not None and not lio.dry_run:
            steps.on_failure("remove the backing storage", prepare(block_size_bytes))
        storage_object = _make(lio, steps, "user", name)
        base = storage_object.path
        options = [f"dev_config={dev_config}", f"dev_size={size_bytes}"]
        if block_size_bytes != _BLOCK_SIZE_BYTES:
            options.append(f"hw_block_size={block_size_bytes}")
        for option in (*options, *control, "nl_reply_supported=-1"):
            steps.write(f"{base}/control", option)
        # Before enable: a runner attaches at that moment and wants the identity.
        _finish(steps, storage_object, wwn, model_alias=False, serial_first=True)
        if cmd_time_out_s is not None:
            # Writable until the first LUN (target_core_user.c, tcmu_cmd_time_out_store).
            steps.write(f"{base}/attrib/cmd_time_out", str(cmd_time_out_s))
    return _remembered(lio, storage_object)


def _begin(lio: Lio, plugin: str, name: str) -> None:
    """Check the name, and load the module; nothing is changed in configfs."""
    check_object_name(name)
    if lio.survey is not None:
        existing = lio.survey.find(plugin, name)
    else:
        hbas = lio.index.hbas()
        learn(lio, hbas)
        existing = known_storage_object(lio, plugin, name, hbas)
    if existing is not None:
        raise ConflictError(
            f"{existing.tree_path} exists already",
            hint="Choose another name, or delete that one first.",
            path=existing.path,
        )
    lio.require_backstore_module(plugin)


def _make(lio: Lio, steps: Transaction, plugin: str, name: str) -> StorageObject:
    """Make an HBA with an index that no kind of backstore uses, and the object in it."""
    prefix = lio.specs.backstore(plugin).hba_prefix
    numbers = lio.survey.numbers if lio.survey is not None else HbaNumbers(lio.index.hbas())
    while True:
        index = numbers.lowest_free()
        try:
            steps.mkdir(f"core/{prefix}_{index}")
        except KernelError as error:
            if error.errno != errno.EEXIST:
                raise
            # Another process took the index after the listing.
            numbers.take(index)
            continue
        break
    storage_object = StorageObject(lio, plugin, f"{prefix}_{index}", name)
    steps.mkdir(storage_object.path)
    return storage_object


def _remembered(lio: Lio, storage_object: StorageObject) -> StorageObject:
    """Return a new object that the index knows; in what was its folder before may be another."""
    if lio.survey is not None:
        return storage_object
    remember(lio, storage_object.hba, lio.index.hbas())
    return storage_object


def _finish(
    steps: Transaction,
    storage_object: StorageObject,
    wwn: str | None,
    *,
    model_alias: bool,
    serial_first: bool = False,
) -> None:
    base = storage_object.path
    # "" is what a restore gives for an object that scripts made without a serial number.
    serial = new_serial() if wwn is None else wwn
    if serial_first and serial:
        steps.write(f"{base}/wwn/vpd_unit_serial", serial)
    steps.write(f"{base}/enable", "1")
    if serial and not serial_first:
        steps.write(f"{base}/wwn/vpd_unit_serial", serial)
    if model_alias:
        steps.write(f"{base}/attrib/emulate_model_alias", "1")


def new_serial() -> str:
    """Return a random UUID (RFC 9562, section 5.4); the import of uuid takes 25 ms."""
    number = bytearray(os.urandom(16))
    number[6] = number[6] & 0x0F | 0x40
    number[8] = number[8] & 0x3F | 0x80
    text = number.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _require_unused(lio: Lio, path: str, *, in_use: bool) -> None:
    if in_use and path not in lio.freed_devices:
        by = ", ".join(lio.kernel.system.holders(path))
        raise ConflictError(
            f"{path} is in use{by and ': '}{by}",
            hint=f"See who uses it with: lsblk {path}; unmount or stop that first.",
            path=path,
        )


def _no_block_device(path: str) -> NotFoundError:
    return NotFoundError(
        f"{path} is no block device of this machine",
        hint="See the block devices with: lsblk; export a plain file with fileio.",
        path=path,
    )
