# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventory sources are read by ansible-inventory itself, with plugins of collections that the tests make."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.inventory_content import (
    from_listing,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.inventory_sources import (
    CLOUDS,
    InventorySourceRequest,
    plugin_configuration,
    update_inventory_source,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.ansible_files import (
    environment,
    unmarked,
    vaulted,
    write,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.deadline import deadline

DEADLINE = 120.0
PLUGIN = '''
from __future__ import annotations
DOCUMENTATION = r"""
name: {name}
short_description: Tells what it was given
options:
  plugin: {{type: str}}
  regions: {{type: list, elements: str, default: []}}
  password: {{type: str}}
"""
import os
from ansible.plugins.inventory import BaseInventoryPlugin
{top}
class InventoryModule(BaseInventoryPlugin):
    NAME = "{collection}.{name}"
    def verify_file(self, path):
        return super().verify_file(path) and path.endswith("{ending}")
    def parse(self, inventory, loader, path, cache=True):
        super().parse(inventory, loader, path)
        self._read_config_data(path)
        for region in self.get_option("regions"):
            inventory.add_host(region)
            inventory.set_variable(region, "file", os.path.basename(path))
            inventory.set_variable(region, "password", self.get_option("password"))
            given = {{name: value for name, value in os.environ.items() if name.startswith("K8S_")}}
            inventory.set_variable(region, "environment", given)
        {bottom}
'''
VARS = {"regions": ["north", "south"], "password": "in the configuration"}


@pytest.fixture(autouse=True)
def nothing_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Temporary files are gone afterwards."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield
    assert list(folder.iterdir()) == []


def plugin(folder: Path, full: str, *, ending: str = "", top: str = "", bottom: str = "") -> None:
    """Makes a collection with an inventory plugin."""
    collection, _dot, name = full.rpartition(".")
    source = PLUGIN.format(
        name=name, collection=collection, ending=ending or f"{name}.yml", top=top, bottom=bottom
    )
    place = folder / "collections/ansible_collections" / collection.replace(".", "/")
    write(place / f"plugins/inventory/{name}.py", source)


async def update(
    home: Path, source: str = "plugin", lines: list[str] | None = None, **options: Any
) -> dict[str, Any]:
    variables = environment(home, ANSIBLE_COLLECTIONS_PATH=str(home / "collections"))
    variables.update(options.pop("variables", {}))
    request = InventorySourceRequest("cloud", source, environment=variables, **{"verbosity": 0, **options})
    async with deadline(DEADLINE):
        return await update_inventory_source(request, (lines if lines is not None else []).append)


async def failure(home: Path, source: str = "plugin", **options: Any) -> Failure:
    with pytest.raises(Failure) as refused:
        await update(home, source, **options)
    return refused.value


def hosts(listing: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = unmarked(from_listing(listing).hosts)
    return found


# --- plugins -----


async def test_a_plugin_gets_its_configuration(tmp_path: Path) -> None:
    plugin(tmp_path, "a.b.cloud")
    found = hosts(await update(tmp_path, source_vars={"plugin": "a.b.cloud", **VARS}))
    assert list(found) == ["north", "south"]
    assert found["north"] == {"file": "cloud.yml", "password": "in the configuration", "environment": {}}


@pytest.mark.parametrize("source", CLOUDS)
async def test_a_name_of_awx_is_its_plugin(tmp_path: Path, source: str) -> None:
    plugin(tmp_path, CLOUDS[source])
    found = hosts(await update(tmp_path, source, source_vars={"regions": ["north"]}))
    assert found["north"]["file"] == f"{CLOUDS[source].rpartition('.')[2]}.yml"


async def test_another_plugin_may_be_named_for_a_cloud(tmp_path: Path) -> None:
    plugin(tmp_path, "a.b.cloud")
    found = await update(tmp_path, "ec2", source_vars={"plugin": "a.b.cloud", **VARS})
    assert list(hosts(found)) == ["north", "south"]


@pytest.mark.parametrize(
    ("ending", "path"),
    [
        pytest.param("docker.yml", "", id="known"),
        pytest.param("nice.yaml", "nice.yaml", id="given"),
    ],
)
async def test_a_plugin_that_wants_another_file_name(tmp_path: Path, ending: str, path: str) -> None:
    plugin(tmp_path, "a.b.docker_containers", ending=ending)
    given = {"plugin": "a.b.docker_containers", **VARS}
    found = await update(tmp_path, source_path=path, source_vars=given)
    assert hosts(found)["north"]["file"] == ending


async def test_a_plugin_that_wants_a_file_name_that_nobody_knows(tmp_path: Path) -> None:
    plugin(tmp_path, "a.b.cloud", ending="nice.yml")
    refused = await failure(tmp_path, source_vars={"plugin": "a.b.cloud"})
    assert refused.message == (
        "inventory source cloud: the inventory plugin 'a.b.cloud' wants its configuration in a file of"
        " another name than cloud.yml; give the name that its documentation asks for in source_path."
    )


async def test_no_secret_of_the_configuration_lies_in_a_file_with_a_name(tmp_path: Path) -> None:
    bottom = f"""
        for folder, _, files in os.walk({str(tmp_path / "temporary")!r}):
            for file in files:
                path = os.path.join(folder, file)
                text = "a link" if os.path.islink(path) else open(path).read()
                inventory.set_variable("north", file.replace(".", "_"), text)
"""
    plugin(tmp_path, "a.b.cloud", bottom=bottom)
    found = hosts(await update(tmp_path, source_vars={"plugin": "a.b.cloud", **VARS}))["north"]
    assert found["cloud_yml"] == "a link"
    assert "in the configuration" not in found["ansible_cfg"]


@pytest.mark.parametrize("source", ["ec2", "plugin"])
async def test_a_collection_that_is_missing(tmp_path: Path, source: str) -> None:
    given = {} if source == "ec2" else {"plugin": "amazon.aws.aws_ec2"}
    refused = await failure(tmp_path, source, source_vars=given)
    assert refused.message == (
        "inventory source cloud: Ansible has no inventory plugin 'amazon.aws.aws_ec2'; install its collection"
        " on the controller (ansible-galaxy collection install amazon.aws)."
    )
    assert "ANSIBLE_COLLECTIONS_PATH" in refused.hint


async def test_a_plugin_without_its_collections_name(tmp_path: Path) -> None:
    refused = await failure(tmp_path, source_vars={"plugin": "aws_ec2"})
    assert "no inventory plugin 'aws_ec2'; give its full name" in refused.message


async def test_a_plugin_whose_library_is_missing(tmp_path: Path) -> None:
    plugin(tmp_path, "a.b.cloud", top="import a_library_that_nobody_has")
    refused = await failure(tmp_path, source_vars={"plugin": "a.b.cloud"})
    assert "No module named 'a_library_that_nobody_has'" in refused.message
    assert "install its collection" not in refused.message


async def test_a_plugin_that_fails(tmp_path: Path) -> None:
    plugin(tmp_path, "a.b.cloud", bottom='raise ValueError("the cloud is away")')
    refused = await failure(tmp_path, source_vars={"plugin": "a.b.cloud"})
    assert refused.reason == "InventoryInvalid"
    assert refused.message == "inventory source cloud can't be read: the cloud is away."


@pytest.mark.parametrize(
    ("source", "given", "expected"),
    [
        pytest.param(
            "plugin", {"plugin": "a.b.c", "x": 1}, ("a.b.c", {"plugin": "a.b.c", "x": 1}), id="mapping"
        ),
        pytest.param("plugin", "plugin: a.b.c\nx: [1]", ("a.b.c", {"plugin": "a.b.c", "x": [1]}), id="text"),
        pytest.param("ec2", None, (CLOUDS["ec2"], {"plugin": CLOUDS["ec2"]}), id="AWX's name"),
    ],
)
def test_configurations(source: str, given: object, expected: tuple[str, dict[str, Any]]) -> None:
    assert plugin_configuration(source, given) == expected


@pytest.mark.parametrize(
    ("given", "words"),
    [
        pytest.param({}, "source_vars must name the inventory plugin in plugin", id="none"),
        pytest.param({"plugin": ["a"]}, "source_vars must name the inventory plugin", id="list"),
        pytest.param("plugin: [", "source_vars is not valid YAML", id="text"),
    ],
)
def test_what_is_no_configuration(given: object, words: str) -> None:
    with pytest.raises(Failure, match=words):
        plugin_configuration("plugin", given)


@pytest.mark.parametrize("name", ["sub/aws_ec2.yml", "aws_ec2.txt"])
async def test_what_is_no_file_name(tmp_path: Path, name: str) -> None:
    refused = await failure(tmp_path, source_path=name, source_vars={"plugin": "a.b.c"})
    assert refused.reason == "InvalidConfiguration"
    assert "it is a mere file name, like aws_ec2.yml" in refused.message


# --- files -----


async def test_a_file(tmp_path: Path) -> None:
    path = write(tmp_path / "inventory/hosts", "[web]\nweb[1:2] x=1\n")
    write(tmp_path / "inventory/group_vars/web.yml", {"y": 2})
    listing = await update(tmp_path, "file", source_path=str(path))
    assert hosts(listing) == {"web1": {"x": 1}, "web2": {"x": 1}}
    assert listing["web"]["vars"] == {"y": 2}


@pytest.mark.parametrize("path", ["inventory", "inventory/hosts", "/inventory", "./inventory/../inventory"])
async def test_a_file_of_a_project(tmp_path: Path, path: str) -> None:
    write(tmp_path / "project/inventory/hosts", "[web]\nweb1\n")
    write(tmp_path / "project/group_vars/all.yml", {"beside": "the project's playbooks"})
    listing = await update(tmp_path, "scm", source_path=path, project=str(tmp_path / "project"))
    assert list(hosts(listing)) == ["web1"]
    assert listing["all"]["vars"] == {"beside": "the project's playbooks"}


@pytest.mark.parametrize("path", ["", "/"])
async def test_a_project_as_a_whole(tmp_path: Path, path: str) -> None:
    write(tmp_path / "project/hosts", "web1\n")
    assert list(
        hosts(await update(tmp_path, "scm", source_path=path, project=str(tmp_path / "project")))
    ) == ["web1"]


async def test_a_projects_configuration_and_plugins(tmp_path: Path) -> None:
    plugin(tmp_path / "project", "a.b.cloud")
    config = "[defaults]\n[inventory]\nenable_plugins = a.b.cloud\n"
    write(tmp_path / "project/ansible.cfg", config)
    write(tmp_path / "project/cloud.yml", {"plugin": "a.b.cloud", **VARS})
    found = await update(tmp_path, "scm", source_path="cloud.yml", project=str(tmp_path / "project"))
    assert list(hosts(found)) == ["north", "south"]


async def test_variables_of_a_file_are_environment(tmp_path: Path) -> None:
    """As in AWX; those that are there already win."""
    script = """#!/bin/sh
cat <<END
{"web": {"hosts": ["a"], "vars": {"own": "$OWN", "list": $LIST, "home": "$HOME", "known": "$KNOWN"}}}
END
"""
    path = write(tmp_path / "hosts.sh", script, 0o755)
    given = {"OWN": "given", "LIST": [1, 2], "HOME": "/given", "KNOWN": "given"}
    listing = await update(
        tmp_path, "file", source_path=str(path), source_vars=given, variables={"KNOWN": "known"}
    )
    assert listing["web"]["vars"] == {"own": "given", "list": [1, 2], "home": str(tmp_path), "known": "known"}


@pytest.mark.parametrize(
    ("source", "path", "reason", "words"),
    [
        pytest.param("file", "hosts", "InvalidConfiguration", "must be the absolute path", id="relative"),
        pytest.param("file", "", "InvalidConfiguration", "must be the absolute path", id="empty"),
        pytest.param(
            "file", "/nowhere", "InventoryInvalid", "does not exist on the controller", id="missing"
        ),
        pytest.param(
            "scm", "nothing", "InventoryInvalid", "does not exist in the project", id="not in project"
        ),
        pytest.param("scm", "../hosts", "InvalidConfiguration", "leads out of the project", id="above"),
        pytest.param("scm", "link", "InvalidConfiguration", "leads out of the project", id="link"),
    ],
)
async def test_a_file_that_is_not_read(
    tmp_path: Path, source: str, path: str, reason: str, words: str
) -> None:
    write(tmp_path / "hosts", "a\n")
    (tmp_path / "project").mkdir()
    (tmp_path / "project/link").symlink_to(tmp_path / "hosts")
    project = str(tmp_path / "project") if source == "scm" else ""
    refused = await failure(tmp_path, source, source_path=path, project=project)
    assert (refused.reason, words in refused.message) == (reason, True)


# --- how it is read -----


async def test_a_limit(tmp_path: Path) -> None:
    plugin(tmp_path, "a.b.cloud")
    found = await update(tmp_path, source_vars={"plugin": "a.b.cloud", **VARS}, limit="nor*")
    assert list(hosts(found)) == ["north"]


@pytest.mark.parametrize(("verbosity", "told"), [(0, False), (1, True), (2, True)])
async def test_output(tmp_path: Path, verbosity: int, told: bool) -> None:
    plugin(
        tmp_path, "a.b.cloud", bottom='self.display.warning("mind the gap"); self.display.vvv("in detail")'
    )
    lines: list[str] = []
    await update(tmp_path, lines=lines, source_vars={"plugin": "a.b.cloud", **VARS}, verbosity=verbosity)
    assert "[WARNING]: mind the gap" in lines
    assert ("in detail" in lines) is told


async def test_too_long(tmp_path: Path) -> None:
    plugin(tmp_path, "a.b.cloud", bottom="import time; time.sleep(600)")
    refused = await failure(tmp_path, source_vars={"plugin": "a.b.cloud"}, timeout=2)
    assert (refused.reason, refused.status) == ("JobTimeout", "failed")
    assert "inventory source cloud was not read within 2 s" in refused.message


async def test_cancelled(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    bottom = f"""
        import time
        with open({str(file)!r}, "w") as pid:
            pid.write(f"{{os.getpid()}}\\n")
        time.sleep(600)
"""
    plugin(tmp_path, "a.b.cloud", bottom=bottom)
    task = asyncio.create_task(update(tmp_path, source_vars={"plugin": "a.b.cloud"}))
    async with deadline(DEADLINE):
        while not (file.exists() and file.read_text().endswith("\n")):
            await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        while Path(f"/proc/{int(file.read_text())}").exists():
            await asyncio.sleep(0.02)


# --- credentials -----


async def test_a_vault_password(tmp_path: Path) -> None:
    path = write(tmp_path / "hosts.yml", vaulted("all: {hosts: {a: {}}}", "sesame", "prod"))
    inputs = {"vault_password": "sesame", "vault_id": "prod"}
    found = await update(tmp_path, "file", source_path=str(path), credential_type="vault", inputs=inputs)
    assert list(hosts(found)) == ["a"]


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        pytest.param({}, {"K8S_AUTH_VERIFY_SSL": "True"}, id="plain"),
        pytest.param({"verify_ssl": False}, {"K8S_AUTH_VERIFY_SSL": "False"}, id="not verified"),
    ],
)
async def test_a_token_of_a_cluster(tmp_path: Path, inputs: dict[str, Any], expected: dict[str, str]) -> None:
    plugin(tmp_path, "a.b.cloud")
    found = await update(
        tmp_path,
        source_vars={"plugin": "a.b.cloud", **VARS},
        credential_type="kubernetes_bearer_token",
        inputs={"host": "https://api.test", "bearer_token": "token", **inputs},
    )
    known = {"K8S_AUTH_HOST": "https://api.test", "K8S_AUTH_API_KEY": "token"}
    assert hosts(found)["north"]["environment"] == {**known, **expected}


async def test_the_certificate_of_a_cluster(tmp_path: Path) -> None:
    bottom = 'inventory.set_variable("north", "ca", open(os.environ["K8S_AUTH_SSL_CA_CERT"]).read())'
    plugin(tmp_path, "a.b.cloud", bottom=bottom)
    found = await update(
        tmp_path,
        source_vars={"plugin": "a.b.cloud", **VARS},
        credential_type="kubernetes_bearer_token",
        inputs={"host": "https://api.test", "bearer_token": "token", "ssl_ca_cert": "a certificate"},
    )
    assert hosts(found)["north"]["ca"] == "a certificate"


async def test_a_credential_of_another_type(tmp_path: Path) -> None:
    refused = await failure(tmp_path, source_vars={"plugin": "a.b.c"}, credential_type="machine")
    assert refused.reason == "InvalidConfiguration"
    assert "credential is of type machine; an inventory source takes vault and" in refused.message
