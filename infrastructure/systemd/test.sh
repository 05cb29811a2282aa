#!/bin/bash
# test.sh: boots a Debian system in a virtual machine, installs our packages there and tries
# the units under its systemd: inside.sh. Needs root, for debootstrap, and Debian's packages;
# nothing of this machine changes. Without KVM that works QEMU emulates, and it takes a quarter
# of an hour.
#
#   SUITE=trixie      another Debian than bookworm
#   MIRROR=URL        Debian's packages
#   ACCEL=kvm         a machine whose KVM works (default: tcg)
#   LIMIT=1h          how long the guest may take
#   KEEP=1            leaves the guest's disk in tmp/systemd
set -euo pipefail
if [ "$(id -u)" != 0 ]; then
	echo "This needs root: debootstrap makes a system. Of the machine nothing changes." >&2
	exit 2
fi
cd "$(dirname "$0")/../.."
infrastructure/setup.sh systemd
work=$PWD/tmp/systemd
suite=${SUITE:-bookworm}
base=$work/$suite
disk=$work/$suite.disk
root=$work/root
mkdir -p "$work"
echo 'module systems // so that ./... has nothing of it' >"$work/go.mod"

# The system with all that our packages depend on, made once.
packages=systemd-sysv,dbus,udev,sudo,linux-image-cloud-amd64,initramfs-tools,bubblewrap,curl,git,gnupg,makepkg,pacman-package-manager,fakeroot,procps,ca-certificates,libarchive-tools,zstd,xz-utils,binutils
if [ ! -e "$base.done" ]; then
	rm -rf --one-file-system "$base"
	echo "Making a system of $suite"
	debootstrap --variant=minbase --include="$packages" "$suite" "$base" "${MIRROR:-http://deb.debian.org/debian}" >"$work/$suite.log" 2>&1 ||
		{ tail "$work/$suite.log" >&2 && exit 1; }
	rm -rf "$base"/var/cache/apt/archives/*.deb
	: >"$base.done"
fi

rm -rf --one-file-system "$root" "$work/deb"
infrastructure/packaging/deb.sh "$work/deb" >/dev/null
cp -a "$base" "$root"
trap 'rm -rf --one-file-system "$root"; [ -n "${KEEP:-}" ] || rm -f "$disk"' EXIT
mkdir -p "$root/try" "$root/etc/systemd/system/multi-user.target.wants"
cp "$work"/deb/*.deb infrastructure/systemd/inside.sh "$root/try/"
echo guest >"$root/etc/hostname"
echo 127.0.0.1 localhost guest >"$root/etc/hosts"
cat >"$root/etc/systemd/system/try.service" <<'U'
[Unit]
After=multi-user.target
[Service]
Type=oneshot
TimeoutStartSec=infinity
ExecStart=/bin/bash -c '/bin/bash /try/inside.sh </dev/null 2>&1 | cat >/dev/ttyS0'
ExecStopPost=/bin/systemctl poweroff --force --force
U
ln -s ../try.service "$root/etc/systemd/system/multi-user.target.wants/"
ln -s /dev/null "$root/etc/systemd/system/serial-getty@ttyS0.service" # its words would be between ours
rm -f "$disk"
truncate -s 4G "$disk"
mkfs.ext4 -q -F -d "$root" "$disk"

kernel=$(find "$root/boot" -name 'vmlinuz-*' | sort | tail -n 1)
cp "$kernel" "$work/kernel"
cp "$root/boot/initrd.img-${kernel##*vmlinuz-}" "$work/initrd"
log=$work/console.log
echo "Booting $suite; all that it says is in $log"
timeout "${LIMIT:-1h}" qemu-system-x86_64 -accel "${ACCEL:-tcg}" -cpu max -m 2048 -smp 2 -nodefaults -display none -no-reboot \
	-kernel "$work/kernel" -initrd "$work/initrd" -append 'root=/dev/vda rw console=ttyS0 quiet panic=-1 systemd.show_status=false' \
	-drive "file=$disk,format=raw,if=virtio,cache=unsafe" -serial stdio </dev/null | tee "$log" | grep --line-buffered '^try: ' || :
grep -q '^try: everything held' "$log" || {
	tail -n 40 "$log" >&2
	exit 1
}
