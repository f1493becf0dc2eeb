# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the tests that take long or break the cluster: the same as those of the integration tests."""

from __future__ import annotations

from ansible_collections.jobpods.controller.tests.integration.conftest import (
    controller,
    core,
    group,
    job,
    kubeconfig,
    local,
    local_cluster,
    namespace,
    nothing_left,
    registry,
    temporary_files,
)

__all__ = [
    "controller",
    "core",
    "group",
    "job",
    "kubeconfig",
    "local",
    "local_cluster",
    "namespace",
    "nothing_left",
    "registry",
    "temporary_files",
]
