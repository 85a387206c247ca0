# SPDX-License-Identifier: GPL-3.0-or-later
# Every target sets up what it needs; what is expensive is kept in $(CACHE), keyed by its inputs.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/azora
PYTHON ?= $(shell command -v python3.11 || command -v python3)
# Other Pythons of this machine on which the unit tests run as well.
OTHER_PYTHONS := $(shell tests/checks/other_pythons.sh)
LAB_NAME ?= azora
LAB_ARGUMENTS := -e lab_name=$(LAB_NAME) $(ANSIBLE_ARGUMENTS)

venv = $(CACHE)/venv/$(shell { $(1) --version; cat requirements/development.txt; } 2>/dev/null | sha256sum | cut -c1-12)
VENV := $(call venv,$(PYTHON))
COLLECTION := .collections/ansible_collections/azora/platform
# Ansible runs the lab's and the platform's modules with the same interpreter and tools.
export PATH := $(VENV)/bin:$(PATH)
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export UV_CACHE_DIR := $(CACHE)/uv
# Packages come over TLS as the machine itself trusts it.
export UV_NATIVE_TLS := true

.PHONY: help
help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: up
up: setup ## Boot the lab (a real Kubernetes cluster) and put the platform on it, verified
	ansible-playbook playbooks/lab.yml $(LAB_ARGUMENTS)
	ansible-playbook site.yml $(LAB_ARGUMENTS)

.PHONY: down
down: setup ## Take the lab away, with everything it made outside the cache
	ansible-playbook playbooks/lab.yml $(LAB_ARGUMENTS) -e lab_state=absent

.PHONY: test
test: lint unit sanity galaxy molecule ## Every check: lint, unit tests, sanity, galaxy import, the whole platform on a lab of its own

.PHONY: lint
lint: setup ## ruff, mypy, ansible-lint (production), changelog, documentation of every plugin
	ruff check .
	ruff format --check .
	tests/checks/types.sh
	ansible-lint
	antsibull-changelog lint
	tests/checks/plugin_docs.sh
	antsibull-docs lint-collection-docs --plugin-docs --skip-rstcheck .

.PHONY: unit
unit: setup ## The unit tests; those of the collection itself also on the newest Python of this machine
	tests/checks/programs.sh
	tests/checks/unit.sh $(CACHE) $(OTHER_PYTHONS)
	tests/checks/go.sh $(CACHE)
	tests/checks/rules.sh $(CACHE)

.PHONY: sanity
sanity: setup ## ansible-test sanity, without an ignore file
	tests/checks/sanity.sh $(CACHE)

.PHONY: sanity-cores
sanity-cores: setup ## The same with the oldest and the newest supported ansible-core; not part of "make test"
	tests/checks/sanity_cores.sh $(CACHE) $(PYTHON) $(lastword $(OTHER_PYTHONS))

.PHONY: galaxy
galaxy: setup ## Build the collection and let galaxy-importer judge it
	tests/checks/galaxy.sh

.PHONY: molecule
molecule: setup ## The whole platform on a lab of its own: lab, site.yml, pytest-testinfra
	tests/checks/programs.sh chromium
	MOLECULE_COMMAND_BORDERS=false molecule test

.PHONY: docs
docs: setup ## The documentation as a site, in build/docs: every page, and the reference of every plugin and role
	tests/checks/docs_site.sh

.PHONY: setup
setup: $(VENV)/ready $(COLLECTION)
	@ln -sfn $(VENV) .venv

$(VENV)/ready: requirements/development.txt
	@tests/checks/venv.sh "$(PYTHON)" $(CACHE) >/dev/null

$(COLLECTION):
	@mkdir -p $(@D) && ln -sfn ../../.. $@

.PHONY: lock
lock: setup ## Pin requirements/development.txt anew from requirements/development.in
	uv pip compile --universal --python-version 3.11 --quiet --no-header --no-emit-index-url --no-emit-find-links --upgrade \
	  requirements/development.in -o requirements/development.txt
