# ChatCluster's commands. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

NAME ?= chatcluster
TEST_NAME ?= chatcluster-test
MINUTES ?= 10
TIMES ?= 10

# They take all of a small machine, one after the other.
MEMBERS = $(addprefix tests/services/,test_postgres_members.py test_postgres_growth.py test_redis_members.py test_kafka_cluster.py test_object_members.py test_backup.py test_postgres_restored.py)

UV = $$(environments/bootstrap.sh)
BIN := .venv/bin
WEB := services/web
LOCAL := $(BIN)/chatcluster-local
PYTEST := $(BIN)/pytest

.PHONY: help up down status url kubeconfig clean lint format generate test test-fast test-web test-services test-members test-platform test-operator test-cluster day-two failover test-mongodb soak measure

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/.synced: uv.lock pyproject.toml $(wildcard */pyproject.toml services/*/pyproject.toml environments/*/pyproject.toml)
	@$(UV) sync --locked --quiet
	@touch $@

up: .venv/.synced ## Everything: programs, images, cluster, operator, one ChatCluster; prints where to chat
	@$(LOCAL) up --name $(NAME)

down: .venv/.synced ## Stop the local cluster; its data stays for the next `make up`
	@$(LOCAL) down --name $(NAME)

status: .venv/.synced ## What runs, and how it is
	@$(LOCAL) status --name $(NAME)

url: .venv/.synced ## Print the edge's address
	@$(LOCAL) url --name $(NAME)

kubeconfig: .venv/.synced ## Print the path of the cluster's kubeconfig
	@$(LOCAL) kubeconfig --name $(NAME)

clean: .venv/.synced ## `down`, and remove state, caches and the virtual environment
	@$(LOCAL) clean --name $(NAME) --cache
	@rm -rf $(WEB)/node_modules $(WEB)/.next .venv .pytest_cache .ruff_cache .hypothesis .import_linter_cache

lint: .venv/.synced ## Style, types, import directions, generated files
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --config operator/.importlinter
	@$(BIN)/python -m chatcluster_operator.api.crd --check
	@$(BIN)/python -m chatcluster_operator.install --check
	@$(BIN)/python -m chatcluster_operator.cli.reference --check
	@$(BIN)/python services/asyncapi.py --check
	@$(BIN)/python tests/load/page.py --check
	@$(BIN)/python tests/load/capacity.py --check
	@$(BIN)/pyright

format: .venv/.synced ## Mend style in place
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

generate: .venv/.synced ## Write the CRD, install.yaml, the manifests of the tests, the AsyncAPI document and the page of figures anew
	@$(BIN)/python -m chatcluster_operator.api.crd --write
	@$(BIN)/python -m chatcluster_operator.install --write
	@PYTHONPATH=tests/support $(BIN)/python -m chatcluster_testing.golden --write
	@$(BIN)/python -m chatcluster_operator.cli.reference --write
	@$(BIN)/python services/asyncapi.py --write
	@$(BIN)/python tests/load/page.py --write
	@$(BIN)/python tests/load/capacity.py --write

test: lint test-fast test-web test-services test-platform test-operator test-cluster ## Every test, the ones on a real cluster included

test-fast: .venv/.synced ## Rules, manifests and the edge: no cluster, no stores
	@tests/support/install-stores.sh
	@$(PYTEST) tests/unit -n 2 --dist loadfile

# npm puts programs of the packages first, Node.js among them: Debian's may be too old for these. `npm ci` would refuse the
# lock file, as it names packages for other systems that not every registry has; this keeps to it as well.
$(WEB)/node_modules/.synced: $(WEB)/package-lock.json
	@tests/support/install-stores.sh
	@cd $(WEB) && npm install --no-save --silent
	@touch $@

test-web: $(WEB)/node_modules/.synced ## The web client: style, types, and its rules without a browser
	@cd $(WEB) && npm run --silent lint && npm run --silent types && npm run --silent api:check && npm run --silent test

test-services: .venv/.synced ## The services as processes against real stores
	@tests/support/install-stores.sh
	@$(PYTEST) tests/services -n 3 --dist loadfile $(addprefix --ignore=,$(MEMBERS))

test-members: .venv/.synced ## Stores with several members as processes: killed, hung, handed over, grown (not part of `make test` yet)
	@tests/support/install-stores.sh
	@$(PYTEST) $(MEMBERS)

test-platform: .venv/.synced ## All services together behind the edge: delivery under faults, who may do what, the documents
	@tests/support/install-stores.sh
	@$(PYTEST) tests/platform

soak: .venv/.synced ## Random clients and faults for MINUTES (10 by default), checked for anything lost, doubled or reordered
	@tests/support/install-stores.sh
	@$(BIN)/python tests/chaos/soak.py --minutes $(MINUTES)

test-operator: .venv/.synced ## The operator against a real API server
	@$(LOCAL) programs
	@$(PYTEST) tests/operator

test-cluster: .venv/.synced ## End to end, on a cluster of its own that goes away afterwards
	@$(LOCAL) clean --name $(TEST_NAME); \
	trap '$(LOCAL) clean --name $(TEST_NAME)' EXIT; \
	$(LOCAL) up --name $(TEST_NAME); \
	CHATCLUSTER_NAME=$(TEST_NAME) $(PYTEST) tests/e2e tests/chaos tests/load --ignore=tests/chaos/test_day_two.py --ignore=tests/chaos/test_failover.py

day-two: .venv/.synced ## Upgrades, scaling, rotation and more while people chat (needs `make up`, takes a quarter of an hour)
	@CHATCLUSTER_NAME=$(NAME) $(PYTEST) tests/chaos/test_day_two.py

test-mongodb: .venv/.synced ## MongoDB's own server as a replica set, in a cluster of kind (needs Docker, kind and kubectl)
	@$(PYTEST) tests/mongodb

failover: .venv/.synced ## Kill pods and nodes and cut networks, TIMES each, while people chat (needs `make up`, takes hours)
	@CHATCLUSTER_NAME=$(NAME) $(BIN)/python tests/chaos/failover.py --times $(TIMES)
	@CHATCLUSTER_NAME=$(NAME) $(BIN)/python tests/chaos/failover.py --times $(TIMES) --operator dead

measure: .venv/.synced ## Make the figures in tests/results/skeleton.json anew (needs `make up`)
	@CHATCLUSTER_NAME=$(NAME) $(BIN)/python tests/load/skeleton.py
