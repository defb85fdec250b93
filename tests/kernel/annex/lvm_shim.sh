#!/bin/sh
# vgcreate and lvcreate for a machine without lvm2, as far as block_create.sh uses them.
set -eu
case $(basename "$0") in
    vgcreate) mkdir "/dev/$1"; echo "$2" > "/run/$1.device" ;;
    lvcreate)
        device=$(cat "/run/$5.device")
        modprobe dm_mod
        dmsetup --noudevsync create "$5-$4" --table "0 8192 linear $device 2048"
        ln -s "/dev/mapper/$5-$4" "/dev/$5/$4" ;;
esac
