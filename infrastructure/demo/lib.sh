# lib.sh: what the demonstrations share; sourced by them. They set listen, work,
# here and once before, and processes, the list of what is to be stopped.

if [ -t 1 ]; then bold=$(tput bold || :) plain=$(tput sgr0 || :); else bold= plain=; fi
say() { printf '\n%s==> %s%s\n' "$bold" "$*" "$plain"; }
die() {
	printf '\nThe demo failed: %s\n' "$*" >&2
	[ ! -f "$work/server.log" ] || { echo "The end of the server's log ($work/server.log):" >&2; tail -n 15 "$work/server.log" >&2; }
	exit 1
}
stop() { # ends everything, the last one first
	local i
	for ((i = ${#processes[@]} - 1; i >= 0; i--)); do
		kill "${processes[i]}" 2>/dev/null || continue
		wait "${processes[i]}" 2>/dev/null || :
	done
	processes=()
}
trap stop EXIT
trap 'exit 130' INT TERM

# alone: ends the demo when another one uses its directory, or a server its address.
alone() {
	mkdir -p "$(dirname "$work")"
	exec 9>"$work.lock"
	flock -n 9 || die "another demo runs in $work; end it (Ctrl-C), or choose another directory and address: BUILDBTW_DEMO_DIR=/tmp/demo BUILDBTW_LISTEN=127.0.0.1:9000"
	if curl -sS -o /dev/null --max-time 2 "$BUILDBTW_SERVER_URL/" 2>/dev/null; then
		die "something answers at $BUILDBTW_SERVER_URL already; end it, or choose another address: BUILDBTW_LISTEN=127.0.0.1:9000"
	fi
}

# check_machine: ends the demo, in words, when this machine cannot build.
check_machine() {
	buildbtw-worker doctor --name demo --work-dir "$work/doctor" >"$work/doctor.log" 2>&1 || {
		cat "$work/doctor.log" >&2
		die "builds cannot run on this machine: see above"
	}
}

# commit SLUG CHANGE|- MESSAGE: puts the files of a change into a source.
commit() {
	local dir=$work/sources/$1
	[ "$2" = - ] || cp "$here/changes/$2/$1"/{.SRCINFO,*} "$dir/"
	git -C "$dir" add -A
	git -C "$dir" -c user.name='Demo' -c user.email=demo@localhost -c commit.gpgsign=false commit -q -m "$3"
}

# until_true WHAT COMMAND…: waits for up to a minute until a command succeeds.
until_true() {
	local i
	for i in $(seq 300); do
		! "${@:2}" >/dev/null 2>&1 || return 0
		sleep 0.2
	done
	die "$1 did not happen within a minute"
}

# count STATUS: how many builds of the latest iteration have it.
count() { bbtw show demo --status "$1" --json | grep -c '"pkgbase"' || :; }

# names STATUS: their names, in one line.
names() { bbtw show demo --status "$1" | awk -F'\t' 'NF > 5 { print $2 }' | sort | tr '\n' ' '; }

# install_and_run ITERATION PROGRAM ARGUMENT...: installs the program's package from the
# iteration's repository into an empty directory with pacman, and runs it.
install_and_run() {
	local iteration=$1 program=$2 root=$work/root-$1
	rm -rf "$root" && mkdir -p "$root/var/lib/pacman" "$root/cache"
	use_iteration "$root" "$iteration"
	in_root "$root" -Sy "$program"
	shift 2
	run_in_root "$root" "$program" "$@"
}

# upgrade_and_run FROM TO PROGRAM ARGUMENT...: upgrades the directory that has packages
# of one iteration to another with a plain pacman -Syu, and runs a program.
upgrade_and_run() {
	local root=$work/root-$1
	use_iteration "$root" "$2"
	in_root "$root" -Syu
	shift 2
	run_in_root "$root" "$@"
}

# install_as_user PROGRAM ARGUMENT...: installs the program's package into an empty directory
# with pacman, from what was released and the base, and runs it.
install_as_user() {
	local root=$work/root-user
	rm -rf "$root" && mkdir -p "$root/var/lib/pacman" "$root/cache"
	{
		printf '[options]\nArchitecture = %s\nSigLevel = Never\n\n' "$(uname -m)"
		printf '[stable]\nServer = %s/repo/target/stable/os/$arch\n\n' "$BUILDBTW_SERVER_URL"
		printf '[base]\nServer = file://%s\n' "$work/base"
	} >"$root/pacman.conf"
	in_root "$root" -Sy "$1"
	run_in_root "$root" "$@"
}

# upgrade_user PROGRAM ARGUMENT...: upgrades that directory with a plain pacman -Syu.
upgrade_user() {
	in_root "$work/root-user" -Syu
	run_in_root "$work/root-user" "$@"
}

# use_iteration ROOT ITERATION: writes the directory's pacman.conf.
use_iteration() {
	printf '[options]\nArchitecture = %s\nSigLevel = Never\n\n' "$(uname -m)" >"$1/pacman.conf"
	bbtw repo demo --iteration "$2" >>"$1/pacman.conf"
}

# in_root ROOT ARGUMENT...: pacman on a directory.
in_root() {
	local root=$1 root_pacman=(pacman) quirk=()
	shift
	[ "$(id -u)" = 0 ] || root_pacman=(fakeroot pacman)
	if pacman -S --help | grep -q -- --disable-sandbox; then quirk=(--disable-sandbox); fi
	"${root_pacman[@]}" --root "$root" --dbpath "$root/var/lib/pacman" --cachedir "$root/cache" --config "$root/pacman.conf" \
		--hookdir /nonexistent --logfile "$root/pacman.log" --noconfirm --noprogressbar --noscriptlet "${quirk[@]}" \
		"$@" >"$root/output" 2>&1 || { cat "$root/output" >&2; die "pacman $* failed"; }
}

run_in_root() {
	local root=$1 program=$2
	shift 2
	LD_LIBRARY_PATH=$root/usr/lib "$root/usr/bin/$program" "$@"
}

# await_server PID: waits until the server that the process is answers.
await_server() {
	local i
	for i in $(seq 100); do
		kill -0 "$1" 2>/dev/null || die "the server did not start"
		! curl -fsS -o /dev/null "$BUILDBTW_SERVER_URL/api/v1/ready" 2>/dev/null || return 0
		sleep 0.2
	done
	die "the server is not ready after 20 seconds"
}
