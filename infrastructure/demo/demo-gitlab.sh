#!/bin/bash
# demo-gitlab.sh [--once]: the same with GitLab as the source and as the engine.
#
# Starts a stand-in for GitLab with a group of 17 projects and two runners that
# play a gitlab-runner with the real executor, and a server that takes its sources
# from that group and hands its builds to pipelines there. A push becomes a
# webhook, that an iteration, that pipelines, those jobs, those packages, and
# pacman installs them. Stays up until Ctrl-C; with --once it ends, with exit code
# 0 only if every step held.
set -euo pipefail
cd "$(dirname "$0")/../.."

once=${1:-}
listen=${BUILDBTW_LISTEN:-127.0.0.1:8080}
gitlab=${BUILDBTW_DEMO_GITLAB:-127.0.0.1:8081}
work=${BUILDBTW_DEMO_DIR:-$PWD/tmp/demo-gitlab}
export BUILDBTW_SERVER_URL=http://$listen
export PATH=$PWD/bin:$PATH
here=$PWD/infrastructure/demo
processes=()

. "$here/lib.sh"

# push SLUG: pushes a source to its project, over HTTP.
push() {
	git -C "$work/sources/$1" -c credential.helper= push -q "http://packager:$gitlab_token@$gitlab/packages/$1.git" main ||
		die "$1 could not be pushed"
}

all_sources() { [ "$(bbtw sources --json | grep -c '"slug"')" = 17 ]; }
jobs_succeeded() { [ "$(grep -c '^job .*: success$' "$work/gitlab.log")" = "$1" ]; }
iteration() { bbtw show demo --iteration "$1"; }

say "Preparing 17 packages in $work/sources"
alone
rm -rf "$work" && mkdir -p "$work"
cp -r "$here/sources" "$work/sources"
projects=()
for dir in "$work"/sources/*; do
	git -C "$dir" init -q -b main
	commit "$(basename "$dir")" - 'First version'
	projects+=(--project "packages/$(basename "$dir")")
done
secret() { (umask 077 && od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >"$work/$1") && cat "$work/$1"; }
gitlab_token=$(secret gitlab-token) hook_secret=$(secret hook-secret)
secret worker-token >/dev/null

say "Starting a stand-in for GitLab with two runners: http://$gitlab"
BUILDBTW_WORKER_TOKEN_FILE=$work/worker-token BUILDBTW_STATE_DIR=$work/executor BUILDBTW_RUNNER=${BUILDBTW_RUNNER:-makepkg} \
	BUILDBTW_TOKEN=$gitlab_token BUILDBTW_HOOK_SECRET=$hook_secret \
	buildbtw-demo-gitlab --listen "$gitlab" --dir "$work/gitlab" --runners "${BUILDBTW_DEMO_RUNNERS:-2}" "${projects[@]}" \
	--hook "$BUILDBTW_SERVER_URL/api/v1/webhooks/gitlab" >"$work/gitlab.log" 2>&1 &
processes+=($!)
until_true "the stand-in's start" grep -q '^serving' "$work/gitlab.log"
for dir in "$work"/sources/*; do push "$(basename "$dir")"; done

say "Starting the server, whose sources and builds are there: $BUILDBTW_SERVER_URL"
BUILDBTW_GITLAB_TOKEN_FILE=$work/gitlab-token BUILDBTW_GITLAB_WEBHOOK_SECRET_FILE=$work/hook-secret \
	buildbtw serve --listen "$listen" --public-url "$BUILDBTW_SERVER_URL" --data-dir "$work/data" --debounce 1s \
	--sources gitlab:packages --gitlab-url "http://$gitlab" --gitlab-ci-config gitlab-ci.yml@infrastructure/ci \
	--dispatch gitlab --worker-token-file "$work/worker-token" >"$work/server.log" 2>&1 &
processes+=($!)
await_server $!
until_true "mirroring the group's 17 projects" all_sources

say "Rebuilding libcalc and everything on it: $BUILDBTW_SERVER_URL/buildspaces/demo"
bbtw new libcalc --name demo --yes
bbtw watch demo
bbtw wait demo || die "iteration 1 was not built"
[ "$(count built)" = 17 ] || die "17 builds should be built, $(count built) are"
until_true "the success of 17 jobs of GitLab" jobs_succeeded 17 # the last one ends after its build

say "Installing calc from the finished repository with pacman, and running it"
answer=$(install_and_run 1 calc version)
echo "$answer"
[ "$answer" = 'calc with libcalc 1' ] || die "calc says something else"

say "libcalc 2.0.0 with a new soname is pushed to GitLab: its webhook makes a new iteration"
commit libcalc 1-libcalc-soname 'Version 2.0.0: new soname, calc_legacy_sum is gone'
push libcalc
until_true "a new iteration" iteration 2
if bbtw wait demo --iteration 2 --timeout 5m; then die "iteration 2 should have a failure"; fi
bbtw show demo --status failed,blocked
[ "$(names failed)" = 'abacus ' ] || die "abacus alone should have failed, but: $(names failed)"
[ "$(names blocked)" = 'counting-house town ' ] || die "counting-house and town should be blocked, but: $(names blocked)"
bbtw log --tail 8 demo/abacus
until_true "GitLab's hearing that abacus failed" grep -q '^job .* of packages/abacus: failed script_failure$' "$work/gitlab.log"

say "The fix for abacus is pushed, and abacus becomes a changeset of the buildspace"
commit abacus 2-abacus-fix 'Build with libcalc 2'
push abacus
bbtw edit demo --add abacus
bbtw watch demo --iteration 3
bbtw wait demo --iteration 3 --timeout 5m || die "iteration 3 was not built"
answer=$(install_and_run 3 abacus)
echo "$answer"
[ "$answer" = '15 beads' ] || die "abacus says something else"

if [ "$once" = --once ]; then
	say "Every step held."
	exit 0
fi
say "Done. Both servers stay up until you press Ctrl-C:"
cat <<E2
  $BUILDBTW_SERVER_URL/buildspaces/demo        the buildspace; its builds name their pipelines
  $work/gitlab.log         what the runners did

  Try it yourself:
    export PATH=\$PWD/bin:\$PATH
    cd $work/sources/libshape    # change something and commit it, then
    git push http://packager:\$(cat $work/gitlab-token)@$gitlab/packages/libshape.git main
E2
wait
