#!/bin/bash
# guest-kernel.sh: prints the path of a kernel for guests and, on a second line,
# the directory of its modules. On Debian it fetches the kernel for clouds, once,
# into a cache directory outside the checkout; on Arch it is the machine's own.
set -euo pipefail
cache=${XDG_CACHE_HOME:-${HOME:-/var/tmp}/.cache}/buildbtw/guest-kernel

if command -v pacman >/dev/null && [ -e /boot/vmlinuz-linux ] && [ -d "/usr/lib/modules/$(uname -r)" ]; then
	printf '%s\n' /boot/vmlinuz-linux "/usr/lib/modules/$(uname -r)"
	exit 0
fi
command -v apt-get >/dev/null || { echo "neither Debian nor Arch: set up a kernel in $cache" >&2; exit 1; }

answer() {
	local kernel
	kernel=$(find "$cache/tree/boot" -name 'vmlinuz-*' 2>/dev/null | sort | tail -n 1)
	[ -n "$kernel" ] || return 1
	printf '%s\n' "$kernel" "$(find "$cache/tree/lib/modules" -mindepth 1 -maxdepth 1 | sort | tail -n 1)"
}
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
answer && exit 0

package=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n 's/^ *Depends: *\(linux-image-[0-9].*\)/\1/p' | head -n 1)
[ -n "$package" ] || { echo "apt knows no kernel for clouds: run apt-get update" >&2; exit 1; }
draft=$(mktemp -d "$cache/draft.XXXXXX")
trap 'rm -rf "$draft"' EXIT
(cd "$draft" && apt-get -q download "$package") >&2
dpkg-deb -x "$draft"/*.deb "$draft/tree"
mv -T "$draft/tree" "$cache/tree"
answer
