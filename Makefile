# Two commands set everything up on a fresh machine: `make demo` and `make test`.
# Each installs what it lacks (tools/need says what and how); the second run is quick.

SHELL := /bin/bash
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
UI      := web/ui
BUNDLE  := web/dist/app.js
BUF     := $(UI)/node_modules/.bin/buf
LINT    := go tool -modfile=tools/go.mod golangci-lint
TESTENV := PHAROS_TEST_REQUIRE=1 PATH="$(CURDIR)/.tools/bin:$$PATH"

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: $(BUNDLE) ## build bin/pharos with the page in it
	go build -ldflags '$(LDFLAGS)' -o bin/pharos ./cmd/pharos

.PHONY: demo
demo: ## a broadcast with everything embedded on this machine: prints where to watch
	@tools/need ffmpeg
	@$(MAKE) --no-print-directory build
	@exec bin/pharos demo

.PHONY: test
test: unit integration browser ## all tests: unit with the race detector, integration, browser

.PHONY: unit
unit: ## unit tests, raced and shuffled
	go test -race -shuffle=on -timeout 5m ./...

.PHONY: integration
integration: ## tests against real ffmpeg, Redis, S3 server and processes
	@tools/need ffmpeg redis-server versitygw
	$(TESTENV) go test -p 1 -tags integration -timeout 7m $$(tools/packages integration)

.PHONY: browser
browser: ## the page in a real browser
	@tools/need ffmpeg chromium
	@$(MAKE) --no-print-directory build
	$(TESTENV) go test -p 1 -tags browser -timeout 3m $$(tools/packages browser)

.PHONY: check
check: lint test ## what CI runs

.PHONY: lint
lint: $(UI)/node_modules ## linters, tidiness, generated code
	go vet ./...
	go mod tidy -diff
	$(LINT) run ./...
	$(BUF) lint
	@$(MAKE) --no-print-directory check-generated
	cd $(UI) && npm run --silent check

.PHONY: generate
generate: $(UI)/node_modules ## protobuf code from proto/
	$(BUF) generate

.PHONY: check-generated
check-generated: $(UI)/node_modules
	@d=$$(mktemp -d) && trap 'rm -rf "$$d"' EXIT && $(BUF) generate -o "$$d" && \
	for f in $$(cd "$$d" && find . -name '*.go'); do \
	  cmp -s "$$d/$$f" "$$f" || { echo "$$f is not what 'make generate' makes"; exit 1; }; done

.PHONY: bench
bench: ## figures of docs/BENCHMARKS.md, taken anew; BENCH=-quick shows only that it works
	@tools/need ffmpeg
	go run ./internal/bench $(BENCH)

.PHONY: fuzz
fuzz: ## ten minutes of the RTMP guard with go-rtmp behind it, in little memory
	tools/fuzz $(FUZZSECONDS)

$(UI)/node_modules: $(UI)/package-lock.json
	@echo "installing the page's packages with npm"
	cd $(UI) && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(BUNDLE): $(UI)/node_modules $(shell find $(UI)/src -type f 2>/dev/null) $(UI)/build.mjs
	cd $(UI) && npm run --silent build
	@touch $@
