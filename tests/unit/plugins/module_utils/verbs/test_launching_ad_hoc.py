# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An ad hoc command runs one module, in the groups of its inventory or of that one's organization."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.arguments import validated
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.definition_given import read_ad_hoc
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.pipes import shown, texts
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.stock import (
    RUNNER,
    Stock,
    no_waits,
    scripted_runner,
)

TOLD = """
told = [arguments.get(name, '') for name in ('module', 'host_pattern', 'cmdline')]
event(3, 'verbose', json.dumps(told))
"""
SCRIPT = RUNNER.replace("say(eof=True)\n", f"{TOLD}say(eof=True)\n")


@pytest.fixture
def stock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stock]:
    no_waits(monkeypatch)
    scripted_runner(tmp_path, monkeypatch, SCRIPT)
    made = Stock(tmp_path)
    for name in ("one", "two", "three"):
        made.add("container_group", name)
    made.add("organization", "first", instance_groups=["two"])
    yield made
    made.store.close()


async def test_module_runs_on_the_hosts_of_an_inventory(stock: Stock) -> None:
    stock.add("credential", "key", credential_type="machine", inputs={"username": "ann"})
    number = stock.add("inventory", "hosts", content={"all": {"hosts": {"a": None, "b": None}}})
    result, messages = await stock.ask(
        "ad_hoc_command",
        module_name="ping",
        module_args="data=x",
        inventory="hosts",
        limit="a",
        credential="key",
        cancel_grace=1,
    )
    job = result["job"]
    assert (job["type"], job["name"], job["status"]) == ("ad_hoc_command", "ping", "successful")
    assert (job["inventory"], job["project"], job["job_template"]) == (number, None, None)
    output = shown(messages)
    assert output[0] == "PLAY on a b"
    assert output[-1].startswith('["ping", "all", "')
    for option in ("--limit=a", "--args=data=x", "--user=ann"):
        assert option in output[-1]
    assert [step for step in texts(messages, "step") if step.startswith("no pod is used: ")]


def groups(stock: Stock, **given: Any) -> list[str]:
    """The names of the groups that a command may run in."""
    params = validated("ad_hoc_command", {"module_name": "ping", **given})
    definition = read_ad_hoc(params, stock.objects, stock.folder)
    return [stock.objects.by_id("container_group", number).name for number in definition.groups]


@pytest.mark.parametrize(
    ("inventory", "given", "expected"),
    [
        pytest.param({}, {}, ["controlplane"], id="none"),
        pytest.param({"organization": "first"}, {}, ["two"], id="organization's"),
        pytest.param({"instance_groups": ["one"]}, {}, ["one"], id="inventory's"),
        pytest.param({"instance_groups": ["one"], "organization": "first"}, {}, ["one", "two"], id="both"),
        pytest.param(
            {"instance_groups": ["one"], "organization": "first", "prevent_instance_group_fallback": True},
            {},
            ["one"],
            id="fenced",
        ),
        pytest.param(
            {"instance_groups": ["one"]}, {"container_group": "three"}, ["three"], id="one is given"
        ),
        pytest.param(
            {"instance_groups": ["one"]},
            {"instance_groups": ["three", "one"]},
            ["three", "one"],
            id="several",
        ),
        pytest.param({}, {"organization": "first"}, ["two"], id="organization is given"),
        pytest.param({"instance_groups": ["one"]}, {"container_group": {"namespace": "x"}}, [], id="inline"),
    ],
)
def test_groups_are_the_inventory_s_and_its_organization_s(
    stock: Stock, inventory: dict[str, Any], given: dict[str, Any], expected: list[str]
) -> None:
    stock.add("inventory", "hosts", **inventory)
    assert groups(stock, inventory="hosts", **given) == expected


def test_inventory_that_is_written_out_has_no_groups(stock: Stock) -> None:
    assert groups(stock, inventory="a,") == []
    assert groups(stock, inventory="a,", organization="first") == ["two"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        pytest.param({"inventory": "gone"}, "inventory 'gone' is neither a path", id="inventory"),
        pytest.param({"credential": "gone"}, "^credential: there is no credential 'gone'", id="credential"),
        pytest.param(
            {"credential": {"credential_type": "source_control", "inputs": {}}},
            "^credential.credential_type is 'source_control'",
            id="type of the credential",
        ),
        pytest.param({"module_name": "command"}, "^module_args is missing: the module command", id="command"),
        pytest.param({"module_name": "ansible.builtin.shell", "module_args": " "}, "^module_a", id="shell"),
        pytest.param({"organization": "gone"}, "there is no organization 'gone'", id="organization"),
        pytest.param({"inventory": "a,"}, "There is no connection to a cluster", id="no cluster"),
        pytest.param({"forks": 5000}, "forks is 5000; it must be from 0 to 1000", id="forks"),
    ],
)
async def test_what_can_t_be_is_refused_before_there_is_a_job(
    stock: Stock, given: dict[str, Any], words: str
) -> None:
    stock.add("inventory", "hosts")
    with pytest.raises(Failure, match=words):
        await stock.ask("ad_hoc_command", **{"module_name": "ping", "inventory": "hosts", **given})
    assert stock.all_jobs() == []


async def test_failed_command_is_a_failed_job(stock: Stock) -> None:
    stock.add("inventory", "hosts", content={"all": {"hosts": {"a": None}}})
    given = {"module_name": "ping", "inventory": "hosts", "extra_vars": {"fail": True}}
    result, _messages = await stock.ask("ad_hoc_command", **given)
    assert (result["failed"], result["job"]["status"]) == (True, "failed")
    again, _messages = await stock.ask("job_relaunch", job_id=result["job"]["id"], hosts="failed")
    assert (again["job"]["type"], again["job"]["launch_type"]) == ("ad_hoc_command", "relaunch")
    assert stock.asked(again["job"]["id"])["limit"] == "a"


async def test_sources_of_the_inventory_are_not_updated_before_a_command(stock: Stock) -> None:
    stock.add("inventory", "hosts", content={"all": {"hosts": {"a": None}}})
    stock.add(
        "inventory_source",
        "cloud",
        inventory="hosts",
        source="file",
        source_path=str(stock.folder / "nowhere"),
        update_on_launch=True,
    )
    given = {"module_name": "ping", "inventory": "hosts", "cancel_grace": 1}
    result, _messages = await stock.ask("ad_hoc_command", **given)
    assert result["job"]["status"] == "successful"
    assert [job.type for job in stock.all_jobs()] == ["ad_hoc_command"]
