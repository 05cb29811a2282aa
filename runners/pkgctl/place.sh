# place.sh: what surrounds chroot.sh on a machine that several workers may share.
# Variables: places (directory of the machine's chroots of one architecture), users (the
# first of the ids that builds have, one for each chroot), work (directory of the worker's,
# in which it finds the chroot), and those of chroot.sh but chroot, cache and builder.

# keep runs a function as root for as long as a worker wants it: until the function
# ends, or standard input does, whose other end only the worker has. A worker that is
# killed leaves nothing running this way, although it could not end what is root's.
keep() {
	local main watch code input family
	exec {input}<&0
	set -m # a process group of its own
	"$@" </dev/null {input}<&- &
	main=$!
	{
		read -r -u "$input"
		# Those of the container outlive systemd-nspawn when it is killed.
		family=$(family "$main")
		kill -TERM -- "-$main"
		for _ in {1..50}; do
			family=$(family "$family")
			[[ $family ]] || break
			sleep 0.1
		done
		for _ in {1..50}; do
			family=$(family "$family")
			[[ $family ]] || break
			xargs kill -KILL <<<"$(sed 's/:[^ ]*//g' <<<"$family")"
			sleep 0.1
		done
		release
	} >/dev/null 2>&1 &
	watch=$!
	set +m
	wait "$main" 2>/dev/null
	code=$?
	# When the worker has gone, the watch ends what is left.
	if read -r -t 0 -u "$input"; then wait "$watch"; fi 2>/dev/null
	kill -KILL -- "-$main" "-$watch" 2>/dev/null
	return "$code"
}

# release removes what a build that was ended has written, unless the next one in that
# chroot does so already.
release() {
	local lock
	chroot=$(readlink "$work/chroot") && exec {lock}>>"$chroot.lock" && flock -n "$lock" && empty
}

# empty removes what a build has written. The rest of the copy stays, because the next one
# is made of it in less time, unless it may be what takes the room.
empty() {
	rm -rf --one-file-system "$chroot/job" "$chroot/$slot/build"
	! short || chroot_delete "$chroot/$slot"
}

# short reports whether there is less room than a chroot takes on Arch Linux with the copy
# in which something is built.
short() { (($(df -k --output=avail "$places" | tail -n 1) < 8 << 20)); }

# family prints the processes that are there of some and of all that stem from them, each
# as ID:START, the moment when it began, by which it is told from a later one of its id.
family() {
	ps -e -o pid=,ppid=,lstart= | awk -v roots="$1" '
		BEGIN { split(roots, list, " "); for (i in list) root[list[i]] }
		{ start = $3 $4 $5 $6 $7; parent[$1] = $2; name[$1] = $1 ":" start; if ($1 in root || name[$1] in root) ours[$1] }
		END {
			do { more = 0; for (id in parent) if (!(id in ours) && parent[id] in ours) { ours[id]; more = 1 } } while (more)
			for (id in ours) printf "%s ", name[id]
		}'
}

# place takes a chroot that nobody uses, for the life of this process and all that it
# starts. There are as many as builds ran at once within a week.
place() {
	local number lock
	umask 022
	# Programs with special rights that a build leaves are out of other users' reach;
	# pacman 7 downloads as this one.
	mkdir -p "$places" && chmod 710 "$places" || return 101
	! getent group alpm >/dev/null || chgrp alpm "$places" || return 101
	for ((number = 1; ; number++)); do
		exec {lock}>>"$places/$number.lock" || return 101
		flock -n "$lock" && break
		exec {lock}>&-
	done
	touch "$places/$number.lock"
	chroot=$places/$number cache=$places/$number/cache builder=$((users + number))
	mkdir -p "$chroot" && ln -s "$chroot" "$work/chroot" || return 101
	echo "chroot $number of this machine"
	tidy
}

# tidy makes room: chroots that nobody has used for a week go, and those that nobody uses
# as long as there is not enough room for another, the one not used for longest first.
# What was downloaded goes after a week, when the distribution has something newer.
tidy() {
	local at lock other
	[[ ! -d $cache ]] || find "$cache" -xdev -type f -ctime +6 -delete
	while read -r at other; do
		other=${other%.lock}
		[[ -d $other ]] || continue
		((at < $(date +%s) - 7 * 86400)) || short || break
		# The lock's file stays: two of one name would let two have the chroot.
		exec {lock}>>"$other.lock" || continue
		if flock -n "$lock"; then
			echo "the chroot $other is removed: nobody has used it for a week, or there is too little room"
			rm -f "$other/sound"
			chroot_delete "$other"
		fi
		exec {lock}>&-
	done < <(find "${places%/*}" -mindepth 2 -maxdepth 2 -name '*.lock' -printf '%Ts %p\n' | sort -n)
	return 0 # whatever could not be removed
}

build() {
	place || return
	chroot_prepare && chroot_build
	local code=$?
	empty
	return "$code"
}
