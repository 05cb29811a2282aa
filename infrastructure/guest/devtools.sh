#!/bin/bash
# devtools.sh: builds one package in an Arch Linux guest, in a clean chroot with
# devtools. Runs as root. /buildbtw/job holds the source and job.env; packages go
# to /buildbtw/out/packages, and /buildbtw/out/result says how it ended: nothing
# else counts.
#
# devtools' archbuild is called under a name of its own instead of `pkgctl build`:
# that one looks the package's repository up and finds the iteration's, for which
# there is no chroot (docs/toolchain.md, section 4).
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
trap 'infrastructure "the guest was told to stop"' TERM INT

# shellcheck source=/dev/null
. "$job/job.env" || infrastructure "job.env cannot be read"

[ -d /usr/share/devtools/pacman.conf.d ] ||
	pacman -Sy --noconfirm --needed devtools || infrastructure "devtools cannot be installed"

# The iteration's repository stands before all others, because pacman takes the
# first one that has a name, whatever the version; and it is not signed, which
# devtools' default refuses.
template=extra.conf conf=buildbtw.conf program=buildbtw-$BUILDBTW_ARCH-build
case $BUILDBTW_PKGBASE in
lib32-*) template=multilib.conf conf=multilib-buildbtw.conf program=multilib-buildbtw-build ;;
esac
awk -v section="[$BUILDBTW_REPO_NAME]\nSigLevel = Never\nServer = $BUILDBTW_REPO_URL\n" '
	/^[[:space:]]*\[/ && !/^[[:space:]]*\[options\]/ && !done { print section; done = 1 }
	{ print }
	END { exit !done }' "/usr/share/devtools/pacman.conf.d/$template" >"/usr/share/devtools/pacman.conf.d/$conf" ||
	infrastructure "devtools' pacman.conf names no repository"
ln -sfn /usr/bin/archbuild "/usr/local/bin/$program"

id builder >/dev/null 2>&1 || useradd -m builder || infrastructure "no user to build as"
echo 'builder ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/buildbtw
work=$(mktemp -d /var/tmp/buildbtw.XXXXXX) || infrastructure "no room"
cp -a "$job/source" "$work/source" && mkdir -p "$work/other"
chown -R builder "$work" "$out/packages"

as_builder() { sudo -u builder -H env "$@"; }

# Keys come with the source: keyservers are not to be relied on, and devtools
# imports none.
shopt -s nullglob
keys=("$work"/source/keys/pgp/*.asc)
if [ ${#keys[@]} -gt 0 ]; then
	as_builder gpg --batch --no-tty --import -- "${keys[@]}" || finish failed "the keys in keys/pgp could not be imported"
fi

nocheck=()
[ -z "$BUILDBTW_NOCHECK" ] || nocheck=(-- --nocheck)
cd "$work/source" || infrastructure "the source is not there"
as_builder PKGDEST="$out/packages" SRCDEST="$work/other" SRCPKGDEST="$work/other" LOGDEST="$work/other" \
	SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" ${PACKAGER:+PACKAGER="$PACKAGER"} MAKEFLAGS="-j$BUILDBTW_JOBS" NPROC="$BUILDBTW_JOBS" \
	USER=builder "/usr/local/bin/$program" -- -l buildbtw "${nocheck[@]}"
finish "$?" archbuild
