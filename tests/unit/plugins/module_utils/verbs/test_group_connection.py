# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A group's connection is its credential's, else its own, else that of the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.kinds import KINDS
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.group_connection import (
    OPTIONS,
    group_namespace,
    resolve_group_connection,
)

EMPTY = KINDS["container_group"].settings
INPUTS = {"host": "https://of-credential.test", "bearer_token": "s3cret"}
KUBECONFIG = {
    "clusters": [{"name": "c", "cluster": {"server": "https://of-kubeconfig.test"}}],
    "users": [{"name": "u", "user": {"token": "x"}}],
    "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
}
ENVIRON = {"K8S_AUTH_HOST": "https://of-environment.test", "K8S_AUTH_API_KEY": "e"}


def test_all_of_a_groups_connection_options_are_known() -> None:
    assert set(OPTIONS) <= set(EMPTY)


def test_the_credential_wins(tmp_path: Path) -> None:
    values = {**EMPTY, "host": "https://own.test", "api_key": "own"}
    found = resolve_group_connection(values, INPUTS, ENVIRON, tmp_path)
    assert (found.host, found.token, found.verify_ssl) == (INPUTS["host"], "s3cret", True)
    assert "credential" in found.source


def test_the_credentials_certificate_is_not_checked_where_it_says_so(tmp_path: Path) -> None:
    found = resolve_group_connection(EMPTY, {**INPUTS, "verify_ssl": False}, {}, tmp_path)
    assert not found.verify_ssl


@pytest.mark.parametrize(
    ("options", "host"),
    [
        pytest.param({"host": "https://own.test", "api_key": "o"}, "https://own.test", id="host"),
        pytest.param(
            {"kubeconfig": KUBECONFIG, "context": "x"}, "https://of-kubeconfig.test", id="kubeconfig"
        ),
        pytest.param({}, "https://of-environment.test", id="environment"),
        pytest.param({"kubeconfig": {}}, "https://of-environment.test", id="empty mapping"),
    ],
)
def test_a_group_without_a_credential(options: dict[str, Any], host: str, tmp_path: Path) -> None:
    assert resolve_group_connection({**EMPTY, **options}, None, ENVIRON, tmp_path).host == host


@pytest.mark.parametrize(
    ("inputs", "reason", "words"),
    [
        pytest.param({**INPUTS, "host": "ftp://x"}, "InvalidConfiguration", "host", id="no URL"),
        pytest.param(
            {"host": "https://a.test"}, "InvalidConfiguration", "without bearer_token", id="no token"
        ),
        pytest.param({**INPUTS, "ssl_ca_cert": "/none"}, "TLSVerification", "ssl_ca_cert", id="no CA"),
    ],
)
def test_a_credential_that_cannot_be_used(
    inputs: dict[str, Any], reason: str, words: str, tmp_path: Path
) -> None:
    with pytest.raises(Failure) as caught:
        resolve_group_connection(EMPTY, inputs, {}, tmp_path)
    assert caught.value.reason == reason
    assert caught.value.message.startswith("In the inputs of the credential: ")
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("values", "namespace"),
    [
        pytest.param({"namespace": "own"}, "own", id="own"),
        pytest.param({"pod_spec_override": {"metadata": {"namespace": "inner"}}}, "inner", id="override"),
        pytest.param(
            {"namespace": "own", "pod_spec_override": {"metadata": {"namespace": "inner"}}}, "own", id="both"
        ),
        pytest.param({"pod_spec_override": {"metadata": None}}, "default", id="null"),
        pytest.param({}, "default", id="none"),
    ],
)
def test_the_namespace(values: dict[str, Any], namespace: str) -> None:
    assert group_namespace({**EMPTY, **values}) == namespace
