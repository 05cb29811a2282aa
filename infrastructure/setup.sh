#!/bin/bash
# setup.sh demo|test|devtools|fresh|systemd: installs what is missing with the system's package manager.
# Needs root or sudo only if something is missing. What is there is left alone.
set -euo pipefail

what=${1:-}

# program:Debian package:Arch package
demo=(
	git:git:git
	gcc:gcc:gcc
	ld:binutils:binutils
	makepkg:makepkg:pacman
	pacman:pacman-package-manager:pacman
	fakeroot:fakeroot:fakeroot
	bwrap:bubblewrap:bubblewrap
	unshare:util-linux:util-linux
	bsdtar:libarchive-tools:libarchive
	zstd:zstd:zstd
	xz:xz-utils:xz
	curl:curl:curl
	gpg:gpg:gnupg
)
test=(
	"${demo[@]}"
	chromium:chromium:chromium
	node:nodejs:nodejs
	npm:npm:npm
	setpriv:util-linux:util-linux
	newuidmap:uidmap:shadow
	qemu-system-x86_64:qemu-system-x86:qemu-base
	busybox:busybox-static:busybox
	/usr/sbin/sshd:openssh-server:openssh
	mkfs.ext4:e2fsprogs:e2fsprogs
	/usr/sbin/nginx:nginx-light:nginx
	caddy:caddy:caddy
	ip:iproute2:iproute2
	openssl:openssl:openssl
	rsync:rsync:rsync
	promtool:prometheus:prometheus
)
devtools=(
	"${demo[@]}"
	debootstrap:debootstrap:debootstrap
	pacstrap:arch-install-scripts:arch-install-scripts
	systemd-nspawn:systemd-container:systemd
	rsync:rsync:rsync
	sudo:sudo:sudo
	setpriv:util-linux:util-linux
	ip:iproute2:iproute2
)
fresh=(
	debootstrap:debootstrap:debootstrap
	slirp4netns:slirp4netns:slirp4netns
	unshare:util-linux:util-linux
	curl:curl:curl
	git:git:git
)
systemd=(
	debootstrap:debootstrap:debootstrap
	dpkg-deb:dpkg:dpkg
	mkfs.ext4:e2fsprogs:e2fsprogs
	qemu-system-x86_64:qemu-system-x86:qemu-base
	git:git:git
)

case $what in
systemd) wanted=("${systemd[@]}") ;;
fresh) wanted=("${fresh[@]}") ;;
devtools) wanted=("${devtools[@]}") ;;
demo) wanted=("${demo[@]}") ;;
test) wanted=("${test[@]}") ;;
*)
	echo "usage: $0 demo|test|devtools|fresh|systemd" >&2
	exit 2
	;;
esac

if ! command -v go >/dev/null; then
	echo "Go is missing: install Go 1.26 or later from https://go.dev/dl/ and run this again." >&2
	exit 1
fi

if command -v apt-get >/dev/null; then
	field=2
	install=(apt-get install -y --no-install-recommends)
	refresh=(apt-get update -q)
elif command -v pacman >/dev/null && [ -d /var/lib/pacman/local ]; then
	field=3
	install=(pacman -S --needed --noconfirm)
	refresh=(pacman -Sy)
else
	field=0
fi

missing=()
names=()
for entry in "${wanted[@]}"; do
	IFS=: read -r program debian arch <<<"$entry"
	command -v "$program" >/dev/null && continue
	names+=("$program")
	if [ "$field" = 2 ]; then missing+=("$debian"); else missing+=("$arch"); fi
done
# The C library's headers are no program.
if [ ! -e /usr/include/stdio.h ]; then
	names+=("stdio.h")
	if [ "$field" = 2 ]; then missing+=(libc6-dev); else missing+=(glibc); fi
fi
[ ${#missing[@]} -gt 0 ] || exit 0
mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)

if [ "$field" = 0 ]; then
	echo "Missing: ${names[*]}. This is neither a Debian nor an Arch system: please install them and run this again." >&2
	exit 1
fi
sudo=()
if [ "$(id -u)" != 0 ]; then
	if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null && [ ! -t 0 ]; then
		echo "Missing: ${names[*]}. Run this as root, then again what you did:" >&2
		echo "  ${refresh[*]} && ${install[*]} ${missing[*]}" >&2
		exit 1
	fi
	sudo=(sudo)
fi
echo "Installing: ${missing[*]}"
"${sudo[@]}" "${refresh[@]}" >/dev/null
DEBIAN_FRONTEND=noninteractive "${sudo[@]}" "${install[@]}" "${missing[@]}" >/dev/null
