# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is chosen on a machine is free there, and what is missing is said."""

from __future__ import annotations

import json
import os
import socket
import stat
import threading
from pathlib import Path

import pytest
from ansible_collections.jobpods.controller.tests.unit.roles.scripts import make_program, script

machine = script("local_cluster", "machine")

KEY = "0000002a"


@pytest.fixture
def routes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The answer of the `ip` that is found first."""
    answer = tmp_path / "routes.json"
    make_program(tmp_path / "bin" / "ip", f"cat '{answer}'")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    return answer


def test_the_subnet_is_the_keys_own(routes: Path) -> None:
    routes.write_text("[]")
    assert machine.free_subnet(KEY) == machine.free_subnet(KEY) == "10.170.0.0/16"
    assert machine.free_subnet("0000002b") == "10.171.0.0/16"


@pytest.mark.parametrize(
    "taken",
    [
        pytest.param("10.170.0.0/16", id="the same"),
        pytest.param("10.170.7.0/24", id="one inside"),
        pytest.param("10.170.9.9", id="one address"),
        pytest.param("10.170.255.255", id="the last address"),
    ],
)
def test_a_subnet_that_routes_lead_to_is_avoided(routes: Path, taken: str) -> None:
    listed = ["default", "127.0.0.0/8", "192.168.0.0/16", taken]
    routes.write_text(json.dumps([{"dst": destination} for destination in listed]))
    assert machine.free_subnet(KEY) == "10.171.0.0/16"


def test_without_a_free_subnet_it_is_said_where_the_routes_lead(routes: Path) -> None:
    routes.write_text('[{"dst": "10.0.0.0/8"}]')
    with pytest.raises(machine.ClusterError, match=r"no free network for the pods.*10\.128\.0\.0/16"):
        machine.free_subnet(KEY)


def test_the_machines_own_routes_can_be_read() -> None:
    assert machine.free_subnet(KEY).startswith("10.")


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"], ids=["loopback", "any"])  # noqa: S104
def test_a_port_that_somebody_listens_on_is_avoided(address: str) -> None:
    first, second = machine.free_ports(KEY, 2)
    with socket.create_server((address, first)):
        found = machine.free_ports(KEY, 2)
    assert first < second
    assert found[0] >= second
    assert len(set(found)) == 2


def test_ports_are_below_those_of_outgoing_connections() -> None:
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    if lowest == 32768:  # the kernel's default
        assert max(machine.free_ports("ffffffff", 2)) < lowest
    assert min(machine.free_ports("00000000", 2)) >= 20000


@pytest.mark.parametrize(
    ("own", "behind", "chosen"),
    [
        pytest.param("nameserver 192.0.2.1\n", None, "own", id="no systemd-resolved"),
        pytest.param("nameserver 192.0.2.1\n", "nameserver 192.0.2.2\n", "own", id="not asked"),
        pytest.param("nameserver 127.0.0.53\n", "nameserver 192.0.2.2\n", "behind", id="loopback"),
        pytest.param("nameserver ::1\n", "nameserver 192.0.2.2\n", "behind", id="loopback of IPv6"),
        pytest.param("nameserver 127.0.0.53\n", None, "own", id="loopback only"),
        pytest.param("# nothing\n", "nameserver 192.0.2.2\n", "behind", id="no server"),
        pytest.param(
            "nameserver 127.0.0.1\nnameserver 192.0.2.1\n", "nameserver 192.0.2.2\n", "own", id="one of two"
        ),
    ],
)
def test_pods_get_no_resolver_on_a_loopback_address(
    tmp_path: Path, own: str, behind: str | None, chosen: str
) -> None:
    files = {"own": tmp_path / "own", "behind": tmp_path / "behind"}
    files["own"].write_text(own)
    if behind is not None:
        files["behind"].write_text(behind)
    assert machine.name_servers(files["own"], files["behind"]) == files[chosen].read_text()


def test_a_machine_without_resolv_conf_has_no_servers(tmp_path: Path) -> None:
    assert machine.name_servers(tmp_path / "none", tmp_path / "none") == ""


def test_a_program_that_is_missing_is_named_with_the_packages() -> None:
    with pytest.raises(machine.ClusterError, match=r"there is no no-such-program; .*packages: .*containerd"):
        machine.run(["no-such-program", "--flag"])


def test_a_program_that_fails_is_quoted(tmp_path: Path) -> None:
    failing = make_program(tmp_path / "failing", "echo some words", "echo 'no such table' >&2", "exit 3")
    with pytest.raises(machine.ClusterError, match=r"failing -t x ended with 3: no such table"):
        machine.run([str(failing), "-t", "x"])
    assert not machine.quiet([str(failing)])


def test_missing_packages_only_are_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = tmp_path / "calls"
    bin_folder = tmp_path / "bin"
    make_program(bin_folder / "dpkg-query", "echo 'runc installed'; echo 'iptables config-files'; exit 1")
    make_program(bin_folder / "apt-get", f'echo "$DEBIAN_FRONTEND $*" >> "{calls}"')
    monkeypatch.setenv("PATH", f"{bin_folder}:/usr/bin:/bin")
    machine.install_packages(["runc"])
    assert not calls.exists()
    machine.install_packages(["runc", "iptables", "openssl"])
    assert calls.read_text().splitlines() == [
        "noninteractive update -q",
        "noninteractive install -q -y --no-install-recommends iptables openssl",
    ]


def test_where_there_are_no_debian_packages_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(machine.ClusterError, match="no Debian.*: runc openssl"):
        machine.install_packages(["runc", "openssl"])


def test_a_file_is_never_readable_by_more_than_it_should_be(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text("old")
    path.chmod(0o644)
    (tmp_path / "kubeconfig.new").write_text("left by one that was killed")
    machine.write(path, "new", mode=0o600)
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["kubeconfig"]


def test_one_call_waits_for_another_that_removes_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / "cluster" / "lock"
    waits, entered = threading.Event(), threading.Event()
    monkeypatch.setattr(machine, "say", lambda _text: waits.set())

    def second() -> None:
        with machine.only_one(lock):
            assert lock.is_file()
            entered.set()

    other = threading.Thread(target=second)
    with machine.only_one(lock):
        other.start()
        assert waits.wait(30)
        assert not entered.is_set()
        lock.unlink()
        lock.parent.rmdir()
    other.join(30)
    assert entered.is_set()


def test_digests_tell_parts_apart() -> None:
    assert machine.digest(b"ab", b"c") != machine.digest(b"a", b"bc")
