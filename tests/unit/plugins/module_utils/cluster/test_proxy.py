# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which proxy leads to a host."""

from __future__ import annotations

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.proxy import Proxy, proxy_for
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure

PROXY = "http://proxy.test:3128"


@pytest.mark.parametrize(
    ("host", "environ", "expected"),
    [
        pytest.param("https://k8s.test", {}, None, id="none"),
        pytest.param("https://k8s.test", {"HTTPS_PROXY": PROXY}, PROXY, id="upper case"),
        pytest.param("https://k8s.test", {"https_proxy": PROXY}, PROXY, id="lower case"),
        pytest.param("https://k8s.test", {"HTTP_PROXY": PROXY}, None, id="of the other scheme"),
        pytest.param("http://k8s.test", {"HTTP_PROXY": PROXY}, PROXY, id="HTTP"),
        pytest.param(
            "https://k8s.test", {"HTTPS_PROXY": "proxy.test"}, "http://proxy.test:80", id="bare name"
        ),
        pytest.param("https://localhost:6443", {"HTTPS_PROXY": PROXY}, None, id="localhost"),
        pytest.param("https://[::1]:6443", {"HTTPS_PROXY": PROXY}, None, id="loopback"),
    ],
)
def test_environment(host: str, environ: dict[str, str], expected: str | None) -> None:
    found = proxy_for(host, None, environ)
    assert (found.url if found else None) == expected


@pytest.mark.parametrize(
    ("host", "no_proxy", "excluded"),
    [
        pytest.param("https://k8s.test", "*", True, id="all"),
        pytest.param("https://k8s.test", "k8s.test", True, id="name"),
        pytest.param("https://K8S.test", " a.test , k8s.TEST ", True, id="list and case"),
        pytest.param("https://api.k8s.test", "k8s.test", True, id="below a domain"),
        pytest.param("https://api.k8s.test", ".k8s.test", True, id="below a dotted domain"),
        pytest.param("https://api.k8s.test", "*.k8s.test", True, id="below a starred domain"),
        pytest.param("https://k8s.test", ".k8s.test", False, id="dotted domain itself"),
        pytest.param("https://my-k8s.test", "k8s.test", False, id="other name with the same end"),
        pytest.param("https://k8s.test:6443", "k8s.test:6443", True, id="port"),
        pytest.param("https://k8s.test", "k8s.test:443", True, id="default port"),
        pytest.param("https://k8s.test:6443", "k8s.test:443", False, id="other port"),
        pytest.param("https://10.1.2.3:6443", "10.1.2.3", True, id="address"),
        pytest.param("https://10.1.2.3:6443", "10.1.0.0/16", True, id="network"),
        pytest.param("https://10.2.2.3:6443", "10.1.0.0/16", False, id="other network"),
        pytest.param("https://10.1.2.3:6443", "10.1.2.3:443", False, id="address with other port"),
        pytest.param("https://[fd00::1]:6443", "fd00::/8", True, id="IPv6 network"),
        pytest.param("https://[fd00::1]:6443", "[fd00::1]:6443", True, id="IPv6 with port"),
        pytest.param("https://k8s.test", "", False, id="empty"),
    ],
)
@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
def test_exclusion(host: str, no_proxy: str, excluded: bool, variable: str) -> None:
    assert (proxy_for(host, None, {"HTTPS_PROXY": PROXY, variable: no_proxy}) is None) == excluded


def test_kubeconfig_wins_over_the_environment() -> None:
    environ = {"HTTPS_PROXY": PROXY, "NO_PROXY": "*"}
    assert proxy_for("https://localhost", "http://other.test:8080", environ) == Proxy(
        "http://other.test:8080"
    )


def test_authentication_leaves_the_address() -> None:
    found = proxy_for("https://k8s.test", "http://bob:p%40ss@[fd00::1]:3128", {})
    assert found == Proxy("http://[fd00::1]:3128", {"Proxy-Authorization": "Basic Ym9iOnBAc3M="})
    assert "Ym9iOnBAc3M" not in repr(found)


@pytest.mark.parametrize(
    "value", ["socks5://bob:secret@p.test", "https://p.test", "http://", "http://p.test:x"]
)
def test_wrong_addresses(value: str) -> None:
    with pytest.raises(Failure, match="HTTPS_PROXY is") as caught:
        proxy_for("https://k8s.test", None, {"HTTPS_PROXY": value})
    assert caught.value.reason == "InvalidConfiguration"
    assert "secret" not in caught.value.message
