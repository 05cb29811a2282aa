# Run as root in a fresh mount namespace: box.sh DIRECTORY COMMAND... BOX ...
# Gives the directory a path that the user who fetches can reach, in place of the
# word BOX, and runs the command.
set -eu
dir=$1
shift
for base in /mnt /srv /media /run /tmp; do
	[ ! -d "$base" ] || case $dir/ in "$base"/*) ;; *) break ;; esac
done
cd "$dir"
mount -t tmpfs -o mode=755 buildbtw "$base"
mkdir "$base/fetch"
mount --bind . "$base/fetch"
for word; do
	shift
	[ "$word" != BOX ] || word=$base/fetch
	set -- "$@" "$word"
done
cd /
exec "$@"
