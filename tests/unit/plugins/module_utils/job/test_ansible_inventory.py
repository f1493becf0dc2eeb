# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventories are read by ansible-inventory itself: what it lists, what it refuses, and what it may cost."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.inventory_content import (
    content_of,
    from_listing,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job import ansible_inventory
from ansible_collections.jobpods.controller.plugins.module_utils.job.ansible_inventory import (
    Reading,
    list_once,
    read_listing,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.credentials import VaultCredential
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.ansible_files import (
    environment,
    tagged,
    vaulted,
    write,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.deadline import deadline

DEADLINE = 120.0
PASSWORDS = (VaultCredential("sesame"), VaultCredential("other sesame", "other"))


@pytest.fixture(autouse=True)
def nothing_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Temporary files are gone afterwards."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield
    assert list(folder.iterdir()) == []


def reading(home: Path, **options: Any) -> Reading:
    variables = options.pop("variables", {})
    return Reading(environment=environment(home, **variables), **options)


async def read(path: Path, home: Path, **options: Any) -> dict[str, Any]:
    async with deadline(DEADLINE):
        return await read_listing(str(path), reading(home, **options), f"inventory {path.name}")


async def failure(path: Path, home: Path, **options: Any) -> Failure:
    with pytest.raises(Failure) as refused:
        await read(path, home, **options)
    return refused.value


def variables(listing: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = listing["_meta"]["hostvars"]
    return found


# --- what is listed -----


async def test_hosts_groups_and_variables(tmp_path: Path) -> None:
    text = "alone x=1\n[web]\nweb[1:2]\n[web:vars]\ny=2\n[site:children]\nweb\n"
    path = write(tmp_path / "hosts.ini", text)
    listing = await read(path, tmp_path)
    assert variables(listing) == {"alone": {"x": 1}}
    assert listing["web"] == {"hosts": ["web1", "web2"], "vars": {"y": 2}}
    assert listing["site"] == {"children": ["web"]}
    assert listing["ungrouped"] == {"hosts": ["alone"]}


async def test_a_folder_and_what_lies_beside(tmp_path: Path) -> None:
    write(tmp_path / "inventory/a.yml", {"web": {"hosts": {"web1": None}}})
    write(tmp_path / "inventory/b", "[web]\nweb2\n")
    write(tmp_path / "inventory/group_vars/web.yml", {"x": 1})
    write(tmp_path / "inventory/host_vars/web2.yml", {"y": 2})
    listing = await read(tmp_path / "inventory", tmp_path)
    assert listing["web"] == {"hosts": ["web1", "web2"], "vars": {"x": 1}}
    assert variables(listing) == {"web2": {"y": 2}}


async def test_a_script(tmp_path: Path) -> None:
    script = '#!/bin/sh\necho "$GREETING" >&2\necho \'{"web": {"hosts": ["web1"]}}\'\n'
    path = write(tmp_path / "hosts.sh", script, 0o755)
    listing = await read(path, tmp_path, variables={"GREETING": "hello"})
    assert listing["web"] == {"hosts": ["web1"]}


async def test_a_limit(tmp_path: Path) -> None:
    path = write(tmp_path / "hosts.ini", "[web]\nweb[1:3] x=1\n[db]\ndb1 x=1\n")
    listing = await read(path, tmp_path, limit="web:!web2")
    assert list(from_listing(listing).hosts) == ["web1", "web3"]


def project(folder: Path, plugin: str) -> None:
    """A project with an inventory plugin of its own, which reads any file."""
    config = "[defaults]\ninventory_plugins = plugins\n[inventory]\nenable_plugins = noisy\n"
    write(folder / "project/plugins/noisy.py", plugin)
    write(folder / "project/ansible.cfg", config)


async def test_what_is_printed_is_told_and_is_no_part_of_the_listing(tmp_path: Path) -> None:
    plugin = """
from ansible.plugins.inventory import BaseInventoryPlugin
class InventoryModule(BaseInventoryPlugin):
    NAME = "noisy"
    def parse(self, inventory, loader, path, cache=True):
        print('{"_meta": "printed"}')
        inventory.add_host("host")
"""
    project(tmp_path, plugin)
    lines: list[str] = []
    listing = await read(
        write(tmp_path / "hosts", "any"), tmp_path, folder=str(tmp_path / "project"), on_line=lines.append
    )
    assert list(from_listing(listing).hosts) == ["host"]
    assert '{"_meta": "printed"}' in lines


# --- variables are the same where the listing is read -----


def difficult(folder: Path) -> Path:
    """Variables in all places and ranks that Ansible knows."""
    content = {
        "all": {"vars": dict.fromkeys("abcde", "file all")},
        "site": {"children": {"web": {}, "db": {}}, "vars": {"b": "file site", "f": "file site"}},
        "web": {"hosts": {"web1": {"e": "file web1"}, "web2": {}}, "vars": {"c": "file web", "g": {"x": 1}}},
        "db": {"hosts": {"web1": {}, "db1": {}}, "vars": {"c": "file db", "ansible_group_priority": 5}},
    }
    write(folder / "inventory/hosts.yml", content)
    write(folder / "inventory/group_vars/all.yml", {"b": "dir all", "c": "dir all", "g": {"y": 2}})
    write(folder / "inventory/group_vars/site/x.yml", {"f": "dir site"})
    write(folder / "inventory/host_vars/web2.yml", {"e": "dir web2"})
    write(folder / "project/group_vars/all.yml", {"d": "play all", "f": "play all"})
    write(folder / "project/group_vars/db.yml", {"h": "play db"})
    return folder / "inventory"


@pytest.mark.parametrize("hashes", ["replace", "merge"])
async def test_hosts_have_the_same_variables_again(tmp_path: Path, hashes: str) -> None:
    options = {
        "playbook_dir": str(tmp_path / "project"),
        "variables": {"ANSIBLE_HASH_BEHAVIOUR": hashes},
    }
    path = difficult(tmp_path)
    listing = await read(path, tmp_path, **options)
    again = write(tmp_path / "again/hosts.yml", json.dumps(content_of(from_listing(listing))))
    async with deadline(DEADLINE):
        before = await list_once(str(path), reading(tmp_path, **options), "before", export=False)
        after = await list_once(str(again), reading(tmp_path, **options), "after", export=False)
    assert variables(after) == variables(before)
    assert {name: group.get("hosts") for name, group in after.items()} == {
        name: group.get("hosts") for name, group in before.items()
    }
    assert variables(before)["web1"]["c"] == "dir all"  # what a listing alone would not tell


async def test_groups_keep_what_can_be_told_by_them(tmp_path: Path) -> None:
    """Else a playbook's own group_vars would not win over them any more."""
    content = {"all": {"vars": {"x": 1, "y": 1}}, "web": {"hosts": {"web1": {}}, "vars": {"x": 2}}}
    listing = await read(write(tmp_path / "hosts.yml", content), tmp_path)
    assert variables(listing) == {}
    assert listing["web"]["vars"] == {"x": 2}


# --- vault -----


async def test_vaulted_files_are_decrypted(tmp_path: Path) -> None:
    path = write(tmp_path / "hosts.yml", {"web": {"hosts": {"web1": {}}}})
    write(tmp_path / "group_vars/web.yml", vaulted("x: 1"))
    write(tmp_path / "host_vars/web1.yml", vaulted("y: 2", "other sesame", "other"))
    listing = await read(path, tmp_path, vaults=PASSWORDS)
    assert (listing["web"]["vars"], variables(listing)) == ({"x": 1}, {"web1": {"y": 2}})


async def test_vaulted_values_stay_vaulted(tmp_path: Path) -> None:
    """Also where Ansible has no password for them; the listing can be read again as a YAML inventory."""
    text = vaulted("top {{ secret }}")
    path = write(tmp_path / "hosts.yml", f"web:\n  hosts:\n    web1:\n      x: {tagged(text)}")
    listing = await read(path, tmp_path)
    assert variables(listing) == {"web1": {"x": {"__ansible_vault": text}}}
    again = write(tmp_path / "again/hosts.yml", json.dumps(content_of(from_listing(listing))))
    assert variables(await read(again, tmp_path)) == variables(listing)


async def test_texts_that_are_no_templates_stay_so(tmp_path: Path) -> None:
    path = write(tmp_path / "hosts.yml", "all:\n  hosts:\n    a: {x: !unsafe '{{ x }}', y: '{{ y }}'}")
    listing = await read(path, tmp_path)
    assert variables(listing) == {"a": {"x": {"__ansible_unsafe": "{{ x }}"}, "y": "{{ y }}"}}


@pytest.mark.parametrize(
    ("vaults", "words"),
    [
        pytest.param((), "no vault secrets found", id="none"),
        pytest.param((VaultCredential("wrong"),), "Decryption failed", id="wrong"),
    ],
)
async def test_a_vault_password_that_is_missing(
    tmp_path: Path, vaults: tuple[VaultCredential, ...], words: str
) -> None:
    refused = await failure(write(tmp_path / "hosts.yml", vaulted("all: {}")), tmp_path, vaults=vaults)
    assert words in refused.message
    assert refused.hint.startswith("Give a vault credential")


async def test_a_vault_password_that_is_too_long(tmp_path: Path) -> None:
    path = write(tmp_path / "hosts.yml", vaulted("all: {}"))
    refused = await failure(path, tmp_path, vaults=(VaultCredential("x" * (1 << 20)),))
    assert (refused.reason, refused.message) == (
        "InvalidConfiguration",
        "A vault password has more than 32 KiB.",
    )


async def test_no_password_is_in_arguments_environment_or_files(tmp_path: Path) -> None:
    spy = f"""#!{sys.executable}
import json, os, pathlib
seen = []
for process in (os.getpid(), os.getppid()):
    for name in ("cmdline", "environ"):
        seen.append(pathlib.Path(f"/proc/{{process}}/{{name}}").read_bytes())
for folder, _, files in os.walk({str(tmp_path / "temporary")!r}):
    seen += [pathlib.Path(folder, file).read_bytes() for file in files]
hidden = not any(b"ses" + b"ame" in text for text in seen)
print(json.dumps({{"web": {{"hosts": ["a"], "vars": {{"hidden": hidden, "read": len(seen)}}}}}}))
"""
    path = write(tmp_path / "inventory/hosts.py", spy, 0o755)
    write(tmp_path / "inventory/group_vars/web.yml", vaulted("x: 1"))
    listing = await read(path, tmp_path, vaults=PASSWORDS)
    assert listing["web"]["vars"] == {"x": 1, "hidden": True, "read": 5}


# --- what is refused -----

BROKEN = {
    "YAML": ("hosts.yml", "all:\n  hosts:\n   a: {x: 1\n  b: }\n", 0o644),
    "INI": ("hosts", "[web\nfoo bar=\n", 0o644),
    "script": ("hosts.sh", "#!/bin/sh\necho oh no >&2\nexit 3\n", 0o755),
}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        pytest.param("YAML", "did not find expected ',' or '}'", id="YAML"),
        pytest.param("INI", "not enough values to unpack", id="INI"),
        pytest.param("script", "script", id="script"),
    ],
)
@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside a good one"])
async def test_a_broken_inventory(tmp_path: Path, name: str, words: str, beside: bool) -> None:
    file, text, mode = BROKEN[name]
    path = write(tmp_path / "inventory" / file, text, mode)
    if beside:
        write(tmp_path / "inventory/good.yml", {"all": {"hosts": {"a": None}}})
    refused = await failure(tmp_path / "inventory" if beside else path, tmp_path)
    assert refused.reason == "InventoryInvalid"
    assert refused.message.startswith("inventory ")
    assert words in refused.message
    assert str(path) in refused.traceback


async def test_an_inventory_that_is_not_there(tmp_path: Path) -> None:
    refused = await failure(tmp_path / "nothing", tmp_path)
    assert f"Completely failed to parse inventory source {tmp_path / 'nothing'}" in refused.message


# --- limits -----


async def test_a_plugin_that_hangs(tmp_path: Path) -> None:
    path = write(tmp_path / "hosts.sh", "#!/bin/sh\nexec sleep 600\n", 0o755)
    refused = await failure(path, tmp_path, seconds=2)
    assert (refused.reason, refused.message) == (
        "InventoryInvalid",
        "inventory hosts.sh was not read within 2 s, and ansible-inventory was ended.",
    )


async def test_a_plugin_that_hangs_in_a_job(tmp_path: Path) -> None:
    path = write(tmp_path / "hosts.sh", "#!/bin/sh\nexec sleep 600\n", 0o755)
    assert (await failure(path, tmp_path, seconds=2, out_of_time="JobTimeout")).status == "failed"


async def test_a_plugin_that_prints_too_much(tmp_path: Path) -> None:
    """100 MB of messages."""
    plugin = """
import sys
from ansible.plugins.inventory import BaseInventoryPlugin
class InventoryModule(BaseInventoryPlugin):
    NAME = "noisy"
    def parse(self, inventory, loader, path, cache=True):
        for _ in range(100):
            sys.stderr.write("x" * 1_000_000 + "\\n")
"""
    project(tmp_path, plugin)
    refused = await failure(write(tmp_path / "hosts", "any"), tmp_path, folder=str(tmp_path / "project"))
    assert "wrote more than 16 MiB of messages" in refused.message


async def test_an_inventory_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ansible_inventory, "LISTING_LIMIT", 1 << 20)
    path = write(tmp_path / "hosts.yml", {"all": {"hosts": {"a": {"x": "x" * (2 << 20)}}}})
    refused = await failure(path, tmp_path)
    assert "or more than 1 MiB of hosts and variables" in refused.message


async def test_cancelled(tmp_path: Path) -> None:
    """The script has come to run, and is ended with all that belongs to it."""
    file = tmp_path / "pid"
    path = write(tmp_path / "hosts.sh", f"#!/bin/sh\necho $$ > {file}\nexec sleep 600\n", 0o755)
    task = asyncio.create_task(read(path, tmp_path))
    async with deadline(DEADLINE):
        while not (file.exists() and file.read_text().endswith("\n")):
            await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        while Path(f"/proc/{int(file.read_text())}").exists():
            await asyncio.sleep(0.02)


# --- whose configuration counts -----


async def shown(tmp_path: Path, **options: Any) -> str:
    """The configuration that ansible-inventory says it uses."""
    lines: list[str] = []
    path = write(tmp_path / "hosts.yml", {"all": {"hosts": {"a": None}}})
    await read(path, tmp_path, verbosity=3, on_line=lines.append, **options)
    (line,) = (line for line in lines if "config file = " in line)
    return line.partition(" = ")[2]


async def test_the_users_own_configuration_is_not_read(tmp_path: Path) -> None:
    write(tmp_path / ".ansible.cfg", "[inventory]\nenable_plugins = nothing\n")
    assert (await shown(tmp_path)).startswith(str(tmp_path / "temporary"))


async def test_the_projects_configuration_counts(tmp_path: Path) -> None:
    write(tmp_path / ".ansible.cfg", "[inventory]\nenable_plugins = nothing\n")
    config = write(tmp_path / "project/ansible.cfg", "[defaults]\n")
    assert await shown(tmp_path, folder=str(config.parent)) == str(config)


async def test_the_callers_configuration_wins(tmp_path: Path) -> None:
    write(tmp_path / "project/ansible.cfg", "[inventory]\nenable_plugins = nothing\n")
    config = write(tmp_path / "given.cfg", "[defaults]\n")
    options = {"folder": str(tmp_path / "project"), "variables": {"ANSIBLE_CONFIG": str(config)}}
    assert await shown(tmp_path, **options) == str(config)


async def test_collections_are_found_where_this_one_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = write(
        tmp_path / "found/ansible_collections/a/b/plugins/inventory/c.py",
        """
from ansible.plugins.inventory import BaseInventoryPlugin
class InventoryModule(BaseInventoryPlugin):
    NAME = "a.b.c"
    def parse(self, inventory, loader, path, cache=True):
        inventory.add_host("host")
""",
    )
    monkeypatch.setattr(ansible_inventory, "__file__", str(plugin))
    path = write(tmp_path / "hosts.yml", {"plugin": "a.b.c"})
    variables = environment(tmp_path)
    del variables["ANSIBLE_COLLECTIONS_PATH"]
    async with deadline(DEADLINE):
        listing = await read_listing(str(path), Reading(environment=variables), "inventory")
    assert list(from_listing(listing).hosts) == ["host"]


@pytest.mark.parametrize(
    "variables",
    [
        pytest.param({"ANSIBLE_ASK_VAULT_PASS": "true"}, id="a question"),
        pytest.param({"ANSIBLE_INVENTORY_EXPORT": "true"}, id="export"),
        pytest.param({"ANSIBLE_FORCE_COLOR": "true", "ANSIBLE_VERBOSITY": "4"}, id="terminal"),
        pytest.param({"ANSIBLE_INVENTORY": "/nowhere", "ANSIBLE_LOCALHOST_WARNING": "true"}, id="inventory"),
    ],
)
async def test_the_environment_changes_nothing(tmp_path: Path, variables: dict[str, str]) -> None:
    lines: list[str] = []
    plain = await read(difficult(tmp_path), tmp_path)
    assert await read(tmp_path / "inventory", tmp_path, variables=variables, on_line=lines.append) == plain
    assert lines == []


async def test_a_projects_python_files_are_not_taken_for_libraries(tmp_path: Path) -> None:
    for name in ("yaml", "json", "ansible"):
        write(tmp_path / f"project/{name}.py", "raise SystemExit(9)")
    path = write(tmp_path / "hosts.yml", {"all": {"hosts": {"a": None}}})
    assert from_listing(await read(path, tmp_path, folder=str(tmp_path / "project"))).hosts == {"a": {}}


async def test_playbook_collections_and_variables_are_found(tmp_path: Path) -> None:
    write(tmp_path / "project/group_vars/all.yml", {"x": 1})
    path = write(tmp_path / "hosts.yml", {"all": {"hosts": {"a": None}}})
    listing = await read(path, tmp_path, playbook_dir=str(tmp_path / "project"))
    assert listing["all"]["vars"] == {"x": 1}
    assert os.listdir(tmp_path / "project") == ["group_vars"]
