# The two commands of the README; everything else is in tox.ini (`.venv/bin/tox list`).
# Needs python3 (3.10 or newer) with venv, and make.

PYTHON ?= python3
TOX = .venv/bin/tox

.PHONY: microcloud test

microcloud: $(TOX)  ## A micro-cloud of three simulated Pis, from the real bundle and charms
	$(TOX) run -q -e microcloud

test: $(TOX)  ## Lint, unit tests, bundle tests and packing; prints what fails in full
	$(TOX) run-parallel --parallel auto --parallel-no-spinner

$(TOX): Makefile
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install -qq "tox>=4.30,<5" "tox-uv>=1.28,<2"
	@touch $(TOX)
