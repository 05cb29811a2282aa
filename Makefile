# buildbtw. Bare `make` lists what can be done.

SHELL := /bin/bash
GO    ?= go
BIN   := bin
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo development)
LDFLAGS := -X buildbtw/cmd/internal/cli.version=$(VERSION)
COMMANDS := $(notdir $(wildcard cmd/buildbtw* cmd/bbtw))
TEMPL := $(GO) tool templ
# go test, with what failed or was skipped, and why, at the end.
TESTS := $(GO) tool -modfile=tools/go.mod gotestsum --format pkgname --format-icons text --

# The race detector watches all of our code and of Go's libraries, but not the inside of
# SQLite, which is C translated to Go: with it the tests of the store take 5 times as long.
RACE := -race $(foreach p,sqlite/lib libc memory,-gcflags='modernc.org/$(p)=-race=false')

export CGO_ENABLED ?= 0

.PHONY: help
help: ## list what can be done
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## install everything that development and tests need (Debian, Arch)
	@infrastructure/setup.sh test

.PHONY: build
build: ## build all programs into bin/
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/ $(addprefix ./cmd/,$(COMMANDS))

PREFIX ?= /usr/local
PROGRAMS ?=

.PHONY: install
install: ## install what `make build` built, man pages, completions and units; DESTDIR=, PREFIX=/usr/local, PROGRAMS=
	@DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' infrastructure/install.sh $(PROGRAMS)

.PHONY: uninstall
uninstall: ## remove what `make install` installed, with the same DESTDIR=, PREFIX= and PROGRAMS=; says what stays
	@DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' infrastructure/uninstall.sh $(PROGRAMS)

.PHONY: dist
dist: ## all files of a version, with SHA256SUMS, into tmp/dist; see docs/releasing.md
	@infrastructure/dist.sh

.PHONY: arch-packages
arch-packages: ## build packages for Arch Linux with makepkg into tmp/arch
	@infrastructure/packaging/arch.sh

.PHONY: debian-packages
debian-packages: build ## build packages for Debian with dpkg-deb into tmp/deb
	@infrastructure/packaging/deb.sh

.PHONY: demo
demo: ## rebuild a changed library and all that needs it, on this machine, and stay up
	@infrastructure/setup.sh demo
	@$(MAKE) --no-print-directory build
	@infrastructure/demo/demo.sh

.PHONY: demo-once
demo-once: ## the same, checking every step, and exit
	@infrastructure/setup.sh demo
	@$(MAKE) --no-print-directory build
	@infrastructure/demo/demo.sh --once

.PHONY: demo-gitlab
demo-gitlab: ## the same with a stand-in for GitLab: sources, webhook, pipelines, executor
	@infrastructure/setup.sh demo
	@$(MAKE) --no-print-directory build
	@infrastructure/demo/demo-gitlab.sh

.PHONY: demo-gitlab-once
demo-gitlab-once: ## the same, checking every step, and exit
	@infrastructure/setup.sh demo
	@$(MAKE) --no-print-directory build
	@infrastructure/demo/demo-gitlab.sh --once

.PHONY: dev
dev: build ## run the server on the demo's sources and restart it when a file changes
	@infrastructure/dev.sh

.PHONY: test
test: ## install what is missing and run every test, with the race detector
	@infrastructure/setup.sh test
	CGO_ENABLED=1 $(TESTS) $(RACE) -timeout 50m ./...

.PHONY: test-short
test-short: ## run the tests that take a moment each, in a minute
	$(TESTS) -short ./...

.PHONY: test-vm
test-vm: ## build a whole package in a virtual machine that QEMU emulates (minutes, as root)
	@infrastructure/setup.sh test
	$(GO) test ./cmd/buildbtw-executor -count=1 -v -timeout 180m -run TestWholePackageInAGuest -args -executor.vm

.PHONY: test-devtools
test-devtools: ## build with the devtools in BUILDBTW_DEVTOOLS, for a small distribution of their own (as root)
	@infrastructure/devtools/test.sh $(RUN)

.PHONY: fresh
fresh: ## run README's commands on bare Debian systems, as root and with sudo; hours (as root); CASES=, STEPS=demo
	@infrastructure/fresh.sh $(CASES)

.PHONY: test-systemd
test-systemd: build ## try packages and units under a Debian's systemd in a virtual machine; some 20 minutes (as root); SUITE=
	@SUITE='$(SUITE)' infrastructure/systemd/test.sh

.PHONY: test-tutorial
test-tutorial: ## run every command of docs/tutorial.md
	@infrastructure/setup.sh demo
	@$(MAKE) --no-print-directory build
	@infrastructure/tutorial.sh

.PHONY: test-dbscripts
test-dbscripts: ## release through the dbscripts in BUILDBTW_DBSCRIPTS, with packages and keys made for it (as root)
	@infrastructure/dbscripts/test.sh $(RUN)

.PHONY: test-objects
test-objects: ## run the tests of object storage against a real S3 server, versitygw, which it builds (minutes the first time)
	cd tools/versitygw && $(GO) build -o ../../tmp/versitygw github.com/versity/versitygw/cmd/versitygw
	BUILDBTW_S3_SERVER=$(abspath tmp/versitygw) $(GO) test -count=1 ./objects ./offload

.PHONY: check
check: ## formatting, lint, generated files as they would be made anew
	@infrastructure/check.sh

.PHONY: generate
generate: ## make generated files anew: templ, schema, licences, browser assets
	@infrastructure/generate.sh

.PHONY: vulncheck
vulncheck: ## look for known vulnerabilities with the database that GOVULNDB names, if it does
	@infrastructure/vulncheck.sh

.PHONY: licences
licences: ## list the licences of all that is in the programs: docs/licences.md
	@infrastructure/inventory.sh licences

.PHONY: sbom
sbom: build ## list what is in the programs for machines: bin/buildbtw.cdx.json (CycloneDX)
	@infrastructure/inventory.sh sbom

.PHONY: screenshots
screenshots: build ## take a picture of every page into tmp/screenshots; those of README and docs are copied there
	@test -d node_modules/playwright-core || npm ci --ignore-scripts --no-audit --no-fund
	node cmd/buildbtw-storybook/screenshots.mjs $(BIN)/buildbtw-storybook tmp/screenshots
	cp tmp/screenshots/{iteration,graph,plan,build-failed,release}.png docs/screenshots/

.PHONY: bench
bench: ## measure the main paths, see docs/benchmarks.md
	@infrastructure/bench.sh

SEED ?= 1

.PHONY: chaos
chaos: ## 500 builds while server and workers are killed 200 times; SEED=n chooses when
	$(GO) test ./cmd/internal/chaos -run TestChaos -count=1 -v -timeout 30m -args -chaos.seed=$(SEED) -chaos.builds=500 -chaos.kills=200

SOAK ?= 10m
SOAK_REPORT ?= docs

.PHONY: soak
soak: ## builds, pushes, readers, backups and dying workers for SOAK=10m; fails when anything grows; writes SOAK_REPORT=docs
	$(GO) test ./cmd/internal/chaos -run 'TestSoak$$' -count=1 -v -timeout 5h -args -soak.time=$(SOAK) -soak.report=$(abspath $(SOAK_REPORT))

.PHONY: clean
clean: ## remove what was built here, and the data of ./data and the demos; says what stays
	rm -rf $(BIN) data tmp
	@echo 'What stays: node_modules, the caches of Go (go clean -cache -modcache) and npm, what was installed (make uninstall; apt or pacman), ~/.local/state/buildbtw.'
