# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster that a verb looks at: of a stored credential or container group, or of its own options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.cluster.access import NAMESPACE
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.connection import (
    Connection,
    resolve_connection,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.object_tables import CONTROLPLANE
from ansible_collections.jobpods.controller.plugins.module_utils.controller.objects import (
    ObjectStore,
    StoredObject,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.group_connection import (
    given_options,
    group_namespace,
    resolve_group_connection,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.request import Request

CREDENTIAL_TYPE = "kubernetes_bearer_token"


@dataclass(frozen=True)
class Target:
    """A namespace of a cluster.

    Attributes:
        connection: how the cluster is reached.
        namespace: the one that is meant.
    """

    connection: Connection
    namespace: str


def stored_option(params: Mapping[str, Any]) -> str | None:
    """The option that names what is stored, `credential` or `container_group`; None where neither does.

    Args:
        params: those two, `organization`, `namespace`, and the options of a connection.

    Raises:
        Failure: `InvalidConfiguration`, where options exclude each other.
    """
    own = given_options(params)
    named = [name for name in ("credential", "container_group", *own) if params.get(name) not in (None, "")]
    found = next((name for name in named if name not in own), None)
    if found is not None and len(named) > 1:
        raise _invalid(f"{named[0]} and {named[1]} exclude each other: name one connection.")
    if params.get("organization") and found != "credential":
        raise _invalid("organization is given without credential, whose organization it tells.")
    return found


def own_target(request: Request) -> Target:
    """What the options of a connection name, or where there are none the environment.

    Raises:
        Failure: `InvalidConfiguration`, or `TLSVerification` for an unreadable CA certificate.
    """
    connection = resolve_connection(given_options(request.params), request.environ, request.home)
    return Target(connection, _namespace(request.params, "default"))


def stored_target(request: Request, objects: ObjectStore, option: str) -> Target:
    """What a stored credential or container group names.

    Args:
        request: of the verb.
        objects: the stored objects.
        option: as `stored_option` has said.

    Raises:
        Failure: as for `own_target`.
    """
    params = request.params
    group: dict[str, Any] = {}
    inputs: dict[str, Any] | None = None
    if option == "credential":
        organization = params.get("organization")
        inputs = _inputs(objects.get("credential", params["credential"], "credential", organization))
    else:
        found = objects.get("container_group", params["container_group"], "container_group")
        if found.name == CONTROLPLANE:
            raise _invalid(
                f"container_group: {CONTROLPLANE} runs jobs on the controller, and reaches no cluster."
            )
        group, number = found.values, found.values["credential"]
        inputs = None if number is None else _inputs(objects.by_id("credential", number))
    connection = resolve_group_connection(group, inputs, request.environ, request.home)
    return Target(connection, _namespace(params, group_namespace(group)))


def _inputs(credential: StoredObject) -> dict[str, Any]:
    kind = credential.values["credential_type"]
    if kind != CREDENTIAL_TYPE:
        raise _invalid(f"credential: {credential.name!r} is of type {kind}; it must be {CREDENTIAL_TYPE}.")
    inputs: dict[str, Any] = credential.values["inputs"]
    return inputs


def _namespace(params: Mapping[str, Any], otherwise: str) -> str:
    namespace = str(params.get("namespace") or otherwise)
    if not NAMESPACE.fullmatch(namespace):
        raise _invalid(
            f"namespace is {namespace!r}; a namespace's name has lower-case letters, digits and -, at most 63"
            " of them."
        )
    return namespace


def _invalid(message: str) -> Failure:
    return Failure("InvalidConfiguration", message)
