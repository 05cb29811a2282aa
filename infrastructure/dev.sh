#!/bin/bash
# dev.sh: the server on the demo's sources, restarted when a source file changes.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH=$PWD/bin:$PATH
server=
stop() { [ -z "$server" ] || { kill "$server" && wait "$server"; } 2>/dev/null || :; }
trap stop EXIT

# state: changes whenever a file does that the programs are made of.
state() { find . \( -name node_modules -o -name tmp -o -name data -o -name bin -o -name .git \) -prune -o \
	-type f \( -name '*.go' -o -name '*.templ' -o -name '*.css' -o -name '*.js' -o -name '*.sql' \) -newer bin/buildbtw -print; }

while :; do
	buildbtw serve --data-dir tmp/dev --sources "dir:$PWD/infrastructure/demo/sources" --workers 1 &
	server=$!
	while kill -0 "$server" 2>/dev/null && [ -z "$(state)" ]; do sleep 1; done
	echo "== a file changed: building anew"
	stop
	go tool templ generate -log-level error && make --no-print-directory build || { touch bin/buildbtw; sleep 2; }
done
