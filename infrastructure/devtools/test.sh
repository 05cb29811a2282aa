#!/bin/bash
# test.sh [TEST]: runs the tests of cmd/internal/devtools, or those whose names match,
# with the real devtools. Says what is missing.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ -z "${BUILDBTW_DEVTOOLS:-}" ] || [ ! -x "$BUILDBTW_DEVTOOLS/usr/bin/makechrootpkg" ] || [ ! -e "$BUILDBTW_DEVTOOLS/usr/share/devtools/lib/common.sh" ]; then
	cat >&2 <<-'E2'
		This needs Arch Linux's devtools, which the project does not bring along: set
		BUILDBTW_DEVTOOLS to a directory with the files of the package, so that there are
		$BUILDBTW_DEVTOOLS/usr/bin/makechrootpkg and $BUILDBTW_DEVTOOLS/usr/share/devtools.
		From Arch Linux's package devtools-*.pkg.tar.zst:  bsdtar -C DIRECTORY -xf PACKAGE
	E2
	exit 2
fi
if [ "$(id -u)" != 0 ]; then
	echo "This needs root: it mounts file systems in a namespace of its own. Of the machine nothing changes." >&2
	exit 2
fi
infrastructure/setup.sh devtools
dir=${BUILDBTW_DEVTOOLS_WORK:-$PWD/tmp/devtools}
infrastructure/devtools/distribution.sh "$dir"
kernel=
if [ -n "${BUILDBTW_DEVTOOLS_GUEST:-}" ]; then # in a guest, too: many minutes without KVM
	infrastructure/setup.sh test
	kernel=$(infrastructure/guest-kernel.sh | paste -sd:)
fi
infrastructure/devtools/inside.sh "$dir" "$BUILDBTW_DEVTOOLS" \
	go test ./cmd/internal/devtools -count=1 -v -timeout 60m -run "${1:-.}" -args -devtools.distribution="$dir" -devtools.kernel="$kernel"
