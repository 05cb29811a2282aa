# Run in a fresh mount namespace, with the right to mount:
#   box.sh BASE TREE OUTPUT WORK [DIRECTORY...] -- COMMAND...
# Gives the attempt's directories paths below BASE that do not depend on where
# they lie (the user who builds may not be able to reach them, and the overlay's
# options allow neither ':' nor ',' in paths), and lays what is installed in the
# private pacman root read-only over the host's directories.
set -eu
base=$1 tree=$2 output=$3 work=$4
shift 4
mount -t tmpfs -o mode=755 buildbtw "$base"
mkdir "$base/tree" "$base/output" "$base/work"
mount --bind "$tree" "$base/tree"
mount --bind "$output" "$base/output"
mount --bind "$work" "$base/work"
while [ "$1" != -- ]; do
	mkdir "$base/$1"
	mount -t overlay -o "ro,lowerdir=$base/work/root/$1:/$1" buildbtw "$base/$1"
	shift
done
shift
cd /
exec "$@"
