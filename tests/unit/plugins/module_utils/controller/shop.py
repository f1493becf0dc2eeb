# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A store with all that a workflow's nodes can refer to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.database import Database
from ansible_collections.jobpods.controller.plugins.module_utils.controller.kinds import (
    PROMPTS,
    WORKFLOW_PROMPTS,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.node_options import StoredNode
from ansible_collections.jobpods.controller.plugins.module_utils.controller.objects import (
    Change,
    ObjectStore,
    Wanted,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import (
    StoreOptions,
    store_options,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.sealing import SecretBox, read_key
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure

Node = dict[str, Any]

SECRET = "hunter22"  # noqa: S105
WORKFLOW = "release"


class Shop:
    """The store, and the workflow job template `release` in it."""

    def __init__(self, database: Database, box: SecretBox) -> None:
        self.database = database
        self.box = box
        self.store = ObjectStore(database, box)

    def add(self, kind: str, name: str, **given: Any) -> int:
        change = self.store.save(kind, Wanted(name, given))
        assert change.id is not None
        return change.id

    def save(self, *nodes: Any, destroy: bool = False, name: str = WORKFLOW, **more: Any) -> Change:
        return self.store.save(
            "workflow_job_template", Wanted(name, nodes=nodes, destroy_nodes=destroy, **more)
        )

    def refused(self, *nodes: Any, **more: Any) -> str:
        """What is said where nodes can't be saved; nothing of them is."""
        before = self.shown()
        with pytest.raises(Failure) as caught:
            self.save(*nodes, **more)
        assert caught.value.reason == "InvalidConfiguration"
        assert self.shown() == before
        return caught.value.message

    def nodes(self, name: str = WORKFLOW) -> dict[str, StoredNode]:
        """By their identifiers, in their order."""
        template = self.store.get("workflow_job_template", name, "name")
        found: Sequence[StoredNode] = template.values["workflow_nodes"]
        return {node.identifier: node for node in found}

    def shown(self, name: str = WORKFLOW) -> list[Node]:
        (template,) = self.store.list("workflow_job_template", name=name)
        found: list[Node] = template["workflow_nodes"]
        return found

    def id_of(self, kind: str, name: str) -> int:
        return self.store.get(kind, name, "name").id


def asking(prompts: Sequence[str]) -> dict[str, bool]:
    return {f"ask_{prompt}_on_launch": True for prompt in prompts}


def runs(name: str = "build", kind: str = "job_template", **more: Any) -> Mapping[str, Any]:
    return {"name": name, "type": kind, **more}


def node(identifier: str, target: Mapping[str, Any] | None = None, /, **fields: Any) -> Node:
    """A node that runs `build`, or something else; links are given by `success="a b"` and the like."""
    links = {
        f"{kind}_nodes": [{"identifier": name} for name in fields.pop(kind).split()]
        for kind in ("success", "failure", "always")
        if kind in fields
    }
    related = {**links, **fields.pop("related", {})}
    made = {"identifier": identifier, "unified_job_template": target or runs(), **fields}
    return {**made, "related": related} if related else made


SURVEY = {
    "name": "",
    "description": "",
    "spec": [
        {"question_name": "Word?", "variable": "word", "type": "password", "required": True, "min": 3},
        {"question_name": "Size?", "variable": "size", "type": "integer", "required": True, "max": 9},
    ],
}


def fill(shop: Shop) -> None:
    for name in ("first", "second"):
        shop.add("organization", name)
    for name in ("one", "two"):
        shop.add("container_group", name)
    shop.add("execution_environment", "image", image="quay.test/image")
    shop.add("credential", "key", credential_type="machine", organization="first")
    shop.add("credential", "vault", credential_type="vault", inputs={"vault_password": SECRET})
    for organization in ("first", "second"):
        shop.add("inventory", "hosts", organization=organization)
        shop.add("project", "code", organization=organization)
    first, second = (source["id"] for source in shop.store.list("inventory", name="hosts"))
    shop.add("inventory_source", "cloud", inventory=first)
    shop.add("inventory_source", "cloud", inventory=second)
    shop.add("inventory_source", "files", inventory=second)
    shop.add("job_template", "build", organization="first", **asking(PROMPTS))
    shop.add("job_template", "quiet", limit="web", extra_vars={"fixed": 1})
    shop.add("job_template", "curious", survey_enabled=True, survey_spec=SURVEY)
    shop.add("workflow_job_template", "inner", **asking(WORKFLOW_PROMPTS))
    shop.add("workflow_job_template", WORKFLOW)


@contextmanager
def opened(options: StoreOptions) -> Iterator[Shop]:
    shop = Shop(Database(options), read_key(options.secret_key_file, create=True))
    try:
        fill(shop)
        yield shop
    finally:
        shop.database.close()


@pytest.fixture
def shop(options: StoreOptions) -> Iterator[Shop]:
    with opened(options) as shop:
        yield shop


@pytest.fixture(scope="module")
def refusing_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """One for all tests that leave it as it is."""
    folder = tmp_path_factory.mktemp("shop")
    with opened(store_options({"data_dir": str(folder)}, {}, folder)) as shop:
        yield shop
