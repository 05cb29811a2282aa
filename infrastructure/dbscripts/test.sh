#!/bin/bash
# test.sh [TEST]: runs the tests of cmd/internal/dbscripts, or those whose names match, with the
# real dbscripts, and with devtools where BUILDBTW_DEVTOOLS names a checkout of it. Says what is
# missing.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ -z "${BUILDBTW_DBSCRIPTS:-}" ] || [ ! -x "$BUILDBTW_DBSCRIPTS/db-update" ] || [ ! -e "$BUILDBTW_DBSCRIPTS/db-functions-git" ]; then
	cat >&2 <<-'E2'
		This needs Arch Linux's dbscripts, which the project does not bring along: set
		BUILDBTW_DBSCRIPTS to a directory with its files, so that there are
		$BUILDBTW_DBSCRIPTS/db-update and $BUILDBTW_DBSCRIPTS/db-functions-git, as in
		git clone --branch git-support https://github.com/archlinux/dbscripts
	E2
	exit 2
fi
if [ "$(id -u)" != 0 ]; then
	echo "This needs root: pacman-key makes a keyring for it as root only. Of the machine nothing changes." >&2
	exit 2
fi
if [ -n "${BUILDBTW_DEVTOOLS:-}" ]; then
	BUILDBTW_DEVTOOLS=$(realpath "$BUILDBTW_DEVTOOLS")
	export BUILDBTW_DEVTOOLS
	if [ ! -x "$BUILDBTW_DEVTOOLS/build/bin/pkgctl" ]; then
		echo "Run this first: make -C $BUILDBTW_DEVTOOLS binprogs library data conf DATADIR=$BUILDBTW_DEVTOOLS/build" >&2
		exit 2
	fi
fi
infrastructure/setup.sh test
BUILDBTW_DBSCRIPTS=$(realpath "$BUILDBTW_DBSCRIPTS") exec go test ./cmd/internal/dbscripts -count=1 -v -timeout 40m -run "${1:-.}"
