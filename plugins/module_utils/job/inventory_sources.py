# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An inventory source read anew, on the controller node: a file, one of a project, or an inventory plugin."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller.inventory_content import Listing
from ansible_collections.jobpods.controller.plugins.module_utils.controller.inventory_text import (
    parsed_mapping,
    plain_mapping,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.ansible_inventory import (
    Reading,
    read_listing,
    unnamed,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.credentials import VaultCredential
from ansible_collections.jobpods.controller.plugins.module_utils.job.limits import MAX_SECONDS
from ansible_collections.jobpods.controller.plugins.module_utils.job.local_process import OnLine

FILE, PROJECT, PLUGIN = "file", "scm", "plugin"
CLOUDS = {
    "azure_rm": "azure.azcollection.azure_rm",
    "ec2": "amazon.aws.aws_ec2",
    "gce": "google.cloud.gcp_compute",
    "openstack": "openstack.cloud.openstack",
    "vmware": "community.vmware.vmware_vm_inventory",
}
"""The inventory plugins of AWX's names of sources, as AWX has them."""
FILE_NAMES = {"docker_containers": "docker.yml"}
"""What plugins want the file of their configuration to be called, where it is not their name and .yml."""
NOT_FROM_VARS = ("HOME", "USER", "_", "TERM", "PATH")
"""Environment variables that source_vars can't set, as in AWX."""
TYPES_OF_SOURCES = ("vault", "kubernetes_bearer_token")
"""Of credentials that a source takes."""
VERBOSITY = (0, 3, 5)
"""As many as Ansible's -v, by the source's verbosity (AWX: RunInventoryUpdate)."""


@dataclass(frozen=True)
class InventorySourceRequest:
    """What an update reads, and how.

    Attributes:
        name: the source's.
        source: `file`, `scm`, `plugin`, or a key of `CLOUDS`.
        source_path: of the file or folder: on the controller, or within the project. With a plugin the name
            that its file shall have; "" is the one that it usually wants.
        source_vars: a plugin's configuration; for a file or project environment variables, as in AWX.
        project: the folder with the project's files.
        credential_type: of the source's credential; "" for none.
        inputs: of the source's credential.
        limit: a pattern for the hosts that are wanted.
        verbosity: from 0 to 2.
        timeout: seconds; 0 is as long as any job may take.
        environment: all environment variables.
    """

    name: str
    source: str
    source_path: str = ""
    source_vars: Mapping[str, Any] = field(default_factory=dict, repr=False)
    project: str = ""
    credential_type: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict, repr=False)
    limit: str = ""
    verbosity: int = 1
    timeout: int = 0
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


async def update_inventory_source(request: InventorySourceRequest, on_line: OnLine) -> Listing:
    """Reads an inventory source; who cancels this ends all that was started.

    Args:
        request: what to read.
        on_line: told each line that ansible-inventory prints: the output of the job.

    Returns:
        What it lists, for `InventoryStore.save_update`.

    Raises:
        Failure: `InvalidConfiguration`, `InventoryInvalid` or `JobTimeout`.
    """
    reading = Reading(
        environment=request.environment,
        limit=request.limit,
        verbosity=VERBOSITY[request.verbosity],
        seconds=request.timeout or MAX_SECONDS,
        on_line=on_line,
        out_of_time="JobTimeout",
    )
    what = f"inventory source {request.name}"
    with tempfile.TemporaryDirectory(prefix="jobpods-") as private:
        reading = _with_credential(reading, request, Path(private))
        if request.source in (FILE, PROJECT):
            return await _read_file(request, reading, what)
        plugin, configuration = plugin_configuration(request.source, request.source_vars)
        name = _file_name(plugin, request.source_path)
        with unnamed(json.dumps(configuration)) as descriptor:  # JSON is YAML
            # A name for what has none, so that no secret is left behind, whatever happens.
            path = os.path.join(private, name)
            os.symlink(f"/dev/fd/{descriptor}", path)
            environment = {**reading.environment, "ANSIBLE_INVENTORY_ENABLED": "auto"}
            try:
                return await read_listing(
                    path, replace(reading, environment=environment, inherit=(descriptor,)), what
                )
            except Failure as failure:
                raise _explained(failure, plugin, name, what) from failure


def plugin_configuration(source: str, source_vars: object) -> tuple[str, dict[str, Any]]:
    """The inventory plugin of a source, and its configuration.

    Args:
        source: `plugin`, or a key of `CLOUDS`.
        source_vars: a mapping, or YAML or JSON text.

    Raises:
        Failure: `InvalidConfiguration`.
    """
    given = plain_mapping(parsed_mapping(source_vars, "source_vars"), "source_vars")
    plugin = given.get("plugin") or CLOUDS.get(source)
    if not isinstance(plugin, str):
        raise _invalid(
            "source_vars must name the inventory plugin in plugin, for example amazon.aws.aws_ec2."
        )
    return plugin, {**given, "plugin": plugin}


async def _read_file(request: InventorySourceRequest, reading: Reading, what: str) -> Listing:
    path, folder = _path(request)
    environment = dict(reading.environment)
    for name, value in request.source_vars.items():
        if name not in environment and name not in NOT_FROM_VARS:
            environment[name] = value if isinstance(value, str) else json.dumps(value)
    reading = replace(reading, environment=environment, folder=folder, playbook_dir=folder)
    return await read_listing(path, reading, what)


def _path(request: InventorySourceRequest) -> tuple[str, str]:
    """The file or folder to read, and the folder of the project."""
    given = request.source_path
    if request.source == FILE and not request.project:
        if not os.path.isabs(given):
            raise _invalid("source_path must be the absolute path of a file or folder on the controller.")
        path, folder = given, ""
    else:
        folder = request.project
        # As in AWX, "/" is the project's own folder.
        path = os.path.normpath(os.path.join(folder, given.lstrip("/")))
        if not Path(path).resolve().is_relative_to(Path(folder).resolve()):
            raise _invalid(f"source_path {given!r} leads out of the project.")
    if not os.path.exists(path):
        where = f"in the project {folder}" if folder else "on the controller"
        raise Failure("InventoryInvalid", f"source_path {given!r} does not exist {where}.")
    return path, folder


def _with_credential(reading: Reading, request: InventorySourceRequest, private: Path) -> Reading:
    """What a credential of each type that we have does for an inventory (AWX: Credential Types)."""
    inputs = request.inputs
    if not request.credential_type:
        return reading
    if request.credential_type == "vault":
        return replace(reading, vaults=(VaultCredential(**inputs),))
    if request.credential_type == "kubernetes_bearer_token":
        environment = {
            **reading.environment,
            "K8S_AUTH_HOST": str(inputs["host"]),
            "K8S_AUTH_API_KEY": str(inputs["bearer_token"]),
            "K8S_AUTH_VERIFY_SSL": str(inputs.get("verify_ssl", True)),
        }
        if inputs.get("ssl_ca_cert"):
            file = private / "ca.pem"
            file.write_text(str(inputs["ssl_ca_cert"]), encoding="utf-8")
            environment["K8S_AUTH_SSL_CA_CERT"] = str(file)
        return replace(reading, environment=environment)
    raise _invalid(
        f"credential is of type {request.credential_type}; an inventory source takes"
        f" {' and '.join(TYPES_OF_SOURCES)}. Other plugins take theirs from source_vars or the environment."
    )


def check_file_name(given: str) -> None:
    """Refuses a `source_path` that can't be the name of a plugin's file; empty is the plugin's usual one."""
    if given and (os.path.basename(given) != given or not given.endswith((".yml", ".yaml"))):
        raise _invalid(f"source_path is {given!r}; with a plugin it is a mere file name, like aws_ec2.yml.")


def _file_name(plugin: str, given: str) -> str:
    check_file_name(given)
    if given:
        return given
    short = plugin.rpartition(".")[2]
    return FILE_NAMES.get(short, f"{short}.yml")


def _explained(failure: Failure, plugin: str, name: str, what: str) -> Failure:
    """What the user has to do where Ansible finds no plugin, or it doesn't want our file."""
    words = failure.traceback
    if f"specifies unknown plugin '{plugin}'" in " ".join(words.split()):
        collection = plugin.rpartition(".")[0]
        install = f"ansible-galaxy collection install {collection}"
        missing = (
            f"install its collection on the controller ({install})"
            if collection.count(".") == 1
            else "give its full name, for example amazon.aws.aws_ec2"
        )
        return Failure(
            "InventoryInvalid",
            f"{what}: Ansible has no inventory plugin {plugin!r}; {missing}.",
            hint="Ansible looks for collections in ANSIBLE_COLLECTIONS_PATH, else in ~/.ansible/collections.",
            traceback=words,
        )
    if "could not be verified by inventory plugin" in " ".join(words.split()):
        return Failure(
            "InventoryInvalid",
            f"{what}: the inventory plugin {plugin!r} wants its configuration in a file of another name than"
            f" {name}; give the name that its documentation asks for in source_path.",
            traceback=words,
        )
    return failure


def _invalid(message: str) -> Failure:
    return Failure("InvalidConfiguration", message)
