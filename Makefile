# Each target is one command. `make help` lists them.
PYTHON ?= python3
VENV := .venv/bin
export SAY DTMF OUT FORMAT PART TARGET CALLER VOICE CALLS
PROFILE ?= const

.DEFAULT_GOAL := help
.PHONY: help setup setup-tests extras demo up down status logs call test lint fix lock bench bench-call bench-lines bench-history bench-invites emulators bench-hooks bench-search bench-keeping bench-beside

help: ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

setup: ## install what is missing (Debian packages, .venv, media servers)
	@$(PYTHON) deploy/bootstrap.py

setup-tests:
	@$(PYTHON) deploy/bootstrap.py --tests

extras: ## install the plugins of all cloud providers
	@$(PYTHON) deploy/bootstrap.py --extras

demo: setup ## start everything, place a real call and show it
	@$(VENV)/python -m deploy.embedded demo

up: setup ## start everything in the background
	@$(VENV)/python -m deploy.embedded up

down: ## stop everything
	@$(VENV)/python -m deploy.embedded down

status: ## each part, its state and address (FORMAT=json)
	@$(VENV)/python -m deploy.embedded status

logs: ## follow the logs (PART=worker for one)
	@$(VENV)/python -m deploy.embedded logs

call: ## another call: SAY="What are your opening hours?" DTMF=1 OUT=both.wav
	@$(VENV)/python -m deploy.embedded call

test: setup-tests lint ## set up and pass every test
	@$(VENV)/python -m pytest tests/e2e
	@$(VENV)/python -m pytest -n auto --maxprocesses=4 --dist loadscope --no-loadscope-reorder --ignore=tests/e2e

lint: ## formatting rules and types
	@$(VENV)/ruff check . && $(VENV)/ruff format --check . && $(VENV)/mypy .

fix: ## let ruff mend what it can
	@$(VENV)/ruff check --fix . && $(VENV)/ruff format .

lock: ## pin requirements/*.in again (needs uv)
	@sh deploy/lock.sh

bench: setup ## compare with livekit-agents' own sample at the caller's ear (TURNS, PROFILE, FEATURES)
	@$(VENV)/python -m tests.bench.yardstick

bench-call: setup ## measure answer, greeting and turn times at the caller's ear
	@$(VENV)/python -m tests.bench.call

bench-lines: setup-tests ## 1,000 trunks and 5,000 numbers on LiveKit: first push, audit, one change
	@$(VENV)/python -m tests.bench.lines

bench-invites: setup ## twenty INVITEs within a second: answered in time, or refused at once
	@$(VENV)/python -m tests.bench.invites

bench-history: setup-tests ## the list of calls among 10,000 and among 1,000,000
	@$(VENV)/python -m tests.bench.history
bench-hooks: setup ## take hooks in: ours against naive views, in one run (CALLS, BLOCKS, THREADS)
	@$(VENV)/python -m tests.bench.hooks

bench-search: setup-tests ## words among a million turns: ours against icontains, in one run (TURNS, ROUNDS)
	@$(VENV)/python -m tests.bench.search

bench-keeping: setup-tests ## pictures, exports and retention among 100,000 and 1,000,000 calls (LARGE, ROUNDS)
	@$(VENV)/python -m tests.bench.keeping

bench-beside: setup ## do calls feel analyses of other calls? in one run (LINES, ROUNDS)
	@$(VENV)/python -m tests.bench.beside

emulators: setup ## stand-ins for all providers, until Ctrl-C: PROFILE=const|zero|jitter
	@$(VENV)/python -m tests.emulators --profile $(PROFILE)
