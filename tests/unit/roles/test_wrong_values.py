# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong values of every option of the roles, and what is said of each.

All roles are tried by one playbook, in check mode: what were taken by mistake would change nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.ansible_files import (
    environment,
)

ROLES = Path(__file__).parents[3] / "roles"
DEADLINE = 240
ACCESS, CLUSTER, IMAGE = "container_group_access", "local_cluster", "job_image"
BASES: dict[str, dict[str, Any]] = {
    ACCESS: {"name": "prod", "namespace": "jobs", "kubeconfig": "/no/kubeconfig"},
    CLUSTER: {"root": "/no/cluster", "cache": "/no/cache"},
    IMAGE: {"cache": "/no/image", "cluster_root": "/no/cluster", "cluster_cache": "/no/cache"},
}
NO_PATH = "it must be an absolute path"
CASES: list[tuple[str, dict[str, Any], str]] = [
    (ACCESS, {"name": None}, "container_group_access_name"),
    (ACCESS, {"namespace": None}, "missing required arguments: container_group_access_namespace"),
    (ACCESS, {"namespace": "A B"}, "namespace is 'A B'; such a name has lower-case letters"),
    (ACCESS, {"namespace": {"a": 1}}, "namespace must be text, but it is a mapping"),
    (ACCESS, {"state": "gone"}, "container_group_access_state must be one of: present, absent, got: gone"),
    (ACCESS, {"kubeconfig": "/no"}, "kubeconfig names /no, which does not exist"),
    (ACCESS, {"kubeconfig": ["a"]}, "kubeconfig must be a path or a mapping, but it is a list"),
    (ACCESS, {"context": ["a"]}, "context must be text, but it is a list"),
    (ACCESS, {"service_account": "A"}, "service_account is 'A'; such a name has lower-case letters"),
    (ACCESS, {"registry_secrets": "maybe"}, "container_group_access_registry_secrets"),
    (ACCESS, {"token": "forever"}, "container_group_access_token must be one of: long_lived, bound"),
    (ACCESS, {"token_seconds": "1h"}, "container_group_access_token_seconds"),
    (ACCESS, {"max_concurrent_jobs": "many"}, "container_group_access_max_concurrent_jobs"),
    (ACCESS, {"max_forks": "many"}, "container_group_access_max_forks"),
    (CLUSTER, {"root": None}, "missing required arguments: local_cluster_root"),
    (CLUSTER, {"root": "here"}, f"local_cluster_root is here; {NO_PATH}"),
    (CLUSTER, {"root": {"a": 1}}, f"local_cluster_root is {{'a': 1}}; {NO_PATH}"),
    (CLUSTER, {"cache": "here"}, f"local_cluster_cache is here; {NO_PATH}"),
    (CLUSTER, {"state": "stopped"}, "local_cluster_state must be one of: present, absent, got: stopped"),
    (IMAGE, {"cache": "here"}, f"job_image_cache is here; {NO_PATH}"),
    (IMAGE, {"cluster_root": "here"}, f"job_image_cluster_root is here; {NO_PATH}"),
    (IMAGE, {"cluster_cache": None}, "missing required arguments: job_image_cluster_cache"),
    (IMAGE, {"cluster_cache": "here"}, f"job_image_cluster_cache is here; {NO_PATH}"),
]
OF_MODULES = {
    f"{ACCESS}_{name}"
    for name in ("host", "credential", "organization", "pod_spec_override", "execution_environment")
}
"""Options that only modules look at, once the cluster is reached; these have them in a list of their own."""
NOT_LOOKED_AT = {f"{IMAGE}_name"}
"""The cluster says what is wrong with them."""


def test_wrong_values_are_told(tmp_path: Path) -> None:
    tasks: list[dict[str, Any]] = []
    for role, given, _words in CASES:
        values = {f"{role}_{name}": value for name, value in {**BASES[role], **given}.items()}
        variables = {name: value for name, value in values.items() if value is not None}
        include = {"ansible.builtin.include_role": {"name": f"jobpods.controller.{role}"}, "vars": variables}
        words = "{{ said | default([]) + [ansible_failed_result.msg] }}"
        tasks.append({"block": [include], "rescue": [{"ansible.builtin.set_fact": {"said": words}}]})
    keep = {"content": "{{ said | to_json }}", "dest": str(tmp_path / "said.json"), "mode": "0600"}
    tasks.append({"ansible.builtin.copy": keep, "check_mode": False})
    play = {"hosts": "localhost", "gather_facts": False, "tasks": tasks}
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    done = subprocess.run(
        [sys.executable, "-m", "ansible.cli.playbook", "play.yml", "--check"],
        env=environment(tmp_path, JOBPODS_DATA_DIR=str(tmp_path / "store")),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    said = json.loads((tmp_path / "said.json").read_text())
    assert len(said) == len(CASES), done.stdout
    others = [
        (given, told) for (_role, given, words), told in zip(CASES, said, strict=True) if words not in told
    ]
    assert others == []


def test_every_option_of_every_role_is_in_the_list() -> None:
    tried = {f"{role}_{name}" for role, given, _words in CASES for name in given}
    specs = [yaml.safe_load((role / "meta/argument_specs.yml").read_text()) for role in ROLES.iterdir()]
    options = {option for spec in specs for option in spec["argument_specs"]["main"]["options"]}
    assert options - tried - OF_MODULES - NOT_LOOKED_AT == set()
