#!/bin/sh
# boot.sh FOLDER TREE - runs a systemd of its own, with the host's files below it and TREE over them. What it writes is
# in memory, and gone with it; it has no network but lo, may change no setting of the kernel, and starts nothing by
# itself. First in mount and cgroup namespaces of its own, then as the first process. Ends with 77 where this host
# does not let it.
set -e
folder=$1 tree=$2 root=$1/root

# Its part of the host's control groups, whichever version these have.
make_cgroup() {
	groups=$folder/groups
	mkdir "$groups"
	if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
		mount -t cgroup2 none "$groups"
	else
		mount -t cgroup -o none,name=systemd none "$groups"
	fi
	own=$groups$(sed -n 's/^\(0:\|[0-9]*:name=systemd\):\(.*\)$/\2/p' /proc/self/cgroup | tail -n 1)/postern-$$
	mkdir "$own"
}

leave_cgroup() {
	echo $$ >"${own%/*}/cgroup.procs"
	find "$own" -depth -type d -exec rmdir {} + 2>/dev/null || :
}

make_root() {
	mkdir "$folder/up" "$folder/work" "$root"
	mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/up,workdir=$folder/work" "$root"
	cp -a "$tree/." "$root"
	rm -rf "$root"/etc/systemd/system/*.wants "$root"/etc/postern "$root"/var/lib/postern
	cat >"$root/etc/systemd/system/alone.target" <<-END
		[Unit]
		DefaultDependencies=no
		Requires=systemd-journald.socket
		After=systemd-journald.socket
	END
}

fill_root() {
	mount -t proc proc "$root/proc"
	mount --bind -o ro "$root/proc/sys" "$root/proc/sys"
	mount --rbind /dev "$root/dev" && mount --make-rslave "$root/dev"
	mount -t sysfs -o ro sysfs "$root/sys"
	if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
		mount -t cgroup2 none "$root/sys/fs/cgroup"
	else
		mount -t tmpfs tmpfs "$root/sys/fs/cgroup"
		mkdir "$root/sys/fs/cgroup/systemd"
		mount -t cgroup -o none,name=systemd none "$root/sys/fs/cgroup/systemd"
	fi
	mount -t tmpfs -o mode=755 tmpfs "$root/run"
	mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
	ip link set lo up
}

case $3 in
"")
	{
		unshare -m -p -f -n -u -i -C true && mount --make-rprivate / && mount -t tmpfs tmpfs "$folder" && make_cgroup && make_root &&
			echo $$ >"$own/cgroup.procs"
	} || exit 77
	status=0
	unshare -m -p -f -n -u -i -C --kill-child "$0" "$folder" "$tree" first || status=$?
	leave_cgroup
	exit $status
	;;
first)
	fill_root || exit 77
	cd "$root"
	exec chroot . /usr/bin/env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin \
		SYSTEMD_PROC_CMDLINE="systemd.unit=alone.target" /lib/systemd/systemd --system --log-target=console
	;;
esac
