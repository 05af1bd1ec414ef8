# Needs Python 3.11+ and make; everything else goes into .venv.
PYTHON ?= python3
BIN := .venv/bin

export DJANGO_SETTINGS_MODULE := incrementer_site.settings

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: run
run: .venv/ready ## Set up everything and serve on port 3333
	@$(BIN)/python manage.py migrate -v0
	@exec $(BIN)/python -m incrementer_site

.PHONY: test
test: .venv/ready-dev ## Set up everything and run the tests
	$(BIN)/pytest -n auto

.PHONY: lint
lint: .venv/ready-dev ## Check style and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run  # without a database

.PHONY: admin
admin: .venv/ready ## Make a superuser for /admin/
	@$(BIN)/python manage.py migrate -v0
	@$(BIN)/python manage.py createsuperuser

.PHONY: urls
urls: .venv/ready ## List the URLs (django-extensions)
	@DJANGO_DEBUG=1 $(BIN)/python manage.py show_urls

.PHONY: siege
siege: .venv/ready ## Load-test a running service with siege and check its totals
	@$(BIN)/python -m siege.run

.PHONY: torture
torture: .venv/ready-dev ## Break a real service in every way we know and count (some 12 minutes, or MINUTES=60)
	@$(BIN)/python -m tests.torture

.PHONY: fuzz
fuzz: .venv/ready-fuzz ## Try inputs that reach new code, with Atheris (MINUTES=10: longer; Linux)
	@$(BIN)/python -m tests.fuzz

.PHONY: bench bench-quick compare
bench: .venv/ready-dev ## Measure against other servers and rewrite docs/performance.md (long)
	@$(BIN)/python -m benchmarks
bench-quick: .venv/ready-dev ## The same in under two minutes, printed only
	@$(BIN)/python -m benchmarks --quick
compare: .venv/ready-dev ## Measure against another checkout, in turns (OTHER=path)
	@$(BIN)/python -m benchmarks.compare $(or $(OTHER),$(error Give the path of the other checkout: make compare OTHER=path))

.PHONY: wheel
wheel: .venv/bin/python ## Build the app, for other Django projects, and the client into dist/
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps -w dist . ./clients/python

# Pins stay as they are until a line of requirements*.in asks for another version, or FLAGS does.
.PHONY: requirements
requirements: .venv/ready-dev ## Compile requirements*.txt (newer versions: FLAGS=--upgrade)
	@for name in requirements requirements-dev requirements-fuzz; do \
		$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --annotation-style line \
			--custom-compile-command 'make requirements' $(FLAGS) -o $$name.txt $$name.in || exit; \
	done

.PHONY: clean
clean: ## Remove the virtual environment, the wheel and caches; totals and journals stay
	rm -rf .venv dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .fuzz

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv .venv

.venv/ready: requirements.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/ready-dev: requirements-dev.txt .venv/ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

.venv/ready-fuzz: requirements-fuzz.txt .venv/ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-fuzz.txt
	@touch $@
