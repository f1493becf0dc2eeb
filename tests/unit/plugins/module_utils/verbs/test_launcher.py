# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A launcher gets a result whatever its job process does, and hands over secrets by the pipe alone."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
import time
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils import failures
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.job_process import ENTRY
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.launcher import (
    LIBRARIES,
    RESUMPTIONS,
    call,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.request import Request

DEADLINE = 60
SECRET = "s3cret-value"  # noqa: S105 - that is what is looked for
RESULT = {"failed": False, "changed": True, "msg": "done"}


class Scene:
    """A launcher whose job process runs a script of the test's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shown: list[dict[str, Any]] = []
        self.show = self.shown.append

    def call(self, script: str, verb: str = "container_group_job", **params: Any) -> dict[str, Any]:
        entry = self.folder / "entry.py"
        start = "import json, os, signal, sys, time\ntell = lambda **m: print(json.dumps(m), flush=True)\n"
        entry.write_text(start + script)
        request = Request(verb, params, str(self.folder), environment={"TOKEN": SECRET})
        return call(request, self.show, entry)

    def wait_for(self, name: str) -> bool:
        """Whether the script makes a file of this name."""
        deadline = time.monotonic() + DEADLINE
        while not (self.folder / name).exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        return (self.folder / name).exists()


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def end(**result: Any) -> str:
    return f"tell(type='result', result={ {**RESULT, **result}!r})\n"


READ = "request = json.loads(sys.stdin.readline())\n"
STEP = "tell(type='step', job=None, text='one', verbosity=0)\n"
STEPS = STEP + "tell(type='job', id=7, name='site.yml', child=False)\n"
SLICES = "".join(
    f"tell(type='job', id={number}, name='site.yml {number - 7}/2', child=True)\n" for number in (8, 9)
)

# --- the talk -----


def test_messages_are_shown_in_order_and_the_result_is_returned(scene: Scene) -> None:
    assert scene.call(READ + STEPS + end()) == RESULT
    assert scene.shown == [
        {"type": "step", "job": None, "text": "one", "verbosity": 0},
        {"type": "job", "id": 7, "name": "site.yml", "child": False},
    ]


def test_request_arrives_whole(scene: Scene) -> None:
    params: dict[str, Any] = {
        "project": "ü",
        "extra_vars": {"big": "x" * (4 << 20), "none": None, "list": [1, 2.5]},
    }
    result = scene.call(READ + "tell(type='result', result=request)\n", **params)
    assert Request.from_message(result) == Request(
        "container_group_job", params, str(scene.folder), environment={"TOKEN": SECRET}
    )


def test_what_json_has_no_word_for_arrives_as_text(scene: Scene) -> None:
    values = {"day": date(2026, 1, 2), "moment": datetime(2026, 1, 2, 3, 4, 5), "set": {"b", "a"}}  # noqa: DTZ001
    result = scene.call(READ + "tell(type='result', result=request['params'])\n", extra_vars=values)
    assert result["extra_vars"] == {"day": "2026-01-02", "moment": "2026-01-02 03:04:05", "set": ["a", "b"]}


def test_secrets_are_in_no_argument_and_no_environment(scene: Scene) -> None:
    script = (
        "everything = ' '.join(sys.argv) + repr(dict(os.environ))\n"
        "everything += open('/proc/self/cmdline').read() + open('/proc/self/environ').read()\n"
    )
    result = scene.call(
        script + READ + "tell(type='result', result={'everything': everything})\n", api_key=SECRET
    )
    assert "entry.py" in result["everything"]
    assert SECRET not in result["everything"]


def test_job_process_is_detached_and_runs_where_the_playbook_is(scene: Scene) -> None:
    facts = (
        "tell(type='result', result={'session': os.getsid(0), 'pid': os.getpid(), 'folder': os.getcwd()})\n"
    )
    result = scene.call(READ + facts)
    assert result["session"] == result["pid"]
    assert result["folder"] == str(scene.folder)


def test_launcher_that_stops_closes_the_pipe(scene: Scene) -> None:
    def stop(message: dict[str, Any]) -> None:
        raise KeyboardInterrupt

    scene.show = stop
    with pytest.raises(KeyboardInterrupt):
        # One message only: the pipe that it goes to is closed, too, as soon as the launcher has seen it.
        scene.call(READ + STEP + "sys.stdin.read()\nopen('seen', 'w').write('the end')\n")
    assert scene.wait_for("seen")


def test_signal_that_interrupts_no_read_is_heard_all_the_same(scene: Scene) -> None:
    """As one does not that comes just before the read begins, or to another thread, as here."""
    waits = threading.Event()

    def send_to_itself() -> None:
        waits.wait(DEADLINE)
        time.sleep(0.2)  # until the launcher reads again; where it does not yet, there is nothing to see
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    scene.show = lambda message: waits.set()
    sender = threading.Thread(target=send_to_itself)
    sender.start()
    before = signal.signal(signal.SIGUSR1, interrupt)
    script = (
        "import select\n"
        f"told = select.select([sys.stdin], [], [], {DEADLINE / 2})[0]\n"  # a net: nothing is to come
        "open('seen' if told else 'unheard', 'w').close()\n"
    )
    try:
        with pytest.raises(KeyboardInterrupt):
            scene.call(READ + STEP + script)
    finally:
        signal.signal(signal.SIGUSR1, before)
        sender.join()
    assert scene.wait_for("seen")


def test_job_process_outlives_its_result_and_leaves_no_zombie(scene: Scene) -> None:
    script = (
        "tell(type='result', result={'pid': os.getpid()})\nsys.stdin.read()\nopen('seen', 'w').write('x')\n"
    )
    pid = scene.call(READ + script)["pid"]
    assert scene.wait_for("seen")
    deadline = time.monotonic() + DEADLINE
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# --- a job process that does what it should not -----


@pytest.mark.parametrize(
    ("script", "message"),
    [
        pytest.param("sys.exit(3)", "ended with exit status 3", id="exit"),
        pytest.param(READ + STEP, "ended with exit status 0", id="no-result"),
        pytest.param(READ + "os.kill(os.getpid(), signal.SIGKILL)", "was killed by signal 9", id="killed"),
        pytest.param(READ + "raise ValueError('oh no')", "ended with exit status 1", id="error"),
        pytest.param("import no_such_library", "ended with exit status 1", id="import"),
        pytest.param("this is no Python", "ended with exit status 1", id="syntax"),
    ],
)
def test_job_process_that_ends_without_a_result_is_told(scene: Scene, script: str, message: str) -> None:
    result = scene.call(script)
    assert result["failed"]
    assert result["msg"].startswith(f"ControllerLost: The job process {message} before it gave a result.")
    assert result["job"]["id"] is None
    assert result["job"]["status"] == "error"


KILLED = "os.kill(os.getpid(), signal.SIGKILL)"
STORED = {
    "id": 7,
    "type": "job",
    "name": "site.yml",
    "status": "running",
    "pod_name": "pod-1",
    "namespace": "jobs",
}
PART = {"pod_name": "pod-2", "namespace": "jobs", "finished": None}


def stored(**facts: Any) -> str:
    """A script that answers job_info, and as the job's own process goes on."""
    job = {**STORED, "finished": None, "slices": [], **facts}
    answer = {"failed": False, "jobs": [job], "stdout": "PLAY [all]\n"}
    told = f"tell(type='result', result={answer!r})"
    return f"{READ}if request['verb'] == 'job_info':\n    {told}\n    sys.exit()\n"


def test_job_whose_process_is_killed_is_told_with_its_pod(scene: Scene) -> None:
    asked = "assert request['verb'] != 'job_info' or request['params']['data_dir'] == '/x'\n"
    result = scene.call(stored().replace(READ, READ + asked) + STEPS + KILLED, data_dir="/x")
    assert (result["changed"], result["failed"], result["stdout"]) == (True, True, "PLAY [all]\n")
    assert result["msg"].startswith(
        "Job 7 (site.yml): ControllerLost: The job process was killed by signal 9"
    )
    for words in ("pod-1 in namespace jobs", "controller_lost_timeout", "job_info"):
        assert words in result["msg"]
    job = result["job"]
    assert {name: job[name] for name in STORED} == STORED
    assert (job["failure"]["reason"], job["failure"]["retryable"]) == ("ControllerLost", False)
    assert job["job_explanation"] == job["failure"]["message"]


def test_job_whose_process_is_killed_after_its_end_has_no_pod_that_goes_on(scene: Scene) -> None:
    script = stored(status="successful", finished="2026-01-01T00:00:00Z")
    result = scene.call(script + STEPS + KILLED)
    assert result["job"]["status"] == "successful"
    assert "pod-1" not in result["msg"]


def test_sliced_job_whose_process_is_killed_is_told_with_the_pods_that_go_on(scene: Scene) -> None:
    ended = {**PART, "pod_name": "pod-1", "finished": "2026-01-01T00:00:00Z"}
    within = {**PART, "pod_name": "", "slices": [{**PART, "pod_name": "pod-3"}]}
    slices = [ended, {**PART, "pod_name": ""}, PART, within]
    result = scene.call(stored(pod_name="", namespace=None, slices=slices) + STEPS + SLICES + KILLED)
    assert (result["job"]["id"], result["job"]["name"]) == (7, "site.yml")
    assert "These go on: pod pod-2 in namespace jobs, pod pod-3 in namespace jobs, until" in result["msg"]
    assert "pod-1" not in result["msg"]


def test_job_whose_process_is_killed_is_told_without_the_store(scene: Scene) -> None:
    result = scene.call(READ + STEPS + KILLED)
    assert (result["job"]["id"], result["job"]["name"], result["job"]["pod_name"]) == (7, "site.yml", "")
    assert (result["changed"], result["failed"]) == (True, True)
    assert result["job"]["failure"]["retryable"] is False


# --- a job that is gone on with -----


def adopted(then: str) -> str:
    """A script that does this as the job's next process, and goes on as the first."""
    lines = "".join(f"    {line}\n" for line in [*then.splitlines(), "sys.exit()"])
    return f"{READ}if request['verb'] == 'adopt_job':\n{lines}"


def printed(job: int, last: int) -> str:
    return f"tell(type='output', job={job}, events=[['verbose', False, 'x']], last={last})\n"


JOB = "tell(type='job', id=7, name='site.yml', child=False)\n"


def test_next_process_goes_on_with_a_job_and_is_told_what_was_shown_of_it(scene: Scene) -> None:
    asked = "open('asked', 'w').write(json.dumps(request))\n" + JOB
    before = SLICES + printed(8, 1) + printed(9, 4) + printed(8, 2)
    script = adopted(asked + printed(9, 5) + end()) + STEPS + before + KILLED
    assert scene.call(script, data_dir="/x", project="p") == RESULT
    request = Request.from_message(json.loads((scene.folder / "asked").read_text()))
    assert request.verb == "adopt_job"
    place = {"data_dir": "/x", "database_url": None, "secret_key_file": None}
    assert request.params == {**place, "job_id": 7, "shown": {"8": 2, "9": 4}}
    assert request.environment == {"TOKEN": SECRET}
    jobs = [message["id"] for message in scene.shown if message["type"] == "job"]
    assert jobs == [7, 8, 9], "what is known already is not told again"
    (warning,) = (message for message in scene.shown if message["type"] == "warning")
    words = "The job process was killed by signal 9 before it gave a result. Another one takes job 7 over."
    assert (warning["job"], warning["text"]) == (7, words)
    assert [message["last"] for message in scene.shown if message["type"] == "output"] == [1, 4, 2, 5]


def test_job_is_gone_on_with_a_few_times(scene: Scene) -> None:
    count = "open('count', 'a').write('x')\n"
    result = scene.call(stored() + adopted(count + KILLED).replace(READ, "") + STEPS + KILLED)
    assert (scene.folder / "count").read_text() == "x" * RESUMPTIONS
    assert (result["failed"], result["job"]["id"]) == (True, 7)
    assert "pod-1 in namespace jobs" in result["msg"]


@pytest.mark.parametrize("verb", ["job_wait", "job_info", "job_cancel"])
def test_verb_that_launches_nothing_has_nothing_to_go_on_with(scene: Scene, verb: str) -> None:
    script = READ + "assert request['verb'] != 'adopt_job'\n" + JOB + KILLED
    result = scene.call(script, verb=verb)
    assert result["failed"]
    assert "was killed by signal 9" in result["msg"]
    assert not any("takes job" in message.get("text", "") for message in scene.shown)


def test_last_words_of_a_job_process_are_kept(scene: Scene) -> None:
    result = scene.call(READ + "sys.stderr.write('x' * 20000 + 'the end \\udcff'); sys.exit(1)")
    words = result["job"]["result_traceback"]
    assert len(words) < 10_000
    assert "the end" in words
    failed = scene.call(READ + "raise ValueError('oh no')")
    assert "ValueError: oh no" in failed["job"]["failure"]["message"] + failed["job"]["result_traceback"]


def test_request_that_nobody_reads_is_no_trouble(scene: Scene) -> None:
    result = scene.call("os.close(0)\ntime.sleep(0.2)\n" + end(), extra_vars={"big": "x" * (1 << 20)})
    assert result == RESULT


@pytest.mark.parametrize(
    "line",
    [
        "Loading plugins...",
        "",
        "5",
        "null",
        "[1]",
        '{"kind": "step"}',
        '{"type": 5}',
        '{"type": "st',
        "\\x1b[31mred",
    ],
)
def test_line_that_is_no_message_stops_nothing(scene: Scene, line: str) -> None:
    assert (
        scene.call(READ + f"print({line!r}.encode().decode('unicode_escape'), flush=True)\n" + end())
        == RESULT
    )
    (warning,) = scene.shown
    assert (warning["type"], warning["job"]) == ("warning", None)
    assert warning["text"].startswith("the job process printed what is no message: ")
    assert "\x1b" not in warning["text"]


def test_bytes_that_are_no_text_stop_nothing(scene: Scene) -> None:
    assert scene.call(READ + "sys.stdout.buffer.write(b'\\xff\\xfe' * 9999 + b'\\n')\n" + end()) == RESULT
    assert len(scene.shown[0]["text"]) < 1000


@pytest.mark.parametrize("library", LIBRARIES)
def test_missing_library_is_told_with_the_command_that_installs_it(scene: Scene, library: str) -> None:
    result = scene.call(f"tell(type='missing', library={library!r}); sys.exit(1)")
    needed = LIBRARIES[library]
    assert result["msg"] == (
        f"InvalidConfiguration: The Python library {needed} is missing on the controller,"
        f" in {sys.executable}. Install it with: {sys.executable} -m pip install '{needed}'"
    )


def test_libraries_are_those_of_the_requirements() -> None:
    root = Path(failures.__file__).parents[2]
    lines = [line.split("#")[0] for line in (root / "requirements.txt").read_text().splitlines()]
    asked = {line.strip().replace(" ", "").lower() for line in lines if line.strip()}
    ours = {needed.replace(" ", "").lower() for needed in LIBRARIES.values()}
    assert ours <= asked


# --- the real job process -----


def test_real_job_process_tells_which_library_it_lacks() -> None:
    request = json.dumps(Request("job_info", {}, "/").as_message()).encode() + b"\n"
    with subprocess.Popen(
        [sys.executable, "-I", "-S", str(ENTRY)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        told, errors = process.communicate(request, timeout=DEADLINE)
    message = json.loads(told)
    assert message["type"] == "missing"
    assert message["library"] in LIBRARIES
    assert errors == b""


def test_real_job_process_answers(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/jobs.db"
    params = {"job_id": None, "status": None, "limit": 10, "database_url": url}
    result = call(Request("job_info", params, str(tmp_path)), lambda message: None)
    assert result == {"changed": False, "failed": False, "jobs": []}


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        pytest.param(
            {
                "verb": "job_wait",
                "params": {"job_id": 9, "timeout": 0, "database_url": "sqlite:///{0}/jobs.db"},
            },
            "InvalidConfiguration: .*9",
            id="no-such-job",
        ),
        pytest.param(
            {"verb": "job_wait", "params": {"job_id": 9, "timeout": 0, "database_url": "nonsense"}},
            "InvalidConfiguration: database_url is not a URL",
            id="wrong-option",
        ),
        pytest.param(
            {"verb": "no_such_verb", "params": {"name": "mine"}},
            "ControllerLost: The job process met an error of its own",
            id="error-of-its-own",
        ),
    ],
)
def test_real_job_process_answers_in_one_shape(tmp_path: Path, request_: dict[str, Any], words: str) -> None:
    params = {name: str(value).format(tmp_path) for name, value in request_["params"].items()}
    result = call(Request(request_["verb"], params, str(tmp_path)), lambda message: None)
    assert result["failed"] and not result["changed"]
    if request_["verb"] == "job_wait":
        assert (result["job"]["id"], result["job"]["name"]) == (None, "")
        assert result["job"]["status"] == "error"
    else:
        assert result["failure"]["reason"] == "ControllerLost"
    assert re.search(words, result["msg"]), result["msg"]
