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

# shellcheck source=/dev/null
. "$job/job.env" || infrastructure "job.env cannot be read"
work=/tmp/buildbtw
mkdir -p "$work"/{cache,gpg,db,build,other,home} && cp -a "$job/source" "$work/source" || infrastructure "no room"
export LANG=C.UTF-8 HOME=$work/home PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin

printf '[options]\nArchitecture = %s\nSigLevel = Never\n[%s]\nServer = %s\n' "$BUILDBTW_ARCH" "$BUILDBTW_REPO_NAME" "$BUILDBTW_REPO_URL" >"$work/pacman.conf"
quirk=()
if pacman -S --help | grep -q -- --disable-sandbox; then quirk=(--disable-sandbox); fi
pac() {
	pacman --dbpath "$work/db" --cachedir "$work/cache" --gpgdir "$work/gpg" --hookdir /nonexistent --logfile "$work/pacman.log" \
		--config "$work/pacman.conf" --noconfirm --noprogressbar "$@"
}
pac "${quirk[@]}" -Sy || infrastructure "the iteration's repository cannot be reached"

# What the repository has is installed from it; the rest is the machine's own.
have=$(pac -Sl | awk '{ print $2 }')
mapfile -t wanted < <(sed -nE "s/^\t(make|check)?depends(_$BUILDBTW_ARCH)? = //p" "$job/srcinfo" | sort -u)
install=()
for want in "${wanted[@]}"; do
	! grep -qxF -- "${want%%[<>=]*}" <<<"$have" || install+=("$want")
done
if [ ${#install[@]} -gt 0 ]; then
	pac "${quirk[@]}" -S --noscriptlet --asdeps -dd --overwrite '*' "${install[@]}" || finish failed "dependencies could not be installed: ${install[*]}"
	ldconfig 2>/dev/null
fi

chown -R nobody "$work" "$out/packages"
nocheck=()
[ -z "$BUILDBTW_NOCHECK" ] || nocheck=(--nocheck)
cd "$work/source" || infrastructure "the source is not there"
setpriv --reuid nobody --regid "$(id -g nobody)" --clear-groups --no-new-privs -- env -u BASH_ENV \
	PKGDEST="$out/packages" SRCDEST="$work/other" BUILDDIR="$work/build" PKGEXT=.pkg.tar.zst SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" \
	PACKAGER="${PACKAGER:-buildbtw guest <buildbtw@localhost>}" MAKEFLAGS="-j$BUILDBTW_JOBS" CARCH="$BUILDBTW_ARCH" \
	makepkg --noconfirm --nosign --skippgpcheck -d -f "${nocheck[@]}" </dev/null
finish "$?" makepkg
