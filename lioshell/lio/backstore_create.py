# SPDX-License-Identifier: Apache-2.0
"""Create storage objects: checks first, then the configfs steps, all or nothing."""

from __future__ import annotations

import errno
import os
import stat
import uuid
from typing import TYPE_CHECKING

from lioshell.errors import ConflictError, HostError, KernelError, NotFoundError, UsageError
from lioshell.lio.backstores import StorageObject, find_storage_object, list_hbas
from lioshell.model.names import check_object_name
from lioshell.model.sizes import check_block_multiple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lioshell.lio.root import Lio
    from lioshell.lio.transaction import Transaction

_BLOCK_SIZE_BYTES = 512
_PAGE_SIZE_BYTES = 4096
_TYPE_DISK = 0


def create_fileio(
    lio: Lio,
    name: str,
    file_or_dev: str,
    size_bytes: int | None,
    *,
    write_back: bool = True,
    sparse: bool = True,
    wwn: str | None = None,
    model_alias: bool = True,
    make_file: bool = True,
) -> StorageObject:
    """Create a fileio object on a file or block device; a missing file is made.

    `size_bytes` counts for a file that is made; an existing file keeps its own size, as in
    targetcli. `make_file` False (restore) refuses a missing file: its file system may only not be
    mounted yet, and the kernel would make an empty one (target_core_file.c, O_CREAT).
    """
    _check_control_value(file_or_dev)
    path = _absolute(file_or_dev)
    with lio.transaction() as steps:
        _begin(lio, "fileio", name)
        control = f"fd_dev_name={path}"
        device = lio.kernel.system.block_device(path)
        if device is not None:
            if device.in_use:
                raise _in_use(path)
        else:
            size_bytes = _prepare_file(lio, steps, path, size_bytes, sparse=sparse, make=make_file)
            control += f",fd_dev_size={size_bytes}"
        storage_object = _make(lio, steps, "fileio", name)
        base = storage_object.path
        steps.write(f"{base}/control", control)
        if write_back:
            steps.write(f"{base}/attrib/emulate_write_cache", "1")
            steps.write(f"{base}/control", "fd_buffered_io=1")
        steps.write(f"{base}/udev_path", path)
        _finish(steps, storage_object, wwn, model_alias=model_alias)
    return storage_object


def create_block(
    lio: Lio,
    name: str,
    dev: str,
    *,
    readonly: bool | None = None,
    wwn: str | None = None,
    model_alias: bool = True,
) -> StorageObject:
    """Create a block object on a block device; `readonly` None means as the device itself is."""
    _check_control_value(dev)
    with lio.transaction() as steps:
        _begin(lio, "block", name)
        device = lio.kernel.system.block_device(dev)
        if device is None:
            raise _no_block_device(dev)
        if device.scsi_type not in (None, _TYPE_DISK):
            raise UsageError(
                f"{dev} is a SCSI device of type {device.scsi_type}, no disk",
                hint="Export it with pscsi.",
            )
        if device.in_use:
            raise _in_use(dev)
        read_only = device.read_only if readonly is None else readonly
        storage_object = _make(lio, steps, "block", name)
        base = storage_object.path
        steps.write(f"{base}/udev_path", dev)
        steps.write(f"{base}/control", f"udev_path={dev}")
        steps.write(f"{base}/control", f"readonly={int(read_only)}")
        _finish(steps, storage_object, wwn, model_alias=model_alias)
    return storage_object


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
    return storage_object


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
        storage_object = _make(lio, steps, "pscsi", name)
        base = storage_object.path
        steps.write(
            f"{base}/control",
            f"scsi_host_id={host},scsi_channel_id={channel},"
            f"scsi_target_id={target},scsi_lun_id={lun}",
        )
        steps.write(f"{base}/udev_path", dev)
        steps.write(f"{base}/enable", "1")
    return storage_object


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
) -> StorageObject:
    """Create a TCMU device that some runner has to serve.

    `prepare(block_size_bytes)` makes the backing storage and returns what removes it again.
    `control` are further kernel options ("max_data_area_mb=64"), written as given, before enable.
    `nl_reply_supported=-1` keeps the kernel from waiting for a netlink answer without a limit
    (drivers/target/target_core_user.c, tcmu_netlink_event_send).
    """
    _check_control_value(dev_config)
    if len(dev_config.encode()) > 255:
        raise UsageError("The configuration string is longer than 255 bytes", hint="Shorten it.")
    check_block_multiple(size_bytes, block_size_bytes)
    with lio.transaction() as steps:
        _begin(lio, "user", name)
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
    return storage_object


def _begin(lio: Lio, plugin: str, name: str) -> None:
    """Check the name, and load the module; nothing is changed in configfs."""
    check_object_name(name)
    try:
        existing = find_storage_object(lio, plugin, name)
    except NotFoundError:
        existing = None
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
    used = {hba.rpartition("_")[2] for hba in list_hbas(lio)}
    index = 0
    while True:
        while str(index) in used:
            index += 1
        try:
            steps.mkdir(f"core/{prefix}_{index}")
        except KernelError as error:
            if error.errno != errno.EEXIST:
                raise
            # Another process took the index after the listing.
            used.add(str(index))
            continue
        break
    storage_object = StorageObject(lio, plugin, f"{prefix}_{index}", name)
    steps.mkdir(storage_object.path)
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
    serial = wwn or str(uuid.uuid4())
    if serial_first:
        steps.write(f"{base}/wwn/vpd_unit_serial", serial)
    steps.write(f"{base}/enable", "1")
    if not serial_first:
        steps.write(f"{base}/wwn/vpd_unit_serial", serial)
    if model_alias:
        steps.write(f"{base}/attrib/emulate_model_alias", "1")


def _prepare_file(
    lio: Lio,
    steps: Transaction,
    path: str,
    size_bytes: int | None,
    *,
    sparse: bool,
    make: bool,
) -> int:
    """Return the size of a backing file, which is made where it is missing."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        if not make:
            raise NotFoundError(
                f"The backing file {path} is missing",
                hint="Mount its file system or bring the file back, then restore again.",
                path=path,
            ) from None
        return _make_file(lio, steps, path, size_bytes, sparse=sparse)
    except OSError as error:
        raise _file_error(path, error) from error
    if stat.S_ISDIR(status.st_mode):
        raise UsageError(f"{path} is a folder", hint="Give the name of a file in it.", path=path)
    if not stat.S_ISREG(status.st_mode):
        raise UsageError(f"{path} is no file", hint="Give a regular file or a block device.")
    if not os.access(path, os.R_OK | os.W_OK):
        raise HostError(
            f"{path} cannot be read and written", hint="Check its permissions.", path=path
        )
    if status.st_size < _BLOCK_SIZE_BYTES:
        raise UsageError(
            f"{path} has {status.st_size} bytes, less than one block",
            hint=f"Make it larger, as in: truncate -s 1G {path}",
            path=path,
        )
    return status.st_size


def _make_file(
    lio: Lio, steps: Transaction, path: str, size_bytes: int | None, *, sparse: bool
) -> int:
    if size_bytes is None:
        raise UsageError(
            f"{path} does not exist, and no size was given",
            hint="Give a size, as in: create NAME FILE 10G",
            path=path,
        )
    check_block_multiple(size_bytes, _BLOCK_SIZE_BYTES)
    if lio.dry_run:
        return size_bytes
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _file_error(path, error) from error
    steps.on_failure(f"remove {path}", lambda: os.unlink(path))
    try:
        if sparse:
            os.ftruncate(descriptor, size_bytes)
        else:
            os.posix_fallocate(descriptor, 0, size_bytes)
    except OSError as error:
        raise _file_error(path, error) from error
    finally:
        os.close(descriptor)
    return size_bytes


def _file_error(path: str, error: OSError) -> HostError | NotFoundError:
    reason = os.strerror(error.errno or 0)
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return NotFoundError(
            f"{path} cannot be made: {reason}", hint="Make its folder first.", path=path
        )
    return HostError(f"{path}: {reason}", hint="Check the path, the space and the rights.")


def _check_control_value(value: str) -> None:
    """Refuse what the kernel's option parser would cut (match_token splits at commas)."""
    bad = next((c for c in value if c == "," or not c.isprintable()), None)
    if bad is not None:
        raise UsageError(
            f"{value!r} holds {bad!r}, where the kernel's option parser would cut it",
            hint="Rename the file, or reach it through a link without it.",
        )


def _absolute(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path))


def _in_use(path: str) -> ConflictError:
    return ConflictError(
        f"{path} is in use",
        hint=f"See who uses it with: lsblk {path}; unmount or stop that first.",
        path=path,
    )


def _no_block_device(path: str) -> NotFoundError:
    return NotFoundError(
        f"{path} is no block device of this machine",
        hint="See the block devices with: lsblk; export a plain file with fileio.",
        path=path,
    )
