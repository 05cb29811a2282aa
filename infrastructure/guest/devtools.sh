#!/bin/bash
# devtools.sh: builds one package in an Arch Linux guest, in a clean chroot with
# devtools (chroot.sh, which stands before this script). Runs as root. /buildbtw/job
# holds the source, the sources that were fetched for it, and job.env; packages go to
# /buildbtw/out/packages, and /buildbtw/out/result says how it ended: nothing else
# counts.
set -uo pipefail
job=/buildbtw/job out=/buildbtw/out
mkdir -p "$out/packages"

finish() { # CODE REASON…: says how it ended and ends
	printf '%s\n' "$1" "${*:2}" >"$out/result.new"
	sync "$out/result.new" 2>/dev/null
	mv "$out/result.new" "$out/result"
	exit 0
}
infrastructure() { finish infrastructure "$*"; }

# Why a program of the build failed is asked of the guest itself, not of what the program
# printed.
oom_kills() { awk '$1 == "oom_kill" { print $2 }' /proc/vmstat; }
ended() { # CODE PROGRAM: ends with what the guest says of a failure
	if [ "$1" -ne 0 ] && [ "$(oom_kills)" -gt "${kills:-0}" ]; then
		finish failed "used more than the guest's memory; give guests more with --vm-memory"
	elif [ "$1" -ne 0 ] && [ "$(df -k --output=avail /var/lib/archbuild | tail -n 1)" -lt 16384 ]; then
		finish failed "used more than the guest's disk has"
	fi
	finish "$@"
}
trap 'infrastructure "the guest was told to stop"' TERM INT

# shellcheck source=/dev/null
. "$job/job.env" || infrastructure "job.env cannot be read"

# With a door that is the only way out (QEMU), pacman has to be told of it.
transfer=
if [ -n "$BUILDBTW_DOOR" ]; then
	transfer="XferCommand = /usr/bin/curl --proxy $BUILDBTW_DOOR:80 --noproxy ${BUILDBTW_DOOR#http://} -fsSL -C - -o %o %u"
	sed -i 's#https://#http://#' /etc/pacman.d/mirrorlist
	sed -i "s#^\\[options\\]#&\n$transfer#" /etc/pacman.conf
fi
[ -d /usr/share/devtools/pacman.conf.d ] ||
	pacman -Sy --noconfirm --needed devtools || finish unreachable "devtools cannot be installed"

settings() { # DIRECTORY REPOSITORY GENERAL: the file that archbuild takes
	local file=/usr/share/devtools/$1/$2-$BUILDBTW_ARCH.conf
	[ -e "$file" ] || file=/usr/share/devtools/$1/$3.conf
	echo "$file"
}

# The iteration's repository stands before all others, because pacman takes the
# first one that has a name, whatever the version; and it is not signed, which
# devtools' default refuses.
work=$(mktemp -d /var/tmp/buildbtw.XXXXXX) || infrastructure "no room"
template=$work/template.conf conf=$work/pacman.conf makepkg=$(settings makepkg.conf.d extra "$BUILDBTW_ARCH") repository=$BUILDBTW_REPO_NAME extra=extra
case $BUILDBTW_PKGBASE in
lib32-*) extra=multilib ;;
esac
with_transfer() { awk -v transfer="$transfer" '{ print } /^[[:space:]]*\[options\]/ && transfer { print transfer }' "$(settings pacman.conf.d "$1" "$1")"; }
with_transfer extra >"$template" || infrastructure "devtools has no pacman.conf"
with_transfer "$extra" | awk -v section="[$repository]\nSigLevel = Never\nServer = $BUILDBTW_REPO_URL\n" '
	/^[[:space:]]*\[/ && !/^[[:space:]]*\[options\]/ && !done { print section; done = 1 }
	{ print }
	END { exit !done }' >"$conf" || infrastructure "devtools' pacman.conf names no repository"

chroot=/var/lib/archbuild/buildbtw-$BUILDBTW_ARCH cache=/var/cache/pacman/pkg slot=build
[ ! -e "$chroot/root/.arch-chroot" ] || touch "$chroot/sound" # of the image
mapfile -t depends < <(sed -nE "s/^\t(make|check)?depends(_$BUILDBTW_ARCH)? = //p" "$job/srcinfo" | sort -u)
[ "$extra" = extra ] || depends+=(multilib-devel)
chroot_prepare || finish "$?" devtools
[ -z "$BUILDBTW_DOOR" ] || curl -fsS --noproxy '*' "$BUILDBTW_DOOR/closed" || infrastructure "the door does not close"

builder=2147400000 tree=$job/source sources=$job/srcdest keys=$work/keys output=$out/packages installed=$out/installed arguments=()
[ -z "$BUILDBTW_NOCHECK" ] || arguments+=(--nocheck)
[ -z "$BUILDBTW_IGNOREARCH" ] || arguments+=(--ignorearch)
mkdir -m 700 "$keys"
# Keys come with the source: keyservers are not to be relied on.
shopt -s nullglob
files=("$job"/source/keys/pgp/*.asc)
if [ -n "$BUILDBTW_SKIPPGP" ]; then
	arguments+=(--skippgpcheck)
elif [ ${#files[@]} -gt 0 ]; then
	gpg --homedir "$keys" --batch --no-tty --import -- "${files[@]}" || finish failed "the keys in keys/pgp could not be imported"
fi
export SOURCE_DATE_EPOCH MAKEFLAGS="-j$BUILDBTW_JOBS" NPROC="$BUILDBTW_JOBS" USER=root
[ -z "$PACKAGER" ] || export PACKAGER
kills=$(oom_kills)
chroot_build
ended "$?" devtools
