# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A supervisor that waits for a controller: how long, and what the one that comes has to say."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.jobpods.controller.plugins.module_utils.pod import supervisor, wire
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.pod.supervised import (
    SupervisedPod,
    scripted_worker,
    supervised_pod,
)

POD = {supervisor.POD_UID: "u1"}
SLEEP = "sys.stdin.buffer.read()\nprint('here', flush=True)\ntime.sleep(600)"


def attach(pod: SupervisedPod, lost_timeout: float | None) -> wire.Hello:
    pod.session += 1
    pod.send(wire.attach(pod.session, 0, lost_timeout=lost_timeout))
    return pod.wait(wire.Hello)


def test_it_ends_where_nobody_comes(tmp_path: Path) -> None:
    with supervised_pod(tmp_path, controller_lost_timeout=None, warm_pod_ttl=0.5) as pod:
        assert pod.exit_code() == supervisor.EXIT_DONE


def test_its_time_no_longer_counts_once_somebody_has_come(tmp_path: Path) -> None:
    scripted_worker(tmp_path, "print('later', flush=True)")
    with supervised_pod(tmp_path, controller_lost_timeout=None, warm_pod_ttl=3, beat_interval=0.2) as pod:
        assert attach(pod, 60) == wire.Hello(wire.PROTOCOL, "waiting", 0, 0, 0)
        for _each in range(20):
            pod.wait(wire.Beat)
        pod.started()
        assert pod.wait(wire.Ended).cause == "exit"
        assert pod.bye() == supervisor.EXIT_DONE


def test_from_then_on_the_controllers_own_limit_counts(tmp_path: Path) -> None:
    scripted_worker(tmp_path, SLEEP)
    with supervised_pod(tmp_path, controller_lost_timeout=None, warm_pod_ttl=60) as pod:
        attach(pod, 1)
        pod.started(grace=0)
        assert pod.exit_code() == supervisor.EXIT_CONTROLLER_LOST


def test_who_says_nothing_of_it_leaves_the_limit_as_it_is(tmp_path: Path) -> None:
    with supervised_pod(tmp_path, controller_lost_timeout=1) as pod:
        attach(pod, None)
        assert pod.exit_code() == supervisor.EXIT_CONTROLLER_LOST


def test_who_means_another_pod_of_the_name_is_not_heard(tmp_path: Path) -> None:
    """Its session may be higher than that of the job which the pod belongs to."""
    with supervised_pod(tmp_path, env=POD) as pod:
        pod.send(wire.attach(9, 0, pod="u0"), wire.payload(9, 0, b"of another job"))
        pod.session = 1
        pod.send(wire.attach(1, 0, pod="u1"))
        assert pod.wait(wire.Hello) == wire.Hello(wire.PROTOCOL, "waiting", 0, 0, 0)


def test_the_run_does_not_inherit_which_pod_it_is_in(tmp_path: Path) -> None:
    scripted_worker(tmp_path, f"print(os.environ.get({supervisor.POD_UID!r}), flush=True)")
    with supervised_pod(tmp_path, env=POD) as pod:
        pod.attach()
        pod.started()
        pod.wait_for_output(b"None")
