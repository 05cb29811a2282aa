# Run in a fresh mount namespace, with the right to mount:
#   box.sh BASE TREE OUTPUT WORK SHARED [DIRECTORY...] -- COMMAND...
# Gives the attempt's directories paths below BASE that do not depend on where
# they lie (the user who builds may not be able to reach them, and the overlay's
# options allow neither ':' nor ',' in paths), and lays what is installed in the
# private pacman root read-only over the host's directories, of whose /etc WORK
# has what is shown. SHARED is the size of shared memory in bytes; 0 leaves it to
# the kernel.
set -eu
base=$1 tree=$2 output=$3 work=$4 shared=$5
shift 5
mount -t tmpfs -o mode=755 buildbtw "$base"
mkdir "$base/tree" "$base/output" "$base/work" "$base/empty" "$base/shm"
mount --bind "$tree" "$base/tree"
mount --bind "$output" "$base/output"
mount --bind "$work" "$base/work"
size=
[ "$shared" = 0 ] || size=,size=$shared
mount -t tmpfs -o "mode=1777$size" buildbtw "$base/shm"
while [ "$1" != -- ]; do
	mkdir "$base/$1"
	lower=/$1
	[ "$1" != etc ] || lower=$base/work/etc
	mount -t overlay -o "ro,lowerdir=$base/work/root/$1:$lower" buildbtw "$base/$1"
	shift
done
shift
cd /
exec "$@"
