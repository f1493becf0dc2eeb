# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of ansible-playbook as those of a launch, and the project that a playbook belongs to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.cli.playbook import PlaybookCLI
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.credentials import VaultCredential
from ansible_collections.jobpods.controller.plugins.plugin_utils.command_line import (
    Passwords,
    check,
    find_playbook,
    launch_options,
    only_looks,
    place_options,
    playbook_here,
    vault_options,
)


def parsed(*arguments: str) -> dict[str, Any]:
    """A command line as Ansible reads it."""
    cli = PlaybookCLI(["ansible-playbook", *arguments, "run.yml"])
    cli.init_parser()
    options: dict[str, Any] = vars(cli.post_process_args(cli.parser.parse_args(cli.args[1:])))
    return options


def machine(**inputs: str) -> dict[str, Any]:
    return {"credentials": [{"credential_type": "machine", "inputs": inputs}]}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param([], {}, id="none"),
        pytest.param(["--tags", "a,b", "-t", "c", "--skip-tags", "d"], {"skip_tags": ["d"]}, id="tags"),
        pytest.param(["-f", "9"], {"forks": 9}, id="forks"),
        pytest.param(["-vvvvvvv"], {"verbosity": 5}, id="more verbose than there is"),
        pytest.param(["-b"], {"become_enabled": True}, id="become"),
        pytest.param(
            ["-u", "deploy", "--become-user", "web", "--become-method", "su"],
            machine(username="deploy", become_method="su", become_username="web"),
            id="users",
        ),
    ],
)
def test_options_of_a_launch(arguments: list[str], expected: dict[str, Any]) -> None:
    options = launch_options(parsed(*arguments), None)
    assert sorted(options.pop("tags", [])) == (["a", "b", "c"] if "--tags" in arguments else [])
    assert options == {"forks": 5, **expected}


def test_limit_and_passwords_are_those_that_ansible_has_read(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("the key\n")
    options = launch_options(
        parsed("--private-key", str(key), "--limit", "@file"), ["web*", "!web2"], Passwords("one", "two")
    )
    assert options == {
        "forks": 5,
        "limit": "web*,!web2",
        **machine(password="one", ssh_key_data="the key\n", become_password="two"),  # noqa: S106
    }


def test_a_key_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Failure, match=r"--private-key .*/no can't be read: No such file or directory\.$"):
        launch_options(parsed("--private-key", str(tmp_path / "no")), None)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["--step"], "--step can't be passed on to a pod: nobody", id="step"),
        pytest.param(["--start-at-task", "x"], "give -e start_at_task=NAME", id="start at task"),
        pytest.param(["-c", "local"], "set ansible_connection", id="connection"),
        pytest.param(["-T", "9"], "set ansible_ssh_timeout", id="timeout"),
        pytest.param(["--ssh-extra-args=-v"], "set ansible_ssh_extra_args", id="ssh"),
        pytest.param(["--force-handlers"], "set force_handlers in the play", id="handlers"),
        pytest.param(["-M", "/modules"], "the project's folder library", id="modules"),
    ],
)
def test_what_a_pod_can_not_follow_is_refused(arguments: list[str], words: str) -> None:
    with pytest.raises(Failure) as refused:
        check(parsed(*arguments))
    assert words in refused.value.message


def test_what_it_can_follow_is_not() -> None:
    check(parsed("--check", "-l", "x", "-b", "-k", "--vault-id", "a@prompt", "--flush-cache"))


@pytest.mark.parametrize("option", ["--syntax-check", "--list-hosts", "--list-tasks", "--list-tags"])
def test_looking_needs_no_pod(option: str) -> None:
    assert only_looks(parsed(option))
    assert not only_looks(parsed("--check"))


def test_of_vault_passwords_each_has_an_id_of_its_own() -> None:
    given = [("x", "default"), ("y", "default"), ("x", "default"), ("z", "prod"), ("w", "default")]
    options = vault_options(VaultCredential(password, name) for password, name in given)
    assert [(each["inputs"]["vault_id"], each["inputs"]["vault_password"]) for each in options] == [
        ("default", "x"),
        ("default-2", "y"),
        ("prod", "z"),
        ("default-3", "w"),
    ]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({}, {}, id="nothing"),
        pytest.param({"pod_namespace": "jobs"}, {"container_group": {"namespace": "jobs"}}, id="namespace"),
        pytest.param(
            {"pod_namespace": "jobs", "container_group": {"context": "lab"}},
            {"container_group": {"context": "lab", "namespace": "jobs"}},
            id="namespace of a group",
        ),
        pytest.param(
            {"execution_environment": "quay.io/ansible/awx-ee:latest"},
            {"execution_environment": {"image": "quay.io/ansible/awx-ee:latest"}},
            id="image",
        ),
        pytest.param({"execution_environment": "Default execution environment"}, {}, id="stored"),
    ],
)
def test_where_it_runs(given: dict[str, Any], expected: dict[str, Any]) -> None:
    assert place_options(given) == expected


@pytest.mark.parametrize("given", [{"container_group": "prod"}, {"instance_groups": ["prod"]}])
def test_a_stored_group_has_its_namespace(given: dict[str, Any]) -> None:
    with pytest.raises(Failure, match=r"^pod_namespace is given together with a stored container group"):
        place_options({"pod_namespace": "jobs", **given})


# --- the project -----


@pytest.mark.parametrize(
    ("files", "playbook", "expected"),
    [
        pytest.param([], "site.yml", ("here", "site.yml"), id="the current folder"),
        pytest.param([], "books/site.yml", ("here/books", "site.yml"), id="the playbook's folder"),
        pytest.param(["ansible.cfg"], "books/site.yml", ("here", "books/site.yml"), id="ansible.cfg"),
        pytest.param([".git/config"], "a/b/site.yml", ("here", "a/b/site.yml"), id="a repository"),
        pytest.param(
            ["a/roles/x", "a/b/roles/x"], "a/b/site.yml", ("here/a", "b/site.yml"), id="the outermost roles"
        ),
        pytest.param(
            ["../ansible.cfg"],
            "../other/site.yml",
            ("other", "site.yml"),
            id="never one above the current folder",
        ),
    ],
)
def test_the_project(tmp_path: Path, files: list[str], playbook: str, expected: tuple[str, str]) -> None:
    here = tmp_path / "here"
    for name in (*files, playbook):
        path = here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    project, found = find_playbook(playbook, "", here, Path("/home/user"))
    assert (project, found) == (str(tmp_path / expected[0]), expected[1])
    assert find_playbook(str(here / playbook), "", here, Path("/home/user")) == (project, found)


def test_a_home_folder_is_only_sent_where_it_is_given(tmp_path: Path) -> None:
    (tmp_path / "roles").mkdir()
    (tmp_path / "books").mkdir()
    for name in ("site.yml", "books/site.yml"):
        (tmp_path / name).touch()
    with pytest.raises(Failure, match=r"put it into a folder of its own, or give its project"):
        find_playbook("site.yml", "", tmp_path, tmp_path)
    assert find_playbook("books/site.yml", "", tmp_path, tmp_path) == (str(tmp_path / "books"), "site.yml")
    assert find_playbook("site.yml", ".", tmp_path, tmp_path) == (".", "site.yml")


def test_in_a_project_that_is_given_the_playbook_is_found_from_there(tmp_path: Path) -> None:
    assert find_playbook("site.yml", "shop", tmp_path, tmp_path) == ("shop", "site.yml")
    absolute = str(tmp_path / "shop/books/site.yml")
    assert find_playbook(absolute, "shop", tmp_path, tmp_path) == ("shop", "books/site.yml")


@pytest.mark.parametrize(
    ("playbook", "words"),
    [
        ("", r"^playbook is missing: give it with -e"),
        ("no.yml", r"^playbook 'no.yml' is not a file \(looked at /"),
    ],
)
def test_a_playbook_that_is_not_there(tmp_path: Path, playbook: str, words: str) -> None:
    with pytest.raises(Failure, match=words):
        find_playbook(playbook, "", tmp_path, tmp_path)


def test_a_playbook_that_is_only_looked_at_may_lie_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "shop/site.yml"
    path.parent.mkdir()
    path.touch()
    assert playbook_here("../site.yml", "", path.parent / "books") == path
    assert playbook_here("site.yml", "shop", tmp_path) == path
    assert playbook_here(str(path), "elsewhere", tmp_path) == path
