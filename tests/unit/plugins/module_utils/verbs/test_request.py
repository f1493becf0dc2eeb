# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Environment variables mean what they mean to whoever set them: paths start where they started Ansible."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.request import Request

PEM = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        pytest.param("KUBECONFIG", "kube/config", "{0}/kube/config", id="path"),
        pytest.param("KUBECONFIG", "./a:/b/c:d", "{0}/a:/b/c:{0}/d", id="several paths"),
        pytest.param("KUBECONFIG", "a:b", "{0}/a:b", id="a colon in a name"),
        pytest.param("K8S_AUTH_KUBECONFIG", "~/.kube/config", "~/.kube/config", id="home"),
        pytest.param("K8S_AUTH_KUBECONFIG", "/etc/a", "/etc/a", id="absolute"),
        pytest.param("K8S_AUTH_KUBECONFIG", "clusters: []\nusers: []", "clusters: []\nusers: []", id="text"),
        pytest.param("K8S_AUTH_SSL_CA_CERT", "../ca.pem", "{0}/../ca.pem", id="certificate's path"),
        pytest.param("K8S_AUTH_SSL_CA_CERT", PEM, PEM, id="certificate's text"),
        pytest.param("JOBPODS_DATA_DIR", "store", "{0}/store", id="folder"),
        pytest.param("JOBPODS_SECRET_KEY_FILE", "key", "{0}/key", id="key"),
        pytest.param("JOBPODS_DATABASE_URL", "sqlite:///a/b.db", "sqlite:///{0}/a/b.db", id="file of a URL"),
        pytest.param("JOBPODS_DATABASE_URL", "sqlite:////a.db", "sqlite:////a.db", id="absolute URL"),
        pytest.param("JOBPODS_DATABASE_URL", "sqlite:///:memory:", "sqlite:///:memory:", id="memory"),
        pytest.param("JOBPODS_DATABASE_URL", "postgresql://h/a", "postgresql://h/a", id="other database"),
        pytest.param("K8S_AUTH_HOST", "a/b", "a/b", id="no path"),
        pytest.param("KUBECONFIG", "", "", id="empty"),
    ],
)
@pytest.mark.parametrize("source", ["process", "task"])
def test_paths_of_variables_start_where_ansible_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, given: str, expected: str, source: str
) -> None:
    (tmp_path / "a:b").touch()
    environment = {name: given} if source == "task" else {}
    monkeypatch.setenv(name, given if source == "process" else "/other")
    request = Request("job_info", {}, "/playbooks", started_in=str(tmp_path), environment=environment)
    assert request.environ[name] == expected.format(tmp_path)


def test_user_without_a_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's user may have neither HOME nor an entry in passwd."""
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 1000680000)
    assert Request("job_info", {}, "/playbooks").home == Path("/")
