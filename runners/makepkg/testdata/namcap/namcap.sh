#!/bin/bash
# Writes lines as namcap does, about the packages that it is given.
[[ ! -e ${1%/*}/fails ]] || exit 3
for package; do
	name=${package##*/}
	name=${name%-*-*-*}
	echo "$name E: Missing license"
	echo "$name I: A hint"
done
echo "$name W: uid $(id -u) interfaces $(sed -n 's/^ *\([^ ]*\):.*/\1/p' /proc/net/dev | paste -sd,) packages ${*##*/}"
