# Everything the project can be asked to do. "make test" is what the project is judged by.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:

GO ?= go
GOTESTFLAGS ?= -race -count=1
FUZZTIME ?= 10s
BENCHTIME ?= 100ms
CRASHES ?= 5000
STEPS ?= 300
FOR ?= 45s
FROM ?= 0

# The root module and the modules nested in it; tools/ holds no code, only the versions of tools.
MODULES := . $(filter-out tools,$(patsubst %/go.mod,%,$(wildcard */go.mod)))
LINT := $(GO) tool -modfile=$(CURDIR)/tools/go.mod golangci-lint
LINTFLAGS := --config=$(CURDIR)/.golangci.yml

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## check Go and Node, install Chromium and the packages of js and web if they are missing
	@GO=$(GO) scripts/setup.sh

.PHONY: fmt
fmt: ## format the Go code
	for m in $(MODULES); do (cd $$m && $(LINT) fmt $(LINTFLAGS)); done

.PHONY: vet
vet: ## go vet
	for m in $(MODULES); do (cd $$m && $(GO) vet ./...); done

.PHONY: lint
lint: ## golangci-lint, at the version in tools/go.mod
	for m in $(MODULES); do (cd $$m && $(LINT) run $(LINTFLAGS)); done

.PHONY: test
# The next run plays the same scripts.
test: FROM = 1
test: setup vet lint cover sim test-dist test-js test-web vuln ## all checks and tests

.PHONY: test-go
test-go: setup ## Go tests (GOTESTFLAGS, by default: -race -count=1)
	@GO=$(GO) GOTESTFLAGS='$(GOTESTFLAGS)' scripts/test-go.sh $(MODULES)

.PHONY: sim
sim: ## simulate readers, publishers, nodes and trouble for FOR (45s; seeds from FROM on, or at random), or the script of one SEED, of STEPS (300)
	@GO=$(GO) scripts/sim.sh $(if $(SEED),-sim.seed $(SEED),-sim.for $(FOR) -sim.from $(FROM)) -sim.steps $(STEPS)

.PHONY: cover
cover: setup ## Go tests, and what they reach: 90 % of statements of the engine, transports and brokers, or it fails
	@GO=$(GO) GOTESTFLAGS='$(GOTESTFLAGS)' COVERPROFILE=$(CURDIR)/coverage/go.cov scripts/test-go.sh $(MODULES)
	@scripts/cover.sh coverage/go.cov

.PHONY: vuln
vuln: ## look for known vulnerabilities in what is called (govulncheck; VULNDB=file:///… is a copy of its database)
	@GO=$(GO) VULNDB='$(VULNDB)' scripts/vuln.sh $(MODULES)

.PHONY: test-dist
test-dist: setup ## check that web/dist is what its source builds
	@scripts/check-dist.sh

.PHONY: test-js
test-js: setup bin/pabal ## types, unit tests and browser tests of the TypeScript client
	@PABAL_BIN=$(CURDIR)/bin/pabal scripts/test-web.sh js client

.PHONY: test-web
test-web: setup bin/pabal ## types, unit tests and browser tests of the pages
	@PABAL_BIN=$(CURDIR)/bin/pabal scripts/test-web.sh web web

.PHONY: bin/pabal
bin/pabal: ## build the binary
	$(GO) build -o bin/pabal ./cmd/pabal

.PHONY: web
web: ## build web/dist
	cd js && npm ci --no-audit --no-fund
	cd web && npm ci --no-audit --no-fund && npm run build

.PHONY: screenshots
screenshots: setup bin/pabal ## the pictures of docs/screenshots, of the built pages
	@PABAL_BIN=$(CURDIR)/bin/pabal node web/screenshots.mjs

.PHONY: bench
bench: bench-cost bench-go ## what Pabal costs, into docs/benchmarks.md (10 minutes), then the Go benchmarks

.PHONY: bench-cost
bench-cost: ## what it costs to publish, to deliver by each technique, to be idle; bytes by protocol and rate
	cd bench && $(GO) run ./cost

.PHONY: bench-peers
bench-peers: ## Pabal beside other servers, into docs/benchmarks.md (45 minutes; BENCHFLAGS=-quick: 2)
	@GO=$(GO) scripts/setup-peers.sh
	cd bench && $(GO) run ./peers $(BENCHFLAGS)

.PHONY: bench-storage
bench-storage: ## what is published, kept: Pabal beside other stores, into docs/benchmarks.md (20 minutes; BENCHFLAGS=-quick: 1)
	cd bench && $(GO) run ./storage $(BENCHFLAGS)

.PHONY: bench-two
bench-two: ## publishing over WebSocket beside centrifuge, readers with tokens, thousands that join, into docs/benchmarks.md (10 minutes; BENCHFLAGS=-quick: 1)
	cd bench && $(GO) run ./two $(BENCHFLAGS)

.PHONY: reliability
reliability: ## what is lost and repeated under faults, by Pabal and by others, into docs/reliability.md (an hour; BENCHFLAGS=-quick: 5 minutes)
	@GO=$(GO) scripts/setup-peers.sh
	cd bench && $(GO) run ./reliability $(BENCHFLAGS)

.PHONY: bench-go
bench-go: ## Go benchmarks, each for BENCHTIME (100ms)
	for m in $(MODULES); do (cd $$m && $(GO) test -run '^$$' -bench . -benchmem -benchtime=$(BENCHTIME) ./...); done

.PHONY: fuzz
fuzz: ## each fuzz target in turn, for FUZZTIME (10s)
	@GO=$(GO) scripts/fuzz.sh $(FUZZTIME)

.PHONY: soak
soak: ## 100,000 entries to 200 readers that break off and hop: counts what is lost, repeated, out of order
	cd bench && $(GO) run ./soak

.PHONY: crash
crash: ## kill -9 a server CRASHES (5000) times under publishers and readers: nothing may be lost or repeated (30 minutes)
	$(GO) test -race -count=1 -timeout 0 -v -run 'Always|Lossy' ./internal/crash -kills $(CRASHES) $(CRASHFLAGS)

.PHONY: chaos
chaos: ## 2,000 readers through proxies that make trouble, of a server that is killed, stopped and starved (CHAOSFLAGS='-for 5m'; 6 minutes)
	$(GO) test -count=1 -timeout 0 -v ./internal/chaos -readers 2000 -for 5m -seed 0 $(CHAOSFLAGS)

.PHONY: clean
clean: ## remove what was built; data and installed packages stay
	rm -rf bin coverage coverage.*
	find . \( -name node_modules -o -name .git \) -prune -o -type f \( -name '*.test' -o -name '*.prof' \) -exec rm -f {} +
