# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The supervisor with scripted runners: payload, resume, spool, and how a run ends by itself."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.pod import supervisor, wire
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.pod.supervised import (
    SupervisedPod,
    bootstrap,
    scripted_worker,
    supervised_pod,
)

ECHO = "sys.stdout.buffer.write(sys.stdin.buffer.read())"
PRINT_RANDOM = "import random\nsys.stdout.buffer.write(random.Random(1).randbytes(700_000))"
RANDOM = random.Random(1).randbytes(700_000)  # noqa: S311 - what PRINT_RANDOM writes


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[SupervisedPod]:
    with supervised_pod(tmp_path) as started:
        yield started


def test_the_bootstrap_fits_into_an_argument() -> None:
    assert len(bootstrap()) < 100 << 10
    assert "$" not in bootstrap()


def test_it_says_hello_before_any_payload(pod: SupervisedPod) -> None:
    assert pod.attach() == wire.Hello(1, "waiting", 0, 0, 0)
    assert pod.attach() == wire.Hello(1, "waiting", 0, 0, 0)


def test_a_run_goes_from_payload_to_bye(pod: SupervisedPod, tmp_path: Path) -> None:
    scripted_worker(tmp_path, ECHO)
    payload = bytes(range(256)) * 5000
    pod.attach()
    pod.start(payload)
    assert pod.wait(wire.Received, lambda received: received.whole).offset == len(payload)
    pod.wait(wire.Started)
    ended = pod.wait(wire.Ended)
    assert pod.output == payload
    assert (ended.cause, ended.returncode, ended.signal, ended.left) == ("exit", 0, None, 0)
    assert ended.offset == len(payload)
    assert ended.elapsed is not None
    assert pod.attach().state == "ended"
    assert pod.wait(wire.Ended).offset == len(payload)
    assert pod.bye() == supervisor.EXIT_DONE
    assert (pod.decoder.bad, pod.decoder.skipped) == (0, 0)
    assert not list((tmp_path / "runner").iterdir())


def test_the_payload_comes_in_pieces_with_gaps_and_repeats(pod: SupervisedPod, tmp_path: Path) -> None:
    scripted_worker(tmp_path, ECHO)
    payload = random.Random(2).randbytes(1000)  # noqa: S311 - repeatable on purpose
    pod.attach()

    def offset_after(start: int, end: int) -> int:
        pod.send(
            wire.payload(pod.session, start, payload[start:end]), wire.payload(pod.session, 999_999, b"x")
        )
        return pod.wait(wire.Received).offset  # what follows is a gap and gets an answer

    assert offset_after(500, 600) == 0
    assert offset_after(0, 100) == 100
    assert offset_after(0, 100) == 100
    assert offset_after(50, 300) == 300
    assert offset_after(301, 400) == 300
    assert pod.attach().payload == 300
    assert offset_after(300, 1000) == 1000
    pod.start(payload)
    pod.wait(wire.Ended)
    assert pod.output == payload


def test_a_start_before_the_payload_is_whole_asks_for_the_rest(pod: SupervisedPod, tmp_path: Path) -> None:
    scripted_worker(tmp_path, ECHO)
    pod.attach()
    pod.send(wire.start(pod.session, length=3, sha256="", timeout=None, cancel_grace=1))
    assert pod.wait(wire.Received) == wire.Received(0, False)
    pod.start(b"abc")
    assert pod.wait(wire.Ended).cause == "exit"
    assert pod.output == b"abc"


def test_repeated_start_does_not_start_twice(pod: SupervisedPod, tmp_path: Path) -> None:
    scripted_worker(tmp_path, "print('once', flush=True)\nsys.stdin.read()\ntime.sleep(60)")
    pod.attach()
    pid = pod.started()
    assert pod.started() == pid
    assert pod.attach().state == "running"
    assert pod.started() == pid
    pod.wait_for_output(b"once\n")
    pod.send(wire.cancel(pod.session, 0))
    assert pod.wait(wire.Ended).offset == 5


@pytest.mark.parametrize(
    ("sent", "length", "digest_of"),
    [(b"abc", 3, b"abd"), (b"abcd", 3, b"abc")],
    ids=["other bytes", "too long"],
)
def test_another_payload_than_announced_is_refused(
    pod: SupervisedPod, tmp_path: Path, sent: bytes, length: int, digest_of: bytes
) -> None:
    import hashlib

    scripted_worker(tmp_path, ECHO)
    pod.attach()
    digest = hashlib.sha256(digest_of).hexdigest()
    pod.send(
        wire.payload(pod.session, 0, sent),
        wire.start(pod.session, length=length, sha256=digest, timeout=None, cancel_grace=1),
    )
    ended = pod.wait(wire.Ended)
    assert (ended.cause, ended.returncode) == ("payload", None)
    assert pod.bye() == supervisor.EXIT_DONE


def test_the_payload_is_nowhere_on_disk_by_name(pod: SupervisedPod, tmp_path: Path) -> None:
    scripted_worker(tmp_path, "sys.stdin.read()\nprint('read', flush=True)\ntime.sleep(60)")
    pod.attach()
    pod.started(b"very secret")
    pod.wait_for_output(b"read\n")
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path.parent.name != "bin"]
    assert files == []


def test_resume_after_a_break_at_each_record(pod: SupervisedPod, tmp_path: Path) -> None:
    scripted_worker(tmp_path, PRINT_RANDOM)
    pod.read_size = 1000  # so that no two records end in one read
    pod.attach()
    pod.start()
    breaks = 0
    while len(pod.output) < len(RANDOM):
        pod.wait(wire.Output)
        breaks += 1
        assert pod.attach().spool_start <= len(pod.output)
    assert breaks > 20
    assert pod.wait(wire.Ended).offset == len(RANDOM)
    assert pod.output == RANDOM


def test_resume_after_breaks_at_any_byte_both_ways(pod: SupervisedPod, tmp_path: Path) -> None:
    scripted_worker(tmp_path, PRINT_RANDOM)
    chance = random.Random(3)  # noqa: S311 - repeatable on purpose
    pod.attach()
    pod.start()
    breaks = 0
    while len(pod.output) < len(RANDOM):
        received = pod.read()
        pod.feed(received[: chance.randrange(len(received) + 1)])  # the rest is lost
        cut = wire.ack(pod.session, len(pod.output), len(pod.output))
        pod.send(cut[: chance.randrange(len(cut))])
        pod.decoder = wire.Decoder()
        pod.attach()
        breaks += 1
    assert breaks > 3
    assert pod.wait(wire.Ended).offset == len(RANDOM)
    assert pod.output == RANDOM


def test_breaks_of_the_payload_at_any_byte(pod: SupervisedPod, tmp_path: Path) -> None:
    scripted_worker(tmp_path, ECHO)
    chance = random.Random(4)  # noqa: S311 - repeatable on purpose
    payload = chance.randbytes(300_000)
    offset = pod.attach().payload
    while offset < len(payload):
        record = wire.payload(pod.session, offset, payload[offset : offset + 20_000])
        pod.send(record + record[: chance.randrange(len(record))])
        offset = pod.attach().payload
    pod.start(payload)
    pod.wait(wire.Ended)
    assert pod.output == payload


def test_an_older_session_is_ignored(pod: SupervisedPod, tmp_path: Path) -> None:
    scripted_worker(tmp_path, "print('up', flush=True)\nsys.stdin.read()\ntime.sleep(60)")
    pod.attach(7)
    pod.attach(9)
    pod.send(wire.payload(7, 0, b"old"), wire.attach(7, 0), wire.cancel(7, 0), wire.bye(7), wire.beat(8))
    assert pod.attach(9).payload == 0
    pod.started(b"new")
    pod.acknowledge = False
    pod.wait_for_output(b"up\n")
    pod.send(wire.attach(8, 0), wire.cancel(8, 0), wire.ack(8, 3, 3), wire.ack(12, 3, 3), wire.cancel(12, 0))
    assert pod.attach(9) == wire.Hello(1, "running", 3, 0, 3)
    pod.send(wire.ack(9, 3, 3))
    assert pod.attach(9, 0) == wire.Hello(1, "running", 3, 3, 3)  # stored by the acknowledgement of session 9
    pod.send(wire.ack(8, 3, 3), wire.bye(8), wire.cancel(8, 0))
    assert pod.attach(9).state == "running"
    assert pod.process.poll() is None


def test_the_window_bounds_what_is_sent_and_the_run_goes_on(pod: SupervisedPod, tmp_path: Path) -> None:
    scripted_worker(tmp_path, PRINT_RANDOM + f"\nopen({str(tmp_path / 'done')!r}, 'w').close()\n")
    pod.acknowledge = False
    pod.attach()
    pod.start()
    while len(pod.output) < wire.WINDOW:
        pod.wait(wire.Output)
    hello = pod.attach(resume=0)
    while hello.state != "ended":  # nothing was acknowledged, and the run has come to its end nevertheless
        hello = pod.attach(resume=0)
    assert (tmp_path / "done").exists()
    assert hello.spool_end == len(RANDOM)
    # One more answer shows that everything that may be sent was sent before it.
    while len(pod.output) < wire.WINDOW:
        pod.wait(wire.Output)
    pod.send(wire.cancel(pod.session, 0))
    assert pod.attach(resume=0).state == "ended"
    assert len(pod.output) == wire.WINDOW
    pod.acknowledge = True
    pod.send(wire.ack(pod.session, len(pod.output), 0))
    assert pod.wait(wire.Ended).offset == len(RANDOM)
    assert pod.output == RANDOM


def test_a_full_spool_makes_the_run_wait(tmp_path: Path) -> None:
    size = 3_000_000
    scripted_worker(
        tmp_path,
        f"count = {str(tmp_path / 'written')!r}\n"
        f"for n in range({size // 1000}):\n"
        "    sys.stdout.buffer.write(b'%07d' % n + b'x' * 993)\n"
        "    if n % 100: continue\n"
        "    open(count + '.new', 'w').write(str(n * 1000))\n"
        "    os.replace(count + '.new', count)\n",
    )
    with supervised_pod(tmp_path, spool_limit=100_000) as pod:
        pod.acknowledge = False
        pod.attach()
        pod.started()
        hello = pod.attach()
        while hello.spool_end < 100_000:
            hello = pod.attach()
        for _turn in range(20):
            hello = pod.attach(resume=0)
        assert (hello.state, hello.spool_end) == ("running", 100_000)
        # What is written beyond is in pipes and buffers, of which there is less than what is still to come.
        assert int((tmp_path / "written").read_text()) < size - 1_000_000
        pod.acknowledge = True
        pod.send(wire.ack(pod.session, len(pod.output), len(pod.output)))
        assert pod.wait(wire.Ended).offset == size
        assert pod.output == b"".join(b"%07d" % n + b"x" * 993 for n in range(size // 1000))


def test_what_is_stored_is_forgotten(pod: SupervisedPod, tmp_path: Path) -> None:
    size = supervisor.SPOOL_SEGMENT * 2 + 1000
    scripted_worker(tmp_path, f"sys.stdout.buffer.write(b'z' * {size})")
    pod.attach()
    pod.start()
    pod.wait(wire.Ended)
    assert len(pod.output) == size
    hello = pod.attach(resume=0)
    assert (hello.spool_start, hello.spool_end) == (size, size)
    assert pod.wait(wire.Ended).offset == size
    spooled = [
        os.readlink(link) for link in Path(f"/proc/{pod.process.pid}/fd").iterdir() if link.is_symlink()
    ]
    assert sum(name.startswith(str(tmp_path)) for name in spooled) == 1


def test_a_missing_runner_is_named(tmp_path: Path) -> None:
    with supervised_pod(tmp_path, env={"PATH": str(tmp_path)}) as pod:
        pod.attach()
        pod.start(b"abc")
        ended = pod.wait(wire.Ended)
        assert ended.cause == "runner_missing"
        assert "PATH" in ended.message
        assert pod.bye() == supervisor.EXIT_DONE


def test_a_runner_without_its_interpreter_is_named(pod: SupervisedPod, tmp_path: Path) -> None:
    scripted_worker(tmp_path, "", python="/nowhere/python3")
    pod.attach()
    pod.start()
    ended = pod.wait(wire.Ended)
    assert ended.cause == "runner_missing"
    assert str(tmp_path / "bin" / "ansible-runner") in ended.message


def test_a_bad_end_comes_with_the_tail_of_stderr(pod: SupervisedPod, tmp_path: Path) -> None:
    scripted_worker(tmp_path, "sys.stderr.write('x' * 100000 + 'the \\udc80 end')\nsys.exit(4)")
    pod.attach()
    pod.start()
    ended = pod.wait(wire.Ended)
    assert (ended.cause, ended.returncode, ended.signal) == ("exit", 4, None)
    assert ended.stderr.endswith("end")
    assert len(ended.stderr) == supervisor.STDERR_TAIL


def test_a_killed_runner_is_told_by_its_signal(pod: SupervisedPod, tmp_path: Path) -> None:
    scripted_worker(tmp_path, "print('last', flush=True)\nos.kill(os.getpid(), signal.SIGKILL)")
    pod.attach()
    pod.start()
    ended = pod.wait(wire.Ended)
    assert (ended.cause, ended.returncode, ended.signal) == ("exit", None, 9)
    assert pod.output == b"last\n"


def test_garbage_on_stdin_is_skipped(pod: SupervisedPod, tmp_path: Path) -> None:
    scripted_worker(tmp_path, ECHO)
    chance = random.Random(5)  # noqa: S311 - repeatable on purpose
    pod.attach()
    for _turn in range(50):
        pod.send(chance.randbytes(chance.randrange(10_000)))
    session = pod.session
    for body in (b"[", b"[]", b'{"resume": "x"}', b'{"resume": 1e999}', b'{"resume": null}', b"[" * 100_000):
        for kind in ("attach", "ack", "cancel", "start", "unknown"):
            if kind not in ("cancel", "start") or b"resume" not in body:  # those are understood
                pod.send(wire.encode(kind, session, 0, body))
    assert pod.attach().state == "waiting"
    pod.start(b"still fine")
    assert pod.wait(wire.Ended).cause == "exit"
    assert pod.output == b"still fine"


def test_the_end_of_stdin_does_not_end_the_run(pod: SupervisedPod, tmp_path: Path) -> None:
    scripted_worker(
        tmp_path, f"sys.stdin.read()\nwhile not os.path.exists({str(tmp_path / 'go')!r}): time.sleep(0.01)"
    )
    pod.attach()
    pod.started()
    assert pod.process.stdin is not None
    pod.process.stdin.close()
    (tmp_path / "go").touch()
    assert pod.wait(wire.Ended).cause == "exit"
    assert pod.process.poll() is None


def test_beats_come_while_the_session_lives(tmp_path: Path) -> None:
    with supervised_pod(tmp_path, beat_interval=0.05) as pod:
        pod.attach()
        assert pod.wait(wire.Beat) == wire.Beat("waiting", 0)
        pod.wait(wire.Beat)


@pytest.mark.parametrize("argument", [[], ["!"], ["bnVsbA=="]], ids=["missing", "garbage", "null"])
def test_a_wrong_configuration_is_told(argument: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", bootstrap(), *argument],
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    assert done.returncode == supervisor.EXIT_USAGE
    assert "configuration" in done.stderr


def usable_by_anybody() -> str:
    """An interpreter that a user without rights can start."""
    for python in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        command = [python, "-ISc", "pass"]
        if shutil.which(python) and become_nobody(command) == 0:
            return python
    raise AssertionError("no Python here can be run by every user")


def become_nobody(command: list[str]) -> int:
    try:
        return subprocess.run(command, preexec_fn=random_user, check=False, timeout=40).returncode
    except PermissionError:
        return 126


def random_user() -> None:
    """As OpenShift runs a container: any user id, group 0, nothing of its own."""
    os.chdir("/")
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(0)
        os.setuid(1_000_690_000)


REPORT = """
import getpass, tempfile
home = os.environ['HOME']
open(os.path.join(home, 'x'), 'w').close()
print(getpass.getuser(), home, sys.argv[-1], os.access(sys.argv[-1], os.W_OK))
"""


def test_any_user_id_without_home_gets_one(tmp_path: Path) -> None:
    python = usable_by_anybody()
    open_folder = Path("/tmp") / f"jobpods-test-{os.getpid()}"  # noqa: S108 - tmp_path is closed to others
    open_folder.mkdir()
    open_folder.chmod(0o777)
    try:
        scripted_worker(open_folder, REPORT, python)
        env = {"HOME": "/", "USER": "", "LOGNAME": "", "TMPDIR": str(open_folder)}
        with supervised_pod(
            open_folder, python=python, env=env, private_data_dir="/proc/runner", preexec_fn=random_user
        ) as pod:
            pod.attach()
            pod.start()
            ended = pod.wait(wire.Ended)
            assert ended.returncode == 0, ended.stderr
            user, home, private_data_dir, writable = pod.output.decode().split()
            assert user
            assert home.startswith(str(open_folder))
            assert private_data_dir.startswith(str(open_folder))
            assert writable == "True"
            assert pod.bye() == supervisor.EXIT_DONE
            assert [path.name for path in open_folder.iterdir()] == ["bin"]
    finally:
        shutil.rmtree(open_folder)
