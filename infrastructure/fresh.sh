#!/bin/bash
# fresh.sh [CASE…]: runs what README tells a newcomer to run, read from README itself,
# on Debian systems with nothing on them, and prints how long each command took and what it
# installed. A case is SUITE-root or SUITE-user (a user with sudo); without one all four of
# bookworm and trixie. Needs root, Debian's packages and Go's modules.
#
#   STEPS="demo use test"   parts to run after the preparation; "demo" alone is the shortest
#   FULL=trixie-user        the case that runs `make test`; the others run `make test-short`
#   GO_TARBALL=FILE         Go as go.dev has it, where go.dev cannot be reached
#   MIRROR=URL              Debian's packages
#   KEEP=1                  leaves the systems in tmp/fresh
#
# Of README a case runs: the first block of "Trying it" (preparation), the second one line by
# line as make's once forms ("demo", "test"), and the two blocks of "Using it" ("use").
# Each case has namespaces of its own for mounts, processes, users' and programs' sockets
# (IPC), its host name and, with slirp4netns, the network. Nothing of it survives.
#
# Arch Linux cannot be tried like this from Debian: pacman needs a mirror with Arch's packages.
set -euo pipefail

# block FILE HEADING N: prints the Nth block of shell commands below a heading of a document,
# without the comments behind them.
block() {
	awk -v heading="$2" -v want="$3" '
		/^## / { here = ($0 == "## " heading) }
		here && /^```sh$/ { n++; inside = 1; next }
		/^```$/ { inside = 0 }
		here && inside && n == want { sub(/[ \t]+# .*$/, ""); if ($0 != "") print }
	' "$1"
}

# timed COMMAND: runs a line of README in this shell, shows it, and notes how long it took.
timed() {
	local start=$SECONDS
	printf '\n$ %s\n' "$1"
	eval "$1" || {
		printf 'FAILED after %s s: %s\n' $((SECONDS - start)) "$1" | tee -a "$report"
		exit 1
	}
	printf '%5s s  %s\n' $((SECONDS - start)) "$1" >>"$report"
}

# newcomer CASE STEPS FULL: what the newcomer does, in the directory of the clone.
newcomer() {
	local case=$1 steps=$2 full=$3 line
	if [ "$(id -u)" = 0 ]; then sudo() { "$@"; }; fi # "as root without sudo", README says
	export DEBIAN_FRONTEND=noninteractive
	mapfile -t lines < <(block README.md 'Trying it' 1)
	[ ${#lines[@]} -gt 0 ] || { echo "README has no commands under Trying it" >&2; exit 1; }
	for line in "${lines[@]}"; do
		if [[ $line == *go.dev/* && -e /fresh/go.tar.gz ]]; then
			cp /fresh/go.tar.gz "${line##*/}" # the line that downloads it is not run
			continue
		fi
		timed "$line"
	done
	if [[ " $steps " == *" demo "* ]]; then try 'make demo' 'make demo-once'; fi
	if [[ " $steps " == *" use "* ]]; then use; fi
	if [[ " $steps " == *" test "* ]]; then
		if [ "$case" = "$full" ]; then try 'make test' 'make test'; else try 'make test' 'make test-short'; fi
	fi
}

# try LINE INSTEAD: runs a line that README must have, or the form of it that ends.
try() {
	block README.md 'Trying it' 2 | grep -qx "$1" || { echo "README does not name $1 under Trying it" >&2; exit 1; }
	timed "$2"
}

# use runs "Using it": a server in one terminal, bbtw in another.
use() {
	local line server i
	mapfile -t lines < <(block README.md 'Using it' 1)
	for line in "${lines[@]}"; do
		if [[ $line != 'buildbtw serve'* ]]; then
			timed "$line"
			continue
		fi
		eval "$line" >/tmp/server.log 2>&1 &
		server=$!
		printf '\n$ %s &\n' "$line"
		for i in $(seq 300); do # bbtw says "starting up" until then; a newcomer reads and waits as well
			kill -0 "$server" 2>/dev/null || { cat /tmp/server.log; exit 1; }
			! curl -fsS -o /dev/null http://127.0.0.1:8080/api/v1/ready 2>/dev/null || break
			sleep 0.2
		done
	done
	mapfile -t lines < <(block README.md 'Using it' 2)
	for line in "${lines[@]}"; do timed "$line"; done
	kill "$server"
	wait "$server" || :
}

# packages prints the names of what is installed.
packages() { dpkg-query -W -f '${Package} ${Installed-Size}\n' | sort; }

# inside ROOT CASE STEPS FULL: makes ROOT the root of the file system, in namespaces that
# are there already, and has the newcomer do things there.
inside() {
	local root=$1 case=$2 steps=$3 full=$4 device report=/fresh/report
	read -r _ <"$root/fresh/go" # until the network is there
	mount --bind "$root" "$root"
	mount -t proc proc "$root/proc"
	mount -t sysfs -o ro sysfs "$root/sys"
	mount -t tmpfs -o mode=755 tmpfs "$root/dev"
	for device in null zero full random urandom tty; do
		: >"$root/dev/$device"
		mount --bind "/dev/$device" "$root/dev/$device"
	done
	mkdir "$root"/dev/{pts,shm}
	mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
	mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
	ln -s pts/ptmx "$root/dev/ptmx"
	ln -s /proc/self/fd "$root/dev/fd"
	for device in stdin:0 stdout:1 stderr:2; do ln -s "/proc/self/fd/${device#*:}" "$root/dev/${device%:*}"; done
	mount -t tmpfs -o mode=755 tmpfs "$root/run"
	hostname "$case"
	cd "$root"
	pivot_root . .
	umount -l .
	cd /

	packages >/fresh/before
	local home=/root user=root
	if [ "${case##*-}" = user ]; then
		apt-get update -q >/dev/null
		DEBIAN_FRONTEND=noninteractive apt-get install -y -q sudo >/dev/null # a user with sudo has it
		packages >/fresh/before
		useradd --create-home --shell /bin/bash anna
		echo 'anna ALL=(ALL:ALL) NOPASSWD: ALL' >/etc/sudoers.d/anna
		home=/home/anna user=anna
	fi
	mv /fresh/buildbtw "$home/buildbtw"
	: >"$report"
	chown -R "$user:" "$home/buildbtw" "$report"
	local code=0
	(
		cd "$home/buildbtw"
		runuser -u "$user" -- env -i HOME="$home" USER="$user" LANG=C.UTF-8 TERM=dumb PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
			${EXTRA_CA:+NODE_EXTRA_CA_CERTS="$EXTRA_CA"} /fresh/fresh.sh newcomer "$case" "$steps" "$full" </dev/null
	) || code=$?
	packages >/fresh/after
	{
		echo 'installed by it:'
		comm -13 /fresh/before /fresh/after | awk '{ size += $2; names = names " " $1 } END { print "  " NR " packages, " int(size / 1024) " MB:" names }' | fold -s -w 150
		echo 'left behind by it, in MB:'
		(cd "$home" && du -sm .cache go buildbtw/bin buildbtw/tmp buildbtw/data buildbtw/node_modules 2>/dev/null | sed 's/^/  /') || :
	} >>"$report"
	exit "$code"
}

# system SUITE: makes the bare system that cases of a suite begin with, once.
system() {
	local base=$work/base/$1
	[ ! -e "$base.done" ] || return 0
	rm -rf "$base"
	mkdir -p "$work/base"
	echo "Making a bare system of $1 from $mirror"
	debootstrap --variant=minbase "$1" "$base" "$mirror" >"$work/$1.log" || { tail "$work/$1.log" >&2 && exit 1; }
	: >"$base.done"
}

# run CASE: one newcomer.
run() {
	local case=$1 root=$work/$1 namespaces=(--mount --propagation private --pid --fork --kill-child --uts --ipc) pid='' slirp='' code=0 i
	rm -rf "$root"
	cp -a "$work/base/${case%-*}" "$root"
	mkdir "$root/fresh"
	cp infrastructure/fresh.sh "$root/fresh/fresh.sh"
	git clone -q . "$root/fresh/buildbtw" # README: "in a clone of this repository"
	[ ! -e "$work/go.tar.gz" ] || cp "$work/go.tar.gz" "$root/fresh/"
	mkfifo "$root/fresh/go"
	# What this machine trusts beside Debian's authorities, the roots trust, too.
	if compgen -G '/usr/local/share/ca-certificates/*.crt' >/dev/null; then
		mkdir -p "$root/usr/local/share/ca-certificates"
		cp /usr/local/share/ca-certificates/*.crt "$root/usr/local/share/ca-certificates/"
		export EXTRA_CA=/etc/ssl/certs/ca-certificates.crt
	fi
	printf '127.0.0.1 localhost %s\n' "$case" >"$root/etc/hosts"
	cp /etc/resolv.conf "$root/etc/resolv.conf"
	if [ "$own_network" = yes ]; then
		namespaces+=(--net)
		echo 'nameserver 10.0.2.3' >"$root/etc/resolv.conf"
	fi
	printf '\n== %s\n' "$case"
	nice unshare "${namespaces[@]}" -- "$root/fresh/fresh.sh" inside "$root" "$case" "$steps" "$full" >"$work/$case.log" 2>&1 &
	pid=$!
	trap 'kill $pid $slirp 2>/dev/null || :' EXIT
	if [ "$own_network" = yes ]; then
		for i in $(seq 100); do
			[ "$(readlink "/proc/$pid/ns/net")" = "$(readlink /proc/self/ns/net)" ] || break
			sleep 0.1
		done
		slirp4netns --configure --disable-host-loopback --mtu=1500 "$pid" tap0 >"$work/$case.network.log" 2>&1 &
		slirp=$!
		sleep 1
	fi
	echo go >"$root/fresh/go"
	wait "$pid" || code=$?
	[ -z "$slirp" ] || { kill "$slirp" 2>/dev/null && wait "$slirp"; } || :
	trap - EXIT
	cat "$root/fresh/report" 2>/dev/null || :
	if [ "$code" != 0 ]; then
		printf 'FAILED; the end of %s:\n' "$work/$case.log"
		tail -n 25 "$work/$case.log"
		failed+=("$case")
	fi
	[ -n "${KEEP:-}" ] || rm -rf --one-file-system "$root"
}

# In braces, so that a change of this file does not reach a run that goes on.
{
case ${1:-} in
newcomer)
	report=/fresh/report
	newcomer "${@:2}"
	exit 0
	;;
inside)
	inside "${@:2}"
	;;
esac

if [ "$(id -u)" != 0 ]; then
	echo "This needs root: it makes systems and mounts file systems in namespaces of its own. Of the machine nothing changes." >&2
	exit 2
fi
cd "$(dirname "$0")/.."
infrastructure/setup.sh fresh
work=$PWD/tmp/fresh
steps=${STEPS:-demo use test}
full=${FULL:-trixie-user}
mirror=${MIRROR:-http://deb.debian.org/debian}
[ $# -gt 0 ] || set -- bookworm-root bookworm-user trixie-root trixie-user
for case; do
	[[ $case =~ ^(bookworm|trixie)-(root|user)$ ]] || { echo "$case is no case: SUITE-root or SUITE-user, with SUITE bookworm or trixie" >&2; exit 2; }
done
mkdir -p "$work"
echo 'module systems // so that ./... has nothing of it' >"$work/go.mod"

printf 'README of %s' "$(git describe --always --dirty)"
[ -z "$(git status --porcelain)" ] || printf ' (what is not committed is left out)'
printf ', %s processors, load %s\n' "$(nproc)" "$(cut -d' ' -f1 /proc/loadavg)"

# Go, as the line of README that downloads it would bring it.
rm -f "$work/go.tar.gz"
download=$(block README.md 'Trying it' 1 | grep -o 'https://go\.dev/[^ ]*')
if [ -n "${GO_TARBALL:-}" ]; then
	cp "$GO_TARBALL" "$work/go.tar.gz"
	echo "Go comes from $GO_TARBALL instead of $download"
elif ! curl -fsSIL -o /dev/null --max-time 20 "$download" 2>/dev/null; then
	goroot=$(go env GOROOT)
	tar -C "$(dirname "$goroot")" --transform "s,^$(basename "$goroot"),go," -czf "$work/go.tar.gz" "$(basename "$goroot")"
	echo "$download cannot be reached: Go is packed from this machine's $goroot ($(go env GOVERSION))"
fi

own_network=yes
if [ ! -c /dev/net/tun ] || ! command -v slirp4netns >/dev/null; then
	own_network=no
	echo "Without /dev/net/tun the cases use this machine's network; port 8080 must be free"
fi
failed=()
for case; do
	system "${case%-*}"
	run "$case"
done
if [ ${#failed[@]} -gt 0 ]; then
	printf '\nFailed: %s\n' "${failed[*]}"
	exit 1
fi
printf '\nEvery command that was run held (parts: %s).\n' "$steps"
exit 0
}
