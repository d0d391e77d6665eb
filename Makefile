# make demo    a morning with an outage, on this machine (DURATION=60s: ends by itself)
# make test    every check: format, lints, docs, tests
# make crash   the long crash soak (KILLS=300)

CARGO ?= cargo
KILLS ?= 300
DURATION ?=

.PHONY: demo test crash build

# The black-box tests and the demo run the real binary: it is built first, into the same directory.
build:
	$(CARGO) build --workspace --bins --locked

demo: build
	$(CARGO) run --quiet --locked -p tests --bin demo -- $(if $(DURATION),--duration $(DURATION))

test:
	$(CARGO) fmt --all -- --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked
	$(CARGO) build --workspace --bins --locked
	$(CARGO) test --workspace --locked

crash: build
	ARGINE_CRASH_KILLS=$(KILLS) $(CARGO) test --locked -p tests --test it -- crash --nocapture
