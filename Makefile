# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# `make help` lists what can be made. All of it lies in .local/, and `make clean` removes it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.NOTPARALLEL:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
CHAOS_TESTS ?= tests/chaos
JOB_IMAGE := localhost/jobpods-job:latest
EE_IMAGE := localhost/jobpods-ee:latest

local := $(CURDIR)/.local
venv := $(local)/venv
collection := $(local)/collections/ansible_collections/jobpods/controller
cluster := $(PYTHON) roles/local_cluster/files/local_cluster.py --root $(local)/cluster --cache $(local)/cache/cluster
rootfs := $(local)/cache/image/job.tar
ee_layers := $(addprefix $(local)/cache/image/,ee-packages.tar ee-collection.tar)

# A cluster of your own only by the command line: no environment variable leads the demo to somebody's production.
ifeq ($(origin KUBECONFIG),command line)
ifndef IMAGE
$(error With KUBECONFIG give IMAGE too: an image with python3 and ansible-runner that the cluster can pull)
endif
demo_needs :=
demo_kubeconfig := $(abspath $(KUBECONFIG))
else
ifneq ($(origin IMAGE)$(origin HOST_IMAGE),undefinedundefined)
ifneq ($(filter command,$(firstword $(origin IMAGE)) $(firstword $(origin HOST_IMAGE))),)
$(error IMAGE and HOST_IMAGE are for a cluster of your own: give KUBECONFIG too)
endif
endif
override IMAGE := $(JOB_IMAGE)
override HOST_IMAGE := $(JOB_IMAGE)
demo_needs := image
demo_kubeconfig := $(local)/cluster/kubeconfig
endif
HOST_IMAGE ?= $(IMAGE)
unexport KUBECONFIG IMAGE HOST_IMAGE $(filter K8S_AUTH_% ANSIBLE_% JOBPODS_% PYTHONPATH,$(.VARIABLES))

in_venv := env PATH="$(venv)/bin:$$PATH" ANSIBLE_COLLECTIONS_PATH=$(local)/collections \
	ANSIBLE_HOME=$(local)/ansible ANSIBLE_REMOTE_TMP=$(local)/ansible/tmp
pytest := $(in_venv) JOBPODS_TEST_KUBECONFIG=$(local)/cluster/kubeconfig JOBPODS_TEST_CLUSTER=$(local)/cluster \
	python -m pytest

.PHONY: help
help: ## show this
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16
	@echo
	@echo 'make bench SECTIONS="one-task cancel" runs these only; QUICK=1 takes small numbers.'
	@echo 'make demo KUBECONFIG=FILE IMAGE=NAME [HOST_IMAGE=NAME] runs the demo on a cluster of your own.'

.PHONY: demo
demo: $(demo_needs) $(venv)/.requirements $(collection) ## run a playbook in a pod of a real Kubernetes
	@command -v ssh-keygen > /dev/null || { echo 'make demo needs ssh-keygen (Debian: openssh-client)' >&2; exit 1; }
	@[ -r '$(demo_kubeconfig)' ] || { echo 'KUBECONFIG: no file $(demo_kubeconfig) that can be read' >&2; exit 1; }
	@$(in_venv) JOBPODS_DATA_DIR=$(local)/demo ansible-playbook -i localhost, playbooks/demo.yml \
		-e 'demo_kubeconfig=$(demo_kubeconfig)' -e 'demo_image=$(IMAGE)' -e 'demo_host_image=$(HOST_IMAGE)'

.PHONY: test
test: test-needs ee-image ends ## run the unit tests and the tests on the cluster
ifeq ($(origin TESTS),undefined)
	@$(pytest) --numprocesses 4 tests/unit
	@$(pytest) tests/integration
else
	@$(pytest) $(TESTS)
endif

.PHONY: test-chaos
test-chaos: test-needs ## run the tests with faults that take long
	@$(pytest) $(CHAOS_TESTS)

.PHONY: test-needs
test-needs: test-packages image $(venv)/.requirements-dev $(collection)

.PHONY: bench
bench: bench-packages image $(venv)/.requirements-bench $(collection) ## run the benchmarks, and write docs/benchmarks.md
	@$(in_venv) PYTHONPATH=$(local)/collections python -m ansible_collections.jobpods.controller.tests.benchmarks \
		--kubeconfig $(local)/cluster/kubeconfig --cache $(local)/cache/bench $(if $(QUICK),--quick) $(SECTIONS)

.PHONY: docs
docs: $(venv)/.requirements-dev $(collection) ## build the documentation, .local/docs/build/html/index.html
	@$(in_venv) docs/docsite/build.sh $(local)/docs

.PHONY: check
check: $(venv)/.requirements-dev $(collection) ## run all linters and sanity tests
	@VENV=$(venv) tests/check.sh

.PHONY: cluster
cluster: packages ## start the local cluster, unless it runs; its kubeconfig is .local/cluster/kubeconfig
	@$(cluster) build
	@$(cluster) up

.PHONY: image
image: cluster $(venv)/.requirements ## build the job image and load it into the local cluster
	@$(venv)/bin/python roles/job_image/files/job_image.py $(rootfs)
	@$(cluster) load $(JOB_IMAGE) $(rootfs)

.PHONY: ee-image
ee-image: image $(venv)/.requirements-dev $(collection) ## add this collection to the job image, and load that, too
	@$(in_venv) PYTHONPATH=$(local)/collections python -m ansible_collections.jobpods.controller.tests.execution_environment \
		$(local)/cache/image
	@$(cluster) load $(EE_IMAGE) $(rootfs) $(ee_layers)

.PHONY: ends
ends: packages
	@$(PYTHON) tests/ends.py $(local)/cache/ends

.PHONY: cluster-down
cluster-down: ## remove the local cluster
	@$(cluster) down

.PHONY: clean
clean: cluster-down ## remove the local cluster and everything else that was made
	@rm -rf $(local)

.PHONY: packages
packages:
	@$(cluster) packages git mmdebstrap openssh-client python3-venv

.PHONY: test-packages
test-packages: packages
	@$(cluster) packages postgresql

.PHONY: bench-packages
bench-packages: packages
	@$(cluster) packages ca-certificates debian-archive-keyring

$(venv)/.requirements: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed; PYTHON=... names one")'
	@$(PYTHON) -m venv $(venv)
	@$(venv)/bin/python -m pip install --progress-bar off -r requirements.txt
	@touch $@

$(venv)/.requirements-dev: $(venv)/.requirements requirements-dev.txt
	@$(venv)/bin/python -m pip install --progress-bar off -r requirements-dev.txt
	@touch $@

$(venv)/.requirements-bench: $(venv)/.requirements requirements-bench.txt
	@$(venv)/bin/python -m pip install --progress-bar off -r requirements-bench.txt
	@touch $@

# How the checkout is found as a collection: by a link in a folder of collections.
$(collection):
	@mkdir -p $(@D)
	@ln -sfn ../../../.. $@
