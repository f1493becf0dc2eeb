# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a project requires: the roles and collections of its requirements files, put beside it.

They become part of what is sent to the pod (`job.payload`), as AWX's requirements_roles and
requirements_collections are.
"""

from __future__ import annotations

import configparser
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.commands import Commands
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.source import invalid
from ansible_collections.jobpods.controller.plugins.module_utils.job.required_paths import REQUIREMENTS

Content = Literal["roles", "collections"]

GALAXY = "ansible-galaxy"
SECRET_OPTIONS = ("password", "token")
SERVER_OPTIONS = frozenset(
    (*SECRET_OPTIONS, "url", "username", "auth_url", "validate_certs", "api_version", "client_id", "timeout")
)
GALAXY_OPTIONS = frozenset(("server", "server_list", "server_timeout", "ignore_certs"))
"""What counts of a project's ansible.cfg here, on the controller: where content is, and nothing else."""
TOLD = 600
"""Characters of ansible-galaxy's words in a message."""
_ERROR = re.compile(r"^(\[ERROR\]|ERROR!)|was NOT installed successfully")
_MARK = re.compile(r"(\[ERROR\]:?|\[WARNING\]:?|ERROR!)\s*")
OF_ADMINISTRATOR = "ANSIBLE_GALAXY_"
"""How variables begin by which the controller's administrator tells servers and tokens."""


@dataclass(frozen=True)
class Requirements:
    """One file of requirements, as far as it is about one kind of content.

    Attributes:
        path: within the project.
        content: what is installed of it.
    """

    path: str
    content: Content


def find_requirements(folder: Path) -> list[Requirements]:
    """The requirements of a project, in AWX's places: by kind in folders of that name, or all at its top.

    Raises:
        Failure: `InvalidConfiguration`, where a file of them is a link out of the project.
    """
    found = [Requirements(path, "roles") for path in _files(folder, "roles/")]
    found += [Requirements(path, "collections") for path in _files(folder, "collections/")]
    for path in _files(folder, ""):
        found += [Requirements(path, "roles"), Requirements(path, "collections")]
    return [each for each in found if _has(folder, each)]


def _files(folder: Path, where: str) -> Iterator[str]:
    for ending in ("yml", "yaml"):
        path = f"{where}requirements.{ending}"
        if not (folder / path).is_file():
            continue
        if not (folder / path).resolve().is_relative_to(folder.resolve()):
            raise invalid(f"{path} of the project is a link out of it.")
        yield path
        return


def _has(folder: Path, requirements: Requirements) -> bool:
    """Whether a file asks for content of this kind; what can't be read is left for ansible-galaxy to tell."""
    try:
        read = yaml.safe_load((folder / requirements.path).read_bytes())
    except (OSError, ValueError, yaml.YAMLError):
        return True
    if isinstance(read, Mapping):
        return bool(read.get(requirements.content))
    # A list is the older format, of roles; in collections/requirements.yml it is a mistake that is told.
    return bool(read) and (requirements.content == "roles" or requirements.path.startswith("collections/"))


async def install_requirements(
    folder: Path,
    found: list[Requirements],
    *,
    access: Mapping[str, str],
    commands: Commands,
    home: Path,
    given: Mapping[str, str],
) -> None:
    """Installs what a project requires into its folder.

    Args:
        folder: of the project's revision.
        found: as `find_requirements` found them.
        access: the environment that gives access to git repositories.
        commands: runs ansible-galaxy.
        home: a private folder, for ansible-galaxy's own files.
        given: the caller's environment.

    Raises:
        Failure: `ProjectUpdateFailed`, with ansible-galaxy's words.
    """
    top = folder / REQUIREMENTS
    if os.path.lexists(top):
        raise invalid(f"The project has an entry {REQUIREMENTS}, where its requirements are to be put.")
    environ = _environment(folder, access, commands, home, given)
    for each in found:
        destination = top / each.content
        destination.mkdir(parents=True, exist_ok=True)
        commands.tell(f"installing {each.content} of {each.path}")
        kind = each.content.removesuffix("s")
        ran = await commands.run(
            (_galaxy(given), kind, "install", "-r", str(folder / each.path), "-p", str(destination)),
            what=f"{GALAXY} {kind} install",
            environ={
                **environ,
                "ANSIBLE_ROLES_PATH": str(top / "roles"),
                "ANSIBLE_COLLECTIONS_PATH": str(top / "collections"),
            },
            folder=folder,
            show=True,
        )
        if ran.status:
            raise _failed(each, ran.errors or commands.redact(ran.output)[-4096:])


def _environment(
    folder: Path, access: Mapping[str, str], commands: Commands, home: Path, given: Mapping[str, str]
) -> dict[str, str]:
    galaxy_home = home / "galaxy"
    galaxy_home.mkdir(exist_ok=True)
    path = galaxy_home / "ansible.cfg"
    settings = _galaxy_settings(folder / "ansible.cfg")
    with path.open("w", encoding="utf-8") as file:
        settings.write(file)
    servers = {name: value for name, value in given.items() if name.startswith(OF_ADMINISTRATOR)}
    endings = tuple(f"_{option.upper()}" for option in SECRET_OPTIONS)
    commands.redact.add(value for name, value in servers.items() if name.endswith(endings))
    for section in settings.sections():
        commands.redact.add(settings.get(section, option, fallback="") for option in SECRET_OPTIONS)
    programs = (os.path.dirname(sys.executable), access.get("PATH", os.defpath))
    return {
        **access,
        **servers,
        "PATH": os.pathsep.join(programs),
        "ANSIBLE_HOME": str(galaxy_home),
        "ANSIBLE_CONFIG": str(path),
        "ANSIBLE_LOCAL_TEMP": str(galaxy_home / "tmp"),
        "ANSIBLE_GALAXY_CACHE_DIR": str(galaxy_home / "cache"),
        "ANSIBLE_GALAXY_DISPLAY_PROGRESS": "False",
        "ANSIBLE_NOCOLOR": "True",
    }


def _galaxy_settings(path: Path) -> configparser.RawConfigParser:
    """What a project's ansible.cfg says of servers; all else in it is for the pod."""
    kept = configparser.RawConfigParser()
    read = configparser.RawConfigParser(strict=False)
    try:
        read.read(path, encoding="utf-8")
    except (configparser.Error, ValueError) as exc:
        raise invalid(f"ansible.cfg of the project can't be read: {' '.join(str(exc).split())}.") from exc
    for section in read.sections():
        options = GALAXY_OPTIONS if section == "galaxy" else SERVER_OPTIONS
        if section == "galaxy" or section.startswith("galaxy_server."):
            kept[section] = {name: value for name, value in read.items(section) if name in options}
    return kept


def _galaxy(given: Mapping[str, str]) -> str:
    beside = os.path.join(os.path.dirname(sys.executable), GALAXY)
    return beside if os.access(beside, os.X_OK) else shutil.which(GALAXY, path=given.get("PATH")) or GALAXY


def _failed(requirements: Requirements, said: str) -> Failure:
    return Failure(
        "ProjectUpdateFailed",
        f"The {requirements.content} of {requirements.path} can't be installed: {_telling(said)}.",
        hint="Check the file, and that the controller reaches what it names.",
        details={"case": "requirements", "path": requirements.path},
        traceback=said,
    )


def _telling(said: str) -> str:
    """What ansible-galaxy says of its failure, in one line."""
    lines = [line.strip() for line in said.splitlines() if line.strip() and "--ignore-errors" not in line]
    starts = [number for number, line in enumerate(lines) if _ERROR.search(line)]
    words = " ".join(lines[starts[0] :] if starts else lines[-1:]) or "it said nothing"
    return _MARK.sub("", words).strip(" -:").rstrip(".")[:TOLD]
