#!/bin/sh
# A user's systemd in namespaces of its own: run as `unshare -fpmC --mount-proc --kill-child systemd_house.sh COMMAND …`.
# Nothing of it is seen outside, and all of it ends with the first process.
set -e
mount --make-rprivate /
umount -R /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs tmpfs /run
export XDG_RUNTIME_DIR=/run/house SYSTEMD_LOG_TARGET=console
mkdir -p -m 700 /run/house /run/systemd/system
/lib/systemd/systemd --user --unit=basic.target --log-target=console >/run/house.log 2>&1 &
for _ in $(seq 100); do
    systemctl --user is-active --quiet basic.target && break
    sleep 0.1
done
"$@"
