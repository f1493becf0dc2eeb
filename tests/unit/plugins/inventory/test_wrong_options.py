# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong values of every option of the inventory plugins, and what is said of each."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobStore
from ansible_collections.jobpods.controller.plugins.module_utils.controller.objects import Wanted
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.ansible_files import (
    environment,
)

DEADLINE = 120
HINT = " Correct the option that the message names."
NO_MAPPING = "must be a mapping, but it is"
ANY_TEXT = {
    "cache_prefix": "any text is a prefix",
    "plugin": "by another name, another plugin would be asked",
    "secret_key_file": "test_wrong_values.py has what is said of the store's files",
}
"""Options that are not in the list, and why."""
STORED: list[tuple[dict[str, Any], str]] = [
    ({"inventory": None}, "inventory is missing."),
    ({"inventory": "nope"}, f"inventory: there is no inventory 'nope' (there are: hosts).{HINT}"),
    ({"inventory": ""}, f"inventory is empty; give the name of one inventory (there are: hosts).{HINT}"),
    ({"inventory": ["a"]}, "inventory must be text, but it is a list."),
    ({"organization": "nope"}, f"organization: there is no organization 'nope'; none is stored.{HINT}"),
    (
        {"organisation": "a"},
        "jobpods.controller.stored has no option organisation; did you mean organization?",
    ),
    ({"database_url": ["a"]}, "database_url must be text, but it is a list."),
    ({"data_dir": True}, "data_dir must be text, but it is true; put it in quotes if that is the text."),
    ({"strict": "maybe"}, "strict is 'maybe'; it must be true or false."),
    ({"compose": "text"}, f"compose {NO_MAPPING} text."),
    ({"groups": ["a"]}, f"groups {NO_MAPPING} a list."),
    ({"keyed_groups": "text"}, f"keyed_groups[0] {NO_MAPPING} text."),
    ({"leading_separator": "maybe"}, "leading_separator is 'maybe'; it must be true or false."),
    ({"use_extra_vars": "maybe"}, "use_extra_vars is 'maybe'; it must be true or false."),
    ({"cache": "maybe"}, "cache is 'maybe'; it must be true or false."),
    ({"cache_plugin": ["a"]}, "cache_plugin must be text, but it is a list."),
    ({"cache_connection": ["a"]}, "cache_connection must be text, but it is a list."),
    ({"cache_timeout": "1h"}, "cache_timeout is '1h'; it must be a whole number."),
]
JOB_PODS: list[tuple[dict[str, Any], str]] = [
    ({"container_groups": {"a": 1}}, "container_groups must be a list, but it is a mapping."),
    ({"container_groups": [["a"]]}, "container_groups[0] must be text, but it is a list."),
    ({"namespaces": {"a": 1}}, "namespaces must be a list, but it is a mapping."),
    ({"statuses": ["done"]}, "statuses[0] is 'done'; it must be waiting or running."),
    ({"statuses": "running,done"}, "statuses[1] is 'done'; it must be waiting or running."),
    ({"job_ids": ["x"]}, "job_ids[0] is 'x'; it must be a whole number."),
    ({"job_id": [1]}, "jobpods.controller.job_pods has no option job_id; did you mean job_ids?"),
]
CASES = {"stored": STORED, "job_pods": JOB_PODS}
ASK = """
import json, sys
from pathlib import Path
from ansible import constants
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader, inventory_loader
init_plugin_loader()
said = []
for number, given in enumerate(json.load(sys.stdin)):
    path = Path(f"{number}.jobpods.yml").absolute()
    path.write_text(json.dumps(given))
    plugin = inventory_loader.get(given["plugin"])
    try:
        plugin.parse(InventoryData(), DataLoader(), str(path), cache=False)
        said.append("accepted")
    except Exception as exc:
        said.append(str(exc))
options = sorted(constants.config.get_configuration_definitions("inventory", plugin._load_name))
print(json.dumps([said, options]))
"""
"""Has a plugin read each of several configurations; tells what it says, and its options."""


@pytest.mark.parametrize("name", CASES)
def test_wrong_values_are_told(name: str, store: JobStore, tmp_path: Path) -> None:
    store.objects.save("inventory", Wanted("hosts", {"content": {"all": {"hosts": {"a": None}}}}))
    base = {"plugin": f"jobpods.controller.{name}", "data_dir": str(tmp_path / "store")}
    if name == "stored":
        base["inventory"] = "hosts"
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        env=environment(tmp_path),
        cwd=tmp_path,
        input=json.dumps([base, *({**base, **given} for given, _words in CASES[name])]),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said, options = json.loads(done.stdout)
    assert said == ["accepted", *(words for _given, words in CASES[name])]
    tried = {option for cases in CASES.values() for given, _words in cases for option in given}
    assert set(options) - tried - ANY_TEXT.keys() == set()
