#!/bin/bash
# check.sh: every check that a machine can make of the code without running it.
set -euo pipefail
cd "$(dirname "$0")/.."
step() { printf '\n== %s\n' "$*"; }
tool() { go tool -modfile=tools/go.mod "$@"; }

step "go vet"
go vet ./...

step "go.mod is tidy"
go mod tidy -diff
(cd tools && go mod verify >/dev/null)

step "golangci-lint (the first time it is compiled, which takes minutes)"
tool golangci-lint run ./...

step "nothing is unused: staticcheck U1000, deadcode"
tool staticcheck -checks U1000 ./...
# What no program reaches is dead, also when a test calls it; packages made for tests, and the
# check of flags, are reached from tests.
dead=$(tool deadcode ./... | grep -vE '^(auth/oidctest|cmd/internal/cli/check.go|cmd/internal/cmdtest|git/gitlab/gitlabtest|internal/distribution|scheduler/schedulertest|objects/objectstest|signing/gpgtest|store/storetest)[/:]' || true)
dead+=$(tool deadcode -test ./...)
if [ -n "$dead" ]; then
	printf 'Remove these, no program calls them:\n%s\n' "$dead" >&2
	exit 1
fi

step "known vulnerabilities: govulncheck"
infrastructure/vulncheck.sh

step "generated files are as they would be made anew"
before=$(git status --porcelain)
infrastructure/generate.sh
after=$(git status --porcelain)
if [ "$before" != "$after" ]; then
	echo "These files differ from what generates them; run 'make generate' and commit:" >&2
	diff <(echo "$before") <(echo "$after") >&2 || true
	git diff --stat >&2
	exit 1
fi

step "shell scripts parse"
git ls-files -z '*.sh' .ci/run | xargs -0 -n1 bash -n

printf '\nAll checks passed.\n'
