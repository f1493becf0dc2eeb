# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be right in a container group before it is stored, as far as that shows without its cluster."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.access import NAMESPACE
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.connection import resolve_connection
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.kubeconfig import load_mapping
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure, kind_of
from ansible_collections.jobpods.controller.plugins.module_utils.job.limits import LIMITS, MAX_SECONDS
from ansible_collections.jobpods.controller.plugins.module_utils.pod import faults
from ansible_collections.jobpods.controller.plugins.module_utils.pod.spec import parse_override
from ansible_collections.jobpods.controller.plugins.module_utils.pod.warm import LEAST_TTL
from ansible_collections.jobpods.controller.plugins.module_utils.pod.warm import MOST as MOST_WARM
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.group_connection import (
    OF_HOST,
    OF_KUBECONFIG,
    given_options,
    group_namespace,
)

OVERRIDE = "pod_spec_override"
COUNTS = ("max_concurrent_jobs", "max_forks")
MOST = 1_000_000
FAULTS_NAMED = 5
"""Faults that a message tells at once."""

Values = dict[str, Any]


def check_values(values: Mapping[str, Any]) -> Values:
    """The options of a container group, checked without asking anybody.

    Args:
        values: all of its options, as they would be stored.

    Returns:
        The options in their final form: the override is a mapping.

    Raises:
        Failure: `InvalidConfiguration`; its message names the option, and the line where there is one.
    """
    checked = dict(values)
    _check_connection(checked)
    checked[OVERRIDE] = read_override(checked.get(OVERRIDE))
    _check_namespace(checked)
    for option in COUNTS:
        _check_number(option, checked.get(option), 0, MOST, "0 is no limit")
    _check_number("warm_pods", checked.get("warm_pods"), 0, MOST_WARM, "0 is none")
    if checked.get("warm_pod_ttl") is not None:
        _check_number("warm_pod_ttl", checked["warm_pod_ttl"], LEAST_TTL, MAX_SECONDS, "seconds")
    for option in LIMITS:
        if checked.get(option) is not None:
            _check_number(option, checked[option], 1, MAX_SECONDS, "seconds")
    return checked


def read_override(given: object) -> dict[str, Any]:
    """A `pod_spec_override` as a mapping.

    Args:
        given: what the user gave: a mapping, or YAML or JSON text.

    Raises:
        Failure: `InvalidConfiguration`, where it can't be a Pod; the message names each field that is wrong,
            and its line where it was given as text.
    """
    found = [fault for fault in faults.faults(_plain(given)) if not fault.unknown]
    if found:
        named = [f"{_place(given, fault.path)} {fault.words}" for fault in found[:FAULTS_NAMED]]
        more = f"; and {len(found) - FAULTS_NAMED} more" if len(found) > FAULTS_NAMED else ""
        raise _invalid(f"{OVERRIDE}: {'; '.join(named)}{more}.")
    return parse_override(given)


def unknown_fields(given: object) -> list[str]:
    """A phrase for each field of an override that is in no Pod known here, with what is likely meant."""
    found = (fault for fault in faults.faults(_plain(given)) if fault.unknown)
    return [f"{_place(given, fault.path)} {fault.words}" for fault in found]


def line_of(text: str, path: faults.Path) -> int | None:
    """The line of YAML or JSON text that a field, or what should have it, is in; None if there is none."""
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    line = None
    for part in path:
        found = None
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == str(part)), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            found = (node.value[part], node.value[part])
        if found is None:
            break
        line = found[0].start_mark.line + 1
        node = found[1]
    return line


def _plain(given: object) -> dict[str, Any]:
    """An override as JSON has it; empty where it is none, which is for `parse_override` to say."""
    try:
        parsed = yaml.safe_load(given) if isinstance(given, str) else given
        plain = json.loads(json.dumps(parsed, default=str))
    except (yaml.YAMLError, TypeError, ValueError, RecursionError):
        return {}
    return plain if isinstance(plain, dict) else {}


def _place(given: object, path: faults.Path) -> str:
    """A field, with its line where the override is text."""
    line = line_of(given, path) if isinstance(given, str) else None
    return faults.dotted(path) + (f" (line {line})" if line else "")


def _check_connection(values: Mapping[str, Any]) -> None:
    given = given_options(values)
    if values.get("credential") is not None and given:
        raise _invalid(
            f"credential and {next(iter(given))} exclude each other: a connection comes either from a stored"
            " credential or from the group's own options. Clear one of them with an empty text."
        )
    of_host = [name for name in OF_HOST if name in given]
    of_kubeconfig = [name for name in OF_KUBECONFIG if name in given]
    if of_host and of_kubeconfig:
        raise _invalid(
            f"{of_kubeconfig[0]} and {of_host[0]} exclude each other: a connection comes either from a"
            " kubeconfig, which brings everything, or from host, api_key, verify_ssl and ssl_ca_cert. Clear"
            " one of them with an empty text."
        )
    if not isinstance(given.get("kubeconfig", ""), (str, Mapping)):
        raise _invalid(f"kubeconfig must be a path or a mapping, but it is {kind_of(given['kubeconfig'])}.")
    if isinstance(given.get("kubeconfig"), Mapping):
        load_mapping(given["kubeconfig"]).choose(given.get("context"))
    if of_host:
        # Its certificate may be a file, which is read when it is used.
        alone = {name: given[name] for name in of_host if name != "ssl_ca_cert"}
        resolve_connection(alone or {"ssl_ca_cert": given["ssl_ca_cert"]}, {}, Path())


def _check_namespace(values: Mapping[str, Any]) -> None:
    name = group_namespace(values)
    if not NAMESPACE.fullmatch(name):
        where = "namespace" if values.get("namespace") else f"{OVERRIDE}: metadata.namespace"
        raise _invalid(
            f"{where} is {name!r}; a namespace's name has lower-case letters, digits and -, at most 63 of"
            " them."
        )


def _check_number(option: str, value: Any, least: int, most: int, unit: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise _invalid(f"{option} is {value!r}; it must be from {least} to {most} ({unit}).")


def absolute(value: Any, folder: Path) -> Any:
    """A path, or a list of them, made absolute; a text, a mapping, and a path from the home folder stay.

    Args:
        value: a kubeconfig or CA certificates, as the user gave them.
        folder: relative paths start here.
    """
    if not isinstance(value, str) or not value or "\n" in value or "-----BEGIN" in value:
        return value
    parts = value.split(os.pathsep)
    return os.pathsep.join(
        part if not part or part.startswith("~") else os.path.normpath(folder / part) for part in parts
    )


def _invalid(message: str) -> Failure:
    return Failure("InvalidConfiguration", message)
