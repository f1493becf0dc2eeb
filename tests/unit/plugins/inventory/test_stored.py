# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stored inventories as inventories of Ansible: ansible-inventory and ansible-playbook read them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.jobpods.controller.plugins.inventory.stored import EXAMPLES
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobStore
from ansible_collections.jobpods.controller.plugins.module_utils.controller.objects import Values, Wanted
from ansible_collections.jobpods.controller.plugins.module_utils.job.inventories import (
    check_inventory_values,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.inventory.inventory_runs import (
    Run,
    listed,
    members,
    run,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.ansible_files import (
    tagged,
    vaulted,
    write,
)

PLUGIN = "jobpods.controller.stored"
CONTENT = """
all:
  vars: {everywhere: "{{ inventory_hostname }} and {{ secret_of_nobody | default('all') }}", dc: fra}
  children:
    site:
      children:
        web:
          hosts:
            web[1:2]: {kind: vm}
            web3: {kind: metal, raw: !unsafe "{{ raw }}"}
          vars: {port: 80}
"""


def checked(values: Values, _reader: object) -> Values:
    return check_inventory_values(values)


def keep(store: JobStore, name: str = "web", **options: Any) -> int:
    number = store.objects.save("inventory", Wanted(name, options), check=checked).id
    assert number is not None
    return number


def stored(home: Path, *arguments: str, **options: Any) -> Run:
    """What ansible-inventory lists of a stored inventory; `variables` are those of the environment."""
    variables = options.pop("variables", {})
    configuration = {"plugin": PLUGIN, "inventory": "web", "data_dir": str(home / "store"), **options}
    return listed(home, "test.jobpods.yml", configuration, *arguments, **variables)


# --- what is listed -----


def test_hosts_groups_and_variables(store: JobStore, tmp_path: Path) -> None:
    keep(store, content=CONTENT, variables={"ntp": "ntp.test"})
    listing = stored(tmp_path).listing
    assert members(listing) == {"web": ["web1", "web2", "web3"]}
    assert listing["site"] == {"children": ["web"]}
    assert listing["web"]["vars"] == {"port": 80}
    assert set(listing["all"]["vars"]) == {"everywhere", "dc", "ntp"}
    assert listing["_meta"]["hostvars"] == {
        "web1": {"kind": "vm"},
        "web2": {"kind": "vm"},
        "web3": {"kind": "metal", "raw": {"__ansible_unsafe": "{{ raw }}"}},
    }


def test_a_play_resolves_its_templates_and_no_others(store: JobStore, tmp_path: Path) -> None:
    keep(store, content=CONTENT)
    configuration = {"plugin": PLUGIN, "inventory": "web", "data_dir": str(tmp_path / "store")}
    path = write(tmp_path / "test.jobpods.yml", configuration)
    task = {"ansible.builtin.debug": {"msg": "<{{ everywhere }}> <{{ raw | default('none') }}>"}}
    play = write(tmp_path / "site.yml", [{"hosts": "web", "gather_facts": False, "tasks": [task]}])
    ended = run("playbook", tmp_path, "-i", str(path), str(play))
    assert ended.status == 0, ended.stdout
    assert "<web1 and all> <none>" in ended.stdout
    assert "<web3 and all> <{{ raw }}>" in ended.stdout


def test_what_sources_bring(store: JobStore, tmp_path: Path) -> None:
    keep(store, content=CONTENT)
    source = store.objects.save("inventory_source", Wanted("cloud", {"inventory": "web"})).id
    assert source is not None
    found = {"_meta": {"hostvars": {"web3": {"kind": "cloud"}}}, "web": {"hosts": ["web3", "web4"]}}
    store.inventories.save_update(source, found)
    listing = stored(tmp_path).listing
    assert members(listing) == {"web": ["web1", "web2", "web3", "web4"]}
    assert listing["_meta"]["hostvars"]["web3"]["kind"] == "cloud"


def test_an_empty_inventory(store: JobStore, tmp_path: Path) -> None:
    keep(store)
    assert stored(tmp_path).hosts == {}


def test_vaulted_values(store: JobStore, tmp_path: Path) -> None:
    keep(store, content=f"web:\n  hosts:\n    web1:\n      x: {tagged(vaulted('top secret'))}")
    configuration = {"plugin": PLUGIN, "inventory": "web", "data_dir": str(tmp_path / "store")}
    path = write(
        tmp_path / "test.jobpods.yml", {**configuration, "compose": {"y": "x ~ '!'"}, "strict": True}
    )
    password = str(write(tmp_path / "password", "sesame"))
    arguments = ("--vault-password-file", password, "-i", str(path), "-m", "debug", "-a")
    ended = run("adhoc", tmp_path, "web", *arguments, "msg='{{ x }} {{ y }}'")
    assert "top secret top secret!" in ended.stdout


# --- a path -----


def test_a_path_is_read_anew(store: JobStore, tmp_path: Path) -> None:
    path = write(tmp_path / "conf/hosts", "[web]\nweb1\n")
    write(tmp_path / "conf/group_vars/web.yml", {"x": 1, "port": "{{ x + 1 }}"})
    keep(store, path=str(path), variables={"ntp": "ntp.test"})
    listing = stored(tmp_path).listing
    assert members(listing) == {"web": ["web1"]}
    assert listing["web"]["vars"] == {"x": 1, "port": "{{ x + 1 }}"}
    assert listing["all"]["vars"] == {"ntp": "ntp.test"}
    write(path, "[web]\nweb[1:2]\n")
    assert members(stored(tmp_path).listing) == {"web": ["web1", "web2"]}


def test_a_path_with_vaulted_files(store: JobStore, tmp_path: Path) -> None:
    """The passwords are those that this Ansible was given."""
    path = write(tmp_path / "conf/hosts", "[web]\nweb1\n")
    write(tmp_path / "conf/group_vars/web.yml", vaulted("x: 1", "other", "prod"))
    keep(store, path=str(path))
    first, second = (str(write(tmp_path / name, name)) for name in ("sesame", "other"))
    passwords = ("--vault-id", first, "--vault-id", f"prod@{second}")
    assert stored(tmp_path, *passwords).listing["web"]["vars"] == {"x": 1}
    assert "Give a vault credential" in stored(tmp_path).words


def test_a_path_is_read_with_the_callers_configuration(store: JobStore, tmp_path: Path) -> None:
    path = write(tmp_path / "conf/hosts.ini", "[web]\nweb1\n")
    keep(store, path=str(path))
    config = write(tmp_path / "ansible.cfg", "[inventory]\nenable_plugins = auto\n")
    assert "can't be read" in stored(tmp_path).words
    write(config, "[inventory]\nenable_plugins = auto, ini\n")
    assert members(stored(tmp_path).listing) == {"web": ["web1"]}


def test_a_path_that_reads_the_same_inventory(store: JobStore, tmp_path: Path) -> None:
    folder = tmp_path / "conf"
    keep(store, path=str(folder))
    configuration = {"plugin": PLUGIN, "inventory": "web", "data_dir": str(tmp_path / "store")}
    write(folder / "again.jobpods.yml", configuration)
    assert "has a file in it that reads the same inventory from the store" in stored(tmp_path).words


def test_a_path_that_reads_another_inventory(store: JobStore, tmp_path: Path) -> None:
    keep(store, "other", content={"web": {"hosts": {"web1": {}}}})
    configuration = {"plugin": PLUGIN, "inventory": "other", "data_dir": str(tmp_path / "store")}
    write(tmp_path / "conf/other.jobpods.yml", configuration)
    keep(store, path=str(tmp_path / "conf"))
    assert members(stored(tmp_path).listing) == {"web": ["web1"]}


# --- constructed -----


def test_composed_variables_and_groups(store: JobStore, tmp_path: Path) -> None:
    keep(store, content=CONTENT)
    found = stored(
        tmp_path,
        compose={"place": "dc ~ '-' ~ kind ~ port"},
        groups={"virtual": "kind == 'vm'", "metal_in_fra": "place.startswith('fra-metal')"},
        keyed_groups=[
            {"key": "kind", "prefix": "kind"},
            {"key": "dc", "separator": "", "parent_group": "dcs"},
        ],
    )
    assert found.hosts["web3"]["place"] == "fra-metal80"
    assert members(found.listing) == {
        "web": ["web1", "web2", "web3"],
        "virtual": ["web1", "web2"],
        "metal_in_fra": ["web3"],
        "kind_vm": ["web1", "web2"],
        "kind_metal": ["web3"],
        "fra": ["web1", "web2", "web3"],
    }
    assert found.listing["dcs"] == {"children": ["fra"]}


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"compose": {"x": "nothing.at_all"}}, id="compose"),
        pytest.param({"groups": {"x": "nothing.at_all"}}, id="groups"),
        pytest.param({"keyed_groups": [{"key": "nothing.at_all"}]}, id="keyed_groups"),
    ],
)
def test_what_can_not_be_composed(store: JobStore, tmp_path: Path, options: dict[str, Any]) -> None:
    keep(store, content=CONTENT)
    assert members(stored(tmp_path, **options).listing) == {"web": ["web1", "web2", "web3"]}
    assert "web1" in stored(tmp_path, strict=True, **options).words


def test_other_sources_hosts_are_left_alone(store: JobStore, tmp_path: Path) -> None:
    keep(store, content=CONTENT)
    other = str(write(tmp_path / "a_hosts", "stranger kind=vm\n"))
    found = stored(tmp_path, "-i", other, groups={"virtual": "kind == 'vm'"})
    assert members(found.listing)["virtual"] == ["web1", "web2"]
    assert "stranger" in found.hosts


# --- cache -----


def test_what_is_cached(store: JobStore, tmp_path: Path) -> None:
    cache = {"cache": True, "cache_plugin": "jsonfile", "cache_connection": str(tmp_path / "cache")}
    keep(store, content=CONTENT)
    keep(store, "db", content={"db": {"hosts": {"db1": {}}}})
    before = stored(tmp_path, **cache).listing
    keep(store, content={"web": {"hosts": {"new": {}}}})
    assert stored(tmp_path, **cache).listing == before
    # Another inventory in the same file is not the one that is cached.
    assert members(stored(tmp_path, inventory="db", **cache).listing) == {"db": ["db1"]}
    assert members(stored(tmp_path).listing) == {"web": ["new"]}
    stored(tmp_path, **cache)  # writes its configuration again
    play = write(tmp_path / "site.yml", [{"hosts": "new", "gather_facts": False, "tasks": []}])
    ended = run("playbook", tmp_path, "--flush-cache", "-i", str(tmp_path / "test.jobpods.yml"), str(play))
    assert "PLAY [new]" in ended.stdout
    assert members(stored(tmp_path, **cache).listing) == {"web": ["new"]}


def test_what_is_cached_means_the_same(store: JobStore, tmp_path: Path) -> None:
    """Also what is vaulted, or no template, or looks like a mark of the cache's own."""
    text = tagged(vaulted("top secret"))
    content = (
        f"web:\n  hosts:\n    web1:\n      t: '{{{{ x }}}}'\n      u: !unsafe '{{{{ x }}}}'\n      x: {text}"
    )
    keep(store, content=content)
    cache = {"cache": True, "cache_plugin": "jsonfile", "cache_connection": str(tmp_path / "cache")}
    first, second = (stored(tmp_path, **cache).listing for _turn in range(2))
    assert second == first == stored(tmp_path).listing
    assert set(first["_meta"]["hostvars"]["web1"]["u"]) == {"__ansible_unsafe"}
    assert set(first["_meta"]["hostvars"]["web1"]["x"]) == {"__ansible_vault"}


def test_an_old_cache(store: JobStore, tmp_path: Path) -> None:
    cache = {
        "cache": True,
        "cache_plugin": "jsonfile",
        "cache_connection": str(tmp_path / "cache"),
        "cache_timeout": 3600,
    }
    keep(store, content=CONTENT)
    stored(tmp_path, **cache)
    keep(store, content={"web": {"hosts": {"new": {}}}})
    for file in (tmp_path / "cache").iterdir():
        os.utime(file, (0, 0))
    assert members(stored(tmp_path, **cache).listing) == {"web": ["new"]}


# --- options -----


@pytest.mark.parametrize(("number", "name"), [(0, "web"), (1, "prod")])
def test_examples(store: JobStore, tmp_path: Path, number: int, name: str) -> None:
    store.objects.save("organization", Wanted("Operations"))
    content = {"web": {"hosts": {"web1": {"kind": "vm", "datacenter": "fra"}}}}
    keep(store, name, content=content, organization="Operations")
    example = list(yaml.safe_load_all(EXAMPLES))[number]
    changed = {"data_dir": str(tmp_path / "store"), "strict": True}
    found = listed(tmp_path, "test.jobpods.yml", {**example, **changed})
    groups = {"web", "virtual", "dc_fra"} if number else {"web"}
    assert set(members(found.listing)) == groups
    assert (tmp_path / ".cache/jobpods").exists() is bool(number)


@pytest.mark.parametrize("name", ["test.jobpods.yml", "test.jobpods.yaml", "stored.yml", "my_stored.yaml"])
def test_names_of_files(store: JobStore, tmp_path: Path, name: str) -> None:
    keep(store, content=CONTENT)
    configuration = {"plugin": PLUGIN, "inventory": "web", "data_dir": str(tmp_path / "store")}
    assert members(listed(tmp_path, name, configuration).listing) == {"web": ["web1", "web2", "web3"]}


def test_another_name_of_a_file(store: JobStore, tmp_path: Path) -> None:
    configuration = {"plugin": PLUGIN, "inventory": "web", "data_dir": str(tmp_path / "store")}
    words = listed(tmp_path, "hosts.yml", configuration).words
    assert "could not be verified by inventory plugin 'jobpods.controller.stored'" in words


@pytest.mark.parametrize(
    "variables",
    [
        pytest.param({"JOBPODS_DATA_DIR": "{home}/store"}, id="data_dir"),
        pytest.param(
            {
                "JOBPODS_DATABASE_URL": "sqlite:///{home}/store/jobpods.db",
                "JOBPODS_SECRET_KEY_FILE": "{home}/store/secret.key",
            },
            id="database_url and secret_key_file",
        ),
    ],
)
def test_the_store_of_the_environment(store: JobStore, tmp_path: Path, variables: dict[str, str]) -> None:
    keep(store, content=CONTENT)
    known = {name: value.format(home=tmp_path) for name, value in variables.items()}
    found = listed(tmp_path, "test.jobpods.yml", {"plugin": PLUGIN, "inventory": "web"}, **known)
    assert members(found.listing) == {"web": ["web1", "web2", "web3"]}


def test_the_store_in_the_users_folder(tmp_path: Path) -> None:
    words = listed(tmp_path, "test.jobpods.yml", {"plugin": PLUGIN, "inventory": "web"}).words
    # Without spaces, since ansible-core before 2.19 wraps words at hyphens.
    assert f"Thereisnostore{tmp_path}/.local/share/jobpods/jobpods.db" in words.replace(" ", "")
    assert not (tmp_path / ".local/share/jobpods").exists()


def test_an_inventory_of_an_organization(store: JobStore, tmp_path: Path) -> None:
    for name in ("east", "west"):
        store.objects.save("organization", Wanted(name))
        keep(store, content={"web": {"hosts": {name: {}}}}, organization=name)
    assert members(stored(tmp_path, organization="west").listing) == {"web": ["west"]}
    assert "There are 2 of kind inventory with the name 'web'; give organization" in stored(tmp_path).words


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param(
            {"inventory": "wbe"}, "inventory: there is no inventory 'wbe' (there are: web)", id="name"
        ),
        pytest.param({"organization": "east"}, "there is no organization 'east'", id="organization"),
        pytest.param({"data_dir": "/nowhere"}, "There is no store /nowhere/jobpods.db", id="store"),
        pytest.param({"database_url": "no url"}, "database_url is not a URL", id="URL"),
        pytest.param({"plugin": "jobpods.controller.job_pods"}, "could not be verified", id="plugin"),
    ],
)
def test_what_is_wrong(store: JobStore, tmp_path: Path, options: dict[str, Any], words: str) -> None:
    keep(store, content=CONTENT)
    options = {"inventory": "web", **options}
    if options.get("plugin"):
        configuration = {"data_dir": str(tmp_path / "store"), **options}
        assert words in listed(tmp_path, "stored.yml", configuration).words
    else:
        assert words in stored(tmp_path, **options).words


def test_an_option_that_is_missing(tmp_path: Path) -> None:
    words = listed(tmp_path, "test.jobpods.yml", {"plugin": PLUGIN}).words
    assert "inventory is missing." in words


def test_another_key(store: JobStore, tmp_path: Path) -> None:
    keep(store, content=CONTENT)
    (tmp_path / "store/secret.key").unlink()
    assert "secret_key_file" in stored(tmp_path).words


@pytest.mark.parametrize("library", ["sqlalchemy", "cryptography"])
def test_a_library_that_is_missing(store: JobStore, tmp_path: Path, library: str) -> None:
    keep(store, content=CONTENT)
    write(tmp_path / f"libraries/{library}.py", f"raise ModuleNotFoundError(name={library!r})")
    words = stored(tmp_path, variables={"PYTHONPATH": str(tmp_path / "libraries")}).words
    assert {"sqlalchemy": "SQLAlchemy >= 2.0", "cryptography": "cryptography >= 41"}[library] in words
