# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A command line of ansible-playbook means the same in a pod, by the playbook jobpods.controller.run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from ansible_collections.jobpods.controller.tests.integration.conftest import IMAGE, LOCAL
from ansible_collections.jobpods.controller.tests.integration.objects.conftest import jobs_of
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller

Options = dict[str, Any]

RUN = "jobpods.controller.run"
MESSAGE = re.compile(r'^\s*"(?:msg|secret|told)": "(.*)"', re.MULTILINE)
TELL = (
    "{{ inventory_hostname }} limit={{ ansible_limit | default('') }} tags={{ ansible_run_tags | sort }}"
    " skip={{ ansible_skip_tags | sort }} check={{ ansible_check_mode }} diff={{ ansible_diff_mode }}"
    " forks={{ ansible_forks }} verbosity={{ ansible_verbosity }} who={{ who | default('nobody') }}"
)


def told(text: str, **more: Any) -> Options:
    return {"ansible.builtin.debug": {"msg": text}, **more}


LOCAL_PLAY = [{"hosts": "localhost", "gather_facts": False, "tasks": [told("I am a pod")]}]


@pytest.fixture
def pods(controller: Controller, group: Options) -> list[str]:
    """The part of a command line that says where the pod runs."""
    return ["-e", f"@{controller.write('pods.yml', {'container_group': group})}"]


@pytest.fixture
def inventory(controller: Controller) -> list[str]:
    """The part that says which hosts there are."""
    hosts = {name: LOCAL for name in ("web1", "web2", "db1")}
    content = {"all": {"hosts": hosts, "children": {"web": {"hosts": {"web1": {}, "web2": {}}}}}}
    return ["-i", str(controller.write("inventory/hosts.yml", content))]


@pytest.mark.parametrize(
    "options",
    [
        pytest.param([], id="none"),
        pytest.param(
            [
                "--limit",
                "web",
                "--tags",
                "yes,more",
                "--skip-tags",
                "no",
                "--check",
                "--diff",
                "-f",
                "3",
                "-v",
            ],
            id="many",
        ),
        pytest.param(["--limit", "@some", "--skip-tags", "always"], id="a file of hosts, skip always"),
        pytest.param(["--tags", "never", "-e", "who=you"], id="tags never"),
        pytest.param(["--skip-tags", "tagged", "-e", "who={{ inventory_hostname }}"], id="skip tagged"),
    ],
)
def test_options_mean_what_they_mean_here(
    controller: Controller, pods: list[str], inventory: list[str], options: list[str]
) -> None:
    tasks = [
        told(f"untagged {TELL}"),
        told(f"yes {TELL}", tags=["yes"]),
        told(f"no {TELL}", tags=["yes", "no"]),
        told(f"always {TELL}", tags=["always"]),
        told(f"never {TELL}", tags=["never"]),
    ]
    controller.project("shop", site=tasks)
    controller.write("some", "db1\nweb2\n")
    here, plain = controller.ansible_playbook(*inventory, "shop/site.yml", *options)
    there, terminal = controller.ansible_playbook(
        *inventory, RUN, "-e", "playbook=shop/site.yml", *pods, *options
    )
    assert (here, there) == (0, 0), terminal
    limit = re.compile(r" limit=\S*")  # that of a file is sent as what is in it
    assert sorted(limit.sub("", line) for line in MESSAGE.findall(terminal)) == sorted(
        limit.sub("", line) for line in MESSAGE.findall(plain)
    )
    assert MESSAGE.findall(terminal)


def test_without_an_inventory_there_is_localhost(controller: Controller, pods: list[str]) -> None:
    controller.write("shop/site.yml", LOCAL_PLAY)
    rc, terminal = controller.ansible_playbook(RUN, "-e", "playbook=shop/site.yml", *pods)
    assert rc == 0, terminal
    assert MESSAGE.findall(terminal) == ["I am a pod"]


def test_our_options_are_not_the_playbook_s(
    controller: Controller, pods: list[str], inventory: list[str]
) -> None:
    controller.project("shop", site=[told("{{ project }} {{ playbook | default('none') }}")])
    more = '{"extra_vars": {"project": "the shop"}}'
    rc, terminal = controller.ansible_playbook(
        *inventory, RUN, "-e", "playbook=site.yml", "-e", "project=./shop", "-e", more, "-l", "db1", *pods
    )
    assert rc == 0, terminal
    assert MESSAGE.findall(terminal) == ["the shop none"]


def test_what_lies_in_the_folder_with_ansible_cfg_is_sent(
    controller: Controller, pods: list[str], inventory: list[str]
) -> None:
    user = controller.elsewhere("shop")
    user.write("ansible.cfg", "[defaults]\nroles_path = parts\nstrategy = free\n")
    user.write("parts/shop/tasks/main.yml", [told("{{ lookup('ansible.builtin.file', '../note') }}")])
    user.write("books/site.yml", [{"hosts": "db1", "gather_facts": False, "roles": ["shop"]}])
    user.write("note", "at the top")
    rc, terminal = user.ansible_playbook(*inventory, RUN, "-e", "playbook=books/site.yml", *pods)
    assert rc == 0, terminal
    assert MESSAGE.findall(terminal) == ["at the top"]
    assert [job.name for job in jobs_of(user)] == ["books/site.yml"]


def test_vaulted_files_are_read_with_the_passwords_of_the_command_line(
    controller: Controller, pods: list[str], inventory: list[str]
) -> None:
    user = controller.elsewhere("shop")
    # The project's own configuration names a password file that the pod does not have.
    user.write("home/old", "an old password")
    user.write("ansible.cfg", "[defaults]\nvault_password_file = ~/old\n")
    tell = told("{{ of_inventory }}, {{ of_book }}, {{ of_file }}")
    user.write(
        "site.yml", [{"hosts": "db1", "gather_facts": False, "vars_files": ["vars.yml"], "tasks": [tell]}]
    )
    passwords: list[str] = []
    for name, machine, path in (
        ("of_inventory", controller, "inventory/group_vars/all.yml"),
        ("of_book", user, "group_vars/all.yml"),
        ("of_file", user, "vars.yml"),
    ):
        password = user.write(f"home/{name}", f"password {name}")
        vaulted = machine.write(path, f"{name}: secret {name}\n")
        label = "prod" if name == "of_file" else "default"
        user.vault("encrypt", "--encrypt-vault-id", label, "--vault-id", f"{label}@{password}", str(vaulted))
        given = ["--vault-id", f"prod@{password}"], ["--vault-password-file", str(password)]
        passwords += given[label != "prod"]
    rc, terminal = user.ansible_playbook(*inventory, RUN, "-e", "playbook=site.yml", *passwords, *pods)
    assert rc == 0, terminal
    assert MESSAGE.findall(terminal) == ["secret of_inventory, secret of_book, secret of_file"]


def test_variables_beside_the_playbook_rank_as_they_do_here(controller: Controller, pods: list[str]) -> None:
    hosts = (
        "[web]\nweb1 " + " ".join(f"{key}={value}" for key, value in LOCAL.items()) + "\n[web:vars]\nport=1\n"
    )
    controller.write("inventory/hosts", hosts)
    controller.write("inventory/group_vars/all.yml", {"port": 2})
    controller.write("shop/group_vars/web.yml", {"port": 3})
    controller.project("shop", site=[told("port {{ port }}")])
    given = ["-i", "inventory"]
    _rc, here = controller.ansible_playbook(*given, "shop/site.yml")
    rc, there = controller.ansible_playbook(*given, RUN, "-e", "playbook=shop/site.yml", *pods)
    assert rc == 0, there
    assert MESSAGE.findall(there) == MESSAGE.findall(here) == ["port 3"]


# --- hosts that are reached over SSH -----

HOSTS = Path(__file__).parents[3] / "playbooks/files/demo_hosts.py"


@pytest.fixture
def servers(controller: Controller, kubeconfig: Path) -> Iterator[list[str]]:
    """Two hosts with sshd; the part of a command line that names them. Their key is the file `key`."""
    namespace = f"test-{uuid4().hex[:8]}"
    key = controller.folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    public = key.with_suffix(".pub").read_text()
    command = [sys.executable, str(HOSTS)]
    try:
        started = subprocess.run(
            [*command, "start", str(kubeconfig), namespace, IMAGE, public],
            stdout=subprocess.PIPE,
            check=True,
        )
        yield ["-i", str(controller.write("servers.yml", json.loads(started.stdout)))]
    finally:
        subprocess.run([*command, "stop", str(kubeconfig), namespace], check=True)


def test_users_keys_and_passwords_of_the_command_line(
    controller: Controller, pods: list[str], servers: list[str]
) -> None:
    words = {name: controller.write(f"home/{name}", f"{name}-word\n") for name in ("deploy", "root")}
    users = "useradd --create-home deploy && printf 'deploy:deploy-word\\nroot:root-word\\n' | chpasswd"
    whoami = [
        {"ansible.builtin.command": "whoami", "register": "me"},
        told("{{ inventory_hostname }} {{ me.stdout }}"),
    ]
    controller.project("shop", users=[{"ansible.builtin.shell": users}, *whoami], whoami=whoami)
    run = [*servers, RUN, *pods, "-e"]
    rc, terminal = controller.ansible_playbook(
        *run, "playbook=shop/users.yml", "-u", "root", "--private-key", "key"
    )
    assert rc == 0, terminal
    assert sorted(MESSAGE.findall(terminal)) == ["web1 root", "web2 root"]
    login = ["playbook=shop/whoami.yml", "-u", "deploy", "--connection-password-file", str(words["deploy"])]
    become = ["-b", "--become-method", "su", "--become-password-file", str(words["root"])]
    for more, expected in (([], "deploy"), (become, "root")):
        rc, terminal = controller.ansible_playbook(*run, *login, *more, "--limit", "web2")
        assert rc == 0, terminal
        assert MESSAGE.findall(terminal) == [f"web2 {expected}"]
        assert "-word" not in terminal


# --- how it ends -----


@pytest.mark.parametrize(
    ("tasks", "expected", "words"),
    [
        pytest.param(
            [{"ansible.builtin.fail": {"msg": "it broke"}}],
            2,
            "PlaybookFailed: The playbook failed on db1 (failed at task",
            id="failed",
        ),
        pytest.param(
            [
                {
                    "ansible.builtin.ping": {},
                    "vars": {"ansible_connection": "ssh", "ansible_host": "127.0.0.1"},
                }
            ],
            4,
            "The playbook failed on db1 (unreachable at task",
            id="unreachable",
        ),
        pytest.param(
            [{"shop.no.such": {}}], 2, "couldn't resolve module/action 'shop.no.such'", id="no playbook"
        ),
    ],
)
def test_the_exit_status_is_the_playbook_s(
    controller: Controller,
    pods: list[str],
    inventory: list[str],
    tasks: list[Options],
    expected: int,
    words: str,
) -> None:
    controller.project("shop", site=tasks)
    rc, terminal = controller.ansible_playbook(
        *inventory, RUN, "-e", "playbook=shop/site.yml", "--limit", "db1", *pods
    )
    assert rc == expected, terminal
    assert words in " ".join(terminal.split())


def test_no_cluster_is_told_in_a_sentence(controller: Controller, inventory: list[str]) -> None:
    controller.project("shop", site=[told("never")])
    rc, terminal = controller.ansible_playbook(*inventory, RUN, "-e", "playbook=shop/site.yml")
    assert rc == 2, terminal
    assert "InvalidConfiguration: " in terminal
    assert "kubeconfig" in terminal


def test_the_connection_of_the_environment_and_a_namespace(
    tmp_path: Path, kubeconfig: Path, namespace: str
) -> None:
    user = Controller(tmp_path, {"K8S_AUTH_KUBECONFIG": str(kubeconfig)})
    user.write("shop/site.yml", LOCAL_PLAY)
    image = json.dumps({"execution_environment": {"image": IMAGE, "pull": "missing"}})
    rc, terminal = user.ansible_playbook(
        RUN, "-e", "playbook=shop/site.yml", "-e", image, "-e", f"pod_namespace={namespace}"
    )
    assert rc == 0, terminal
    assert f"created in namespace {namespace}" in " ".join(terminal.split())
