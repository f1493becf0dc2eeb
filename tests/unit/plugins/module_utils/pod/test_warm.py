# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Warm pods: which are alike, and what they are made of."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.pod.spec import ExecutionEnvironment
from ansible_collections.jobpods.controller.plugins.module_utils.pod.warm import (
    GROUP,
    POOL,
    REVISION,
    STATE,
    PoolSpec,
    WarmPods,
    pool_spec,
)

OPTIONS: dict[str, Any] = {
    "cluster": "https://one",
    "namespace": "jobs",
    "override": {"metadata": {"labels": {"team": "a"}}},
    "execution_environment": ExecutionEnvironment("quay.io/a"),
    "store": "s",
}


ASKED = WarmPods(2, 600, "7", "r")


def spec(warm: WarmPods = ASKED, **changes: Any) -> PoolSpec:
    return pool_spec(warm, **{**OPTIONS, **changes})


def test_a_pod_of_the_pool() -> None:
    pool = spec()
    name = pool.name()
    manifest = pool.manifest(name)
    assert manifest["metadata"]["name"] == name
    assert name.startswith(f"automation-warm-{pool.pool[:10]}-")
    assert name != pool.name()
    assert manifest["metadata"]["labels"] == {
        "app.kubernetes.io/managed-by": "jobpods",
        "team": "a",
        STATE: "idle",
        POOL: pool.pool,
        GROUP: pool.group,
        REVISION: pool.revision,
    }
    assert "activeDeadlineSeconds" not in manifest["spec"]
    config = json.loads(base64.b64decode(manifest["spec"]["containers"][0]["args"][-1]))
    assert config == {"warm_pod_ttl": 600}


def test_the_same_makes_the_same_pool() -> None:
    assert spec() == spec()
    assert spec(WarmPods(2, 600, "8", "q")).pool == spec().pool, "another group with the same pod"
    assert GROUP not in spec(WarmPods(2, 600)).manifest("a")["metadata"]["labels"]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(spec(cluster="https://two"), id="cluster"),
        pytest.param(spec(namespace="others"), id="namespace"),
        pytest.param(spec(store="t"), id="store"),
        pytest.param(spec(override={}), id="override"),
        pytest.param(
            spec(execution_environment=ExecutionEnvironment("quay.io/a", "always")), id="pull policy"
        ),
        pytest.param(spec(WarmPods(3, 600, "7", "r")), id="count"),
        pytest.param(spec(WarmPods(2, 601, "7", "r")), id="ttl"),
    ],
)
def test_what_makes_another_pool(other: PoolSpec) -> None:
    assert other.pool != spec().pool


def test_the_image_of_a_job_is_no_other_revision_of_its_group() -> None:
    other = spec(execution_environment=ExecutionEnvironment("quay.io/b"))
    assert (other.group, other.revision) == (spec().group, spec().revision)
    assert spec(WarmPods(2, 600, "7", "q")).revision != spec().revision
    assert spec(WarmPods(3, 600, "7", "r")).revision != spec().revision
