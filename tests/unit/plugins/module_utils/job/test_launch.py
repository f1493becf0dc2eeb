# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A launch is read whole before anything starts, and what is wrong is told by the name of its option."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.jobpods.controller.plugins.module_utils import failures
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.connection import resolve_connection
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.credentials import (
    MachineCredential,
    VaultCredential,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.launch import (
    InventorySource,
    Launch,
    read_inventory,
    read_launch,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.limits import OutputLimits
from ansible_collections.jobpods.controller.plugins.module_utils.pod.registry import Registry
from ansible_collections.jobpods.controller.plugins.module_utils.pod.spec import (
    DEFAULT_IMAGE,
    ExecutionEnvironment,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.arguments import validated
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.request import Request
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.launching import launched

DEADLINE = 60


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A playbook's folder with a project."""
    (tmp_path / "project" / "plays").mkdir(parents=True)
    (tmp_path / "project" / "site.yml").touch()
    (tmp_path / "project" / "other.yaml").touch()
    (tmp_path / "project" / "readme").touch()
    (tmp_path / "project" / "plays" / "web.yml").touch()
    (tmp_path / "hosts").touch()
    return tmp_path


def refused(folder: Path, **params: Any) -> Failure:
    with pytest.raises(Failure) as caught:
        launched(folder, **params)
    assert caught.value.status == "error"
    assert caught.value.phase == "preparing"
    return caught.value


# --- what is read -----


def test_defaults_are_the_documented_ones(folder: Path) -> None:
    launch = launched(folder)
    group = launch.group
    assert (launch.name, launch.playbook, launch.namespace) == ("site.yml", "site.yml", "default")
    assert launch.project == str(folder / "project")
    assert (launch.forks, launch.verbosity, launch.timeout, launch.cancel_grace) == (0, 0, 0, 5)
    assert (launch.check, launch.diff, launch.become_enabled, launch.wait) == (False, False, False, True)
    assert not launch.retry_on_node_loss
    assert (launch.limit, launch.tags, launch.skip_tags, launch.start_at_task) == ("", (), (), "")
    assert (launch.extra_vars, launch.credentials.vaults) == ({}, ())
    assert launch.credentials.machine == MachineCredential()
    assert launch.controller_lost_timeout == 600
    assert launch.output_limits == OutputLimits(10_000_000, 32 << 20, 16 << 30)
    assert (launch.keep_pod, launch.keep_pod_ttl) == ("never", 3600)
    assert (group.pod_pending_timeout, group.image_pull_timeout, group.cluster_outage_timeout) == (
        7200,
        120,
        300,
    )
    assert (group.pod_spec_override, group.execution_environment) == ({}, None)
    assert set(group.connection.values()) == {None}


def test_pod_waits_longer_for_its_controller_where_nobody_waits(folder: Path) -> None:
    assert launched(folder, wait=False).controller_lost_timeout == 3600
    assert launched(folder, wait=False, controller_lost_timeout=301).controller_lost_timeout == 301


def test_warm_pods_are_for_who_asks(folder: Path) -> None:
    assert launched(folder).group.warm is None
    assert launched(folder, container_group={"warm_pod_ttl": 60}).group.warm is None
    asked = launched(folder, container_group={"warm_pods": 3}).group.warm
    assert asked is not None
    assert (asked.count, asked.ttl, asked.group) == (3, 600, "")
    environment = {"image": "of-the-job"}
    other = launched(folder, container_group={"warm_pods": 3}, execution_environment=environment)
    assert other.group.warm == asked


@pytest.mark.parametrize("option", ["pod_pending_timeout", "image_pull_timeout", "cluster_outage_timeout"])
def test_limits_of_the_job_win_over_the_group_s(folder: Path, option: str) -> None:
    def limit(**params: Any) -> int:
        return int(getattr(launched(folder, **params).group, option))

    assert limit(container_group={option: 7}) == 7
    assert limit(container_group={option: 7}, **{option: 9}) == 9
    assert limit(**{option: 9}) == 9
    assert limit(**{option: 9}, container_group={}) == 9


def test_image_of_the_job_wins_over_the_group_s(folder: Path) -> None:
    group = {"execution_environment": {"image": "theirs", "pull": "never"}}
    assert launched(folder, container_group=group).group.execution_environment == ExecutionEnvironment(
        "theirs", "never"
    )
    ours = launched(folder, container_group=group, execution_environment={"image": " ours "})
    assert ours.group.execution_environment == ExecutionEnvironment("ours", None)
    assert ours.group.image == "ours"
    assert launched(folder).group.image == DEFAULT_IMAGE


def test_login_of_the_image_s_registry_is_kept_and_not_shown(folder: Path) -> None:
    inputs = {"host": "quay.io", "username": "me", "password": "s3cret"}
    environment = {"image": "quay.io/a", "pull": None, "credential": inputs}  # of which the name is resolved
    params = {**BARE, "wait": True, "execution_environment": environment}
    launch = read_launch(params, folder, check=False, diff=False)
    assert launch.group.execution_environment == ExecutionEnvironment(
        "quay.io/a", None, Registry("quay.io", "me", "s3cret")
    )
    assert Launch.from_stored(json.loads(json.dumps(launch.to_stored()))) == launch
    assert "s3cret" not in repr(launch)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        pytest.param("Deploy", "Deploy", id="plain"),
        pytest.param("a\x1b[31m\n\tb\x1b]0;title\x07\x9bc", "a bc", id="escape sequences and line breaks"),
        pytest.param("x" * 600, "x" * 511 + "…", id="long"),
        pytest.param(" \x1b[0m\n", "site.yml", id="nothing left"),
    ],
)
def test_name_is_one_line_that_a_terminal_only_shows(folder: Path, given: str, name: str) -> None:
    assert launched(folder, name=given).name == name


@pytest.mark.parametrize(
    ("group", "namespace"),
    [
        pytest.param({}, "default", id="none"),
        pytest.param({"pod_spec_override": {"metadata": {"namespace": "b"}}}, "b", id="override"),
        pytest.param({"pod_spec_override": '{"metadata": {"namespace": "b"}}'}, "b", id="override-as-text"),
        pytest.param(
            {"namespace": "a", "pod_spec_override": {"metadata": {"namespace": "b"}}}, "a", id="both"
        ),
        pytest.param({"namespace": "", "pod_spec_override": {"metadata": {}}}, "default", id="empty"),
        pytest.param({"namespace": "a" * 63}, "a" * 63, id="longest"),
    ],
)
def test_namespace_is_the_group_s_then_the_override_s(
    folder: Path, group: dict[str, Any], namespace: str
) -> None:
    assert launched(folder, container_group=group).namespace == namespace


def test_aliases_are_the_same_options(folder: Path) -> None:
    group = {"host": "https://k8s.test", "validate_certs": False, "ca_cert": "ca.pem"}
    launch = launched(folder, container_group=group, job_tags="a, b ,")
    assert launch.tags == ("a", "b")
    assert launched(folder, tags=["a", "b, c"], skip_tags=["d,"]).tags == ("a", "b", "c")
    assert launch.group.connection["verify_ssl"] is False
    assert launch.group.connection["ssl_ca_cert"] == "ca.pem"


def test_check_and_diff_mode_come_from_the_play_or_the_job(folder: Path) -> None:
    assert launched(folder, check=True, diff=True, job_type="run", diff_mode=False).check
    assert launched(folder, check=True, diff=True).diff
    assert launched(folder, job_type="check").check
    assert launched(folder, diff_mode=True).diff


def test_paths_start_at_the_playbook_s_folder_or_at_home(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    monkeypatch.setenv("HOME", str(folder))
    assert launched(folder, inventory="./hosts").inventory.path == str(folder / "hosts")
    elsewhere = launched(Path("/"), project="~/project", inventory="~/hosts")
    assert elsewhere.project == str(folder / "project")
    assert elsewhere.inventory == InventorySource("file", str(folder / "hosts"))


def test_playbook_may_lie_in_a_folder_or_be_a_link_within_the_project(folder: Path) -> None:
    (folder / "project" / "link.yml").symlink_to("plays/web.yml")
    assert launched(folder, playbook="plays//./web.yml").playbook == "plays/web.yml"
    assert launched(folder, playbook="link.yml").playbook == "link.yml"


def test_null_is_not_given() -> None:
    bare = {"project": "p", "playbook": "site.yml", "inventory": "a,"}
    nulls = {"forks": None, "verbosity": None, "name": None, "container_group": None, "tags": None}
    assert validated("container_group_job", {**bare, **nulls}) == validated("container_group_job", bare)


# --- what is refused: by the argument spec -----

BARE = {"project": "project", "playbook": "site.yml", "inventory": "localhost,"}


@pytest.mark.parametrize(
    ("params", "words"),
    [
        pytest.param({"forks": "many"}, "forks is 'many'; it must be a whole number", id="forks"),
        pytest.param({"timeout": "1h"}, "timeout is '1h'; it must be a whole number", id="timeout"),
        pytest.param({"cancel_grace": 1.5}, "cancel_grace is 1.5; it must be a whole", id="cancel-grace"),
        pytest.param(
            {"max_event_size": "much"}, "max_event_size is 'much'; it must be a size like", id="size"
        ),
        pytest.param(
            {"max_output_size": True},
            "max_output_size is true; it must be a size like 64M",
            id="size-as-bool",
        ),
        pytest.param({"wait": "later"}, "wait is 'later'; it must be true or false", id="wait"),
        pytest.param({"diff_mode": []}, "diff_mode must be true or false, but it is a list", id="diff-mode"),
        pytest.param({"become_enabled": "x"}, "become_enabled is 'x'; it must be true or", id="become"),
        pytest.param({"verbosity": 6}, "verbosity is 6; it must be 0, 1, 2, 3, 4 or 5", id="verbosity"),
        pytest.param({"job_type": "dry"}, "job_type is 'dry'; it must be run or check", id="job-type"),
        pytest.param({"extra_vars": [1]}, "extra_vars must be a mapping, but it is a list", id="extra-vars"),
        pytest.param({"tags": {"a": 1}}, "tags must be a list, but it is a mapping", id="tags"),
        pytest.param({"playbook": ["site.yml"]}, "playbook must be text, but it is a list", id="playbook"),
        pytest.param({"name": True}, "name must be text, but it is true", id="name"),
        pytest.param({"forks": False}, "forks is false; it must be a whole number", id="forks-as-bool"),
        pytest.param(
            {"tags": [{"a": "s3cret"}]}, "tags\\[0\\] must be text, but it is a mapping", id="tag-as-mapping"
        ),
        pytest.param(
            {"container_group": {"namespaces": "a"}},
            "container_group has no option namespaces; did you mean namespace\\?",
            id="unknown-option-of-the-group",
        ),
        pytest.param(
            {"image": "a"}, "container_group_job has no option image; it has .*execution_", id="unknown"
        ),
        pytest.param(
            {"image": "a", "forks": "many"}, "no option image; .*\\. forks is 'many'", id="two-wrong-options"
        ),
        pytest.param(
            {"execution_environment": {"pull": "never"}},
            "execution_environment.image is missing",
            id="no-image",
        ),
        pytest.param(
            {"execution_environment": {"image": "a", "pull": "Always"}},
            "execution_environment.pull is 'Always'; it must be always, missing or never",
            id="pull",
        ),
        pytest.param(
            {"credentials": [{"credential_type": "machine"}]},
            "credentials\\[0\\].inputs is missing",
            id="no-inputs",
        ),
        pytest.param(
            {"credentials": [{"inputs": {}}]},
            "credentials\\[0\\].credential_type is missing",
            id="no-credential-type",
        ),
        pytest.param(
            {"credentials": ["web", {"credential_type": "vault", "inputs": "s3cret"}]},
            "credentials\\[1\\].inputs must be a mapping, but it is text",
            id="inputs-as-text",
        ),
    ],
)
def test_spec_names_the_option(params: dict[str, Any], words: str) -> None:
    with pytest.raises(Failure) as caught:
        validated("container_group_job", {**BARE, **params})
    assert caught.value.reason == "InvalidConfiguration"
    assert re.search(words, caught.value.message), caught.value.message
    assert caught.value.message.endswith((".", "?"))
    assert "s3cret" not in caught.value.message


# --- what is refused: by what it means -----

MONTH = 30 * 24 * 3600


@pytest.mark.parametrize(
    ("params", "message"),
    [
        pytest.param({"forks": -1}, "forks is -1; it must be from 0 to 1000.", id="forks"),
        pytest.param({"forks": 1001}, "forks is 1001; it must be from 0 to 1000.", id="many-forks"),
        pytest.param({"timeout": -1}, f"timeout is -1; it must be from 0 to {MONTH}.", id="timeout"),
        pytest.param({"cancel_grace": 3601}, "cancel_grace is 3601; it must be from 0 to 3600.", id="grace"),
        pytest.param({"max_events": 0}, f"max_events is 0; it must be from 1 to {1 << 30}.", id="events"),
        pytest.param(
            {"max_event_size": "1G"},
            f"max_event_size is {1 << 30}; it must be from 1 to {256 << 20}.",
            id="event-size",
        ),
        pytest.param({"keep_pod_ttl": 0}, f"keep_pod_ttl is 0; it must be from 1 to {MONTH}.", id="ttl"),
        pytest.param(
            {"controller_lost_timeout": MONTH + 1},
            f"controller_lost_timeout is {MONTH + 1}; it must be from 1 to {MONTH}.",
            id="lost",
        ),
        pytest.param(
            {"pod_pending_timeout": 0},
            f"pod_pending_timeout is 0; it must be from 1 to {MONTH}.",
            id="pending",
        ),
        pytest.param(
            {"container_group": {"image_pull_timeout": 0}},
            f"image_pull_timeout is 0; it must be from 1 to {MONTH}.",
            id="pull-of-the-group",
        ),
        pytest.param(
            {"container_group": {"warm_pods": -1}},
            "warm_pods is -1; it must be from 0 to 1000.",
            id="warm pods",
        ),
        pytest.param(
            {"container_group": {"warm_pod_ttl": 9}},
            f"warm_pod_ttl is 9; it must be from 10 to {MONTH}.",
            id="warm pods for too short a time",
        ),
        pytest.param(
            {"cluster_outage_timeout": -5},
            f"cluster_outage_timeout is -5; it must be from 1 to {MONTH}.",
            id="outage",
        ),
        pytest.param(
            {"controller_lost_timeout": 300},
            "controller_lost_timeout (300 s) must be longer than cluster_outage_timeout (300 s), else a pod"
            " would give up while its controller still connects.",
            id="lost-before-the-outage-ends",
        ),
        pytest.param(
            {"container_group": {"cluster_outage_timeout": 600}},
            "controller_lost_timeout (600 s) must be longer than cluster_outage_timeout (600 s), else a pod"
            " would give up while its controller still connects.",
            id="outage-of-the-group-too-long",
        ),
        pytest.param(
            {"execution_environment": {"image": "two words"}},
            "execution_environment.image is 'two words'; give a reference like quay.io/org/image:tag.",
            id="image",
        ),
        pytest.param(
            {"container_group": {"execution_environment": {"image": " "}}},
            "execution_environment.image is ' '; give a reference like quay.io/org/image:tag.",
            id="blank-image",
        ),
        pytest.param(
            {"container_group": {"namespace": "Prod_1"}},
            "container_group.namespace is 'Prod_1'; a namespace's name has lower-case letters, digits and -,"
            " at most 63 of them.",
            id="namespace",
        ),
        pytest.param(
            {"container_group": {"namespace": "prod.1"}},
            "container_group.namespace is 'prod.1'; a namespace's name has lower-case letters, digits and -,"
            " at most 63 of them.",
            id="namespace-with-a-dot",
        ),
        pytest.param(
            {"container_group": {"pod_spec_override": {"metadata": {"namespace": "../x"}}}},
            "pod_spec_override: metadata.namespace is '../x'; a namespace's name has lower-case letters,"
            " digits and -, at most 63 of them.",
            id="namespace-of-the-override",
        ),
        pytest.param(
            {"container_group": {"pod_spec_override": "spec: ["}},
            "pod_spec_override is neither YAML nor JSON (line 1, column 8): expected the node content, but"
            " found '<stream end>'.",
            id="override",
        ),
        pytest.param(
            {"container_group": {"pod_spec_override": ["a"]}},
            "pod_spec_override must be a mapping (a Pod), but it is a list",
            id="override-as-list",
        ),
        pytest.param(
            {"container_group": {"pod_spec_override": {"spec": {"containers": None}}}},
            "pod_spec_override removes spec.containers; a job needs its worker container",
            id="override-without-containers",
        ),
        pytest.param(
            {"playbook": "../site.yml"},
            "playbook '../site.yml' must be a path within the project, for example site.yml.",
            id="playbook-outside",
        ),
        pytest.param(
            {"playbook": "plays/../../hosts"},
            "playbook 'plays/../../hosts' must be a path within the project, for example site.yml.",
            id="playbook-outside-by-detour",
        ),
        pytest.param(
            {"playbook": "/etc/hosts"},
            "playbook '/etc/hosts' must be a path within the project, for example site.yml.",
            id="absolute-playbook",
        ),
        pytest.param(
            {"credentials": [{"credential_type": "token", "inputs": {}}]},
            "credentials[0].credential_type is 'token'; a launch takes machine and vault.",
            id="credential-type",
        ),
    ],
)
def test_wrong_value_is_told_with_what_would_be_right(
    folder: Path, params: dict[str, Any], message: str
) -> None:
    failure = refused(folder, **params)
    assert failure.reason == "InvalidConfiguration"
    assert failure.message == message


@pytest.mark.parametrize(
    "playbook", ["sites.yml", "plays", "", "a" * 300], ids=["typo", "folder", "empty", "long"]
)
def test_playbook_that_is_not_there(folder: Path, playbook: str) -> None:
    failure = refused(folder, playbook=playbook)
    assert failure.reason == "PlaybookNotFound"
    there = "It has other.yaml, site.yml."
    assert failure.message == f"playbook {playbook!r} is not in the project {folder / 'project'}. {there}"


def test_playbook_that_the_pod_would_not_have(folder: Path) -> None:
    (folder / "project" / "link.yml").symlink_to("../hosts")
    failure = refused(folder, playbook="link.yml")
    assert failure.reason == "PlaybookNotFound"
    assert failure.message == f"playbook 'link.yml' is a link out of the project {folder / 'project'}."


@pytest.mark.parametrize(
    ("project", "why"),
    [
        pytest.param("projects", "project 'projects' does not exist (looked at {0}/projects).", id="missing"),
        pytest.param("hosts", "project 'hosts' is not a folder (looked at {0}/hosts).", id="file"),
        pytest.param(
            "hosts/a", "project 'hosts/a' can't be read: Not a directory (looked at {0}/hosts/a).", id="in"
        ),
        pytest.param("", "project is empty; give the folder of the playbook.", id="empty"),
        pytest.param(" ", "project is empty; give the folder of the playbook.", id="blank"),
        pytest.param(
            "~nobody-here/a",
            "project '~nobody-here/a' does not exist (looked at {0}/~nobody-here/a).",
            id="no-such-user",
        ),
    ],
)
def test_project_that_is_not_there(folder: Path, project: str, why: str) -> None:
    failure = refused(folder, project=project)
    assert failure.reason == "ProjectNotFound"
    assert failure.message == why.format(folder)


@pytest.mark.parametrize(
    ("locked", "mode"),
    [("project", 0), ("project", 0o400), ("project", 0o100), (".", 0)],
    ids=["itself", "its-files", "its-names", "folder-around"],
)
def test_project_that_this_user_may_not_read(unprivileged: Path, locked: str, mode: int) -> None:
    (unprivileged / "project").mkdir()
    (unprivileged / "project" / "site.yml").touch()
    (unprivileged / locked).chmod(mode)
    failure = refused(unprivileged)
    (unprivileged / locked).chmod(0o700)
    assert failure.reason == "ProjectNotFound"
    assert failure.message.startswith("project 'project' can't be read")
    assert str(unprivileged / "project") in failure.message


# --- the inventory -----

HOSTS = InventorySource("content", content={"all": {"hosts": {"web1": {}, "web2": {}}}})
GROUPS = {"web": {"hosts": {"web1": None}, "vars": {"a": 1}, "children": {"sub": {}}}, "db": None}
CHECKED = {"web": {"hosts": {"web1": {}}, "vars": {"a": 1}, "children": {"sub": {}}}, "db": {}}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param("web1,web2", HOSTS, id="comma-list"),
        pytest.param(" web1 ,, web2,", HOSTS, id="comma-list-with-spaces"),
        pytest.param(["web1", "web2"], HOSTS, id="list"),
        pytest.param(GROUPS, InventorySource("content", content=CHECKED), id="mapping"),
        pytest.param(
            "web[1:3]:22,[::1]",
            InventorySource("content", content={"all": {"hosts": {"web[1:3]:22": {}, "[::1]": {}}}}),
            id="ranges-ports-addresses",
        ),
    ],
)
def test_inventory_without_a_path(tmp_path: Path, given: object, expected: InventorySource) -> None:
    assert read_inventory(given, tmp_path) == expected


@pytest.mark.parametrize("name", ["hosts", "conf", "a b"])
def test_inventory_that_exists_is_a_path_without_any_slash(tmp_path: Path, name: str) -> None:
    (tmp_path / "hosts").touch()
    (tmp_path / "a b").touch()
    (tmp_path / "conf").mkdir()
    kind = "folder" if name == "conf" else "file"
    assert read_inventory(name, tmp_path) == InventorySource(kind, str(tmp_path / name))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param(
            "web1",
            "inventory 'web1' is not a path (looked at {0}/web1); a single host is written with a"
            " comma: 'web1,'.",
            id="single-host",
        ),
        pytest.param("./web", "inventory './web' does not exist (looked at {0}/web).", id="missing"),
        pytest.param(
            "hosts/x",
            "inventory 'hosts/x' can't be read: Not a directory (looked at {0}/hosts/x).",
            id="in-a-file",
        ),
        pytest.param("pipe", "inventory 'pipe' is not a file or folder (looked at {0}/pipe).", id="pipe"),
        pytest.param(" , ,", "inventory ', ,' names no host; give hosts like web1,web2.", id="no-host"),
        pytest.param([], "inventory ',' names no host; give hosts like web1,web2.", id="empty-list"),
        pytest.param(
            "[web]\nweb1 ansible_password=s3cret\n",
            "inventory is a text of several lines; give a path, a mapping (from text with the filter"
            " from_yaml) or a list of hosts like web1,web2.",
            id="ini-text",
        ),
        pytest.param(
            '{"web": {"hosts": {"web1": {"ansible_password": "s3cret"}, "web2": {}}}}',
            "inventory has a comma, so it is a list of hosts, but its item 1 is no host name; give hosts like"
            " web1,web2, a mapping, or a path without a comma.",
            id="json-text",
        ),
        pytest.param(
            "web1,./a",
            "inventory has a comma, so it is a list of hosts, but its item 2 is no host name; give hosts like"
            " web1,web2, a mapping, or a path without a comma.",
            id="path-with-comma",
        ),
        pytest.param(
            {}, "inventory is an empty mapping; give at least one group with hosts.", id="empty-mapping"
        ),
        pytest.param(
            {"web": ["web1"]},
            "inventory.web must be a group, a mapping of hosts, vars and children, but it is a list.",
            id="group-as-list",
        ),
        pytest.param(
            {"web": {"host": {"web1": {}}}},
            "inventory.web has 'host'; a group has hosts, vars and children.",
            id="typo-in-group",
        ),
        pytest.param(
            {"web": {"hosts": ["web1"]}},
            "inventory.web.hosts must be a mapping, but it is a list.",
            id="hosts-as-list",
        ),
        *(
            pytest.param(
                given,
                "inventory must be a path, a mapping, a list of hosts like web1,web2 or current.",
                id=f"no-inventory-{given}",
            )
            for given in ("", "  ", None, 5, True, ["web1", {"a": 1}])
        ),
    ],
)
def test_inventory_that_is_none(tmp_path: Path, given: object, message: str) -> None:
    (tmp_path / "hosts").touch()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Failure) as caught:
        read_inventory(given, tmp_path)
    assert caught.value.reason == "InventoryInvalid"
    assert caught.value.message == message.format(tmp_path)


def test_long_path_is_told_as_any_other(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="can't be read: File name too long") as caught:
        read_inventory("a" * 300, tmp_path)
    assert caught.value.reason == "InventoryInvalid"


# --- connection, store -----


def test_connection_options_go_on_as_they_are_and_are_checked(folder: Path) -> None:
    group = {"kubeconfig": {"clusters": []}, "host": "https://k8s.test", "api_key": "s3cret"}
    connection = launched(folder, container_group=group).group.connection
    assert {name: value for name, value in connection.items() if value is not None} == group
    with pytest.raises(Failure, match="kubeconfig and host exclude each other") as caught:
        resolve_connection(connection, {}, folder)
    assert "s3cret" not in caught.value.message


def test_environment_of_the_task_wins_over_the_process_own(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("K8S_AUTH_HOST", "https://process.test")
    monkeypatch.setenv("K8S_AUTH_API_KEY", "of the process")
    environment = {
        "K8S_AUTH_HOST": "https://task.test",
        "K8S_AUTH_API_KEY": "of-the-task",
        "HOME": str(folder),
    }
    request = Request("container_group_job", {}, str(folder), environment=environment)
    found = resolve_connection(launched(folder).group.connection, request.environ, request.home)
    assert (found.host, found.token) == ("https://task.test", "of-the-task")
    assert found.source == "https://task.test (K8S_AUTH_HOST)"
    assert request.home == folder


def test_stored_launch_is_the_same(folder: Path) -> None:
    launch = launched(
        folder,
        container_group={
            "host": "https://k8s.test",
            "api_key": "s3cret",
            "pod_spec_override": {"spec": {"nodeSelector": {"a": "b"}}},
            "execution_environment": {"image": "a", "pull": "never"},
            "warm_pods": 2,
        },
        inventory=GROUPS,
        extra_vars={"a": {"b": [1, 2.5, None, True, "ü", "s3cret"]}},
        tags=["a"],
        skip_tags=["b"],
        credentials=[
            {"credential_type": "machine", "inputs": {"username": "me", "password": "s3cret"}},
            {"credential_type": "vault", "inputs": {"vault_password": "s3cret", "vault_id": "a"}},
        ],
    )
    again = Launch.from_stored(json.loads(json.dumps(launch.to_stored())))
    assert again == launch
    assert again.credentials.vaults == (VaultCredential("s3cret", "a"),)
    assert Launch.from_stored(json.loads(json.dumps(launched(folder).to_stored()))) == launched(folder)
    assert "s3cret" not in repr(launch)


# --- the task -----

TASKS = """
- hosts: localhost
  gather_facts: false
  module_defaults:
    jobpods.controller.container_group_job:
      project: project
      playbook: site.yml
      inventory: a,
      database_url: "sqlite:///{{ playbook_dir }}/jobs.db"
  vars:
    secret: !vault |
VAULTED
  tasks:
    - jobpods.controller.container_group_job: {fork: 5}
      ignore_errors: true
      register: unknown
    - jobpods.controller.container_group_job: {forks: 5000}
      ignore_errors: true
      register: range
    - jobpods.controller.container_group_job: {forks: null, project: null}
      ignore_errors: true
      register: nothing
    - jobpods.controller.container_group_job: {}
      environment: {K8S_AUTH_HOST: "{{ host }}"}
      vars: {host: "https://127.0.0.1:1"}
      ignore_errors: true
      register: no_key
    - jobpods.controller.container_group_job:
        inventory: current
        extra_vars: {when: 2026-01-02, secret: "{{ secret }}", later: !unsafe "{{ b }}", set: !!set {a, b}}
      environment: {K8S_AUTH_HOST: "https://127.0.0.1:1", K8S_AUTH_API_KEY: "{{ secret }}"}
      ignore_errors: true
      register: away
    - copy: {content: "{{ lookup('vars', item) | to_json }}", dest: "{{ playbook_dir }}/{{ item }}"}
      loop: [unknown, range, nothing, no_key, away]
"""
NAMES = ("unknown", "range", "nothing", "no_key", "away")


def test_tasks_get_the_result_of_a_job_that_was_never_made(folder: Path) -> None:
    sealed = VaultLib().encrypt("s3cret", VaultSecret(b"password"), vault_id="default").decode()
    (folder / "play.yml").write_text(TASKS.replace("VAULTED", textwrap.indent(sealed, " " * 6)))
    (folder / "password").write_text("password")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_COLLECTIONS_PATH": str(Path(failures.__file__).parents[5]),
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        "ANSIBLE_VAULT_PASSWORD_FILE": "password",
    }
    ended = subprocess.run(
        ["ansible-playbook", "-v", "play.yml"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    results = {name: json.loads((folder / name).read_text()) for name in NAMES}
    said = {name: result["msg"] for name, result in results.items()}
    assert said["unknown"].startswith(
        "InvalidConfiguration: container_group_job has no option fork; did you mean"
    )
    assert said["range"].startswith("InvalidConfiguration: forks is 5000; it must be from 0 to 1000.")
    assert said["nothing"].startswith(
        "InvalidConfiguration: project is missing; give it, or the job_template"
    )
    assert said["no_key"].startswith("InvalidConfiguration: K8S_AUTH_HOST is given without K8S_AUTH_API_KEY")
    assert "ConnectionRefused: " in said["away"]
    assert "127.0.0.1" in said["away"]
    assert [result["job"]["id"] for result in results.values()] == [None, None, None, None, 1]
    assert all(result["failed"] and not result["changed"] for result in results.values())
    assert "connection from https://127.0.0.1:1 (K8S_AUTH_HOST)" in ended.stdout
    assert "s3cret" not in ended.stdout + ended.stderr + json.dumps(results)
