#!/bin/bash
# generate.sh: makes every generated file anew. Each is committed, so that a
# clone builds with Go alone.
set -euo pipefail
cd "$(dirname "$0")/.."

go tool templ generate -log-level error
go test ./store -run Schema -update >/dev/null
infrastructure/inventory.sh licences
go test -short ./handlers/apiv1 ./cmd/bbtw ./cmd/buildbtw ./cmd/buildbtw-worker ./cmd/buildbtw-executor ./cmd/buildbtw-repo-updater ./cmd/buildbtw-signer \
	-run ReferenceIsFresh -update >/dev/null
go test ./handlers -run DocumentedMetrics -update-metrics >/dev/null

if command -v npm >/dev/null; then
	npm ci --silent --no-audit --no-fund --ignore-scripts
	npm run --silent build
else
	echo "npm is not installed: the browser assets were not made anew" >&2
fi
