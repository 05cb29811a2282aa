#!/bin/bash
# Builds the Debian packages of what is in bin/ with dpkg-deb into a directory.
#
#   infrastructure/packaging/deb.sh [DIRECTORY]     (default: tmp/deb)
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$(realpath -m "${1:-tmp/deb}")
version=$(bash infrastructure/packaging/version.sh)
arch=$(dpkg --print-architecture)
mkdir -p "$out"
export SOURCE_DATE_EPOCH
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

# package PROGRAM DEPENDS SUGGESTS DESCRIPTION
package() {
	local dir=$root/$1
	DESTDIR=$dir PREFIX=/usr infrastructure/install.sh "$1"
	mkdir -p "$dir/DEBIAN" "$dir/usr/share/doc/$1"
	mv "$dir/usr/share/licenses/$1/LICENSE" "$dir/usr/share/doc/$1/copyright"
	rm -r "$dir/usr/share/licenses"
	{
		echo "Package: $1"
		echo "Version: $version"
		echo "Architecture: $arch"
		echo "Maintainer: buildbtw's developers <buildbtw@localhost>"
		echo "Installed-Size: $(du -sk --exclude=DEBIAN "$dir" | cut -f1)"
		[[ -z $2 ]] || echo "Depends: $2"
		[[ -z $3 ]] || echo "Suggests: $3"
		echo "Section: devel"
		echo "Priority: optional"
		echo "Description: $4"
	} >"$dir/DEBIAN/control"
	if [[ -d $dir/usr/lib/sysusers.d ]]; then
		local units=("$dir"/usr/lib/systemd/system/*)
		units=("${units[@]##*/}")
		# systemd's programs make the user and the directories where they are there.
		cat >"$dir/DEBIAN/postinst" <<-SCRIPT
			#!/bin/sh
			set -e
			if [ "\$1" = configure ]; then
				if command -v systemd-sysusers >/dev/null; then systemd-sysusers $1.conf; fi
				if command -v systemd-tmpfiles >/dev/null; then systemd-tmpfiles --create $1.conf || true; fi
				if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
			fi
		SCRIPT
		# An upgrade restarts nothing (docs/upgrading.md); a removal ends what would lose its program.
		cat >"$dir/DEBIAN/prerm" <<-SCRIPT
			#!/bin/sh
			set -e
			if [ "\$1" = remove ] && [ -d /run/systemd/system ]; then
				systemctl --no-reload disable --now ${units[*]} || true
			fi
		SCRIPT
		cat >"$dir/DEBIAN/postrm" <<-'SCRIPT'
			#!/bin/sh
			set -e
			if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
		SCRIPT
		chmod 755 "$dir"/DEBIAN/{postinst,prerm,postrm}
	fi
	dpkg-deb --root-owner-group -Zzstd --build "$dir" "$out/${1}_${version}_$arch.deb" >/dev/null
	echo "$out/${1}_${version}_$arch.deb"
}

package bbtw "" "" "packager's client of buildbtw"
package buildbtw git "bubblewrap, makepkg" "server of buildbtw: rebuilds what depends on a changed package"
package buildbtw-worker "bubblewrap, curl, git, gnupg, makepkg, pacman-package-manager, fakeroot" qemu-system-x86 "worker of buildbtw: builds pacman packages"
package buildbtw-executor "bubblewrap, curl, git, gnupg" "gitlab-runner, qemu-system-x86" "custom executor of gitlab-runner that builds for buildbtw"
package buildbtw-repo-updater git "" "keeps clones of all package sources of a GitLab group fresh"
package buildbtw-signer gnupg "" "signs releases of buildbtw by rules of its own"
