# make bench   what a batch costs, and what else would (ARGS=--quick: in about a minute)
# make demo    the example site, answering batches (ARGS=--once: show one exchange and stop)
# make test    the tests, on all processors (ARGS=tests/core: a part of them)
#
# They need Python 3.11 or newer and nothing else; PYTHON=/path/to/python chooses one.

PYTHONS = $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11 python ~/.pyenv/versions/*/bin/python)
SUITABLE = import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))

.PHONY: bench demo test

bench: .venv/installed
	@.venv/bin/pip install --quiet --disable-pip-version-check --editable '.[bench]'
	@.venv/bin/python -m benchmarks $(ARGS)

demo: .venv/installed
	@.venv/bin/python -m example_project.demo $(ARGS)

# At the end it says which tests were skipped and why, because the tests of PostgreSQL and MariaDB need these servers.
test: .venv/installed
	@.venv/bin/pytest --numprocesses=auto -rs $(ARGS)

# Each candidate is run, because a shim or an old python3 may stand first on the path.
.venv/installed: setup.cfg pyproject.toml
	@for python in $(PYTHONS); do \
	    if "$$python" -c '$(SUITABLE)' 2>/dev/null; then \
	        echo "Setting up .venv with $$("$$python" --version) ..."; \
	        "$$python" -m venv --clear .venv && \
	        .venv/bin/pip install --quiet --disable-pip-version-check --editable '.[test]' && \
	        touch $@; exit; \
	    fi; \
	done; \
	echo "django_batch needs Python 3.11 or newer with its venv module (on Debian: python3-venv)." >&2; \
	echo "None of these is one: $(PYTHONS). Name it with PYTHON=/path/to/python." >&2; \
	exit 1
