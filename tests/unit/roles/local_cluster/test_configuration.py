# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters side by side share no name, and none is too long for the kernel."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.tests.unit.roles.scripts import script

configuration = script("local_cluster", "configuration")

ROOTS = {
    "short": Path("/c"),
    "deep": Path("/" + "/".join(["a-rather-long-folder-name"] * 40)),
    "with spaces and quotes": Path('/it\'s my "cluster"'),
    "not text": Path("/home/\udcff/cluster"),
}
each_root = pytest.mark.parametrize("root", ROOTS.values(), ids=ROOTS.keys())
SETTINGS = configuration.Settings(subnet="10.130.0.0/16", api_port=20001, kubelet_port=20002, stamp="")


def all_words(value: Any) -> list[str]:
    """Every text in a document."""
    if isinstance(value, dict):
        return [word for item in value.values() for word in all_words(item)]
    if isinstance(value, list):
        return [word for item in value for word in all_words(item)]
    return [value] if isinstance(value, str) else []


@each_root
def test_names_are_short_enough(root: Path) -> None:
    names = configuration.Names.of(root)
    assert len(names.bridge) <= 15
    assert all(len(names.chain(parent)) <= 28 for _table, parent in configuration.CHAINS)


@each_root
def test_sockets_are_short_enough(root: Path) -> None:
    names = configuration.Names.of(root)
    words = all_words(configuration.kubelet_configuration(names, SETTINGS))
    words += [
        word
        for name in configuration.COMPONENTS
        for word in configuration.daemon(name, root, names, SETTINGS)
    ]
    found = [path for word in words for path in re.findall(r"unix://(.+)", word)]
    found += json.loads(
        f"[{re.findall(r'^address = (.+)$', configuration.containerd_configuration(names), re.M)[0]}]"
    )
    assert {Path(path).name for path in found} == {"containerd.sock", "etcd-client.sock", "etcd-peer.sock"}
    assert all(len(f"{path}.ttrpc".encode()) < 108 for path in found)


def test_two_clusters_share_no_name() -> None:
    one, other = (configuration.Names.of(Path(path)) for path in ("/srv/one", "/srv/other"))
    assert one == configuration.Names.of(Path("/srv/one"))
    for ours, theirs in (
        (one.bridge, other.bridge),
        (one.cgroup, other.cgroup),
        (one.run, other.run),
        *((one.chain(parent), other.chain(parent)) for _table, parent in configuration.CHAINS),
    ):
        assert ours != theirs


@pytest.mark.parametrize("name", configuration.MOUNTING)
def test_what_runs_where_the_mounts_are_sees_short_paths_only(name: str) -> None:
    root = ROOTS["deep"]
    command = configuration.daemon(name, root, configuration.Names.of(root), SETTINGS)
    assert not [word for word in command if str(root) in word]


def test_the_kubelet_leaves_the_machines_chains_alone_and_stays_in_its_cgroup() -> None:
    names = configuration.Names.of(Path("/c"))
    kubelet = configuration.kubelet_configuration(names, SETTINGS)
    assert kubelet["makeIPTablesUtilChains"] is False
    assert kubelet["cgroupRoot"] == f"/{names.cgroup}"
    assert kubelet["authentication"]["anonymous"]["enabled"] is False
    assert kubelet["address"] == SETTINGS.node_address == "10.130.0.1"


def test_pods_get_addresses_of_the_clusters_subnet() -> None:
    names = configuration.Names.of(Path("/c"))
    (bridge,) = configuration.pod_network(names, SETTINGS)["plugins"]
    assert bridge["bridge"] == names.bridge
    assert bridge["ipam"]["ranges"] == [[{"subnet": "10.130.0.0/16"}]]


def test_ports_are_closed_but_for_the_machine_and_its_pods() -> None:
    names = configuration.Names.of(Path("/c"))
    rules = {(table, parent): chain for table, parent, chain in configuration.firewall(names, SETTINGS)}
    closed = [" ".join(rule) for rule in rules["filter", "INPUT"]]
    assert closed == [
        "-p tcp --dport 20001 -i lo -j ACCEPT",
        f"-p tcp --dport 20001 -i {names.bridge} -j ACCEPT",
        "-p tcp --dport 20001 -j DROP",
        "-p tcp --dport 20002 -i lo -j ACCEPT",
        f"-p tcp --dport 20002 -i {names.bridge} -j ACCEPT",
        "-p tcp --dport 20002 -j DROP",
    ]


def test_pods_reach_the_api_and_the_world() -> None:
    names = configuration.Names.of(Path("/c"))
    rules = {(table, parent): chain for table, parent, chain in configuration.firewall(names, SETTINGS)}
    (to_api,) = rules["nat", "PREROUTING"]
    (to_world,) = rules["nat", "POSTROUTING"]
    assert " ".join(to_api) == (
        f"-i {names.bridge} -d 10.96.0.1 -p tcp --dport 443 -j DNAT --to-destination 10.130.0.1:20001"
    )
    assert " ".join(to_world) == "-s 10.130.0.0/16 ! -d 10.130.0.0/16 -j MASQUERADE"
    assert all(names.bridge in rule for rule in rules["filter", "FORWARD"])
    assert set(rules) == set(configuration.CHAINS)
