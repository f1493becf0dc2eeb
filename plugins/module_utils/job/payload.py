# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pod is sent to run: ansible-runner's streaming format, written straight from the project and from memory.

The format is that of `ansible-runner transmit` (2.x): a line of arguments, a line with the length of a zip archive,
the archive in base64, and an end mark. Nothing is copied to a folder first, and no secret lies in a file with a name.
"""

from __future__ import annotations

import hashlib
import heapq
import itertools
import json
import os
import re
import shlex
import stat
import tempfile
import time
import zipfile
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.credentials import Credentials
from ansible_collections.jobpods.controller.plugins.module_utils.job.launch import InventorySource, Launch

PAYLOAD_LIMIT = 1 << 30
"""Bytes of files in the project and the inventory."""
LEFT_OUT = frozenset((".git",))
"""Of the project's top folder: playbooks don't need the history, and it is often the larger part."""
INVENTORY_FOLDERS = ("group_vars", "host_vars")
"""Beside an inventory file, which Ansible reads with it."""
COMPRESSION_LEVEL = 1
CHUNK = 3 << 16
"""Bytes that are encoded at once: a multiple of 3, so that base64 has no padding between."""


@dataclass(frozen=True)
class Payload:
    """A payload, ready to be sent.

    Attributes:
        file: with its content; it has no name, and is gone when it is closed.
        length: in bytes.
        sha256: of the content, in hexadecimal.
    """

    file: IO[bytes]
    length: int
    sha256: str


def build_payload(launch: Launch, ident: str, limit: int = PAYLOAD_LIMIT) -> Payload:
    """Builds the payload of a launch.

    Args:
        launch: what to run.
        ident: names the run inside the pod.
        limit: bytes of files that may be in it.

    Raises:
        Failure: `PayloadTooLarge`, `ProjectNotFound` or `InventoryInvalid`, where files are too much or unreadable.
    """
    archive = _Archive(limit)
    archive.add_folder(Path(launch.project), "project", "ProjectNotFound", LEFT_OUT)
    inventory = _add_inventory(archive, launch.inventory)
    content = archive.finish()
    file = tempfile.TemporaryFile()
    try:
        head = json.dumps({"kwargs": runner_arguments(launch, ident, inventory)}).encode("ascii") + b"\n"
        digest, length = hashlib.sha256(), 0
        for piece in itertools.chain((head,), _encoded(content)):
            file.write(piece)
            digest.update(piece)
            length += len(piece)
        file.flush()
    except BaseException:
        file.close()
        raise
    finally:
        content.close()
    return Payload(file, length, digest.hexdigest())


def _encoded(content: IO[bytes]) -> Iterator[bytes]:
    size = content.seek(0, os.SEEK_END)
    content.seek(0)
    yield json.dumps({"zipfile": size}).encode("ascii") + b"\n"
    while piece := content.read(CHUNK):
        yield b64encode(piece)
    yield b'{"eof": true}\n'


# --- files -----


class _Archive:
    """A zip archive as ansible-runner unpacks it: with modes, and links as links."""

    def __init__(self, limit: int) -> None:
        self._file = tempfile.TemporaryFile()
        self._zip = zipfile.ZipFile(
            self._file, "w", zipfile.ZIP_DEFLATED, compresslevel=COMPRESSION_LEVEL, strict_timestamps=False
        )
        self._limit = limit
        self._size = 0
        self._largest: list[tuple[int, str]] = []

    def finish(self) -> IO[bytes]:
        self._zip.close()
        return self._file

    def add_text(self, name: str, text: str) -> None:
        info = zipfile.ZipInfo(name, time.localtime()[:6])
        info.external_attr = (stat.S_IFREG | 0o600) << 16
        self._zip.writestr(info, text, zipfile.ZIP_DEFLATED)

    def add_folder(
        self, folder: Path, name: str, reason: str, left_out: frozenset[str] = frozenset()
    ) -> None:
        def refuse(error: OSError) -> None:
            raise _unreadable(reason, error.filename, error)

        self.add_entry(folder, name, reason)
        for path, folders, files in os.walk(folder, onerror=refuse):
            if path == str(folder):
                folders[:] = [entry for entry in folders if entry not in left_out]
            folders.sort()
            for entry in sorted(files + folders):
                inner = os.path.join(path, entry)
                self.add_entry(Path(inner), f"{name}/{os.path.relpath(inner, folder)}", reason)

    def add_entry(self, path: Path, name: str, reason: str) -> None:
        try:
            name.encode("utf-8")
            status = path.lstat()
            if stat.S_ISLNK(status.st_mode):
                self._add_link(name, os.readlink(path))
            elif stat.S_ISDIR(status.st_mode):
                self._zip.write(path, name)
            elif stat.S_ISREG(status.st_mode):
                self._count(status.st_size, name)
                self._zip.write(path, name)
            # Sockets, pipes and devices can't be sent, and no playbook reads them from its project.
        except UnicodeError as exc:
            raise Failure(
                reason, f"The file name {name!r} is not UTF-8, so it can't be sent to the pod."
            ) from exc
        except OSError as exc:
            raise _unreadable(reason, path, exc) from exc

    def _add_link(self, name: str, target: str) -> None:
        info = zipfile.ZipInfo(name, time.localtime()[:6])
        info.create_system = 3  # Unix, so that the mode below counts
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        self._zip.writestr(info, target)

    def _count(self, size: int, name: str) -> None:
        self._size += size
        heapq.heappush(self._largest, (size, name))
        if len(self._largest) > 3:
            heapq.heappop(self._largest)
        if self._size > self._limit:
            largest = ", ".join(
                f"{path} ({count >> 20} MiB)" for count, path in sorted(self._largest, reverse=True)
            )
            raise Failure(
                "PayloadTooLarge",
                f"The project and the inventory have more than {self._limit >> 20} MiB of files; so far the largest"
                f" are {largest}.",
            )


def _unreadable(reason: str, path: object, error: OSError) -> Failure:
    return Failure(reason, f"{path} can't be read: {error.strerror}.")


def _add_inventory(archive: _Archive, inventory: InventorySource) -> str:
    """Adds the inventory; returns its path in the private data dir."""
    if inventory.kind == "content":
        archive.add_text("inventory/hosts.yml", json.dumps(inventory.content, indent=1))  # JSON is YAML
        return "inventory/hosts.yml"
    path = Path(inventory.path)
    if inventory.kind == "folder":
        archive.add_folder(path.resolve(), "inventory", "InventoryInvalid")
        return "inventory"
    archive.add_entry(path.resolve(), f"inventory/{path.name}", "InventoryInvalid")
    for name in INVENTORY_FOLDERS:
        if (path.parent / name).is_dir():
            archive.add_folder((path.parent / name).resolve(), f"inventory/{name}", "InventoryInvalid")
    return f"inventory/{path.name}"


# --- arguments -----


def runner_arguments(launch: Launch, ident: str, inventory: str) -> dict[str, Any]:
    """The keyword arguments of `ansible_runner.run` for a launch.

    Args:
        launch: what to run.
        ident: names the run.
        inventory: its path in the private data dir.
    """
    arguments: dict[str, Any] = {
        "ident": ident,
        "playbook": launch.playbook,
        "inventory": inventory,
        "envvars": ENVIRONMENT,
        "settings": {"suppress_output_file": True},  # the events have it all
        "extravars": launch.extra_vars,
        "passwords": prompts(launch.credentials),
        "ssh_key": launch.credentials.machine.ssh_key_data,
        "cmdline": shlex.join(command_line(launch)),
        "limit": launch.limit,
        "tags": ",".join(launch.tags),
        "skip_tags": ",".join(launch.skip_tags),
        "forks": launch.forks,
        "verbosity": launch.verbosity,
    }
    return {name: value for name, value in arguments.items() if value}


ENVIRONMENT = {
    "ANSIBLE_FORCE_COLOR": "True",  # kept with the events; the terminal gets colours of its own
    "ANSIBLE_HOST_KEY_CHECKING": "False",  # as AWX: a new pod knows no host
    "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True",  # else a broken inventory is an empty one, and the job a success
    "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "True",
}


def command_line(launch: Launch) -> list[str]:
    """The options of ansible-playbook that ansible-runner has no argument for."""
    machine = launch.credentials.machine
    options: list[str] = []
    if machine.username:
        options += ["-u", machine.username]
    if machine.password:
        options.append("--ask-pass")
    if launch.become_enabled:
        options.append("--become")
    if machine.become_method:
        options += ["--become-method", machine.become_method]
    if machine.become_username:
        options += ["--become-user", machine.become_username]
    if machine.become_password:
        options.append("--ask-become-pass")
    for vault in launch.credentials.vaults:
        options += ["--vault-id", f"{vault.vault_id}@prompt"] if vault.vault_id else ["--ask-vault-pass"]
    if launch.check:
        options.append("--check")
    if launch.diff:
        options.append("--diff")
    if launch.start_at_task:
        options += ["--start-at-task", launch.start_at_task]
    return options


def prompts(credentials: Credentials) -> dict[str, str]:
    """Answers to what ssh-add and ansible-playbook ask for, by regular expressions for the questions."""
    machine = credentials.machine
    answers: dict[str, str] = {}
    if machine.ssh_key_unlock:
        answers[r"Enter passphrase for .*:\s*?$"] = machine.ssh_key_unlock
    if machine.password:
        answers[r"SSH password:\s*?$"] = machine.password
    if machine.become_password:
        answers[r"BECOME password.*:\s*?$"] = machine.become_password
    for vault in credentials.vaults:
        name = f" ({vault.vault_id})" if vault.vault_id else ""
        answers[rf"Vault password{re.escape(name)}:\s*?$"] = vault.vault_password
    return answers
