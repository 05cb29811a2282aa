#!/bin/bash
# inventory.sh licences | sbom: what the programs are made of. licences writes
# docs/licences.md from the texts of the modules; sbom writes a CycloneDX bill of
# materials of the programs in bin/ to bin/buildbtw.cdx.json.
set -euo pipefail
cd "$(dirname "$0")/.."

programs=(bbtw buildbtw buildbtw-executor buildbtw-repo-updater buildbtw-signer buildbtw-worker) # that are installed
modules() {
	GOOS=linux CGO_ENABLED=0 go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' "${programs[@]/#/./cmd/}" | LC_ALL=C sort -u
}
case "${1:-}" in
licences)
	modules | go run ./cmd/internal/inventory licences >docs/licences.md.new
	mv docs/licences.md.new docs/licences.md
	;;
sbom)
	version=$(git describe --tags --always --dirty 2>/dev/null || echo development)
	modules | go run ./cmd/internal/inventory sbom "$version" "${programs[@]/#/bin/}" >bin/buildbtw.cdx.json
	echo "bin/buildbtw.cdx.json: $(grep -c '"purl"' bin/buildbtw.cdx.json) components"
	;;
*)
	echo "usage: $0 licences | sbom" >&2
	exit 2
	;;
esac
