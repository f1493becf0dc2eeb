# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a connection comes from, and that nothing is mixed into it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.connection import (
    Connection,
    resolve_connection,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.authority import Authority

HOST = "https://k8s.test:6443"
KEY = "sha256~abc"


def kubeconfig(**user: Any) -> dict[str, Any]:
    """A kubeconfig with two contexts, of which `prod` is the current one."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "prod",
        "clusters": [
            {"name": "prod", "cluster": {"server": "https://prod.test:6443/"}},
            {"name": "stage", "cluster": {"server": "https://stage.test", "insecure-skip-tls-verify": True}},
        ],
        "contexts": [
            {"name": "prod", "context": {"cluster": "prod", "user": "me", "namespace": "jobs"}},
            {"name": "stage", "context": {"cluster": "stage", "user": "me"}},
        ],
        "users": [{"name": "me", "user": user or {"token": KEY}}],
    }


def write(path: Path, document: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def account(tmp_path: Path, authority: Authority) -> Path:
    """A pod's service account."""
    folder = tmp_path / "serviceaccount"
    folder.mkdir()
    (folder / "token").write_text("pod-token\n")
    (folder / "namespace").write_text("runners\n")
    (folder / "ca.crt").write_text(authority.pem)
    return folder


def refused(options: dict[str, Any], environ: dict[str, str], home: Path, **more: Any) -> Failure:
    with pytest.raises(Failure) as caught:
        resolve_connection(options, environ, home, **more)
    return caught.value


def test_host_and_token(home: Path) -> None:
    found = resolve_connection({"host": f"{HOST}/", "api_key": f" {KEY}\n", "verify_ssl": None}, {}, home)
    assert found == Connection(host=HOST, source=f"{HOST} (option host)", token=KEY)


def test_ca_as_text_and_as_file_is_the_same(home: Path, authority: Authority) -> None:
    (home / "pki").mkdir(parents=True)
    (home / "pki" / "ca.pem").write_text(authority.pem)
    options = {"host": HOST, "api_key": KEY}
    for value in (authority.pem, str(home / "pki" / "ca.pem"), "~/pki/ca.pem"):
        assert resolve_connection({**options, "ssl_ca_cert": value}, {}, home).ca_text == authority.pem


@pytest.mark.parametrize(
    "value", ["rubbish", "/no/such/file", "-----BEGIN CERTIFICATE-----\nx\n", "a\nb", "x" * 5000]
)
def test_unreadable_ca(home: Path, value: str) -> None:
    failure = refused({"host": HOST, "api_key": KEY, "ssl_ca_cert": value}, {}, home)
    assert failure.reason == "TLSVerification"
    assert len(failure.message) < 500


def test_ca_does_not_matter_where_nothing_is_verified(home: Path) -> None:
    options = {"host": HOST, "api_key": KEY, "verify_ssl": False, "ssl_ca_cert": "rubbish"}
    found = resolve_connection(options, {}, home)
    assert (found.verify_ssl, found.ca_text) == (False, None)


def test_variables_as_awx_injects_them(home: Path, authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "ca").write_text(authority.pem)
    environ = {
        "K8S_AUTH_HOST": HOST,
        "K8S_AUTH_API_KEY": KEY,
        "K8S_AUTH_VERIFY_SSL": "True",
        "K8S_AUTH_SSL_CA_CERT": str(tmp_path / "ca"),
        "KUBECONFIG": "/no/such/file",
    }
    found = resolve_connection({}, environ, home)
    assert found == Connection(
        host=HOST, source=f"{HOST} (K8S_AUTH_HOST)", token=KEY, verify_ssl=True, ca_text=authority.pem
    )


@pytest.mark.parametrize(
    ("value", "expected"), [("false", False), ("no", False), ("0", False), ("Yes", True)]
)
def test_booleans_of_variables(home: Path, value: str, expected: bool) -> None:
    environ = {"K8S_AUTH_HOST": HOST, "K8S_AUTH_API_KEY": KEY, "K8S_AUTH_VERIFY_SSL": value}
    assert resolve_connection({}, environ, home).verify_ssl is expected


def test_options_are_not_mixed_with_variables(home: Path) -> None:
    environ = {"K8S_AUTH_API_KEY": KEY, "K8S_AUTH_SSL_CA_CERT": "/no/such/file"}
    failure = refused({"host": HOST}, environ, home)
    assert failure.message.startswith("host is given without api_key")
    found = resolve_connection({"host": HOST, "api_key": "other"}, environ, home)
    assert (found.token, found.ca_text) == ("other", None)


def test_kubeconfig_is_read_whole(home: Path, tmp_path: Path, authority: Authority) -> None:
    document = kubeconfig(
        **{"client-certificate": "pki/me.crt", "client-key-data": base64.b64encode(b"KEY").decode()}
    )
    document["clusters"][0]["cluster"].update(
        {
            "certificate-authority-data": base64.b64encode(authority.pem.encode()).decode(),
            "tls-server-name": "kubernetes",
            "proxy-url": "http://proxy.test:3128",
        }
    )
    file = write(tmp_path / "x" / "config", document)
    (tmp_path / "x" / "pki").mkdir()
    (tmp_path / "x" / "pki" / "me.crt").write_text("CERTIFICATE")
    assert resolve_connection({"kubeconfig": str(file)}, {}, home) == Connection(
        host="https://prod.test:6443",
        source=f"kubeconfig {file} (option kubeconfig), context prod",
        namespace="jobs",
        client_certificate="CERTIFICATE",
        client_key="KEY",
        ca_text=authority.pem,
        tls_server_name="kubernetes",
        proxy_url="http://proxy.test:3128",
        kubeconfig=str(file),
        context="prod",
    )


def test_context_is_chosen(home: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "config", kubeconfig())
    found = resolve_connection({"kubeconfig": file, "context": "stage"}, {}, home)
    assert (found.host, found.verify_ssl, found.namespace, found.token) == (
        "https://stage.test",
        False,
        None,
        KEY,
    )


def test_kubeconfig_as_a_mapping(home: Path) -> None:
    found = resolve_connection({"kubeconfig": kubeconfig()}, {}, home)
    assert (found.token, found.source) == (KEY, "the inline kubeconfig (option kubeconfig), context prod")


@pytest.mark.parametrize(
    "options", [pytest.param({}, id="default"), pytest.param({"context": "stage"}, id="with a context")]
)
@pytest.mark.parametrize("variable", [True, False], ids=["KUBECONFIG", "home"])
def test_kubeconfig_of_kubectl(home: Path, tmp_path: Path, options: dict[str, str], variable: bool) -> None:
    file = write(tmp_path / "own" if variable else home / ".kube" / "config", kubeconfig())
    found = resolve_connection(options, {"KUBECONFIG": str(file)} if variable else {}, home)
    named_by = "KUBECONFIG" if variable else "default"
    assert found.source == f"kubeconfig {file} ({named_by}), context {options.get('context', 'prod')}"


def test_kubeconfig_of_a_variable_of_ansible(home: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "own", kubeconfig())
    found = resolve_connection({}, {"K8S_AUTH_KUBECONFIG": str(file), "KUBECONFIG": "/no/such"}, home)
    assert found.source == f"kubeconfig {file} (K8S_AUTH_KUBECONFIG), context prod"


def test_relative_paths_start_in_the_working_folder(
    home: Path, tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path / "own", kubeconfig())
    (tmp_path / "ca.pem").write_text(authority.pem)
    monkeypatch.chdir(tmp_path)
    assert resolve_connection({"kubeconfig": "own"}, {}, home).kubeconfig == str(file)
    options = {"host": HOST, "api_key": KEY, "ssl_ca_cert": "ca.pem"}
    assert resolve_connection(options, {}, home).ca_text == authority.pem
    assert f"{tmp_path}/no.pem" in refused({**options, "ssl_ca_cert": "no.pem"}, {}, home).message
    assert f"names {tmp_path}/no, which" in refused({"kubeconfig": "no"}, {}, home).message


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(yaml.safe_dump(kubeconfig()), id="YAML"),
        pytest.param(json.dumps(kubeconfig()), id="JSON"),
        pytest.param(base64.b64encode(json.dumps(kubeconfig()).encode()).decode(), id="base64"),
        pytest.param("/dir/" * 1000 + KEY, id="long"),
    ],
)
@pytest.mark.parametrize("where", ["kubeconfig", "K8S_AUTH_KUBECONFIG", "KUBECONFIG"])
def test_text_of_a_kubeconfig_is_refused_and_not_shown(home: Path, text: str, where: str) -> None:
    options, environ = ({where: text}, dict[str, str]()) if where == "kubeconfig" else ({}, {where: text})
    failure = refused(options, environ, home)
    assert failure.message.startswith(f"{where} is no path")
    assert "from_yaml" in failure.message
    shown = repr(failure) + str(failure.as_result())
    assert KEY not in shown
    assert text[:40] not in shown


def test_first_of_several_kubeconfigs_wins(home: Path, tmp_path: Path) -> None:
    first = {
        "clusters": [{"name": "prod", "cluster": {"server": "https://first.test"}}],
        "current-context": "",
    }
    files = [write(tmp_path / "first", first), tmp_path / "missing", write(tmp_path / "second", kubeconfig())]
    found = resolve_connection({}, {"KUBECONFIG": ":".join(str(file) for file in files)}, home)
    assert (found.host, found.token) == ("https://first.test", KEY)
    assert found.source == f"kubeconfig {files[0]}:{files[2]} (KUBECONFIG), context prod"


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        pytest.param({"username": "bob", "password": "p"}, {"username": "bob", "password": "p"}, id="basic"),
        pytest.param({"exec": {"command": "login"}}, {"login": "exec"}, id="exec"),
        pytest.param({"auth-provider": {"name": "oidc"}}, {"login": "auth-provider"}, id="auth provider"),
        pytest.param(
            {"token": KEY, "exec": {"command": "x"}}, {"token": KEY, "login": None}, id="token and exec"
        ),
        pytest.param(
            {"token": KEY, "as": "carol", "as-groups": ["dev", "ops"], "as-user-extra": {"why": ["test"]}},
            {
                "impersonation": (
                    ("Impersonate-User", "carol"),
                    ("Impersonate-Group", "dev"),
                    ("Impersonate-Group", "ops"),
                    ("Impersonate-Extra-why", "test"),
                )
            },
            id="impersonation",
        ),
    ],
)
def test_kinds_of_users(home: Path, user: dict[str, Any], expected: dict[str, Any]) -> None:
    found = resolve_connection({"kubeconfig": kubeconfig(**user)}, {}, home)
    assert {key: getattr(found, key) for key in expected} == expected


def test_token_file_is_relative_to_the_kubeconfig(home: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "x" / "config", kubeconfig(tokenFile="token"))
    assert resolve_connection({"kubeconfig": file}, {}, home).token_file == str(tmp_path / "x" / "token")


def test_in_cluster(home: Path, account: Path, authority: Authority) -> None:
    environ = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"}
    assert resolve_connection({}, environ, home, service_account=account) == Connection(
        host="https://[fd00::1]:6443",
        source="the service account of this pod",
        namespace="runners",
        token_file=str(account / "token"),
        ca_text=authority.pem,
    )


def test_no_connection_says_what_was_looked_for(home: Path, account: Path) -> None:
    failure = refused({}, {}, home, service_account=account)
    assert failure.reason == "InvalidConfiguration"
    for word in ("kubeconfig", "host", "K8S_AUTH_HOST", "KUBECONFIG", str(home / ".kube" / "config"), "pod"):
        assert word in failure.message


@pytest.mark.parametrize(
    ("options", "environ", "words"),
    [
        pytest.param(
            {"kubeconfig": "/no/such"}, {}, "kubeconfig names /no/such, which does not exist", id="file"
        ),
        pytest.param({}, {"KUBECONFIG": "/no/such"}, "KUBECONFIG names /no/such", id="variable's file"),
        pytest.param(
            {}, {"K8S_AUTH_KUBECONFIG": "/no/such"}, "K8S_AUTH_KUBECONFIG names /no/such", id="K8S_AUTH"
        ),
        pytest.param({"kubeconfig": 3}, {}, "must be a path or a mapping, but it is a number", id="type"),
        pytest.param(
            {"kubeconfig": "/x", "host": HOST}, {}, "kubeconfig and host exclude each other", id="both"
        ),
        pytest.param(
            {"context": "a", "api_key": KEY}, {}, "context and api_key exclude each other", id="mixed"
        ),
        pytest.param(
            {},
            {"K8S_AUTH_CONTEXT": "a", "K8S_AUTH_HOST": HOST},
            "K8S_AUTH_CONTEXT and K8S_AUTH_HOST exclude each other",
            id="variables mixed",
        ),
        pytest.param({"host": HOST}, {}, "host is given without api_key", id="no token"),
        pytest.param({"api_key": KEY}, {}, "api_key is given without host", id="no host"),
        pytest.param({"verify_ssl": False}, {}, "verify_ssl is given without host", id="no host at all"),
        pytest.param(
            {},
            {"K8S_AUTH_HOST": HOST},
            "K8S_AUTH_HOST is given without K8S_AUTH_API_KEY",
            id="variable's token",
        ),
        pytest.param(
            {},
            {"K8S_AUTH_HOST": HOST, "K8S_AUTH_API_KEY": KEY, "K8S_AUTH_VERIFY_SSL": "maybe"},
            'K8S_AUTH_VERIFY_SSL is "maybe"; it must be true or false',
            id="boolean",
        ),
        pytest.param(
            {"context": "prod"}, {}, "context is given, but there is no kubeconfig", id="context alone"
        ),
        pytest.param(
            {"host": "k8s.test:8443", "api_key": KEY},
            {},
            'host is "k8s.test:8443", which is not a URL like https://k8s.test:8443.',
            id="no scheme",
        ),
        pytest.param({"host": "ftp://k8s.test", "api_key": KEY}, {}, "not a URL like https://", id="scheme"),
        pytest.param(
            {"host": "https://k8s.test:x", "api_key": KEY}, {}, "not a URL like https://", id="port"
        ),
        pytest.param(
            {"host": "https://k8s .test", "api_key": KEY}, {}, "not a URL like https://", id="space"
        ),
        pytest.param(
            {"host": "https://me:pw@k8s.test:8443", "api_key": KEY},
            {},
            "must be a plain URL like https://k8s.test:8443, without user",
            id="user",
        ),
        pytest.param({"host": f"{HOST}/?a=b", "api_key": KEY}, {}, "must be a plain URL", id="query"),
        pytest.param(
            {"host": HOST, "api_key": "a\r\nb"}, {}, "api_key is not a bearer token", id="line break"
        ),
    ],
)
def test_wrong_options(home: Path, options: dict[str, Any], environ: dict[str, str], words: str) -> None:
    failure = refused(options, environ, home)
    assert failure.reason == "InvalidConfiguration"
    assert words in failure.message
    assert "pw" not in failure.message


@pytest.mark.parametrize(
    ("change", "reason", "words"),
    [
        pytest.param(
            {"current-context": None}, "InvalidConfiguration", "(there are: prod, stage)", id="no current"
        ),
        pytest.param(
            {"current-context": "old"}, "InvalidConfiguration", 'current-context "old"', id="wrong current"
        ),
        pytest.param({"clusters": []}, "InvalidConfiguration", 'names the cluster "prod"', id="no cluster"),
        pytest.param({"users": None}, "InvalidConfiguration", 'names the user "me"', id="no user"),
        pytest.param({"users": {}}, "InvalidConfiguration", 'names the user "me"', id="users empty"),
        pytest.param({"users": "x"}, "InvalidConfiguration", "users of the kubeconfig", id="users no list"),
        pytest.param(
            {"users": [3]}, "InvalidConfiguration", "must be a mapping with name and user", id="user a number"
        ),
        pytest.param(
            {"clusters": [{"name": "prod", "cluster": {}}]}, "InvalidConfiguration", "server", id="no server"
        ),
        pytest.param(
            {"clusters": [{"name": "prod", "cluster": {"server": 7}}]},
            "InvalidConfiguration",
            "must be text",
            id="7",
        ),
        pytest.param(
            {"clusters": [{"name": "prod", "cluster": {"server": HOST, "certificate-authority": "ca.crt"}}]},
            "TLSVerification",
            "which can't be read",
            id="no CA file",
        ),
        pytest.param(
            {
                "clusters": [
                    {
                        "name": "prod",
                        "cluster": {"server": HOST, "certificate-authority-data": "cnViYmlzaA=="},
                    }
                ]
            },
            "TLSVerification",
            "not readable as PEM",
            id="rubbish CA",
        ),
        pytest.param(
            {"clusters": [{"name": "prod", "cluster": {"server": HOST, "certificate-authority-data": "x"}}]},
            "TLSVerification",
            "must be PEM text in base64",
            id="CA without base64",
        ),
        pytest.param(
            {"users": [{"name": "me", "user": {"client-certificate": "me.crt"}}]},
            "InvalidConfiguration",
            "me.crt, which can't be read",
            id="no client certificate",
        ),
    ],
)
def test_wrong_kubeconfig(
    home: Path, tmp_path: Path, change: dict[str, Any], reason: str, words: str
) -> None:
    file = write(tmp_path / "config", {**kubeconfig(), **change})
    failure = refused({"kubeconfig": file}, {}, home)
    assert failure.reason == reason
    assert words in failure.message
    assert str(file) in failure.message or reason == "TLSVerification"


def test_unknown_context_lists_the_known(home: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "config", kubeconfig())
    failure = refused({"kubeconfig": file, "context": "dev"}, {}, home)
    assert failure.message == f'kubeconfig {file} has no context "dev" (there are: prod, stage).'


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param("users: [{token: s3cret", "is not valid YAML (line 1", id="YAML"),
        pytest.param("- s3cret", "must be a mapping", id="list"),
        pytest.param("", "has no current-context", id="empty"),
    ],
)
def test_kubeconfig_that_is_none(home: Path, tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "config").write_text(content)
    failure = refused({"kubeconfig": str(tmp_path / "config")}, {}, home)
    assert words in failure.message
    assert "s3cret" not in repr(failure)


def test_storing_keeps_everything(home: Path, account: Path) -> None:
    user = {"token": KEY, "as": "carol"}
    for found in (
        resolve_connection({"kubeconfig": kubeconfig(**user)}, {}, home),
        resolve_connection({"host": HOST, "api_key": KEY}, {}, home),
        resolve_connection({}, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, home, service_account=account),
    ):
        stored = json.loads(json.dumps(found.to_stored()))
        assert Connection.from_stored(stored) == found


def test_representation_shows_no_secret(home: Path) -> None:
    document = kubeconfig(username="bob", password="s3cret-password", token="s3cret-token")  # noqa: S106
    document["clusters"][0]["cluster"]["proxy-url"] = "http://bob:s3cret-proxy@proxy.test"
    assert "s3cret" not in repr(resolve_connection({"kubeconfig": document}, {}, home))
