#!/bin/bash
# distribution.sh DIR: makes in DIR a distribution that is just large enough for
# devtools: what Debian's packages have, packed as packages of pacman.
#
#   DIR/repo/{core,extra,multilib}/os/x86_64   base-devel, namcap, multilib-devel and
#                                              130 empty packages, so that the log of a
#                                              new chroot is as long as Arch Linux's
#   DIR/gnupg    the keyring of the machine's pacman, which trusts DIR/signer
#   DIR/signer   GNUPGHOME of the key that signs packages; it is good for nothing else
#
# What is there already is kept. Needs root and the network of Debian's packages.
set -euo pipefail
dir=${1:?a directory}
mkdir -p "$dir"
dir=$(readlink -f "$dir")
[ ! -e "$dir/done" ] || exit 0
rm -rf "${dir:?}"/{rootfs,repo,gnupg,signer,package}
mkdir -p "$dir"/repo/{core,extra,multilib}/os/x86_64

# What base-devel is made of. The names of files and users are Arch Linux's where
# devtools asks for them.
debootstrap --variant=minbase --include=build-essential,fakeroot,makepkg,pacman-package-manager,libarchive-tools,zstd,sudo,git,file,gnupg,libnss-myhostname,curl,iproute2 \
	bookworm "$dir/rootfs" >"$dir/debootstrap.log" || { tail "$dir/debootstrap.log" >&2 && exit 1; }
root=$dir/rootfs
rm -rf "${root:?}"/{dev,proc,sys,run,tmp}/* "$root"/var/{lib/apt,cache,log}/* "$root"/usr/share/{doc,man,info,locale}/*
mv "$root"/usr/sbin/* "$root/usr/bin/" && rmdir "$root/usr/sbin" && ln -s bin "$root/usr/sbin" # devtools' PATH has no sbin
mkdir -p "$root"/etc/makepkg.d "$root"/var/{cache/pacman/pkg,lib/pacman,log} "$root/etc/pacman.d"
sed -i 's/^hosts:.*/hosts: files myhostname dns/' "$root/etc/nsswitch.conf"
printf '#!/bin/sh\n' >"$root/usr/bin/locale-gen" && chmod 755 "$root/usr/bin/locale-gen"
rm -f "$root/etc/resolv.conf" "$root/etc/hostname" "$root"/etc/pacman.conf

mkdir -m 700 "$dir/signer"
export GNUPGHOME=$dir/signer
gpg --batch --quiet --passphrase '' --quick-gen-key 'buildbtw test <test@localhost>' rsa2048 sign 1y
key=$(gpg --list-keys --with-colons | awk -F: '/^fpr/ { print $10; exit }')
pacman-key --gpgdir "$dir/gnupg" --init >/dev/null 2>&1
gpg --armor --export "$key" >"$dir/key.asc"
pacman-key --gpgdir "$dir/gnupg" --add "$dir/key.asc" >/dev/null 2>&1
pacman-key --gpgdir "$dir/gnupg" --lsign-key "$key" >/dev/null 2>&1

# pack REPOSITORY NAME FILES FIELD…: makes a package of a directory.
pack() {
	local file=$dir/repo/$1/os/x86_64/$2-1-1-any.pkg.tar.zst
	{
		printf 'pkgname = %s\npkgbase = %s\npkgver = 1-1\npkgdesc = of the test\nurl = http://localhost\nbuilddate = 1\npackager = test\nsize = 1\narch = any\n' "$2" "$2"
		[ $# -lt 4 ] || printf '%s\n' "${@:4}"
	} >"$3/.PKGINFO"
	(cd "$3" && bsdtar -cf - .PKGINFO $(ls -A --ignore=.PKGINFO)) | zstd -q -1 -o "$file"
	gpg --batch --quiet --detach-sign "$file"
}
depends=()
for i in $(seq -w 130); do
	rm -rf "$dir/package" && mkdir "$dir/package"
	pack core "a-package-of-the-base-$i" "$dir/package"
	depends+=("depend = a-package-of-the-base-$i")
done
pack core base-devel "$root" "${depends[@]}" 'provides = bash' 'provides = gcc' 'provides = make' 'provides = pacman'
pack multilib multilib-devel "$dir/package"
mkdir -p "$dir/package/usr/bin"
printf '#!/bin/sh\n' >"$dir/package/usr/bin/namcap" && chmod 755 "$dir/package/usr/bin/namcap"
pack extra namcap "$dir/package"
rm "$dir/package/usr" -r
pack extra samples "$dir/package" # the base of a cycle in the demo
for repo in core extra multilib; do
	repo-add -q "$dir/repo/$repo/os/x86_64/$repo.db.tar.gz" "$dir/repo/$repo/os/x86_64/"*.pkg.tar.zst
done
rm -rf "$dir"/{rootfs,package,debootstrap.log}
touch "$dir/done"
