#!/bin/bash
# makepkg.sh: builds one package with makepkg in a guest whose root file system is
# that of the build machine: the guest is the isolation, so what is missing is
# installed from the iteration's repository into the guest itself. Runs as root;
# for the rest see devtools.sh.
set -uo pipefail
job=/buildbtw/job out=/buildbtw/out
mkdir -p "$out/packages"

finish() {
	printf '%s\n' "$1" "${*:2}" >"$out/result.new"
	mv "$out/result.new" "$out/result"
	exit 0
}
infrastructure() { finish infrastructure "$*"; }

# Why a program of the build failed is asked of the guest itself, not of what the program
# printed.
oom_kills() { awk '$1 == "oom_kill" { print $2 }' /proc/vmstat; }
ended() { # CODE PROGRAM NOTE…: ends with what the guest says of a failure
	if [ "$1" -ne 0 ] && [ "$(oom_kills)" -gt "${kills:-0}" ]; then
		finish failed "used more than the guest's memory; give guests more with --vm-memory" "${@:3}"
	elif [ "$1" -ne 0 ] && [ "$(df -k --output=avail "$work" | tail -n 1)" -lt 16384 ]; then
		finish failed "used more than the guest's disk has" "${@:3}"
	fi
	finish "$@"
}

# shellcheck source=/dev/null
. "$job/job.env" || infrastructure "job.env cannot be read"
work=/tmp/buildbtw
mkdir -p "$work"/{cache,gpg,db,build,other,home} && cp -a "$job/source" "$work/source" && cp -a "$job/srcdest/." "$work/other" || infrastructure "no room"
export LANG=C.UTF-8 HOME=$work/home PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin

printf '[options]\nArchitecture = %s\nSigLevel = Never\n[%s]\nServer = %s\n' "$BUILDBTW_ARCH" "$BUILDBTW_REPO_NAME" "$BUILDBTW_REPO_URL" >"$work/pacman.conf"
quirk=()
if pacman -S --help | grep -q -- --disable-sandbox; then quirk=(--disable-sandbox); fi
pac() {
	pacman --dbpath "$work/db" --cachedir "$work/cache" --gpgdir "$work/gpg" --hookdir /nonexistent --logfile "$work/pacman.log" \
		--config "$work/pacman.conf" --noconfirm --noprogressbar "$@"
}
pac "${quirk[@]}" -Sy || finish unreachable "the iteration's repository cannot be reached"

# What the repository has is installed from it; the rest is the machine's own.
have=$(pac -Sl | awk '{ print $2 }')
mapfile -t wanted < <(sed -nE "s/^\t(make|check)?depends(_$BUILDBTW_ARCH)? = //p" "$job/srcinfo" | sort -u)
install=() notes=()
for want in "${wanted[@]}"; do
	if grep -qxF -- "${want%%[<>=]*}" <<<"$have"; then
		install+=("$want")
	elif grep -qxF -- "$want" <<<"$BUILDBTW_MISSING"; then
		echo "==> WARNING: not checked: $want (nothing here provides it)"
		notes+=("not-checked $want")
	fi
done
if [ ${#install[@]} -gt 0 ]; then
	pac "${quirk[@]}" -S --noscriptlet --asdeps -dd --overwrite '*' "${install[@]}" || finish failed "dependencies could not be installed: ${install[*]}"
	ldconfig 2>/dev/null
fi
# What is installed over the machine's own comes last.
for place in /var/lib/pacman "$work/db"; do
	[ ! -d "$place/local" ] || find "$place/local" -mindepth 1 -maxdepth 1 -type d -printf '%f\n'
done >"$out/installed"
# From here on code of packages runs: without a network.
[ -z "$BUILDBTW_DOOR" ] || curl -fsS "$BUILDBTW_DOOR/closed" || infrastructure "the door does not close"

chown -R nobody "$work" "$out/packages"
arguments=()
[ -z "$BUILDBTW_NOCHECK" ] || arguments=(--nocheck)
[ -z "$BUILDBTW_IGNOREARCH" ] || arguments+=(--ignorearch)
cd "$work/source" || infrastructure "the source is not there"
as_nobody() {
	unshare --net -- setpriv --reuid nobody --regid "$(id -g nobody)" --clear-groups --no-new-privs -- env -u BASH_ENV GNUPGHOME="$work/home/.gnupg" "$@"
}
shopt -s nullglob
keys=(keys/pgp/*.asc)
if [ -n "$BUILDBTW_SKIPPGP" ]; then
	arguments+=(--skippgpcheck)
elif [ ${#keys[@]} -gt 0 ]; then
	as_nobody mkdir -m 700 "$work/home/.gnupg"
	as_nobody gpg --batch --no-tty --import -- "${keys[@]}" || finish failed "the keys in keys/pgp could not be imported"
fi
kills=$(oom_kills)
as_nobody PKGDEST="$out/packages" SRCDEST="$work/other" BUILDDIR="$work/build" PKGEXT=.pkg.tar.zst SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" \
	PACKAGER="${PACKAGER:-buildbtw guest <buildbtw@localhost>}" MAKEFLAGS="-j$BUILDBTW_JOBS" CARCH="$BUILDBTW_ARCH" \
	makepkg --noconfirm --nosign --holdver -d -f "${arguments[@]}" </dev/null
ended "$?" makepkg "${notes[@]}"
