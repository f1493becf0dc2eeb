# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A supervisor that is told to keep its pod: what stays, what goes, and how it ends."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.pod import supervisor, wire
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.pod.supervised import (
    SupervisedPod,
    is_alive,
    scripted_worker,
    supervised_pod,
)

LONG = 3600.0
RUN = """
import subprocess
sys.stdin.buffer.read()
for name in ("env/passwords", "env/ssh_key", "env/extravars", "env/settings", "project/site.yml",
             "artifacts/1/ssh_key_data", "artifacts/1/command"):
    path = os.path.join(sys.argv[3], name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    open(path, "w").write("s3cret")
print(subprocess.Popen(["sleep", "600"], start_new_session=True).pid, flush=True)
"""


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[SupervisedPod]:
    """A pod whose run is over."""
    scripted_worker(tmp_path, RUN)
    with supervised_pod(tmp_path, controller_lost_timeout=2) as started:
        started.attach()
        started.start()
        started.wait(wire.Ended)
        yield started


def keep(pod: SupervisedPod, seconds: float) -> None:
    pod.send(wire.keep(pod.session, seconds))
    pod.wait(wire.Kept)


def test_files_stay_but_for_the_secrets(pod: SupervisedPod, tmp_path: Path) -> None:
    keep(pod, LONG)
    folder = tmp_path / "runner"
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files == {"env/settings", "project/site.yml", "artifacts/1/command"}
    assert not is_alive(int(pod.output)), "no process of the run goes on"


def test_it_ends_by_itself_and_not_for_want_of_a_controller(pod: SupervisedPod) -> None:
    keep(pod, 4)
    assert pod.exit_code() == supervisor.EXIT_DONE


def test_the_last_word_counts(pod: SupervisedPod) -> None:
    keep(pod, LONG)
    keep(pod, 0.1)
    assert pod.exit_code() == supervisor.EXIT_DONE


def test_another_controller_hears_of_the_end_as_before(pod: SupervisedPod) -> None:
    keep(pod, LONG)
    assert pod.attach(resume=0).state == "ended"
    assert pod.wait(wire.Ended).cause == "exit"
    keep(pod, LONG)
    assert pod.bye() == supervisor.EXIT_DONE


def test_whoever_deletes_the_pod_need_not_wait(pod: SupervisedPod) -> None:
    keep(pod, LONG)
    pod.process.send_signal(signal.SIGTERM)
    assert pod.exit_code() == supervisor.EXIT_DONE


def test_a_run_that_goes_on_is_not_kept(tmp_path: Path) -> None:
    scripted_worker(tmp_path, "sys.stdin.read()\nprint('on', flush=True)\ntime.sleep(600)")
    with supervised_pod(tmp_path) as pod:
        pod.attach()
        pod.started()
        pod.wait_for_output(b"on\n")
        pod.send(wire.keep(pod.session, 0))
        pod.send(wire.cancel(pod.session, 0))
        while not isinstance(said := pod.wait(object), wire.Ended):
            assert not isinstance(said, wire.Kept)


def test_a_folder_of_its_own_keeps_no_secret_either(tmp_path: Path) -> None:
    scripted_worker(tmp_path, RUN)
    (tmp_path / "runner").write_text("no folder")
    with supervised_pod(tmp_path, env={"TMPDIR": str(tmp_path)}) as pod:
        pod.attach()
        pod.start()
        pod.wait(wire.Ended)
        keep(pod, LONG)
        (private,) = tmp_path.glob(".jobpods-*/private")
        assert [path.name for path in (private / "env").iterdir()] == ["settings"]
