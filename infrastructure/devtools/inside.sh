#!/bin/bash
# inside.sh DIR DEVTOOLS COMMAND…: runs a command on what looks like an Arch Linux
# machine of the distribution in DIR (distribution.sh), with the devtools in
# DEVTOOLS/usr. Everything is in namespaces of its own: of the machine nothing
# changes, nothing reaches a network, and no process survives. Needs root.
#
# The user "packager" may use sudo as a worker needs it. The distribution is to be
# served at http://127.0.0.1:8099.
set -euo pipefail
dir=$(readlink -f "$1") devtools=$(readlink -f "$2")
case $dir/ in /etc/* | /usr/* | /var/* | /run/* | /tmp/*)
	echo "$dir would be hidden: choose a directory that is not in /etc, /usr, /var, /run or /tmp." >&2
	exit 2
	;;
esac
if [ "${inside:-}" != yes ]; then
	inside=yes exec unshare --mount --propagation private --net --pid --fork --kill-child --mount-proc -- "$0" "$@"
fi
ip link set lo up
mkdir -p "$dir/mount"
mount -t tmpfs tmpfs "$dir/mount"
mkdir -p "$dir"/mount/{etc,usr,var}/{upper,work} "$dir"/{archbuild,cache}
for part in etc usr var; do
	mount -t overlay -o "lowerdir=/$part,upperdir=$dir/mount/$part/upper,workdir=$dir/mount/$part/work" overlay "/$part"
done
[ -d /run/systemd ] || mount -t tmpfs tmpfs /run
mkdir -p /var/lib/archbuild /var/cache/pacman /etc/pacman.d/gnupg /run/systemd
mount --bind "$dir/archbuild" /var/lib/archbuild
mount --bind "$dir/cache" /var/cache/pacman
mkdir -p /var/cache/pacman/pkg
mount --bind "$dir/gnupg" /etc/pacman.d/gnupg
mount -t tmpfs tmpfs /tmp # and with it what was left there by a test that was ended

[ "$devtools" = / ] || cp -a "$devtools/usr/." /usr/
pacman --version | grep -q 'Pacman v[7-9]' || sed -i /DownloadUser/d /usr/share/devtools/pacman.conf.d/*.conf
mkdir -p /etc/makepkg.d
echo 'Server = http://127.0.0.1:8099/$repo/os/$arch' >/etc/pacman.d/mirrorlist
{
	printf '[options]\nArchitecture = auto\nSigLevel = Required DatabaseOptional\n'
	printf '[%s]\nInclude = /etc/pacman.d/mirrorlist\n' core extra multilib
} >/etc/pacman.conf
id packager >/dev/null 2>&1 || useradd --create-home --home-dir /tmp/packager packager
echo 'packager ALL=(ALL:ALL) NOPASSWD: ALL' >/etc/sudoers.d/packager
chmod 440 /etc/sudoers.d/packager
printf '127.0.0.1 localhost %s\n' "$(hostname)" >/etc/hosts

# Without systemd as the first process there are no slices to put a container into.
if [ ! -d /run/systemd/system ]; then
	mount -t tmpfs tmpfs /run/systemd
	mv /usr/bin/systemd-nspawn /usr/lib/systemd-nspawn
	cat >/usr/bin/systemd-nspawn <<'SHIM'
#!/bin/bash
args=(--keep-unit)
for a; do [[ $a = --slice=* ]] || args+=("$a"); done
exec /usr/lib/systemd-nspawn "${args[@]}"
SHIM
	chmod 755 /usr/bin/systemd-nspawn
fi
shift 2
"$@"
