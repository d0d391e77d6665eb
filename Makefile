# make demo      a morning with an outage, on this machine (DURATION=60s: ends by itself)
# make test      every check: format, lints, docs, tests
# make crash     the long crash soak (KILLS=300)
# make simulate  the long simulation (SEEDS=20000)
# make powercut  the power cut again and again (CUTS=40); needs root, to mount
# make bench     the benchmarks beside their peers, in release mode; ends with 1 if a gate is missed

CARGO ?= cargo
KILLS ?= 300
SEEDS ?= 20000
CUTS ?= 40
DURATION ?=

.PHONY: demo test crash simulate powercut bench build tools bench-tools

# The black-box tests and the demo run the real binary: it is built first, into the same directory.
build:
	$(CARGO) build --workspace --bins --locked

demo: build
	$(CARGO) run --quiet --locked -p tests --bin demo -- $(if $(DURATION),--duration $(DURATION))

# What some attacks are made with: strace injects faults into system calls, xmllint validates against
# the SAC's schemas. Where they cannot be had, those tests say that they were skipped.
tools:
	@command -v strace >/dev/null && command -v xmllint >/dev/null \
		|| (apt-get update && apt-get install --yes strace libxml2-utils) >/dev/null 2>&1 \
		|| echo "strace or xmllint is missing and cannot be installed: their tests are skipped"

test: tools
	$(CARGO) fmt --all -- --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked
	$(CARGO) build --workspace --bins --locked
	$(CARGO) test --workspace --locked

crash: build
	ARGINE_CRASH_KILLS=$(KILLS) $(CARGO) test --locked -p tests --test it -- crash --nocapture

simulate:
	ARGINE_SIMULATION_SEEDS=$(SEEDS) $(CARGO) test --quiet --locked -p engine --test simulation -- --nocapture nothing_is_lost

# One kind after the other, so that a cut falls into work and not into waiting for the others.
powercut:
	ARGINE_POWER_CUTS=$(CUTS) $(CARGO) test --locked -p tests --test it -- power_cut --nocapture --test-threads 1

# The peers. Where one cannot be had, its rows say that they were skipped.
bench-tools:
	@ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || command -v postgres >/dev/null \
		|| (apt-get update && apt-get install --yes postgresql) >/dev/null 2>&1 \
		|| echo "PostgreSQL is missing and cannot be installed: its rows are skipped"
	@command -v redis-server >/dev/null \
		|| (apt-get update && apt-get install --yes redis-server) >/dev/null 2>&1 \
		|| echo "redis-server is missing and cannot be installed: its rows are skipped"

bench: bench-tools
	$(CARGO) build --release --locked -p gateway --bin argine
	$(CARGO) run --release --quiet --locked -p tests --bin bench
