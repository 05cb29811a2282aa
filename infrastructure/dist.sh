#!/bin/bash
# dist.sh: puts into tmp/dist all files of a version: source, static programs for this
# processor, packages for Debian, for Arch Linux where makepkg is there, and SHA256SUMS. The same
# commit and version of Go give the same bytes. See docs/releasing.md.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -n "$(git status --porcelain)" ]; then
	echo "There are changes that are not committed: a version is made of a commit." >&2
	exit 1
fi
version=$(git describe --tags --always)
name=buildbtw-$version
export SOURCE_DATE_EPOCH TZ=UTC LC_ALL=C
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
out=$PWD/tmp/dist
rm -rf "$out"
mkdir -p "$out"
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
umask 022

git archive --prefix="$name/" HEAD | gzip -9n >"$out/$name.tar.gz"
make --no-print-directory build >/dev/null
DESTDIR=$stage/$name PREFIX=/usr/local infrastructure/install.sh
platform=$(go env GOOS)-$(go env GOARCH)
tar -C "$stage" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --format=gnu -cf - "$name" | gzip -9n >"$out/$name-$platform.tar.gz"
if command -v dpkg-deb >/dev/null; then infrastructure/packaging/deb.sh "$out" >/dev/null; fi
if command -v makepkg >/dev/null && [ "$(id -u)" != 0 ]; then
	infrastructure/packaging/arch.sh "$stage/arch" >/dev/null
	cp "$stage"/arch/*.pkg.tar.zst "$out/"
else
	echo "Without packages for Arch Linux: makepkg is missing, or this is root, for whom makepkg builds nothing." >&2
fi
(cd "$out" && sha256sum -- * >"$stage/SHA256SUMS" && mv "$stage/SHA256SUMS" .)
cat "$out/SHA256SUMS"
