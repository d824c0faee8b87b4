# What demo.sh and check.sh need from Debian, and how they get it. To be sourced.

NEEDS_BUILD="gcc libc6-dev meson ninja-build pkg-config libsodium-dev libspng-dev libjpeg62-turbo-dev libpcap-dev libnftables-dev
	libnftnl-dev libmnl-dev libnetfilter-conntrack-dev liblmdb-dev libconfuse-dev liboath-dev libbpf-dev libseccomp-dev
	libcap-dev libjansson-dev uthash-dev libgpgme-dev gpg gpg-agent"
NEEDS_LAB="iproute2 nftables openssh-server openssh-client nmap tcpdump python3 python3-nacl"
NEEDS_CHECK="netbase iptables ipset scdoc libcmocka-dev clang libclang-rt-14-dev clang-format clang-tidy binutils conntrack systemd
	chromium python3-pil python3-pytest python3-pytest-xdist zlib1g-dev tshark"

PATH=$PATH:/usr/sbin:/sbin # which su alone does not add

# Servers and proxies that the laboratory starts by itself, in its own namespaces.
NEEDS_SERVERS="nginx-light microsocks tinyproxy"

# need PACKAGE... - installs those that are not there yet.
need() {
	missing=
	for package in "$@"; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
			missing="$missing $package"
	done
	[ -z "$missing" ] && return
	echo "installing$missing"
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing >/dev/null
}

# need_asleep PACKAGE... - the same for what its package would start: neither now nor at the next boot.
need_asleep() {
	policy=/usr/sbin/policy-rc.d made=
	if [ ! -e $policy ]; then
		made=$policy
		printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy || return
	fi
	need "$@"
	status=$?
	[ -z "$made" ] || rm -f "$made"
	for package in $missing; do
		systemctl disable "${package%-light}" >/dev/null 2>&1 || :
	done
	return $status
}

# The laboratory is made of namespaces, and those are root's to make.
need_root() {
	[ "$(id -u)" = 0 ] && return
	echo "$0: must be run as root, to make network namespaces: try sudo $0" >&2
	exit 3
}

# The laboratory mounts its own over this file; a system straight from debootstrap has none.
need_hosts() {
	[ -e /etc/hosts ] && return
	echo "making /etc/hosts, which is missing"
	printf '127.0.0.1\tlocalhost\n::1\tlocalhost\n' >/etc/hosts
}

# configure FOLDER OPTION... - sets a build folder up, or leaves one alone that is set up.
configure() {
	folder=$1
	shift
	[ -f "$folder/build.ninja" ] || meson setup "$folder" "$@"
}
