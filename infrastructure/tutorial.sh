#!/bin/bash
# tutorial.sh: runs every command of docs/tutorial.md as it stands there, in a home directory of
# its own, and wants each to hold. Needs what `make demo` needs, and `make build`.
# BUILDBTW_LISTEN chooses another address for the server.
set -euo pipefail
cd "$(dirname "$0")/.."
page=$PWD/docs/tutorial.md
home=$(mktemp -d)
server=
trap '[ -z "$server" ] || { kill "$server" && wait "$server"; } || :; rm -rf "$home"' EXIT
export HOME=$home XDG_STATE_HOME=$home/state XDG_CONFIG_HOME=$home/config BROWSER=true

# commands N: prints the Nth block of shell commands of the page.
commands() { awk -v want="$1" '/^```sh$/ { n++; inside = 1; next } /^```$/ { inside = 0 } inside && n == want' "$page"; }

count=$(grep -c '^```sh$' "$page")
[ "$count" -ge 8 ] || { echo "$page has $count blocks of commands" >&2; exit 1; }
for n in $(seq "$count"); do
	block=$(commands "$n")
	printf '\n$ %s\n' "${block//$'\n'/$'\n'$ }"
	if [[ $block == 'buildbtw serve'* ]]; then
		eval "exec $block" >"$home/server.log" 2>&1 &
		server=$!
		for i in $(seq 600); do
			kill -0 "$server" 2>/dev/null || { cat "$home/server.log"; exit 1; }
			! bbtw sources 2>/dev/null | grep -q libcalc || break
			sleep 0.2
		done
	else
		eval "$block" </dev/null
	fi
done
[ "$(bbtw show bump --status built | awk -F'\t' 'NF > 5' | wc -l)" = 17 ] || { echo "17 builds should be built at the end" >&2; exit 1; }
printf '\nEvery command of the tutorial held.\n'
