# The only entry to every task: `make help`.
SHELL := /bin/sh
BIN := node_modules/.bin
# The engine needs root; whoever is root already needs no sudo.
SUDO := $(if $(filter 0,$(shell id -u)),,sudo --preserve-env)
NODE := $(SUDO) $(BIN)/node
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help deps demo down load install-runtime bench build build-arm64 client test test-unit test-integration soak check clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

deps: node_modules/.complete ## the npm packages, Node itself among them

# Of all the packages only the two runtimes may run install scripts, whatever npm's version would do.
# Node needs libatomic, which a small Debian does not have.
node_modules/.complete: package.json package-lock.json
	@ls /usr/lib/*/libatomic.so.1 /lib/*/libatomic.so.1 >/dev/null 2>&1 || { echo "Installing libatomic1, which Node needs …"; { $(SUDO) apt-get -q update && $(SUDO) apt-get -q install --yes --no-install-recommends libatomic1; } >/dev/null; }
	@echo "Installing npm packages …"
	@npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@npm rebuild node bun --loglevel=error >/dev/null
	@touch $@

demo: deps ## the main job on a private engine: two services, born with identities
	@$(NODE) scripts/demo.ts

down: deps ## end the demo and remove everything it made
	@$(NODE) scripts/down.ts

load: deps ## images and plugin onto your own engine (DOCKER_HOST)
	@$(NODE) scripts/load.ts

install-runtime: deps ## birthmark-runtime onto your own engine (DOCKER_HOST): the label alone is enough; ARGS=--default for all containers
	@$(NODE) scripts/build-runtime.ts
	@$(SUDO) bin/birthmark engine setup $(ARGS)

build: deps ## agent, runtime, bundles, root file systems (build/)
	@$(NODE) scripts/build.ts

client: deps ## the libraries for programs and tests as an npm package (build/client)
	@$(NODE) scripts/build-client.ts

build-arm64: deps ## the agent for arm64, from whatever machine, tried under an emulator (build/arm64)
	@$(NODE) scripts/build-arm64.ts
	@BIRTHMARK_REQUIRE_ARM64=1 $(BIN)/ava test/unit/agent/arm64.test.ts

check: deps ## types, and the walls between folders
	@$(BIN)/tsc --noEmit
	@$(BIN)/ava test/architecture.test.ts

test: check build ## every test: unit, then integration on private engines; ENGINE="26.1 28.5" for others
	@$(NODE) scripts/test.ts

test-unit: deps ## unit tests only
	@$(BIN)/ava $(ARGS)

test-integration: build ## integration stories only; STORY=<name> for one, ENGINE=26.1 or 28.5 for another engine
	@$(NODE) scripts/test.ts --integration $(STORY)

soak: build ## what takes long: kills and outages under load, ten thousand rotations, a thousand restarts and creations, every property 50 times as often
	@BIRTHMARK_REQUIRE_POSTGRES=1 BIRTHMARK_SOAK_KILLS=$${BIRTHMARK_SOAK_KILLS:-200} BIRTHMARK_SOAK_OUTAGES=$${BIRTHMARK_SOAK_OUTAGES:-60} \
		BIRTHMARK_SOAK_CLOCK_STEPS=$${BIRTHMARK_SOAK_CLOCK_STEPS:-3000} BIRTHMARK_PROPERTY_RUNS=$${BIRTHMARK_PROPERTY_RUNS:-50} \
		BIRTHMARK_SOAK_ROTATIONS=$${BIRTHMARK_SOAK_ROTATIONS:-10000} \
		$(BIN)/ava --timeout 90m test/unit/agent/readers.test.ts test/unit/agent/killed.test.ts 'test/unit/**/*property.test.ts' 'test/unit/**/crash*.test.ts' test/unit/ca/clock.test.ts test/unit/ca/disk-full.test.ts
	@BIRTHMARK_SOAK_RESTARTING=$${BIRTHMARK_SOAK_RESTARTING:-200} BIRTHMARK_SOAK_CREATED=$${BIRTHMARK_SOAK_CREATED:-1000} BIRTHMARK_SOAK_FAULTS=1 \
		$(NODE) scripts/test.ts --integration '{many-restarts,plugin-faults}'

bench: build ## figures, as ratios to a reference taken in the same run
	@set -e; for figure in bench/*.ts; do $(NODE) $$figure; done

clean: down ## also remove build results and npm packages
	@$(SUDO) rm -rf build node_modules
