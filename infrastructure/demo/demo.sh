#!/bin/bash
# demo.sh [--once]: the main job, from a changed library to a program that runs.
#
# Starts a server with two workers, rebuilds a library and everything on it,
# installs a program from the result with pacman, breaks the library's ABI,
# shows what fails, what of that fails without the change, too, and what waits for it,
# pushes the fix, and upgrades with pacman -Syu. Then the packages are released into the
# server's own repository, and a machine upgrades from there. Stays up until
# Ctrl-C; with --once it ends, with exit code 0 only if every step held.
set -euo pipefail
cd "$(dirname "$0")/../.."

once=${1:-}
listen=${BUILDBTW_LISTEN:-127.0.0.1:8080}
work=${BUILDBTW_DEMO_DIR:-$PWD/tmp/demo}
export BUILDBTW_SERVER_URL=http://$listen
export PATH=$PWD/bin:$PATH
here=$PWD/infrastructure/demo
processes=()

. "$here/lib.sh"

say "Preparing 17 packages in $work/sources"
alone
rm -rf "$work" && mkdir -p "$work"
cp -r "$here/sources" "$work/sources"
for dir in "$work"/sources/*; do
	git -C "$dir" init -q -b main
	commit "$(basename "$dir")" - 'First version'
done

# release_base ITERATION: puts the packages of an iteration into the base repository, and
# an empty one that stands for what they use of this machine: its shell and C library.
release_base() {
	local arch
	arch=$(uname -m)
	cp "$work/data/repos/demo_$1/os/$arch/"*.pkg.tar.zst "$work/base/"
	mkdir -p "$work/machine"
	printf '%s\n' 'pkgname = machine' 'pkgbase = machine' 'pkgver = 1-1' 'pkgdesc = What this machine has itself' \
		'builddate = 0' 'packager = Demo' 'size = 0' 'arch = any' 'provides = bash' \
		'provides = libc.so=6-64' 'provides = libm.so=6-64' >"$work/machine/.PKGINFO"
	bsdtar -C "$work/machine" --zstd -cf "$work/base/machine-1-1-any.pkg.tar.zst" .PKGINFO
	repo-add -q "$work/base/base.db.tar.gz" "$work/base/"*.pkg.tar.zst
	until_true "reading the base repository" grep -q 'base repository read.*packages=[12][0-9]' "$work/server.log"
}

source_known() { bbtw sources --json | grep -q "\"$1\""; }
compared() { [ -z "$(bbtw show demo --status failed --verdict not-compared -o name)" ]; }

say "Starting the server with two workers: $BUILDBTW_SERVER_URL"
mkdir "$work/base" && repo-add -q "$work/base/base.db.tar.gz" # with no packages yet
BUILDBTW_INSTALL_FROM=base=file://$work/base \
	buildbtw serve --base-repo "base=file://$work/base" --base-period 1s --listen "$listen" --public-url "$BUILDBTW_SERVER_URL" --data-dir "$work/data" \
	--sources "dir:$work/sources" --workers 2 --sync-period 1s --debounce 1s >"$work/server.log" 2>&1 &
processes+=($!)
await_server $!
check_machine

say "What would a change of libcalc rebuild?"
bbtw plan libcalc

say "Rebuilding it: $BUILDBTW_SERVER_URL/buildspaces/demo"
bbtw new libcalc --name demo --yes
bbtw watch demo
bbtw wait demo || die "iteration 1 was not built"
[ "$(count built)" = 17 ] || die "17 builds should be built, $(count built) are"

say "Installing calc from the finished repository with pacman, and running it"
answer=$(install_and_run 1 calc version)
echo "$answer"
[ "$answer" = 'calc with libcalc 1' ] || die "calc says something else"

say "These packages become the base that users have, and what builds without a change are compared with"
release_base 1

say "A machine installs calc from there; before it stands the server's own repository, in which nothing is yet"
answer=$(install_as_user calc version)
echo "$answer"
[ "$answer" = 'calc with libcalc 1' ] || die "calc says something else"

say "A colleague adds sundial, which nobody has built yet"
git init -q -b main "$work/sources/sundial"
commit sundial 1-sundial 'First version'
until_true "reading the new source" source_known sundial

say "libcalc 2.0.0 with a new soname is pushed: a new iteration makes itself"
commit libcalc 1-libcalc-soname 'Version 2.0.0: new soname, calc_legacy_sum is gone'
if bbtw wait demo --iteration 2 --timeout 3m; then die "iteration 2 should have a failure"; fi
bbtw diff demo
bbtw show demo --status failed,blocked
[ "$(names failed)" = 'abacus sundial ' ] || die "abacus and sundial should have failed, but: $(names failed)"
[ "$(names blocked)" = 'counting-house town ' ] || die "counting-house and town should be blocked, but: $(names blocked)"

say "Why does town wait?"
bbtw why demo/town
bbtw log --tail 8 demo/abacus

say "Whose fault is it? Idle workers build both once more, and then without the change"
until_true "comparing both failures with the base" compared
bbtw show demo --status failed
bbtw why demo/abacus
bbtw why demo/sundial
[ "$(bbtw show demo --verdict yours -o name)" = demo/abacus ] || die "abacus alone fails because of the change"
[ "$(bbtw show demo --verdict already-broken -o name)" = demo/sundial ] || die "sundial alone was broken before"

say "What of it could be released? One failed user of the library holds all of its users"
bbtw release demo --iteration 2 --dry-run

say "sundial was broken before and is excluded. The fix for abacus is pushed; it becomes a changeset of the buildspace"
commit abacus 2-abacus-fix 'Build with libcalc 2'
bbtw edit demo --add abacus --exclude sundial
bbtw watch demo --iteration 3
bbtw wait demo --iteration 3 --timeout 3m || die "iteration 3 was not built"
[ "$(count built)" = 17 ] || die "17 builds should be built, $(count built) are"

say "Upgrading what was installed from iteration 1 with a plain pacman -Syu"
bbtw show demo --status built
answer=$(upgrade_and_run 1 3 calc version)
echo "$answer"
[ "$answer" = 'calc with libcalc 2' ] || die "calc says something else"
say "Installing another program from the new iteration"
answer=$(install_and_run 3 abacus)
echo "$answer"
[ "$answer" = '15 beads' ] || die "abacus says something else"

say "Releasing iteration 3: what can go together, and why the rest cannot"
bbtw release demo --yes || die "iteration 3 was not released"
bbtw check stable || die "something is broken in stable"
say "The machine upgrades with a plain pacman -Syu from /repo/target/stable"
answer=$(upgrade_user calc version)
echo "$answer"
[ "$answer" = 'calc with libcalc 2' ] || die "calc says something else"

if [ "$once" = --once ]; then
	say "Every step held."
	exit 0
fi
say "Done. The server stays up until you press Ctrl-C:"
cat <<E2
  $(bbtw open --no-browser)
                                               signs your browser in: once, within two minutes; later: bbtw open
  $BUILDBTW_SERVER_URL/                        what runs now
  $BUILDBTW_SERVER_URL/buildspaces/demo        the buildspace
  $BUILDBTW_SERVER_URL/buildspaces/demo/2      what failed on the way, and whose fault it was
  $BUILDBTW_SERVER_URL/buildspaces/demo/3/x86_64/graph   its build graph
  $BUILDBTW_SERVER_URL/targets/stable          what was released

  Try it yourself:
    export PATH=\$PWD/bin:\$PATH
    bbtw new libshape/main -n mine --wait
    cd $work/sources/libshape    # change something and commit it
E2
wait
