# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of a pod's fields says what the API server itself publishes (OpenAPI v3)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.client import ClusterClient
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.connection import resolve_connection
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.transport import Request
from ansible_collections.jobpods.controller.plugins.module_utils.pod.fields import (
    MAPPING,
    NUMBER,
    POD,
    PORT,
    QUANTITY,
    TEXT,
    TRUTH,
)

SIMPLE = {"string": TEXT, "integer": NUMBER, "boolean": TRUTH, "object": MAPPING}


class Published:
    """The schemas that the API server publishes."""

    def __init__(self, schemas: dict[str, Any]) -> None:
        self._schemas = schemas

    def schema(self, found: dict[str, Any]) -> dict[str, Any]:
        """A schema, with references followed."""
        while "$ref" in found or "allOf" in found:
            found = self._schemas[found["$ref"].rpartition("/")[2]] if "$ref" in found else found["allOf"][0]
        return found

    def differences(self, rule: Any, found: dict[str, Any], path: str) -> Iterator[str]:
        """Where the table says something else than a schema."""
        found = self.schema(found)
        if isinstance(rule, list) and found.get("type") == "array":
            yield from self.differences(rule[0], found["items"], f"{path}[]")
        elif isinstance(rule, dict) and "*" in rule and "additionalProperties" in found:
            yield from self.differences(rule["*"], found["additionalProperties"], f"{path}.*")
        elif isinstance(rule, dict) and "properties" in found:
            yield from self._differences_of_fields(rule, found, path)
        elif isinstance(rule, (dict, list)) or rule != self._word(found):
            yield f"{path}: the table says {rule}, the server {found}"

    def _differences_of_fields(self, rule: dict[str, Any], found: dict[str, Any], path: str) -> Iterator[str]:
        table = {name.rstrip("!"): inner for name, inner in rule.items()}
        fields = found["properties"]
        for name in sorted(set(table) ^ set(fields)):
            yield f"{path}.{name}: only the {'table' if name in table else 'server'} knows it"
        for name in sorted(set(table) & set(fields)):
            yield from self.differences(table[name], fields[name], f"{path}.{name}")
        required = {name.rstrip("!") for name in rule if name.endswith("!")}
        for name in sorted(required - set(found.get("required") or ())):
            yield f"{path}.{name}: only the table requires it"

    @staticmethod
    def _word(found: dict[str, Any]) -> str:
        kinds = [each.get("type") for each in found.get("oneOf", ())]
        if kinds:
            return QUANTITY if "number" in kinds else PORT
        return SIMPLE[found["type"]]


@pytest.fixture(scope="session")
def schemas(kubeconfig: Path) -> dict[str, Any]:
    connection = resolve_connection({"kubeconfig": str(kubeconfig)}, {}, Path())

    async def ask() -> dict[str, Any]:
        async with ClusterClient(connection, environ={}) as client:
            path = "/openapi/v3/api/v1"
            return (await client.ask(Request("GET", path, "get", path))).document()

    found: dict[str, Any] = asyncio.run(ask())["components"]["schemas"]
    return found


def test_the_table_is_as_the_api_server_says(schemas: dict[str, Any]) -> None:
    published = Published(schemas)
    assert list(published.differences(POD, schemas["io.k8s.api.core.v1.Pod"], "")) == []


def test_a_difference_is_found(schemas: dict[str, Any]) -> None:
    published = Published(schemas)
    wrong = {**POD, "metadata": {**POD["metadata"], "name": NUMBER, "colour": TEXT}}
    del wrong["status"]
    found = list(published.differences(wrong, schemas["io.k8s.api.core.v1.Pod"], ""))
    assert [each.partition(":")[0] for each in found] == [".status", ".metadata.colour", ".metadata.name"]
