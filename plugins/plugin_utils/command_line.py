# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a command line of `ansible-playbook` means for a playbook that runs in a pod instead of here."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible import constants
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.credentials import VaultCredential

Options = dict[str, Any]
CommandLine = Mapping[str, Any]
"""Ansible's `context.CLIARGS`: options by their names there, also those of ansible.cfg."""

LOOKS = ("syntax", "listhosts", "listtasks", "listtags")
"""Options with which Ansible only looks at a playbook."""
PROJECT_MARKS = ("ansible.cfg", "roles", "collections", ".git")
"""What a project has at its top."""
MOST_VERBOSE = 5
IN_THE_INVENTORY = "set {} in the inventory or with -e"
REFUSED = {
    "step": ("--step", "nobody can answer there"),
    "start_at_task": ("--start-at-task", "give -e start_at_task=NAME instead"),
    "timeout": ("--timeout", IN_THE_INVENTORY.format("ansible_ssh_timeout")),
    "ssh_common_args": ("--ssh-common-args", IN_THE_INVENTORY.format("ansible_ssh_common_args")),
    "ssh_extra_args": ("--ssh-extra-args", IN_THE_INVENTORY.format("ansible_ssh_extra_args")),
    "sftp_extra_args": ("--sftp-extra-args", IN_THE_INVENTORY.format("ansible_sftp_extra_args")),
    "scp_extra_args": ("--scp-extra-args", IN_THE_INVENTORY.format("ansible_scp_extra_args")),
    "module_path": ("--module-path", "put the modules into the project's folder library"),
}
"""Options that can't be passed on to a pod, by their names in `CommandLine`, and what to do instead."""
REFUSED_UNLESS_DEFAULT = {
    "connection": ("--connection", IN_THE_INVENTORY.format("ansible_connection"), "DEFAULT_TRANSPORT"),
    "force_handlers": ("--force-handlers", "set force_handlers in the play", "DEFAULT_FORCE_HANDLERS"),
    "task_timeout": ("--task-timeout", "set timeout in the play", "TASK_TIMEOUT"),
}
"""The same of options that always have a value; it is a user's where it is not the configuration's."""


@dataclass(frozen=True)
class Passwords:
    """What Ansible has asked for (`--ask-pass`, `--ask-become-pass`) or read from a file; empty for none."""

    connection: str = ""
    become: str = ""


def only_looks(arguments: CommandLine) -> bool:
    """Whether the playbook is only to be looked at, for which no pod is needed."""
    return any(arguments.get(name) for name in LOOKS)


def check(arguments: CommandLine) -> None:
    """Refuses what can't be done in a pod.

    Raises:
        Failure: `InvalidConfiguration`; it names the option, and says what to do instead.
    """
    wrong = [rule for name, rule in REFUSED.items() if arguments.get(name)]
    wrong += [
        (option, instead)
        for name, (option, instead, default) in REFUSED_UNLESS_DEFAULT.items()
        if arguments.get(name) != getattr(constants, default) and name in arguments
    ]
    if wrong:
        raise _invalid(
            " ".join(f"{option} can't be passed on to a pod: {instead}." for option, instead in wrong)
        )


def launch_options(
    arguments: CommandLine, limit: Iterable[str] | None, passwords: Passwords = Passwords()
) -> Options:
    """The options of `container_group_job` that mean what the command line does.

    Check and diff mode are not among them, since the task has them, too.

    Args:
        arguments: the command line.
        limit: the patterns of `--limit`, those of files read already.
        passwords: that were asked for.

    Raises:
        Failure: `InvalidConfiguration`, where the private key can't be read.
    """
    tags = list(arguments.get("tags") or ())
    machine = _machine(arguments, passwords)
    options = {
        "limit": ",".join(limit or ()),
        "tags": [] if tags == ["all"] else tags,
        "skip_tags": list(arguments.get("skip_tags") or ()),
        "forks": arguments.get("forks"),
        "verbosity": min(int(arguments.get("verbosity") or 0), MOST_VERBOSE),
        "become_enabled": bool(arguments.get("become")),
        "credentials": [{"credential_type": "machine", "inputs": machine}] if machine else [],
    }
    return {name: value for name, value in options.items() if value}


def _machine(arguments: CommandLine, passwords: Passwords) -> dict[str, str]:
    """The inputs of a machine credential; none where the command line says nothing of them."""
    method = arguments.get("become_method")
    key = arguments.get("private_key_file")
    inputs = {
        "username": arguments.get("remote_user"),
        "password": passwords.connection,
        "ssh_key_data": _key(str(key)) if key else "",
        "become_method": "" if method == constants.DEFAULT_BECOME_METHOD else method,
        "become_username": arguments.get("become_user"),
        "become_password": passwords.become,
    }
    return {name: str(value) for name, value in inputs.items() if value}


def _key(path: str) -> str:
    """The text of a private key; one of ansible.cfg may be a file that only the pod has."""
    try:
        return Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeError) as exc:
        if path == constants.DEFAULT_PRIVATE_KEY_FILE:
            return ""
        why = exc.strerror if isinstance(exc, OSError) else "it is no text"
        raise _invalid(f"--private-key {path} can't be read: {why}.") from exc


def vault_options(vaults: Iterable[VaultCredential]) -> list[Options]:
    """Vault passwords as credentials; of several for one vault id, each gets an id of its own.

    Ansible tries all of them on whatever is vaulted, so that the ids only have to differ.
    """
    found: dict[str, str] = {}
    for vault in vaults:
        name, number = vault.vault_id, 1
        while name in found and found[name] != vault.vault_password:
            number += 1
            name = f"{vault.vault_id}-{number}"
        found[name] = vault.vault_password
    return [
        {"credential_type": "vault", "inputs": {"vault_id": name, "vault_password": password}}
        for name, password in found.items()
    ]


def place_options(given: Mapping[str, Any]) -> Options:
    """Where the job runs, from the options that are shorter on a command line than those of a launch.

    Raises:
        Failure: `InvalidConfiguration`, where they contradict each other.
    """
    options: Options = {}
    if "pod_namespace" in given:
        group = given.get("container_group", {})
        if not isinstance(group, Mapping) or "instance_groups" in given:
            raise _invalid(
                "pod_namespace is given together with a stored container group, which has its own namespace;"
                " give one of them."
            )
        options["container_group"] = {**group, "namespace": given["pod_namespace"]}
    environment = given.get("execution_environment")
    if isinstance(environment, str) and any(mark in environment for mark in "/:"):
        options["execution_environment"] = {"image": environment}
    return options


# --- the playbook and its project -----


def playbook_here(playbook: str, project: str, folder: Path) -> Path:
    """The file of a playbook on this machine.

    Args:
        playbook: as given.
        project: as given; empty for none.
        folder: the current one, in which relative paths start.

    Raises:
        Failure: `PlaybookNotFound`, or `InvalidConfiguration` where none is given.
    """
    if not playbook.strip():
        raise _invalid("playbook is missing: give it with -e playbook=site.yml.")
    path = Path(os.path.normpath(folder / os.path.expanduser(project) / os.path.expanduser(playbook)))
    if not path.is_file():
        raise Failure("PlaybookNotFound", f"playbook {playbook!r} is not a file (looked at {path}).")
    return path


def find_playbook(playbook: str, project: str, folder: Path, home: Path) -> tuple[str, str]:
    """The project that a playbook belongs to, and its path there.

    Without `project` it is the outermost folder between the current one and the playbook's that looks like
    one, else the playbook's own folder: never one above the current folder, since all of it is sent.

    Args:
        playbook: as given.
        project: as given: a folder, or the name of a stored project; empty for none.
        folder: the current one, in which relative paths start.
        home: the user's, which is not sent unless it is given.

    Raises:
        Failure: `PlaybookNotFound` or `InvalidConfiguration`; it names the option.
    """
    if project and playbook.strip():
        top = Path(os.path.normpath(folder / os.path.expanduser(project)))
        path = Path(os.path.expanduser(playbook))
        return project, str(path.relative_to(top)) if path.is_relative_to(top) else playbook
    path = playbook_here(playbook, "", folder)
    not_whole = (home, Path("/"))
    top = _project_folder(path.parent, folder, not_whole)
    if top in not_whole:
        raise _invalid(
            f"playbook {playbook!r} is in {top}, and its folder is sent to the pod whole: put it into"
            " a folder of its own, or give its project with -e project=FOLDER."
        )
    return str(top), str(path.relative_to(top))


def _project_folder(own: Path, folder: Path, not_whole: tuple[Path, ...]) -> Path:
    if own.is_relative_to(folder):
        between = [own, *own.parents]
        for candidate in reversed(between[: between.index(folder) + 1]):
            marked = any((candidate / mark).exists() for mark in PROJECT_MARKS)
            if marked and candidate not in not_whole:
                return candidate
    return own


def _invalid(message: str) -> Failure:
    return Failure("InvalidConfiguration", message)
