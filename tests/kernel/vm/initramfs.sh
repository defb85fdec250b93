#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# Runs first in the guest: the modules for the root disk, then the root file system's own init.
/bin/busybox --install -s /bin
export PATH=/bin

mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys

while read -r module; do
    insmod "/lib/$module.ko" || echo "initramfs: module $module was refused"
done </lib/order

# The disk appears a little after its driver.
tries=0
while [ ! -b /dev/vda ] && [ "$tries" -lt 100 ]; do
    sleep 0.1
    tries=$((tries + 1))
done

# When this script ends the kernel panics, and so the virtual machine ends: no hang.
mount -t ext4 -o noatime /dev/vda /newroot || exit 1
mount --move /dev /newroot/dev
umount /sys /proc
exec switch_root /newroot /usr/local/sbin/guest-init
