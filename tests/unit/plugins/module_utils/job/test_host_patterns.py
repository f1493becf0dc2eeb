# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of hosts stand for the same hosts as in Ansible."""

from __future__ import annotations

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.host_patterns import expanded


@pytest.mark.parametrize(
    ("pattern", "hosts", "port"),
    [
        pytest.param("web1", ["web1"], None, id="name"),
        pytest.param("web1:2222", ["web1"], 2222, id="port"),
        pytest.param("web[1:3]", ["web1", "web2", "web3"], None, id="range"),
        pytest.param(
            "web[08:10].test:22", ["web08.test", "web09.test", "web10.test"], 22, id="zeros and port"
        ),
        pytest.param("web[1:5:2]", ["web1", "web3", "web5"], None, id="step"),
        pytest.param("[a:c]", ["a", "b", "c"], None, id="letters"),
        pytest.param("r[1:2]n[1:2]", ["r1n1", "r1n2", "r2n1", "r2n2"], None, id="two ranges"),
        pytest.param("fe80::1", ["fe80::1"], None, id="IPv6"),
        pytest.param("[fe80::1]:22", ["fe80::1"], 22, id="IPv6 and port"),
        pytest.param("a host", ["a host"], None, id="no address"),
    ],
)
def test_hosts(pattern: str, hosts: list[str], port: int | None) -> None:
    found, its_port = expanded(pattern)
    assert (list(found), its_port) == (hosts, port)


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        pytest.param("web[1:", r"'web\[1:' has no valid range", id="open"),
        pytest.param("web[01:3]", "must specify equal-length begin and end", id="zeros"),
        pytest.param("web[3:1]", "has a range with nothing in it", id="backwards"),
        pytest.param("web[1-3]", "has no valid range", id="dash"),
    ],
)
def test_what_is_no_range(pattern: str, words: str) -> None:
    with pytest.raises(Failure, match=words) as refused:
        expanded(pattern)
    assert refused.value.reason == "InventoryInvalid"
