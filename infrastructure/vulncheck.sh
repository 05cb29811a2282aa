#!/bin/bash
# vulncheck.sh: looks for known vulnerabilities in what the programs call. The
# database is the one that GOVULNDB names: https://vuln.go.dev, or file:///DIR
# with a copy of it (its vulndb.zip, unpacked) where that cannot be reached.
# Without GOVULNDB nothing is looked for, and it says so.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -z "${GOVULNDB:-}" ]; then
	echo "SKIPPED: known vulnerabilities were not looked for, because GOVULNDB names no database." \
		"Set it to https://vuln.go.dev, or to file:///DIR with https://vuln.go.dev/vulndb.zip unpacked."
	exit 0
fi
go tool -modfile=tools/go.mod govulncheck -db "$GOVULNDB" ./...
