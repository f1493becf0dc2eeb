# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a stored container group reaches its cluster, and the namespace that it uses there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.cluster.connection import (
    Connection,
    resolve_connection,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure

OF_KUBECONFIG = ("kubeconfig", "context")
OF_HOST = ("host", "api_key", "verify_ssl", "ssl_ca_cert")
OPTIONS = (*OF_KUBECONFIG, *OF_HOST)
"""A group's own connection options: those of a kubeconfig, or the others."""


def given_options(values: Mapping[str, Any]) -> dict[str, Any]:
    """The connection options that a group has, without those that nobody gave."""
    return {name: values[name] for name in OPTIONS if values.get(name) not in (None, "", {})}


def credential_options(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The connection options that the inputs of a `kubernetes_bearer_token` credential stand for."""
    return {
        "host": inputs.get("host"),
        "api_key": inputs.get("bearer_token"),
        "verify_ssl": inputs.get("verify_ssl"),
        "ssl_ca_cert": inputs.get("ssl_ca_cert"),
    }


def resolve_group_connection(
    values: Mapping[str, Any],
    credential_inputs: Mapping[str, Any] | None,
    environ: Mapping[str, str],
    home: Path,
) -> Connection:
    """The connection of a container group: its credential's, else its own, else that of the environment.

    Args:
        values: the group's options, as they are stored.
        credential_inputs: the inputs of its credential; None where it has none.
        environ: the environment variables.
        home: the user's home folder.

    Raises:
        Failure: `InvalidConfiguration`, or `TLSVerification` for an unreadable CA certificate.
    """
    if credential_inputs is None:
        return resolve_connection(given_options(values), environ, home)
    found = resolve_credential_connection(credential_inputs, environ, home)
    return replace(found, source=f"the credential with the host {found.host}")


def resolve_credential_connection(
    inputs: Mapping[str, Any], environ: Mapping[str, str], home: Path
) -> Connection:
    """The connection of a `kubernetes_bearer_token` credential; arguments and failures as above."""
    try:
        return resolve_connection(credential_options(inputs), environ, home)
    except Failure as failure:
        words = failure.message.replace("api_key", "bearer_token")
        raise replace(failure, message=f"In the inputs of the credential: {words}") from failure


def group_namespace(values: Mapping[str, Any]) -> str:
    """The namespace of a container group: its own, else the override's, else `default`, as in AWX."""
    override = values.get("pod_spec_override") or {}
    inner = (override.get("metadata") or {}).get("namespace")
    return str(values.get("namespace") or inner or "default")
