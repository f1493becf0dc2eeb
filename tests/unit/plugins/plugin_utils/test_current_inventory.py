# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The play's inventory is the same again in the pod: each host with its groups, and with the values it had.

Both sides are Ansible's own: what a play has, and what is read from the one file that the pod gets.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible import constants
from ansible.inventory.manager import InventoryManager
from ansible.parsing import vault
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible.template import Templar
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager
from ansible.vars.plugins import get_vars_from_path
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.launch import read_inventory
from ansible_collections.jobpods.controller.plugins.plugin_utils.current_inventory import (
    current_inventory,
    inventory_as_data,
)

MAGIC = {
    "ansible_facts", "ansible_playbook_python", "group_names", "groups", "inventory_dir", "inventory_file",
    "inventory_hostname", "inventory_hostname_short", "omit", "playbook_dir", "ansible_config_file",
    "ansible_version",
}  # fmt: skip
SECRETS = [("default", VaultSecret(b"password"))]


class Play:
    """What a play knows of hosts."""

    def __init__(self, folder: Path, *sources: str) -> None:
        self.loader = DataLoader()
        self.loader.set_basedir(str(folder))
        self.loader.set_vault_secrets(SECRETS)
        self.inventory = InventoryManager(loader=self.loader, sources=list(sources))
        self.manager = VariableManager(loader=self.loader, inventory=self.inventory)
        self.hostvars = HostVars(self.inventory, self.manager, self.loader)

    def current(self) -> dict[str, Any]:
        return current_inventory(self.hostvars, self.loader)

    def known(self) -> dict[str, dict[str, Any]]:
        """The variables of each host, with its groups under `group_names`."""
        found = {}
        for name, host in self.inventory.hosts.items():
            variables = self.manager.get_vars(host=host, include_hostvars=False)
            own = {key: value for key, value in variables.items() if key not in MAGIC}
            templar = Templar(self.loader, variables=own)
            found[str(name)] = {str(key): str(templar.template(value)) for key, value in own.items()}
            found[str(name)]["group_names"] = str(variables["group_names"])
        return found


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False))


def in_pod(folder: Path, content: dict[str, Any]) -> Play:
    """What a play in the pod knows, from the file that the payload has."""
    given = json.loads(json.dumps(content))
    sent = read_inventory(given, folder).content
    assert read_inventory(sent, folder).content == sent
    write(folder / "pod" / "hosts.yml", json.dumps(sent, indent=1))
    return Play(folder / "pod", str(folder / "pod" / "hosts.yml"))


def assert_same(folder: Path, play: Play) -> dict[str, dict[str, Any]]:
    known = play.known()
    assert in_pod(folder, play.current()).known() == known
    return known


@pytest.fixture(autouse=True)
def as_in_ansible_playbook(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the user's own configuration, and the vault's secrets where ansible-core keeps them."""
    for name in [name for name in os.environ if name.startswith("ANSIBLE_")]:
        monkeypatch.delenv(name)
    context = getattr(vault, "VaultSecretsContext", None)  # since ansible-core 2.19; before, it is the loader
    if context is not None:
        monkeypatch.setattr(context, "_current", context(secrets=SECRETS))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A playbook's folder, with an inventory in a folder of its own."""
    groups = {
        "web": {"hosts": {"web1": {"a": "web1"}, "web2": None}, "vars": {"b": "web"}},
        "db": {"hosts": {"db1": None}},
        "site": {"children": {"web": None, "db": None}, "vars": {"a": "site", "b": "site", "c": "site"}},
    }
    write(tmp_path / "conf" / "hosts.yml", {"all": {"children": groups, "hosts": {"alone": {}}}})
    return tmp_path


def play(folder: Path) -> Play:
    return Play(folder, str(folder / "conf" / "hosts.yml"))


# --- hosts and groups -----


def test_hosts_groups_and_their_variables(folder: Path) -> None:
    content = play(folder).current()["all"]
    assert set(content["hosts"]) == {"alone"}
    assert set(content["children"]) == {"web", "db", "site", "ungrouped"}
    assert content["children"]["web"] == {
        "hosts": {"web1": {"a": "web1"}, "web2": {}},
        "children": {},
        "vars": {"b": "web"},
    }
    site = content["children"]["site"]
    assert site == {
        "hosts": {},
        "children": {"web": {}, "db": {}},
        "vars": {"a": "site", "b": "site", "c": "site"},
    }


def test_each_host_is_the_same_in_the_pod(folder: Path) -> None:
    known = assert_same(folder, play(folder))
    assert known["web1"] == {"a": "web1", "b": "web", "c": "site", "group_names": "['site', 'web']"}


def test_the_limit_of_the_play_and_its_patterns_take_no_host_away(folder: Path) -> None:
    limited = play(folder)
    limited.inventory.subset("web1")
    assert [str(host) for host in limited.inventory.get_hosts("site")] == ["web1"]
    assert limited.current() == play(folder).current()
    pod = in_pod(folder, limited.current()).inventory
    for pattern in ("all", "site:!web", "web[0]", "~db.*", "site:&web", "ungrouped"):
        assert pod.get_hosts(pattern)
        names = [str(host) for host in pod.get_hosts(pattern)]
        assert names == [str(host) for host in play(folder).inventory.get_hosts(pattern)]


@pytest.mark.parametrize("pattern", ["all", "web", "db:web"])
def test_order_of_hosts_stays(folder: Path, pattern: str) -> None:
    groups = {"web": ("z1", "a", "m1"), "db": ("y", "b1", "m1"), "all": ("k", "c1")}
    hosts = {name: {"hosts": dict.fromkeys(names, None)} for name, names in groups.items()}
    write(folder / "conf" / "hosts.yml", hosts)
    before, after = play(folder).inventory, in_pod(folder, play(folder).current()).inventory
    names = [str(host) for host in before.get_hosts(pattern)]
    assert len(names) > 2
    assert [str(host) for host in after.get_hosts(pattern)] == names


SHAPES = {
    "groups-of-groups": {
        "z": {"children": {"y": None, "x": {"hosts": {"h3": None}}}, "hosts": {"h9": None}},
        "y": {"hosts": {"h7": None, "h1": None}},
        "all": {"hosts": {"h8": None, "h1": None, "h0": None}},
        "a": {"children": {"x": None}, "hosts": {"h5": None}},
    },
    "diamond": {
        "top": {"children": {"left": {"children": {"foot": None}}, "right": {"children": {"foot": None}}}},
        "foot": {"hosts": {"h1": None}},
    },
}


@pytest.mark.parametrize("shape", SHAPES)
def test_groups_of_groups_stay(folder: Path, shape: str) -> None:
    write(folder / "conf" / "hosts.yml", SHAPES[shape])
    before, after = play(folder).inventory, in_pod(folder, play(folder).current()).inventory
    assert set(after.groups) == set(before.groups)
    for name, group in before.groups.items():
        again = after.groups[name]
        assert sorted(map(str, again.get_hosts())) == sorted(map(str, group.get_hosts()))
        assert [str(child) for child in again.child_groups] == [str(child) for child in group.child_groups]
        assert again.depth == group.depth


def test_hosts_that_the_play_added_come_along(folder: Path) -> None:
    grown = play(folder)
    grown.inventory.add_host("new", group="web", port=2222)
    grown.inventory.get_host("new").set_variable("b", "new")
    known = assert_same(folder, grown)
    assert known["new"]["b"] == "new"
    assert known["new"]["ansible_port"] == "2222"


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("a,b,", id="comma-list"),
        pytest.param("[2001:db8::1]:2222,10.0.0.1,host-with-port:22", id="addresses"),
    ],
)
def test_inventory_without_a_file(folder: Path, source: str) -> None:
    assert len(assert_same(folder, Play(folder, source))) > 1


def test_several_sources_of_any_kind_become_one(folder: Path) -> None:
    write(folder / "other" / "hosts.ini", "[web]\nweb9 port=9 flag=yes list='[1, 2]'\n[web:vars]\nb=ini\n")
    write(folder / "other" / "group_vars" / "db.yml", {"c": "other"})
    script = folder / "script"
    write(script, '#!/bin/sh\necho \'{"db": {"hosts": ["db9"], "vars": {"d": 4}}}\'\n')
    script.chmod(0o755)
    sources = (str(folder / "conf" / "hosts.yml"), str(folder / "other" / "hosts.ini"), str(script))
    known = assert_same(folder, Play(folder, *sources))
    assert known["web9"]["b"] == "ini"
    assert known["db9"]["d"] == "4"


# --- whose value it is -----

PLACES = {
    "file, all": ("conf/hosts.yml", "all"),
    "file, group": ("conf/hosts.yml", "group"),
    "inventory, all": ("conf/group_vars/all.yml", ""),
    "inventory, parent": ("conf/group_vars/site.yml", ""),
    "inventory, group": ("conf/group_vars/web.yml", ""),
    "playbook, all": ("group_vars/all.yml", ""),
    "playbook, parent": ("group_vars/site.yml", ""),
    "playbook, group": ("group_vars/web/vars.yml", ""),
    "inventory, host": ("conf/host_vars/web1.yml", ""),
    "playbook, host": ("host_vars/web1/vars.yml", ""),
}


@pytest.mark.parametrize("second", PLACES)
@pytest.mark.parametrize("first", PLACES)
def test_any_two_places_give_the_value_that_they_give_the_play(folder: Path, first: str, second: str) -> None:
    hosts = yaml.safe_load((folder / "conf" / "hosts.yml").read_text())
    for place in sorted({first, second}):
        file, part = PLACES[place]
        if part == "all":
            hosts["all"]["vars"] = {"v": place}
        elif part:
            hosts["all"]["children"]["web"]["vars"]["v"] = place
        else:
            write(folder / file, {"v": place})
    write(folder / "conf" / "hosts.yml", hosts)
    known = assert_same(folder, play(folder))
    assert known["web1"]["v"] in (first, second)


def test_groups_of_one_depth_rank_by_priority(folder: Path) -> None:
    groups = {
        "a": {"hosts": {"h": None}, "vars": {"v": "a", "ansible_group_priority": 10}},
        "b": {"hosts": {"h": None}, "vars": {"v": "b", "ansible_group_priority": 2}},
        "c": {"hosts": {"h": None}, "vars": {"v": "c"}},
    }
    write(folder / "conf" / "hosts.yml", groups)
    assert assert_same(folder, play(folder))["h"]["v"] == "a"


def test_precedence_may_be_another(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order = ["all_plugins_play", "groups_plugins_play", "all_inventory", "groups_inventory"]
    monkeypatch.setattr(constants, "VARIABLE_PRECEDENCE", order)
    write(folder / "group_vars" / "web.yml", {"b": "group_vars", "only": "play"})
    write(folder / "conf" / "group_vars" / "web.yml", {"unread": "here"})
    current = play(folder)
    known, content = current.known(), current.current()
    monkeypatch.undo()
    assert known["web2"]["b"] == "web"
    pod = in_pod(folder, content).known()
    assert {name: pod["web2"][name] for name in known["web2"]} == known["web2"]


def test_merged_mappings_stay_merged(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "DEFAULT_HASH_BEHAVIOUR", "merge")
    write(folder / "group_vars" / "all.yml", {"m": {"all": 1, "who": "all"}})
    write(folder / "group_vars" / "web.yml", {"m": {"web": 1, "who": "web"}})
    write(folder / "host_vars" / "web1.yml", {"m": {"web1": 1, "who": "web1"}})
    current = play(folder)
    known, content = current.known(), current.current()
    monkeypatch.undo()
    assert known["web1"]["m"] == "{'all': 1, 'who': 'web1', 'web': 1, 'web1': 1}"
    assert in_pod(folder, content).known() == known


# --- what values are -----


def test_nothing_that_ansible_knows_itself_is_sent(folder: Path) -> None:
    running = play(folder)
    running.manager.set_host_facts("web1", {"ansible_os_family": "Debian"})
    running.manager.set_nonpersistent_facts("web1", {"registered": {"stdout": "x"}})
    running.manager.set_host_variable("web1", "set", "x")
    running.manager._extra_vars = {"extra": "x"}
    sent = json.dumps(running.current())
    for name in ("ansible_os_family", "registered", '"set"', "extra", *sorted(MAGIC - {"groups"})):
        assert name not in sent
    assert str(folder) not in sent


def test_templates_stay_templates_and_data_stays_data(folder: Path) -> None:
    hosts = """
        all:
          hosts:
            web1:
              name: me
              template: "{{ name }}"
              data: !unsafe "{{ name }}"
              inner: [!unsafe "{% if %}", "{{ name }}", {a: !unsafe "{# b #}"}]
              braces: !unsafe "{ plain }"
        """
    write(folder / "conf" / "hosts.yml", hosts)
    known = assert_same(folder, play(folder))
    assert known["web1"]["template"] == "me"
    assert known["web1"]["data"] == "{{ name }}"
    assert known["web1"]["inner"] == "['{% if %}', 'me', {'a': '{# b #}'}]"
    sent = play(folder).current()["all"]["hosts"]["web1"]
    assert sent["template"] == "{{ name }}"
    assert sent["braces"] == "{ plain }"


def test_values_become_what_json_knows(folder: Path) -> None:
    hosts = """
        all:
          hosts:
            web1: {date: 2026-01-02, moment: 2026-01-02 03:04:05, none: null, yes: true, number: 7, half: 0.5,
                   list: [1, [2]], map: {1: {a: b}}, text: "7", long: 123456789012345678901234567890}
        """
    write(folder / "conf" / "hosts.yml", hosts)
    sent = json.loads(json.dumps(play(folder).current()))["all"]["hosts"]["web1"]
    assert sent["date"] == "2026-01-02"
    assert sent["moment"] == "2026-01-02 03:04:05"
    assert (sent["none"], sent["number"], sent["half"], sent["text"]) == (None, 7, 0.5, "7")
    assert sent["list"] == [1, [2]]
    assert sent["map"] == {"1": {"a": "b"}}
    assert sent["long"] == 123456789012345678901234567890


def vaulted(text: str, password: str = "password") -> str:  # noqa: S107 - of a test's vault
    sealed = VaultLib().encrypt(text, VaultSecret(password.encode()), vault_id="default").decode()
    return "!vault |\n" + "".join(f"  {line}\n" for line in sealed.splitlines())


def test_vaulted_values_are_decrypted(folder: Path) -> None:
    write(folder / "host_vars" / "web1.yml", f"secret: {vaulted('s3cret')}")
    write(folder / "host_vars" / "web2.yml", f"locked: {vaulted('{{ 6 * 7 }}')}")
    sealed = VaultLib().encrypt("whole: file", SECRETS[0][1], vault_id="default").decode()
    write(folder / "group_vars" / "db.yml", sealed)
    groups = play(folder).current()["all"]["children"]
    assert "s3cret" in groups["web"]["hosts"]["web1"].values()
    assert groups["db"]["vars"]["whole"] == "file"
    assert assert_same(folder, play(folder))["web2"]["locked"] == "{{ 6 * 7 }}"


def test_value_that_can_t_be_decrypted_is_told(folder: Path) -> None:
    write(folder / "host_vars" / "web1.yml", f"secret: {vaulted('s3cret', 'another')}")
    with pytest.raises(Failure, match="variable secret of host web1 can't be read: .*[Dd]ecrypt") as caught:
        play(folder).current()
    assert caught.value.reason == "InventoryInvalid"


def test_empty_inventory_is_one_without_hosts(folder: Path) -> None:
    content = Play(folder).current()
    assert content["all"]["hosts"] == {}
    assert list(in_pod(folder, content).inventory.hosts) == []


def test_many_hosts_are_read_once_per_set_of_groups(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder / "conf" / "hosts.yml", {"web": {"hosts": {f"h{n}": None for n in range(500)}}})
    reads: list[Any] = []

    def counted(loader: Any, path: Any, entities: Any, stage: Any) -> Any:
        reads.append(entities)
        return get_vars_from_path(loader, path, entities, stage)

    monkeypatch.setattr(f"{current_inventory.__module__}.get_vars_from_path", counted)
    play(folder).current()
    assert 500 <= len(reads) < 520


def test_mapping_of_a_task_is_data(folder: Path) -> None:
    evil = "{{ lookup('ansible.builtin.pipe', 'touch /tmp/evil') }}"
    given = {
        "all": {
            "vars": {"a": evil, "plain": "x"},
            "hosts": {"one": {"b": [evil, {"c": f"x {evil}"}], "number": 1}, "two": None},
            "children": {"web": {"children": {"deep": {"vars": {"d": "{% raw %}"}, "hosts": {"one": {}}}}}},
        }
    }
    known = in_pod(folder, inventory_as_data(given)).known()
    assert known["one"]["a"] == known["two"]["a"] == evil
    assert known["one"]["b"] == str([evil, {"c": f"x {evil}"}])
    assert (known["one"]["d"], known["one"]["number"], known["two"]["plain"]) == ("{% raw %}", "1", "x")


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"all": "{{ hosts }}"}, id="group"),
        pytest.param({"all": {"hosts": "{{ hosts }}"}}, id="hosts"),
        pytest.param({"all": {"vars": ["{{ x }}"]}}, id="vars"),
    ],
)
def test_mapping_of_a_task_that_is_no_inventory_is_still_refused(folder: Path, given: dict[str, Any]) -> None:
    with pytest.raises(Failure, match="must be a"):
        read_inventory(inventory_as_data(given), folder)
