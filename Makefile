# The commands of this repository. `make help` lists them; each is a script or one cargo command, so nothing is hidden here.

.DEFAULT_GOAL := help
.PHONY: help build demo test test-matrix check tools bench soak man

help: ## lists the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{ printf "  make %-11s %s\n", $$1, $$2 }' Makefile

build: ## builds teleport, tsh and kubesim (debug) into target/debug
	cargo build --workspace --bins --locked

demo: ## shows the whole path on this machine: a cluster, a login, kubectl, a refusal, the audit log
	@scripts/demo

test: tools ## installs what the tests need, then formatting, lints and every test
	@scripts/test

test-matrix: ## runs every kubectl, helm and client library past Teleport and through it, and writes docs/compatibility.md
	@scripts/test-matrix

check: test ## test, then documentation and the supply chain (bans, licences, sources, advisories)
	@scripts/check

tools: ## installs what the tests need and nothing else
	@scripts/install-test-tools

bench: ## measures us beside nginx and kubectl proxy, and writes docs/performance.md (five minutes on an idle machine)
	@scripts/bench

soak: ## holds 10 000 watches through restarts, renewals and bad clients (SOAK_MINUTES=10), and writes docs/performance/soak.md
	@scripts/soak

man: ## writes the man pages of teleport, tctl and tsh into target/man
	cargo build -q -p teleport -p tsh --locked
	@target/debug/teleport man target/man
	@target/debug/tsh man target/man
