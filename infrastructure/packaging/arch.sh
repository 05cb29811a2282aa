#!/bin/bash
# Builds the Arch packages of the checked-out commit with makepkg into a directory.
#
#   infrastructure/packaging/arch.sh [DIRECTORY]     (default: tmp/arch)
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$(realpath -m "${1:-tmp/arch}")
version=$(bash infrastructure/packaging/version.sh)
mkdir -p "$out"
git archive --prefix="buildbtw-$version/" -o "$out/buildbtw-$version.tar.gz" HEAD
sum=$(sha256sum "$out/buildbtw-$version.tar.gz")
sed -e "s/@VERSION@/$version/" -e "s/@SHA256@/${sum%% *}/" infrastructure/packaging/PKGBUILD >"$out/PKGBUILD"
export SOURCE_DATE_EPOCH
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
cd "$out"
PKGDEST=$out makepkg --force --clean --nodeps --noconfirm
