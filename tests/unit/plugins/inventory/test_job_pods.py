# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods of jobs as hosts: those that run now, with all that is needed to look into them, and no secret."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.jobpods.controller.plugins.inventory.job_pods import EXAMPLES, InventoryModule
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.connection import resolve_connection
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobStore, NewJob
from ansible_collections.jobpods.controller.tests.unit.plugins.inventory.inventory_runs import (
    Run,
    listed,
    members,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.ansible_files import write
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.launching import launched

PLUGIN = "jobpods.controller.job_pods"
KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "c", "cluster": {"server": "https://api.test"}}],
    "users": [{"name": "u", "user": {"token": "token-of-the-kubeconfig"}}],
    "contexts": [{"name": name, "context": {"cluster": "c", "user": "u"}} for name in ("first", "second")],
    "current-context": "first",
}


class Jobs:
    """Makes jobs in a store, in the state in which owners have them."""

    def __init__(self, store: JobStore, home: Path) -> None:
        self._store = store
        self._home = home
        write(home / "project/site.yml", [])

    def pending(
        self,
        name: str = "site.yml",
        group: str | None = "prod",
        namespace: str = "jobs",
        *,
        override: dict[str, Any] | None = None,
        connection: dict[str, Any] | None = None,
    ) -> tuple[int, int]:
        """Its id, and its lease."""
        given = connection or {"host": "https://api.test", "api_key": "token-of-the-connection"}
        options = {"host": "https://api.test", "namespace": namespace, "pod_spec_override": override}
        job = self._store.create(
            NewJob(
                uuid=uuid.uuid4().hex,
                type="job",
                name=name,
                wait=False,
                controller_node="controller.test",
                container_group=group,
                namespace=namespace,
                launch=launched(self._home, container_group=options).to_stored(),
                connection=resolve_connection(given, {}, self._home).to_stored(),
            )
        )
        return job, self._store.claim(job, "owner")

    def waiting(self, *arguments: Any, **options: Any) -> tuple[int, int]:
        """Its pod is asked for."""
        job, lease = self.pending(*arguments, **options)
        self._store.update(
            job,
            lease,
            status="waiting",
            pod_name=f"automation-job-{job}-abc",
            pod_uid="uid",
            pod_deleted=False,
        )
        return job, lease

    def running(self, *arguments: Any, **options: Any) -> tuple[int, int]:
        """Its playbook runs."""
        job, lease = self.waiting(*arguments, **options)
        self._store.update(job, lease, status="running", execution_node="node1")
        return job, lease

    def ended(self, *, pod_deleted: bool) -> int:
        """It has ended."""
        job, lease = self.running()
        self._store.finish(job, lease, status="successful", pod_deleted=pod_deleted)
        return job


@pytest.fixture
def jobs(store: JobStore, tmp_path: Path) -> Jobs:
    return Jobs(store, tmp_path)


def pods(home: Path, *arguments: str, **options: Any) -> Run:
    """What ansible-inventory lists."""
    configuration = {"plugin": PLUGIN, "data_dir": str(home / "store"), **options}
    return listed(home, "test.jobpods.yml", configuration, *arguments)


def ids(found: Run) -> list[int]:
    """The jobs whose pods are listed."""
    return sorted(variables["jobpods_job_id"] for variables in found.hosts.values())


def test_what_is_known_of_a_pod(jobs: Jobs, store: JobStore, tmp_path: Path) -> None:
    job, _lease = jobs.running("nightly", "prod", "jobs")
    record = store.get(job)
    assert record.started is not None
    assert pods(tmp_path).hosts == {
        f"automation-job-{job}-abc": {
            "ansible_connection": "kubernetes.core.kubectl",
            "ansible_kubectl_namespace": "jobs",
            "ansible_kubectl_pod": f"automation-job-{job}-abc",
            "ansible_kubectl_container": "worker",
            "jobpods_job_id": job,
            "jobpods_job_name": "nightly",
            "jobpods_job_type": "job",
            "jobpods_status": "running",
            "jobpods_container_group": "prod",
            "jobpods_namespace": "jobs",
            "jobpods_node": "node1",
            "jobpods_controller_node": "controller.test",
            "jobpods_created": record.created.isoformat(timespec="seconds"),
            "jobpods_started": record.started.isoformat(timespec="seconds"),
        }
    }


def test_only_pods_that_are_there(jobs: Jobs, tmp_path: Path) -> None:
    jobs.pending()
    waiting, running = jobs.waiting()[0], jobs.running()[0]
    jobs.ended(pod_deleted=True)
    jobs.ended(pod_deleted=False)
    found = pods(tmp_path)
    assert ids(found) == [waiting, running]
    (unstarted,) = (host for host in found.hosts.values() if host["jobpods_job_id"] == waiting)
    assert (unstarted["jobpods_status"], unstarted["jobpods_node"], unstarted["jobpods_started"]) == (
        "waiting",
        "",
        "",
    )


def test_a_job_that_ends_while_it_is_looked_at(
    jobs: Jobs, store: JobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first, lease), second = jobs.running(), jobs.running()[0]
    options = {"data_dir": str(tmp_path / "store"), "statuses": ["running"]}
    look = JobStore.connection

    def late(self: JobStore, job_id: int) -> dict[str, Any]:
        if job_id == first:
            store.finish(first, lease, status="successful", pod_deleted=True)
        return look(self, job_id)

    class Plugin(InventoryModule):
        def get_option(self, option: str) -> Any:
            return options.get(option)

    monkeypatch.setattr(JobStore, "connection", late)
    assert list(Plugin().read()) == [f"automation-job-{second}-abc"]


def test_no_job_at_all(store: JobStore, tmp_path: Path) -> None:
    assert pods(tmp_path).hosts == {}


def test_no_secret_becomes_a_variable(jobs: Jobs, tmp_path: Path) -> None:
    jobs.running()
    jobs.running(connection={"kubeconfig": str(write(tmp_path / "config", KUBECONFIG))})
    found = pods(tmp_path)
    assert len(found.hosts) == 2
    assert "token-of-the-connection" not in found.stdout
    assert "token-of-the-kubeconfig" not in found.stdout


# --- how a pod is reached -----


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(
            {"kubeconfig": "{home}/config"},
            {"ansible_kubectl_kubeconfig": "{home}/config", "ansible_kubectl_context": "first"},
            id="file",
        ),
        pytest.param(
            {"kubeconfig": "{home}/config", "context": "second"},
            {"ansible_kubectl_kubeconfig": "{home}/config", "ansible_kubectl_context": "second"},
            id="context",
        ),
        pytest.param({"kubeconfig": KUBECONFIG}, {}, id="mapping"),
    ],
)
def test_the_kubeconfig(jobs: Jobs, tmp_path: Path, given: dict[str, Any], expected: dict[str, str]) -> None:
    write(tmp_path / "config", KUBECONFIG)
    known = {
        name: value.format(home=tmp_path) if isinstance(value, str) else value
        for name, value in given.items()
    }
    jobs.running(connection=known)
    (variables,) = pods(tmp_path).hosts.values()
    found = {
        name: value
        for name, value in variables.items()
        if name in ("ansible_kubectl_kubeconfig", "ansible_kubectl_context")
    }
    assert found == {name: value.format(home=tmp_path) for name, value in expected.items()}


@pytest.mark.parametrize(
    ("containers", "expected"),
    [
        pytest.param([{"name": "sidecar"}, {"name": "worker"}], "worker", id="by its name"),
        pytest.param([{"name": "main"}, {"name": "sidecar"}], "main", id="the first"),
    ],
)
def test_the_container(jobs: Jobs, tmp_path: Path, containers: list[dict[str, Any]], expected: str) -> None:
    jobs.running(override={"spec": {"containers": [{"image": "image", **each} for each in containers]}})
    (variables,) = pods(tmp_path).hosts.values()
    assert variables["ansible_kubectl_container"] == expected


# --- filters -----


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({}, [1, 2, 3, 4], id="none"),
        pytest.param({"container_groups": ["prod"]}, [1, 2], id="group"),
        pytest.param({"container_groups": ["prod", "test"]}, [1, 2, 3], id="groups"),
        pytest.param({"container_groups": []}, [], id="no group"),
        pytest.param({"namespaces": ["here"]}, [1, 3], id="namespace"),
        pytest.param({"statuses": ["waiting"]}, [3], id="status"),
        pytest.param({"statuses": ["waiting", "running", "waiting"]}, [1, 2, 3, 4], id="statuses"),
        pytest.param({"job_ids": [2, 4, 99]}, [2, 4], id="ids"),
        pytest.param({"job_ids": "2,4"}, [2, 4], id="text of ids"),
        pytest.param(
            {"container_groups": ["prod"], "namespaces": ["here"], "job_ids": [1, 2, 3]}, [1], id="all"
        ),
    ],
)
def test_filters(jobs: Jobs, tmp_path: Path, options: dict[str, Any], expected: list[int]) -> None:
    jobs.running(group="prod", namespace="here")
    jobs.running(group="prod", namespace="there")
    jobs.waiting(group="test", namespace="here")
    jobs.running(group=None, namespace="there")
    assert ids(pods(tmp_path, **options)) == expected


# --- constructed, and the cache -----


def test_composed_variables_and_groups(jobs: Jobs, tmp_path: Path) -> None:
    first, second = jobs.running("a", "prod")[0], jobs.waiting("b", None)[0]
    found = pods(
        tmp_path,
        strict=True,
        compose={"ansible_remote_tmp": "'/tmp/job-' ~ jobpods_job_id"},
        groups={"starting": "jobpods_status == 'waiting'"},
        keyed_groups=[{"key": "jobpods_container_group", "prefix": "group", "default_value": "inline"}],
    )
    assert members(found.listing) == {
        "group_inline": [f"automation-job-{second}-abc"],
        "group_prod": [f"automation-job-{first}-abc"],
        "starting": [f"automation-job-{second}-abc"],
    }
    assert found.hosts[f"automation-job-{first}-abc"]["ansible_remote_tmp"] == f"/tmp/job-{first}"


def test_names_are_no_templates(jobs: Jobs, tmp_path: Path) -> None:
    jobs.running("{{ 1 + 1 }}")
    found = pods(tmp_path, compose={"known": "jobpods_job_name"})
    (variables,) = found.listing["_meta"]["hostvars"].values()
    assert variables["jobpods_job_name"] == variables["known"] == {"__ansible_unsafe": "{{ 1 + 1 }}"}


def test_what_is_cached(jobs: Jobs, store: JobStore, tmp_path: Path) -> None:
    cache = {"cache": True, "cache_plugin": "jsonfile", "cache_connection": str(tmp_path / "cache")}
    job, lease = jobs.running()
    before = pods(tmp_path, **cache).listing
    store.finish(job, lease, status="failed", pod_deleted=True)
    assert pods(tmp_path, **cache).listing == before
    assert ids(pods(tmp_path)) == []
    # Other filters in the same file are not what is cached.
    assert ids(pods(tmp_path, namespaces=["jobs"], **cache)) == []


# --- options -----


@pytest.mark.parametrize("number", range(2))
def test_examples(jobs: Jobs, tmp_path: Path, number: int) -> None:
    jobs.running(group="prod")
    example = list(yaml.safe_load_all(EXAMPLES))[number]
    found = listed(
        tmp_path, "test.jobpods.yml", {**example, "strict": True}, JOBPODS_DATA_DIR=str(tmp_path / "store")
    )
    assert ids(found) == [1]
    if number:
        assert set(members(found.listing)) == {"node_node1", "namespace_jobs"}


@pytest.mark.parametrize(
    "name", ["test.jobpods.yml", "test.jobpods.yaml", "job_pods.yml", "my_job_pods.yaml"]
)
def test_names_of_files(jobs: Jobs, tmp_path: Path, name: str) -> None:
    job, _lease = jobs.running()
    assert ids(listed(tmp_path, name, {"plugin": PLUGIN, "data_dir": str(tmp_path / "store")})) == [job]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param({"statuses": ["successful"]}, "successful", id="status"),
        pytest.param({"job_ids": [1, "first"]}, "job_ids[1] is 'first'; it must be a whole number", id="id"),
        pytest.param({"data_dir": "/nowhere"}, "There is no store /nowhere/jobpods.db", id="store"),
    ],
)
def test_what_is_wrong(jobs: Jobs, tmp_path: Path, options: dict[str, Any], words: str) -> None:
    assert words in pods(tmp_path, **options).words
