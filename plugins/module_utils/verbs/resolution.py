# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a definition to what is run: stored objects become what they hold now, and a group its cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.cluster.connection import (
    Connection,
    resolve_connection,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.credential_types import (
    credential_type,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.object_tables import CONTROLPLANE
from ansible_collections.jobpods.controller.plugins.module_utils.controller.objects import (
    ObjectStore,
    StoredObject,
    Values,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.credentials import (
    VaultCredential,
    read_credentials,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.launch import (
    InventorySource,
    Launch,
    read_launch,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.definition import (
    Definition,
    stored_id,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.group_connection import (
    group_namespace,
    resolve_group_connection,
)

REGISTRY = "container_registry"
"""The type of an execution environment's credential."""
GROUP_OPTIONS = (
    "pod_spec_override",
    "pod_pending_timeout",
    "image_pull_timeout",
    "cluster_outage_timeout",
    "warm_pods",
    "warm_pod_ttl",
)


@dataclass(frozen=True)
class Place:
    """Where a job runs, and what.

    Attributes:
        launch: all that it is started from.
        connection: to the cluster; None on the controller node.
    """

    launch: Launch
    connection: Connection | None


@dataclass(frozen=True)
class Caller:
    """Who launches, as far as it decides what a launch means.

    Attributes:
        folder: relative paths start here.
        environ: the environment variables.
        home: the user's home folder.
        check: check mode is on.
        diff: diff mode is on.
    """

    folder: Path
    environ: Mapping[str, str]
    home: Path
    check: bool = False
    diff: bool = False

    def to_stored(self) -> dict[str, Any]:
        """As JSON can carry it; to be sealed."""
        return {
            "folder": str(self.folder),
            "environ": dict(self.environ),
            "home": str(self.home),
            "check": self.check,
            "diff": self.diff,
        }

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any]) -> Caller:
        """What `to_stored` made."""
        return cls(**{**stored, "folder": Path(stored["folder"]), "home": Path(stored["home"])})


class Resolver:
    """Resolves one definition."""

    def __init__(self, definition: Definition, objects: ObjectStore, caller: Caller) -> None:
        self._definition = definition
        self._objects = objects
        self._caller = caller

    def place(
        self, group: int | None, project_folder: str | None, inventory: InventorySource | None = None
    ) -> Place:
        """Where and what to run.

        Args:
            group: id of the container group; None for the inline one.
            project_folder: of the stored project's revision; None where a folder is given.
            inventory: a stored inventory as it is now, or that of a slice; without it, a stored one is taken
                for empty, to check the rest.

        Raises:
            Failure: what is wrong with the options, or with an object.
        """
        params = self._params(project_folder, inventory)
        if group is None:
            inline = dict(params.get("container_group") or {})
            inline["execution_environment"] = self._environment(inline.get("execution_environment"))
            launch = self._read({**params, "container_group": inline})
            connection = resolve_connection(launch.group.connection, self._caller.environ, self._caller.home)
            return Place(launch, connection)
        stored = self._objects.by_id("container_group", group)
        if stored.name == CONTROLPLANE:
            return Place(self._read({**params, "container_group": {}}), None)
        return self._in_group(stored, params)

    def _in_group(self, group: StoredObject, params: Values) -> Place:
        values = group.values
        mapping = {name: values[name] for name in GROUP_OPTIONS}
        mapping["id"] = group.id
        mapping["namespace"] = group_namespace(values)
        mapping["execution_environment"] = self._stored_environment(values["execution_environment"])
        connection = self._connection(group)
        return Place(self._read({**params, "container_group": mapping}), connection)

    def check_connection(self, group: int) -> None:
        """Checks the connection of a container group, without what is run there.

        Raises:
            Failure: it has none.
        """
        stored = self._objects.by_id("container_group", group)
        if stored.name != CONTROLPLANE:
            self._connection(stored)

    def _connection(self, group: StoredObject) -> Connection:
        inputs = None
        if group.values["credential"] is not None:
            inputs = self._objects.by_id("credential", group.values["credential"]).values["inputs"]
        try:
            return resolve_group_connection(group.values, inputs, self._caller.environ, self._caller.home)
        except Failure as failure:
            raise replace(
                failure, message=f"The connection of container group {group.name!r}: {failure.message}"
            ) from failure

    def _read(self, params: Values) -> Launch:
        caller = self._caller
        return read_launch(params, caller.folder, check=caller.check, diff=caller.diff)

    # -- what stored objects hold --

    def _params(self, project_folder: str | None, inventory: InventorySource | None) -> Values:
        options = self._definition.options
        params = dict(options)
        if project_folder is not None:
            params["project"] = project_folder
        if inventory is not None:
            params["inventory"] = inventory
        elif stored_id(options["inventory"]) is not None:
            params["inventory"] = InventorySource("content")
        params["credentials"] = [self._credential(each) for each in options["credentials"]]
        params["execution_environment"] = self._chosen_environment()
        return params

    def vaults(self) -> tuple[VaultCredential, ...]:
        """The job's vault credentials."""
        options = self._definition.options
        credentials = [self._credential(each) for each in options["credentials"]]
        return read_credentials(credentials, "credential" if options.get("module_name") else "").vaults

    def _credential(self, given: Any) -> Any:
        number = stored_id(given)
        if number is None:
            return given
        values = self._objects.by_id("credential", number).values
        return {"credential_type": values["credential_type"], "inputs": values["inputs"]}

    def _chosen_environment(self) -> Any:
        """The execution environment by AWX's order: job, template, project, organization."""
        given = self._environment(self._definition.options.get("execution_environment"))
        if given is not None:
            return given
        project = self._definition.reference("project")
        if project is not None:
            found = self._objects.by_id("project", project).values["default_environment"]
            if found is not None:
                return self._stored_environment(found)
        inventory = self._definition.reference("inventory")
        owners = [self._definition.organization]
        if inventory is not None:
            owners.append(self._objects.by_id("inventory", inventory).values["organization"])
        for owner in owners:
            if owner is not None:
                defaults = self._objects.by_id("organization", owner).values["default_environment"]
                if defaults:
                    return self._stored_environment(defaults[0])
        return None

    def _environment(self, given: Any) -> Any:
        number = stored_id(given)
        if number is not None:
            return self._stored_environment(number)
        if isinstance(given, Mapping) and given.get("credential") is not None:
            return {**given, "credential": self._registry(given["credential"])}
        return given

    def _stored_environment(self, number: int | None) -> Any:
        if number is None:
            return None
        values = self._objects.by_id("execution_environment", number).values
        credential = None
        if values["credential"] is not None:
            credential = self._objects.by_id("credential", values["credential"]).values["inputs"]
        return {"image": values["image"], "pull": values["pull"] or None, "credential": credential}

    def _registry(self, given: Any) -> Any:
        """The inputs of a registry's credential that is given by name or inline."""
        option = "execution_environment.credential"
        if isinstance(given, Mapping):
            found = credential_type(given["credential_type"], f"{option}.credential_type").name
            called, inputs = option, given["inputs"]
        else:
            stored = self._objects.get("credential", given, option, self._definition.organization)
            found, inputs = stored.values["credential_type"], stored.values["inputs"]
            called = f"{option}: {stored.name!r}"
        if found != REGISTRY:
            raise _invalid(f"{called} is of type {found}; it must be {REGISTRY}.")
        return inputs


def _invalid(message: str) -> Failure:
    return Failure("InvalidConfiguration", message)
