# chroot.sh: builds a package in a clean chroot with the parts of devtools (tried with
# 1.5.0), as root, in two steps. archbuild does the same in one, in which the PKGBUILD
# is run outside of the chroot by a user who may become root, with the machine's network
# and with its pacman's cache.
#
#   chroot_prepare  makes or updates the chroot and downloads. It has a network, and
#                   runs nothing but the distribution's programs.
#   chroot_build    copies the chroot, installs what was downloaded, and builds. It has
#                   no network, and runs nothing of the package outside of the copy.
#
# Nothing of an iteration is ever installed in the chroot itself, so one serves them all.
#
# Variables of both: chroot (directory), cache (of packages; its own, because packages
# of iterations and of the distribution have the same names), template (devtools'
# pacman.conf), conf (pacman.conf with the iteration's repository), makepkg
# (makepkg.conf), repository (its name), depends (array). Of the second: builder (the id
# of a user whom neither the machine nor the chroot knows), tree, sources, keys (a
# GNUPGHOME), output (directories), installed (file, for the list of what was installed),
# slot, arguments (array, of makepkg).
#
# They return 0, or who is at fault (runners.JudgeDevtools):
#   101  the chroot could not be made, updated or copied
#   102  packages could not be downloaded
#   103  packages could not be installed
#   104  the sources are not what the PKGBUILD says
#   105  the package could not be built

chroot_run() { # PACMAN.CONF DIRECTORY [ARGUMENT OF NSPAWN…] COMMAND…
	arch-nspawn -C "$1" -M "$makepkg" -c "$cache" "${@:2}"
}

chroot_prepare() {
	local distribution
	mkdir -p "$chroot" "$cache" && distribution=$(sed -n 's/^ *\[\(.*\)\] *$/\1/p' "$template" | tr '\n' ' ') || return 101
	# The mark is there while the chroot is sound: half a one is made anew.
	if [[ ! -e $chroot/sound ]]; then
		chroot_delete "$chroot/root" && mkarchroot -C "$template" -M "$makepkg" -c "$cache" "$chroot/root" base-devel || return 101
	fi
	rm -f "$chroot/sound"
	chroot_forget
	chroot_run "$template" "$chroot/root" pacman -Syuu --noconfirm || return 101
	touch "$chroot/sound"

	chroot_run "$conf" "$chroot/root" bash -c "$(declare -f chroot_download chroot_same chroot_forget)
$(declare -p cache repository depends distribution)
chroot_download" || return 102
}

# chroot_download runs in the chroot.
chroot_download() {
	local name databases=/var/lib/pacman/sync
	# pacman keeps a database that is newer than the server's: that of another iteration.
	for name in "$databases"/*; do
		name=${name##*/}
		[[ " $distribution " == *" ${name%%.*} "* ]] || rm -f -- "$databases/$name"
	done
	pacman -Sy || return
	bsdtar -xOf "$databases/$repository.db" '*/desc' 2>/dev/null | sed -n '/^%FILENAME%$/{n;p}' >"$cache/forget"
	chroot_forget
	local same
	mapfile -t same < <(chroot_same)
	pacman -Suuw --noconfirm && pacman -Sw --noconfirm --needed -- namcap "${depends[@]}" || return
	((${#same[@]} == 0)) || pacman -Sw --noconfirm -- "${same[@]}"
}

# chroot_same lists what the iteration has built anew without another version, which is no
# update for pacman.
chroot_same() { pacman -Sl -- "$repository" | sed -n 's/^\([^ ]*\) \([^ ]*\) [^ ]* \[installed\]$/\1\/\2/p'; }

chroot_build() {
	unshare --net --mount --propagation private -- bash -c "$(declare -f chroot_run chroot_delete chroot_copy chroot_install chroot_same chroot_installed chroot_inside)
$(declare -p chroot cache conf makepkg builder tree sources keys output installed slot arguments repository)
chroot_inside"
	local code=$?
	chroot_forget
	rm -rf --one-file-system "$chroot/job"
	return "$code"
}

chroot_inside() {
	ip link set lo up # tests listen there
	local job=$chroot/job copy=$chroot/$slot code file
	chroot_copy || return 101
	# A place that the user can reach, and nobody has to be given back.
	rm -rf --one-file-system "$job"
	mkdir -p "$job"/{packages,other} && cp -a "$tree" "$job/tree" && cp -a "$sources" "$job/sources" && cp -a "$keys" "$job/keys" &&
		chown -R "$builder:$builder" "$job" && chmod 700 "$job/keys" && cd "$job/tree" || return 101
	chroot_run "$conf" "$copy" --bind="$job/tree:/startdir" --bind="$job/sources:/srcdest" --bind="$job/keys:/keys" bash -c "$(declare -f chroot_install chroot_same)
$(declare -p builder repository arguments)
chroot_install" || return

	# makechrootpkg wants the name of a user, and evaluates the PKGBUILD as that one on the
	# machine itself: to verify the sources, which is done, and for checkpkg, which is left
	# out. Here it finds a user, and a sudo that does nothing.
	printf '#!/bin/sh\n' >"$chroot/nothing" && chmod 755 "$chroot/nothing" && mount --bind "$chroot/nothing" "$(command -v sudo)" &&
		(cat /etc/passwd && echo "buildbtw-build:x:$builder:$builder::/:/bin/false") >"$chroot/passwd" && mount --bind "$chroot/passwd" /etc/passwd || return 101
	env -u SUDO_USER SRCDEST="$job/sources" PKGDEST="$job/packages" SRCPKGDEST="$job/other" LOGDEST="$job/other" \
		makechrootpkg -n -r "$chroot" -l "$slot" -U buildbtw-build -- "${arguments[@]}"
	code=$?
	chroot_installed >"$installed"
	for file in "$job"/packages/*; do
		[[ ! -f $file || -L $file ]] || install -m 644 -o "${SUDO_UID:-0}" -g "${SUDO_GID:-0}" -- "$file" "$output/"
	done
	((code == 0)) || return 105
}

# chroot_installed lists the directories of pacman's local database in the copy. Code of
# packages may have put a link in its place, which would lead out of the copy.
chroot_installed() {
	local database=var/lib/pacman/local
	[[ $(realpath -- "$copy/$database" 2>/dev/null) != "$(realpath -- "$copy")/$database" ]] ||
		find "$copy/$database" -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | head -n 5000
}

# chroot_install runs in the copy: it installs the iteration's packages of the base, and
# verifies the sources as their user.
chroot_install() {
	local same
	mapfile -t same < <(chroot_same)
	pacman -Suu --noconfirm || return 103
	((${#same[@]} == 0)) || pacman -S --noconfirm -- "${same[@]}" || return 103
	cd /startdir && setpriv --reuid="$builder" --regid="$builder" --clear-groups --no-new-privs \
		env HOME=/tmp GNUPGHOME=/keys SRCDEST=/srcdest BUILDDIR=/tmp makepkg --verifysource -o "${arguments[@]}" || return 104
}

# chroot_copy makes the working copy anew: a snapshot where there are any.
chroot_copy() {
	if [[ $(stat -fc %T "$chroot/root") = btrfs && $(stat -c %i "$chroot/root") = 256 ]]; then
		chroot_delete "$copy" && btrfs subvolume snapshot "$chroot/root" "$copy" >/dev/null
	else
		mkdir -p "$copy" && rsync -a --delete -q -W -x "$chroot/root/" "$copy"
	fi
}

# chroot_delete removes a directory with all that is in it, subvolumes too.
chroot_delete() {
	[[ -e $1 ]] || return 0
	if [[ $(stat -fc %T "$1") = btrfs ]]; then
		local inner
		while IFS= read -r -d '' inner; do
			[[ $inner = "$1" ]] || chroot_delete "$inner" || return
		done < <(find "$1" -xdev -inum 256 -print0)
		[[ $(stat -c %i "$1") != 256 ]] || btrfs subvolume delete "$1" >/dev/null || return
	fi
	rm -rf --one-file-system "$1"
}

# chroot_forget removes the iteration's packages from the cache. pacman takes a file of
# the right name for the distribution's package, and finds only then that it is not.
chroot_forget() {
	[[ ! -f $cache/forget ]] || (cd "$cache" && grep -v / forget | xargs -r -d '\n' rm -f --)
}
