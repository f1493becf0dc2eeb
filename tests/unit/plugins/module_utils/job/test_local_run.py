# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run on the controller node: a real supervisor, and nothing is left of it however it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job import conversation, local_supervisor
from ansible_collections.jobpods.controller.plugins.module_utils.job.events import Batch
from ansible_collections.jobpods.controller.plugins.module_utils.job.local_run import LocalRun
from ansible_collections.jobpods.controller.plugins.module_utils.job.local_supervisor import run_environment
from ansible_collections.jobpods.controller.plugins.module_utils.job.payload import Payload, build_payload
from ansible_collections.jobpods.controller.plugins.module_utils.job.story import Phase
from ansible_collections.jobpods.controller.plugins.module_utils.job.talk import Outcome, RunRequest
from ansible_collections.jobpods.controller.plugins.module_utils.pod import supervisor
from ansible_collections.jobpods.controller.plugins.module_utils.pod.spec import PodIdentity
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.deadline import deadline
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.launching import launched
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.runner_script import (
    event,
    say,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.pod.supervised import (
    is_alive,
    scripted_worker,
)

DEADLINE = 120


BEGIN = "sys.stdin.buffer.read()\n" + say(status="running") + event(1, "playbook_on_start", "PLAY")
GOOD = BEGIN + event(2, "playbook_on_stats", "RECAP", ok={"a": 1}) + say(status="successful") + say(eof=True)
PIDS = """
pids = [os.getpid(), os.spawnlp(os.P_NOWAIT, "setsid", "setsid", "sleep", "600")]
with open(os.environ["HOME"] + "/pids", "w") as file:
    print(*pids, file=file)
"""
"""Writes down its own process id and that of a child, which has left for a session of its own."""
ENDLESS = BEGIN + PIDS + event(2, "verbose", "I am") + "time.sleep(600)\n"
STUBBORN = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + ENDLESS


class Told:
    """A progress and a notebook that keep what they hear."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.warnings: list[str] = []
        self.notes: list[dict[str, Any]] = []
        self.phases: list[tuple[str, str]] = []
        self.output: list[str] = []
        self.heard = asyncio.Event()
        self.run: LocalRun | None = None

    def step(self, text: str, verbosity: int = 0) -> None:
        self.steps.append(text)

    def warning(self, text: str) -> None:
        self.warnings.append(text)

    def forgotten(self) -> None:
        raise AssertionError("there is one attempt")

    def events(self, batch: Batch) -> None:
        self.output += [each.stdout for each in batch.events]
        if batch.events[-1].counter >= 2:
            self.heard.set()

    async def note(self, **columns: Any) -> None:
        self.notes.append(columns)

    async def next_attempt(self, lost: dict[str, Any], *, started: bool) -> None:
        raise AssertionError(lost)

    def phase(self, phase: Phase, detail: str = "") -> float:
        self.phases.append((phase, detail))
        return 0.0

    def begun(self, task: str = "") -> None:
        self.phases.append(("begun", task))

    def record(self, batch: Batch) -> None:
        return None


class Scene:
    """A job that is to run on the controller node."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.job_folder = folder / "data" / "jobs" / "7"
        self.environ = {"PATH": os.environ["PATH"], "HOME": str(folder / "home"), "LC_ALL": "C.UTF-8"}
        self.told = Told()
        self.payloads: list[Payload] = []
        self.params: dict[str, Any] = {}
        (folder / "home").mkdir()

    def run(self, build: Callable[[threading.Event], Payload] | None = None) -> LocalRun:
        launch = launched(self.folder, **{"cancel_grace": 1, **self.params})

        def payload(unwanted: threading.Event) -> Payload:
            self.payloads.append(build_payload(launch, "7"))
            return self.payloads[-1]

        request = RunRequest(launch, PodIdentity(7, "uuid", 1, "controller.test"), 1, build or payload)
        return LocalRun(request, self.job_folder, self.environ, self.told, self.told)

    @property
    def pids(self) -> list[int]:
        """Process ids that the script has written down."""
        return [int(word) for word in (self.folder / "home" / "pids").read_text().split()]

    async def executed(self, run: LocalRun | None = None) -> Outcome:
        """The outcome of a run, which is settled as the job's owner does it."""
        run = run or self.run()
        async with deadline(DEADLINE):
            try:
                outcome = await run.execute()
                if outcome.ended is not None and run.conversation is not None:
                    await run.stored(outcome.ended.offset)
                    await run.conversation.bye()
            finally:
                await run.close()
        return outcome


@pytest.fixture
async def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "site.yml").write_text("[]")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(conversation, "BACKOFF", (0.01,))
    before = set(os.listdir("/proc/self/fd"))
    made = Scene(tmp_path)
    yield made
    assert not made.job_folder.exists()
    assert list((tmp_path / "temporary").iterdir()) == []
    # Transports are closed in the next turn of the loop, and a payload that nobody wants when it is built.
    async with deadline(DEADLINE):
        while not set(os.listdir("/proc/self/fd")) <= before:
            await asyncio.sleep(0.01)
    assert all(payload.file.closed for payload in made.payloads)


@pytest.fixture
def scripted(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Has a script be ansible-runner, beside the Python that this runs in."""

    def script(source: str) -> None:
        scripted_worker(scene.folder, source)
        (scene.folder / "bin" / "python").symlink_to(os.path.realpath(sys.executable))
        monkeypatch.setattr(sys, "executable", str(scene.folder / "bin" / "python"))

    return script


def reason(outcome: Outcome) -> str | None:
    return outcome.failure.reason if outcome.failure is not None else None


# --- what it runs -----


def play(*tasks: dict[str, Any], **fields: Any) -> str:
    return json.dumps(
        [{"hosts": "all", "connection": "local", "gather_facts": False, **fields, "tasks": list(tasks)}]
    )


async def test_a_playbook_runs_on_this_machine(scene: Scene) -> None:
    message = (
        "{{ playbook_dir }} {{ who }} {{ lookup('env', 'JOBPODS_DATABASE_URL') }}|{{ lookup('env', 'MINE') }}"
    )
    tasks = play({"ansible.builtin.debug": {"msg": message}})
    (scene.folder / "project" / "site.yml").write_text(tasks)
    scene.params = {"extra_vars": {"who": "me"}}
    scene.environ |= {"JOBPODS_X": "secret", "MINE": "is kept"}
    run = scene.run()
    outcome = await scene.executed(run)
    assert outcome.failure is None, outcome
    assert (outcome.summary.hosts["ok"], outcome.worker_started) == (1, True)
    said = "\n".join(scene.told.output)
    assert f"{scene.job_folder}/run-" in said
    assert "/project me |is kept" in said
    assert scene.told.notes == [
        {"status": "waiting", "job_explanation": ""},
        {"status": "running", "execution_node": "controller.test"},
    ]
    assert scene.told.steps == [
        "running on the controller node controller.test, without a pod",
        "payload received",
        "playbook started",
    ]
    assert list(dict.fromkeys(phase for phase, _detail in scene.told.phases)) == [
        "starting",
        "sending",
        "playbook",
        "begun",
    ]
    assert ("begun", "ansible.builtin.debug") in scene.told.phases
    assert (run.pod_name, run.pod_uid, run.removal(outcome), scene.told.warnings) == ("", None, None, [])


async def test_a_locked_ssh_key_is_opened_however_long_the_data_folder_s_path_is(scene: Scene) -> None:
    key = scene.folder / "key"
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "s3cret-phrase", "-C", "it is me", "-f", str(key)]
    subprocess.run(command, check=True)
    inputs = {"ssh_key_data": key.read_text(), "ssh_key_unlock": "s3cret-phrase"}
    scene.params = {"credentials": [{"credential_type": "machine", "inputs": inputs}]}
    python = {"ansible_python_interpreter": sys.executable}
    tasks = play({"ansible.builtin.command": "ssh-add -l"}, vars=python)
    (scene.folder / "project" / "site.yml").write_text(tasks)
    scene.job_folder = scene.folder / ("long" * 30) / "7"
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        tempfile.tempdir = short
        assert (await scene.executed()).failure is None
        assert list(Path(short).iterdir()) == []
    assert any("it is me" in line for line in scene.told.output)


async def test_what_the_run_s_own_processes_use_is_told_and_not_the_whole_machine(
    scene: Scene, scripted: Callable[[str], None]
) -> None:
    scripted(GOOD)
    outcome = await scene.executed()
    assert outcome.failure is None
    used = outcome.resources
    assert used is not None
    assert 1 << 20 < used["memory_peak"] < 1 << 30
    assert used["cpu_seconds"] >= 0
    assert used["cpu_p95"] is None
    assert list(used["suggested_requests"]) == ["memory"]
    assert used["requests"] == used["limits"] == {}


async def test_the_run_s_folder_is_private_and_below_the_job_s(
    scene: Scene, scripted: Callable[[str], None]
) -> None:
    look = "folder = sys.argv[3]\nmode = oct(os.stat(folder).st_mode & 0o777)\n"
    tell = "import json\nsaid = {'uuid': 'u2', 'counter': 2, 'event': 'verbose'}\n"
    tell += "said['stdout'] = folder + ' ' + mode\n"
    tell += "print(json.dumps(said), flush=True)\n"
    scripted(BEGIN + look + tell + "time.sleep(600)\n")
    run = scene.run()
    task = asyncio.create_task(scene.executed(run))
    await asyncio.wait_for(scene.told.heard.wait(), DEADLINE)
    folder, mode = scene.told.output[1].split()
    assert (Path(folder).parent, mode) == (scene.job_folder, "0o700")
    run.cancel(Failure("Canceled", "Enough."))
    await task


def test_the_environment_is_the_caller_s_without_what_is_the_controller_s() -> None:
    given = {"PATH": "/a:/b", "HOME": "/home/me", "JOBPODS_DATABASE_URL": "secret", "JOBPODS_RUN": "outer"}
    ours = os.path.dirname(sys.executable)
    expected = {"PATH": f"{ours}:/a:/b", "HOME": "/home/me", "JOBPODS_RUN": "mine"}
    assert run_environment(given, "mine") == expected
    assert run_environment({}, "mine")["PATH"] == f"{ours}:{os.defpath}"


# --- how it ends -----


async def test_a_playbook_that_fails(scene: Scene) -> None:
    (scene.folder / "project" / "site.yml").write_text(play({"ansible.builtin.fail": {"msg": "no luck"}}))
    outcome = await scene.executed()
    assert reason(outcome) == "PlaybookFailed"
    assert outcome.failure is not None and "no luck" in outcome.failure.message


async def test_an_inventory_that_can_t_be_parsed_is_told_without_a_pod(scene: Scene) -> None:
    (scene.folder / "hosts.yml").write_text("{ not yaml")
    scene.params = {"inventory": "hosts.yml"}
    outcome = await scene.executed()
    assert reason(outcome) == "InventoryInvalid"
    assert outcome.failure is not None and "parsed in the controller node" in outcome.failure.message


async def test_cancel_stops_all_processes_of_the_run(scene: Scene, scripted: Callable[[str], None]) -> None:
    scripted(STUBBORN)
    run = scene.run()
    task = asyncio.create_task(scene.executed(run))
    await asyncio.wait_for(scene.told.heard.wait(), DEADLINE)
    run.cancel(Failure("Canceled", "Enough."))
    outcome = await task
    assert reason(outcome) == "Canceled"
    assert outcome.ended is not None and (outcome.ended.cause, outcome.ended.left) == ("cancel", 0)
    assert not any(is_alive(pid) for pid in scene.pids)


async def test_cancel_before_the_start_starts_nothing(scene: Scene, scripted: Callable[[str], None]) -> None:
    scripted(ENDLESS)
    run = scene.run()
    run.cancel(Failure("Canceled", "Nobody wants it."))
    outcome = await scene.executed(run)
    assert (reason(outcome), outcome.worker_started) == ("Canceled", False)
    assert scene.told.notes == []


async def test_the_time_limit(scene: Scene, scripted: Callable[[str], None]) -> None:
    scripted(ENDLESS)
    scene.params = {"timeout": 1}
    outcome = await scene.executed()
    assert reason(outcome) == "JobTimeout"
    assert not any(is_alive(pid) for pid in scene.pids)


async def test_a_payload_that_can_t_be_built(scene: Scene, scripted: Callable[[str], None]) -> None:
    scripted(ENDLESS)
    (scene.folder / "project" / "caf\udce9").touch()
    outcome = await scene.executed()
    assert (reason(outcome), outcome.worker_started) == ("ProjectNotFound", False)


async def test_a_folder_that_can_t_be_made(scene: Scene) -> None:
    (scene.folder / "file").touch()
    scene.job_folder = scene.folder / "file" / "7"
    outcome = await scene.executed()
    assert reason(outcome) == "InvalidConfiguration"
    assert outcome.failure is not None
    assert outcome.failure.message == (
        f"data_dir: the run's folder can't be made in {scene.job_folder}: Not a directory."
    )


async def test_no_ansible_runner_on_the_controller(
    scene: Scene, scripted: Callable[[str], None], tmp_path: Path
) -> None:
    scripted(GOOD)
    (scene.folder / "bin" / "ansible-runner").unlink()
    scene.environ["PATH"] = "/nowhere"
    outcome = await scene.executed()
    assert outcome.failure is not None and outcome.failure.reason == "RunnerMissing"
    assert "Install ansible-runner into the Python" in outcome.failure.hint


async def test_no_python_on_the_controller(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    outcome = await scene.executed()
    assert outcome.failure is not None and outcome.failure.reason == "RunnerMissing"
    assert "/nowhere/python can't be started" in outcome.failure.message


async def test_output_that_is_none_of_a_runner_ends_the_run(
    scene: Scene, scripted: Callable[[str], None]
) -> None:
    scripted(BEGIN + PIDS + event(9, "too_soon") + "time.sleep(600)\n")
    outcome = await scene.executed()
    assert (reason(outcome), outcome.ended) == ("ProtocolViolation", None)
    assert not any(is_alive(pid) for pid in scene.pids)


# --- when one of the processes dies -----


async def supervisor_of(scene: Scene) -> int:
    """Process id of the supervisor, once the run goes on."""
    await asyncio.wait_for(scene.told.heard.wait(), DEADLINE)
    return supervisor.processes()[scene.pids[0]]


async def test_a_killed_supervisor_leaves_no_process(scene: Scene, scripted: Callable[[str], None]) -> None:
    scripted(ENDLESS)
    task = asyncio.create_task(scene.executed())
    os.kill(await supervisor_of(scene), signal.SIGKILL)
    outcome = await task
    assert outcome.failure is not None and outcome.failure.reason == "RunnerFailed"
    assert "was killed by signal 9 before the run was over" in outcome.failure.message
    assert outcome.failure.retryable
    assert outcome.worker_started
    assert not any(is_alive(pid) for pid in scene.pids)
    assert scene.told.warnings != []


async def test_a_supervisor_that_others_stop(scene: Scene, scripted: Callable[[str], None]) -> None:
    scripted(ENDLESS)
    task = asyncio.create_task(scene.executed())
    os.kill(await supervisor_of(scene), signal.SIGTERM)
    outcome = await task
    assert outcome.failure is not None and outcome.failure.reason == "ControllerLost"
    assert "asked to stop by somebody else" in outcome.failure.message
    assert not any(is_alive(pid) for pid in scene.pids)


async def test_a_supervisor_that_hangs_is_killed(
    scene: Scene, scripted: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "ansible_collections.jobpods.controller.plugins.module_utils.job.local_run.KILL_LIMIT", 0.1
    )
    monkeypatch.setattr(
        "ansible_collections.jobpods.controller.plugins.module_utils.job.talk.KILL_LIMIT", 0.1
    )
    scripted(ENDLESS)
    scene.params = {"cancel_grace": 0}
    run = scene.run()
    task = asyncio.create_task(scene.executed(run))
    os.kill(await supervisor_of(scene), signal.SIGSTOP)
    run.cancel(Failure("Canceled", "Enough."))
    outcome = await task
    assert (reason(outcome), outcome.ended) == ("Canceled", None)
    assert not any(is_alive(pid) for pid in scene.pids)


async def test_processes_that_withstand_are_told(
    scene: Scene, scripted: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(GOOD)
    monkeypatch.setattr(local_supervisor, "SWEEP_LIMIT", 0.0)
    monkeypatch.setattr(local_supervisor, "marked_processes", lambda _mark: [1 << 30])
    assert (await scene.executed()).failure is None
    assert scene.told.warnings == ["1 processes of the run could not be killed on the controller node"]


CONTROLLER = """
import asyncio, json, sys
from pathlib import Path

sys.path.insert(0, {path!r})
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job import test_local_run as tests

async def main():
    scene = tests.Scene.__new__(tests.Scene)
    scene.__dict__.update({{**json.loads({scene!r}), "told": tests.Told(), "payloads": []}})
    scene.folder, scene.job_folder = Path(scene.folder), Path(scene.job_folder)
    sys.executable = str(scene.folder / "bin" / "python")
    task = asyncio.create_task(scene.run().execute())
    await scene.told.heard.wait()
    print(*scene.pids, flush=True)
    await task

asyncio.run(main())
"""


async def test_a_killed_job_process_leaves_no_process_and_no_folder(
    scene: Scene, scripted: Callable[[str], None]
) -> None:
    python = sys.executable
    scripted(STUBBORN)
    state = {"folder": str(scene.folder), "job_folder": str(scene.job_folder), "environ": scene.environ}
    state["params"] = {"cancel_grace": 1}
    source = CONTROLLER.format(
        path=str(Path(__file__).parents[5] / ".local/collections"), scene=json.dumps(state)
    )
    process = subprocess.Popen([python, "-c", textwrap.dedent(source)], stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        pids = [int(word) for word in (await asyncio.to_thread(process.stdout.readline)).split()]
        assert len(pids) == 2
        process.kill()
    until = time.monotonic() + DEADLINE
    while any(is_alive(pid) for pid in pids) or list(scene.job_folder.iterdir()):
        assert time.monotonic() < until
        await asyncio.sleep(0.05)
    with suppress(OSError):
        scene.job_folder.rmdir()


async def test_a_failure_has_none_of_the_job_s_secrets(scene: Scene, scripted: Callable[[str], None]) -> None:
    machine = {"credential_type": "machine", "inputs": {"password": "S3CRET-word"}}
    scene.params = {"credentials": [machine]}
    complaint = "sys.stderr.write('no login with S3CRET-word')\n"
    scripted(BEGIN + event(2, "verbose", "I am") + complaint + "sys.exit(3)\n")
    outcome = await scene.executed()
    assert outcome.failure is not None and outcome.failure.reason == "RunnerFailed"
    assert "no login with ********" in outcome.failure.traceback
