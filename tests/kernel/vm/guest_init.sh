#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Process 1 of the guest. It brings up what every Linux has, and nothing of the target: configfs stays
# unmounted and no target module is loaded, because that is for the tested program to do.
# A shell, because it reaps whatever the tests leave behind while it waits for the agent.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root LANG=C.UTF-8

mount -t proc -o nosuid,nodev,noexec proc /proc
# A test of what happens at boot has a real init; the agent is then a service of it.
if grep -q lioshell.init=systemd /proc/cmdline; then
    exec /lib/systemd/systemd
fi
mount -t sysfs -o nosuid,nodev,noexec sys /sys
mkdir -p /dev/pts /dev/shm
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o nosuid,nodev shm /dev/shm
mount -t tmpfs -o nosuid,nodev,mode=755 run /run
mkdir -p /run/lock/iscsi
mount -t tmpfs -o mode=1777 tmp /tmp

# Warnings go to the console, which the host keeps; notices of the target modules do not.
echo 4 >/proc/sys/kernel/printk
hostname -F /etc/hostname
ip link set lo up

modprobe -a virtio_console 9pnet_virtio 9p virtio_rng
/lib/systemd/systemd-udevd --daemon
# Only disks: a trigger for all devices loads drivers for hardware that nobody uses here.
udevadm trigger --action=add --subsystem-match=block

mkdir -p /share
mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,cache=none share /share \
    && python3 -I -S /share/.harness/agent.py
echo "guest-init: the agent ended with $?, switching off"

sync
echo o >/proc/sysrq-trigger
sleep 10
