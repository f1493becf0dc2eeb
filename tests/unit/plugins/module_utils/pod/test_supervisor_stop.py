# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the supervisor stops a run: cancel, time limit, lost controller, SIGTERM; nothing is left alive."""

from __future__ import annotations

import os
import signal
import sys
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

LIMIT = 5.0
"""Seconds of limits within which something has to be done before they are over, on a slow machine, too."""

# Not printed: Python refuses that in a handler while the main program is not yet back from printing.
OBEDIENT = """
def stop(*_):
    os.write(1, b'stopped as asked\\n')
    os._exit(7)
signal.signal(signal.SIGTERM, stop)
os.write(1, b'up\\n')
time.sleep(600)
"""
STUBBORN = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('up', flush=True)
time.sleep(600)
"""
# As ansible-runner: the work is in a child with a session of its own, and the runner tells what is left.
WITH_CHILD = """
child = os.fork()
if child == 0:
    os.setsid()
    signal.signal(signal.SIGTERM, lambda *_: (os.write(1, b'child asked\\n'), os._exit(3)))
    os.write(1, b'up\\n')
    time.sleep(600)
signal.signal(signal.SIGTERM, lambda *_: os.write(1, b'runner asked\\n'))
print('child ended', os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
# Twice forked with a session of its own, ignoring signals, holding no pipe: as an Ansible async task.
DAEMON = """
if os.fork() == 0:
    os.setsid()
    pid = os.fork()
    if pid == 0:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for descriptor in range(3):
            os.close(descriptor)
        time.sleep(600)
    os.write(1, b'daemon %d\\n' % pid)
    os._exit(0)
os.wait()
"""


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[SupervisedPod]:
    with supervised_pod(tmp_path) as started:
        yield started


def running(
    pod: SupervisedPod, folder: Path, source: str, *, timeout: float | None = None, grace: float = 60
) -> int:
    """Starts this worker and waits until it is up; returns its process id."""
    scripted_worker(folder, source)
    pod.attach()
    pid = pod.started(timeout=timeout, grace=grace)
    pod.wait_for_output(b"up\n")
    return pid


def test_cancel_asks_and_the_last_words_arrive(pod: SupervisedPod, tmp_path: Path) -> None:
    pid = running(pod, tmp_path, OBEDIENT)
    pod.send(wire.cancel(pod.session, 60))
    pod.wait(wire.Canceling)
    ended = pod.wait(wire.Ended)
    assert (ended.cause, ended.returncode, ended.left) == ("cancel", 7, 0)
    assert pod.output == b"up\nstopped as asked\n"
    assert not is_alive(pid)
    assert pod.bye() == supervisor.EXIT_DONE


def test_cancel_asks_what_the_runner_started_not_the_runner(pod: SupervisedPod, tmp_path: Path) -> None:
    running(pod, tmp_path, WITH_CHILD)
    pod.send(wire.cancel(pod.session, 60))
    ended = pod.wait(wire.Ended)
    assert (ended.cause, ended.returncode) == ("cancel", 0)
    assert pod.output == b"up\nchild asked\nchild ended 3\n"


def test_cancel_kills_who_does_not_listen(pod: SupervisedPod, tmp_path: Path) -> None:
    pid = running(pod, tmp_path, STUBBORN)
    pod.send(wire.cancel(pod.session, 0.2))
    ended = pod.wait(wire.Ended)
    assert (ended.cause, ended.returncode, ended.signal) == ("cancel", None, signal.SIGKILL)
    assert not is_alive(pid)


def test_a_second_cancel_can_shorten_the_grace(pod: SupervisedPod, tmp_path: Path) -> None:
    running(pod, tmp_path, STUBBORN)
    pod.send(wire.cancel(pod.session, 600))
    pod.wait(wire.Canceling)
    pod.send(wire.cancel(pod.session, 0))
    pod.wait(wire.Canceling)
    assert pod.wait(wire.Ended).signal == signal.SIGKILL


@pytest.mark.parametrize("payload", [b"", b"abc"], ids=["waiting", "receiving"])
def test_cancel_before_the_start(pod: SupervisedPod, tmp_path: Path, payload: bytes) -> None:
    scripted_worker(tmp_path, OBEDIENT)
    pod.attach()
    pod.send(wire.payload(pod.session, 0, payload), wire.cancel(pod.session, 60))
    pod.wait(wire.Canceling)
    assert (pod.wait(wire.Ended)).cause == "cancel"
    pod.start(b"abc")
    assert pod.wait(wire.Ended).returncode is None
    assert pod.output == b""


def test_cancel_after_the_end_repeats_the_end(pod: SupervisedPod, tmp_path: Path) -> None:
    scripted_worker(tmp_path, "")
    pod.attach()
    pod.start()
    first = pod.wait(wire.Ended)
    pod.send(wire.cancel(pod.session, 0))
    pod.wait(wire.Canceling)
    assert pod.wait(wire.Ended) == first


@pytest.mark.parametrize("grace", [0, 60], ids=["killed", "asked"])
def test_processes_that_left_the_session_go_too(pod: SupervisedPod, tmp_path: Path, grace: float) -> None:
    running(pod, tmp_path, DAEMON + OBEDIENT)
    daemon = int(pod.output.split()[1])
    assert is_alive(daemon)
    pod.send(wire.cancel(pod.session, grace))
    ended = pod.wait(wire.Ended)
    assert not is_alive(daemon)
    assert (ended.cause, ended.left) == ("cancel", 0)


def test_what_outlives_the_runner_goes_with_it(pod: SupervisedPod, tmp_path: Path) -> None:
    scripted_worker(tmp_path, DAEMON)
    pod.attach()
    pod.start()
    ended = pod.wait(wire.Ended)
    assert (ended.cause, ended.returncode, ended.left) == ("exit", 0, 0)
    assert not is_alive(int(pod.output.split()[1]))


def test_cancel_ends_a_run_that_waits_for_a_full_spool(tmp_path: Path) -> None:
    scripted_worker(tmp_path, "while True: sys.stdout.buffer.write(b'y' * 1000)")
    with supervised_pod(tmp_path, spool_limit=10_000) as pod:
        pod.acknowledge = False
        pod.attach()
        pod.started()
        while pod.attach().spool_end < 10_000:
            pass
        pod.acknowledge = True
        pod.send(wire.cancel(pod.session, 0))
        ended = pod.wait(wire.Ended)
        assert ended.cause == "cancel"
        assert ended.offset == len(pod.output) > 10_000


def test_the_time_limit_stops_as_a_cancel_does(pod: SupervisedPod, tmp_path: Path) -> None:
    running(pod, tmp_path, OBEDIENT, timeout=LIMIT)
    ended = pod.wait(wire.Ended)
    assert (ended.cause, ended.returncode) == ("timeout", 7)
    assert pod.output.endswith(b"stopped as asked\n")


def test_the_time_limit_kills_after_the_grace(pod: SupervisedPod, tmp_path: Path) -> None:
    running(pod, tmp_path, STUBBORN, timeout=LIMIT, grace=0.1)
    ended = pod.wait(wire.Ended)
    assert (ended.cause, ended.signal) == ("timeout", signal.SIGKILL)


def test_a_controller_that_never_attaches_is_lost(tmp_path: Path) -> None:
    with supervised_pod(tmp_path, controller_lost_timeout=0.2) as pod:
        assert pod.exit_code() == supervisor.EXIT_CONTROLLER_LOST


def test_a_lost_controller_ends_the_run(tmp_path: Path) -> None:
    with supervised_pod(tmp_path, controller_lost_timeout=LIMIT) as pod:
        pid = running(pod, tmp_path, DAEMON + STUBBORN, grace=0)
        daemon = int(pod.output.split()[1])
        assert pod.exit_code() == supervisor.EXIT_CONTROLLER_LOST
        assert not is_alive(pid)
        assert not is_alive(daemon)


def test_garbage_and_older_sessions_are_no_controller(tmp_path: Path) -> None:
    with supervised_pod(tmp_path, controller_lost_timeout=LIMIT) as pod:
        pod.attach(5)
        while pod.process.poll() is None:
            try:
                pod.send(b"garbage", wire.beat(4), wire.attach(4, 0))
            except BrokenPipeError:
                break
        assert pod.exit_code() == supervisor.EXIT_CONTROLLER_LOST


def test_beats_of_the_controller_keep_the_run(tmp_path: Path) -> None:
    with supervised_pod(tmp_path, controller_lost_timeout=LIMIT, beat_interval=0.1) as pod:
        running(pod, tmp_path, STUBBORN)
        for _beat in range(int(LIMIT / 0.1) + 10):  # for longer than the limit
            pod.send(wire.beat(pod.session))
            assert pod.wait(wire.Beat).state == "running"


def test_no_limit_means_no_limit(tmp_path: Path) -> None:
    with supervised_pod(tmp_path, controller_lost_timeout=None, beat_interval=0.05) as pod:
        pod.attach()
        for _beat in range(5):
            pod.wait(wire.Beat)


def test_the_supervisor_ends_when_bye_never_comes(tmp_path: Path) -> None:
    scripted_worker(tmp_path, "print('done')")
    with supervised_pod(tmp_path, controller_lost_timeout=LIMIT) as pod:
        pod.attach()
        pod.start()
        assert pod.wait(wire.Ended).cause == "exit"
        assert pod.exit_code() == supervisor.EXIT_CONTROLLER_LOST
        assert not list((tmp_path / "runner").iterdir())


def test_end_of_input_ends_the_run_where_it_is_the_controller_s(tmp_path: Path) -> None:
    scripted_worker(tmp_path, STUBBORN)
    (tmp_path / "other").mkdir()
    removed = [str(tmp_path / "runner"), str(tmp_path / "other")]
    with supervised_pod(tmp_path, ends_with_input=True, removes=removed) as pod:
        pod.attach()
        pid = pod.started(grace=0.1)
        pod.wait_for_output(b"up")
        assert pod.process.stdin is not None
        pod.process.stdin.close()
        assert pod.exit_code() == supervisor.EXIT_CONTROLLER_LOST
        assert not is_alive(pid)
        assert not (tmp_path / "runner").exists()
        assert not (tmp_path / "other").exists()


def test_bye_before_the_end_of_input_is_heard(tmp_path: Path) -> None:
    scripted_worker(tmp_path, "print('done', flush=True)\n")
    with supervised_pod(tmp_path, ends_with_input=True) as pod:
        pod.attach()
        pod.started()
        pod.wait(wire.Ended)
        pod.send(wire.bye(pod.session))
        assert pod.process.stdin is not None
        pod.process.stdin.close()
        assert pod.exit_code() == supervisor.EXIT_DONE


def test_bye_before_the_end_is_ignored(pod: SupervisedPod, tmp_path: Path) -> None:
    running(pod, tmp_path, STUBBORN)
    pod.send(wire.bye(pod.session))
    assert pod.attach().state == "running"


def test_sigterm_stops_the_run_as_a_cancel_does(pod: SupervisedPod, tmp_path: Path) -> None:
    pid = running(pod, tmp_path, OBEDIENT)
    pod.process.send_signal(signal.SIGTERM)
    ended = pod.wait(wire.Ended)
    assert (ended.cause, ended.returncode) == ("cancel", 7)
    assert pod.output.endswith(b"stopped as asked\n")
    assert not is_alive(pid)
    assert pod.bye() == supervisor.EXIT_DONE


@pytest.mark.parametrize("attached", [False, True], ids=["nobody attached", "attached"])
def test_sigterm_ends_an_idle_supervisor(tmp_path: Path, attached: bool) -> None:
    with supervised_pod(tmp_path, beat_interval=0.05) as pod:
        if attached:
            pod.attach()
        else:
            while not (tmp_path / "runner").exists() or not list((tmp_path / "runner").iterdir()):
                assert pod.process.poll() is None
            pod.wait_until_it_handles(signal.SIGTERM)
        pod.process.send_signal(signal.SIGTERM)
        if attached:
            assert pod.wait(wire.Ended).cause == "cancel"
        assert pod.exit_code() == supervisor.EXIT_TERMINATED


def test_orphans_of_the_run_leave_no_zombies(pod: SupervisedPod, tmp_path: Path) -> None:
    orphans = (
        "for n in range(50):\n"
        "    if os.fork() == 0:\n"
        "        if os.fork() == 0: os._exit(0)\n"
        "        os._exit(0)\n"
        "    os.wait()\n"
    )
    running(pod, tmp_path, orphans + STUBBORN)
    pod.send(wire.beat(pod.session))
    pod.attach()
    states = list(zombies_of(pod.process.pid))
    while states:  # each is reaped as its end is told
        pod.attach()
        states = zombies_of(pod.process.pid)


def zombies_of(parent: int) -> list[int]:
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                fields = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] == "Z" and int(fields[1]) == parent:
                found.append(int(name))
    return found


def test_descendants_are_found_whatever_their_order() -> None:
    parents = {10: 1, 11: 10, 12: 11, 20: 1, 9: 12}
    assert sorted(supervisor.descendants(10, parents)) == [9, 11, 12]
    assert supervisor.descendants(20, parents) == []
    assert os.getpid() in supervisor.processes()
    assert sys.maxsize not in supervisor.processes()


V2 = {
    "memory.current": "700\n",
    "memory.peak": "1000\n",
    "memory.stat": "anon 1\ninactive_file 200\n",
    "cpu.stat": "usage_usec 2500000\nuser_usec 1\n",
}
V1 = {
    "memory/memory.usage_in_bytes": "700\n",
    "memory/memory.max_usage_in_bytes": "1000\n",
    "memory/memory.stat": "inactive_file 1\ntotal_inactive_file 300\n",
    "cpuacct/cpuacct.usage": "1500000000\n",
}


def write_cgroup(folder: Path, files: dict[str, str]) -> str:
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return str(folder)


@pytest.mark.parametrize(
    ("files", "memory", "cpu"),
    [
        pytest.param(V2, 800, 2.5, id="v2"),
        pytest.param({**V2, "memory.peak": "", "memory.stat": ""}, 700, 2.5, id="v2 of an old kernel"),
        pytest.param({**V2, "memory.current": "max\n", "cpu.stat": "user_usec 1\n"}, None, None, id="odd"),
        pytest.param({"cpu.stat": V2["cpu.stat"]}, None, None, id="root of all"),
        pytest.param(V1, 700, 1.5, id="v1"),
        pytest.param({}, None, None, id="none"),
    ],
)
def test_usage_comes_from_the_container_s_own_cgroup(
    tmp_path: Path, files: dict[str, str], memory: int | None, cpu: float | None
) -> None:
    usage = supervisor.Usage(write_cgroup(tmp_path, files))
    usage.sample(1.0)
    assert (usage.memory_peak, usage.cpu_seconds, usage.cpu_p95()) == (memory, cpu, None)


def test_a_peak_between_two_samples_counts_and_what_can_be_dropped_does_not(tmp_path: Path) -> None:
    seen = []
    usage = supervisor.Usage(write_cgroup(tmp_path, V2))
    for current, peak, cache in ((700, 1000, 200), (900, 1000, 200), (100, 5000, 200), (4990, 5000, 4000)):
        files = {"current": str(current), "peak": str(peak), "stat": f"inactive_file {cache}"}
        write_cgroup(tmp_path, {f"memory.{name}": text for name, text in files.items()})
        usage.sample(1.0)
        seen.append(usage.memory_peak)
    assert seen == [800, 800, 4800, 4800]


def test_a_share_of_the_time_may_need_more_cpu(tmp_path: Path) -> None:
    usage = supervisor.Usage(write_cgroup(tmp_path, V2))
    busy, now = 0.0, 0.0
    for cpus in (None, *([0.1] * 3), *([1.25] * 16), 4.0):
        busy, now = busy + (cpus or 0.0), now + 1
        write_cgroup(tmp_path, {"cpu.stat": f"usage_usec {busy * 1e6:.0f}\n"})
        usage.sample(now)
        usage.sample(now + 0.1)  # too soon after the last one to tell anything
    assert usage.cpu_p95() == 1.25
    assert usage.cpu_seconds == pytest.approx(24.3)


@pytest.mark.parametrize(
    ("files", "kills"),
    [
        ({"memory.events": "low 0\noom 3\noom_kill 2\noom_group_kill 0\n"}, 2),
        ({"memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n"}, 1),
        ({"memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\n"}, None),
        ({}, None),
    ],
    ids=["v2", "v1", "old v1", "none"],
)
def test_kills_for_want_of_memory_come_from_the_cgroup(
    tmp_path: Path, files: dict[str, str], kills: int | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert supervisor.memory_kills(str(tmp_path)) == kills
