#!/bin/bash
# uninstall.sh [PROGRAM…]: removes what `make install` put below PREFIX, and names what stays.
# It installs into an empty directory to know the names, so bin/ must be there.
set -euo pipefail
cd "$(dirname "$0")/.."
names=$(mktemp -d)
trap 'rm -rf "$names"' EXIT
prefix=${PREFIX:-/usr/local}
DESTDIR=$names PREFIX=$prefix infrastructure/install.sh "$@"
removed=0
while IFS= read -r -d '' file; do
	target=${DESTDIR:-}${file#"$names"}
	[ -e "$target" ] || [ -L "$target" ] || continue
	rm "$target"
	removed=$((removed + 1))
done < <(find "$names" -not -type d -print0)
# Directories of ours that are empty now; those of the system have other files.
while IFS= read -r -d '' dir; do
	case ${dir#"$names"} in */buildbtw | */buildbtw-* | */bbtw | */buildbtw/*) rmdir --ignore-fail-on-non-empty "${DESTDIR:-}${dir#"$names"}" 2>/dev/null || : ;; esac
done < <(find "$names" -depth -type d -print0)
echo "Removed $removed files below ${DESTDIR:-}$prefix. What stays, if it is there:"
cat <<'E2'
  /etc/buildbtw                        settings and tokens
  /var/lib/buildbtw*                   the server's data, workers' directories
  users buildbtw, buildbtw-worker and buildbtw-signer   of the units
  ~/.local/state/buildbtw, ~/.config/buildbtw   tokens and servers of each user
E2
