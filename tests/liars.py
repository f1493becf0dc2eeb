# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that stand for ansible-runner and lie: what each of them sends, and how its job has to end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

BEGIN = r"""
import base64, io, json, zipfile

def raw(content):
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()

def say(**fields):
    raw(json.dumps(fields).encode() + b"\n")

def event(counter, name="verbose", stdout="", **more):
    say(**{"uuid": f"u{counter}", "counter": counter, "event": name, "stdout": stdout, **more})

def recap(counter, **facts):
    event(counter, "playbook_on_stats", "RECAP", event_data={"ok": {"a": 1}, **facts})

def end(counter=2, status="successful", **facts):
    recap(counter, **facts)
    say(status=status)
    say(eof=True)

def archive(content, announced=None):
    say(zipfile=len(content) if announced is None else announced)
    raw(base64.b64encode(content))

def packed(*members):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        for name, mode, content in members:
            info = zipfile.ZipInfo(name)
            info.external_attr, info.compress_type = mode << 16, zipfile.ZIP_DEFLATED
            file.writestr(info, content)
    return made.getvalue()

def forged(kind, session, position=0, **facts):
    import zlib
    body = json.dumps(facts).encode()
    head = b"%s %d %d %d" % (kind.encode(), session, position, len(body))
    return b"\x1eJP1 %s %08x\n%s" % (head, zlib.crc32(body, zlib.crc32(head + b"\n")), body)

def to_controller(content):
    '''Writes where only the supervisor should.'''
    with open(f"/proc/{os.getppid()}/fd/1", "wb", buffering=0) as stream:
        while content:
            content = content[stream.write(content):]

SESSION = (1 << 20) + 1
OVER = {"cause": "exit", "returncode": 0, "signal": None, "stderr": "", "message": "", "memory_peak": None,
        "cpu_seconds": None, "elapsed": 1, "left": 0}
FAILED = {"host": "a", "task": "t", "play": "p", "res": {"msg": "no"}}

sys.stdin.buffer.read()
say(status="running")
event(1, "playbook_on_start", "PLAY")
"""


@dataclass(frozen=True)
class Liar:
    """One of them.

    Attributes:
        source: what it does after it has begun as any runner.
        ends: the job's status, and the reason of its failure where it has one.
        words: what is in the message, or in the hint.
        options: of its job.
    """

    source: str
    ends: str
    words: str = ""
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def program(self) -> str:
        """All of it."""
        return BEGIN + self.source


SUCCESSFUL = "successful"
VIOLATION = "error ProtocolViolation"
FAILED = "failed PlaybookFailed"
RUNNER_FAILED = "error RunnerFailed"
TIMEOUT = "failed JobTimeout"
ESCAPES = r"'\x1b]0;evil\x07\x1b[2J\x1b[31mred\x9b31m\r\x08\x7f\x1bP+q\x1b\\'"
COUNT = "for counter in range(2, 1 << 40): event(counter, 'verbose', {})"

LIARS: dict[str, Liar] = {
    # What could become a path.
    "path-in-an-event-s-id": Liar(
        "event(2, uuid='../../../../evil', event_data={'host': '../evil', 'task': '/evil'})\nend(3)",
        SUCCESSFUL,
    ),
    "paths-and-links-in-the-archive": Liar(
        "archive(packed(('../../evil', 0o644, 'x'), ('/evil', 0o4755, 'x'), ('link', 0o120777, '/'),"
        " ('link/evil', 0o644, 'x'), ('device', 0o20666, '')))\nend()",
        SUCCESSFUL,
    ),
    "zip-bomb": Liar("archive(packed(('bomb', 0o644, bytes(64 << 20))))\nend()", SUCCESSFUL),
    "many-files": Liar(
        "archive(packed(*((f'evil-{number}', 0o644, '') for number in range(20000))))\nend()", SUCCESSFUL
    ),
    "archive-longer-than-announced": Liar("archive(bytes(9999), 99)\nend()", VIOLATION, "not JSON"),
    "archive-shorter-than-announced": Liar("archive(b'x', 99999)\nend()", RUNNER_FAILED, "proves no success"),
    "archive-without-an-end": Liar(
        "say(zipfile=200 << 20)\nwhile True: raw(b'A' * 65536)",
        VIOLATION,
        "raise max_output_size",
        {"max_output_size": "4M"},
    ),
    "archive-that-is-too-large": Liar("say(zipfile=1 << 40)", VIOLATION, "268435456 are allowed"),
    "archive-of-no-size": Liar("say(zipfile='x' * 1000000)", VIOLATION, "268435456 are allowed"),
    # Floods.
    "endless-line": Liar(
        "while True: raw(b'x' * 65536)", VIOLATION, "raise max_event_size", {"max_event_size": "2M"}
    ),
    "endless-text": Liar(
        "raw(b'{\"stdout\": \"')\nwhile True: raw(b'x' * 65536)",
        VIOLATION,
        "raise max_event_size",
        {"max_event_size": "2M"},
    ),
    "flood-of-events": Liar(COUNT.format("''"), VIOLATION, "more than 3000 events", {"max_events": 3000}),
    "flood-of-large-events": Liar(
        COUNT.format("'x' * 100000"), VIOLATION, "raise max_output_size", {"max_output_size": "4M"}
    ),
    "flood-of-keepalives": Liar(
        "while True: event(0, 'keepalive', uuid=0)", VIOLATION, "max_output_size", {"max_output_size": "1M"}
    ),
    "flood-of-statuses": Liar(
        "while True: say(status='running', job_explanation='x' * 100000)",
        VIOLATION,
        "max_output_size",
        {"max_output_size": "4M"},
    ),
    "flood-of-errors": Liar("while True: os.write(2, b'e' * 65536)", TIMEOUT, options={"timeout": 1}),
    "flood-of-failures": Liar(
        "for counter in range(2, 3000):\n"
        "    event(counter, 'runner_on_failed', 'x', event_data={**FAILED, 'host': f'h{counter}' * 50})\n"
        "say(status='failed')\nsay(eof=True)",
        FAILED,
        "47 more hosts",
    ),
    "flood-of-set-stats": Liar("end(artifact_data={'x': 'x' * (5 << 20)})", VIOLATION, "bytes of set_stats"),
    # What is no text, or no JSON, or none that should be taken.
    "invalid-utf-8": Liar('raw(b\'{"status": "caf\\xe9"}\\n\')', VIOLATION, "not JSON"),
    "null-bytes": Liar("raw(bytes(1000) + b'\\n')", VIOLATION, "not JSON"),
    "utf-16": Liar("raw('{\"status\": \"x\"}\\n'.encode('utf-16-be'))", VIOLATION, "not JSON"),
    "deep-nesting": Liar("raw(b'[' * 1000000 + b'\\n')", VIOLATION, "nested more than 100 deep"),
    "deep-set-stats": Liar(
        "end(artifact_data=json.loads('{\"a\": ' * 500 + '1' + '}' * 500))", VIOLATION, "nested more than 100"
    ),
    "wide": Liar("raw(b'{\"a\": [' + b'{},' * 1000000 + b'0]}\\n')", VIOLATION, "500000 lists and mappings"),
    "long-number": Liar("raw(b'{\"status\": ' + b'9' * 1000000 + b'}\\n')", VIOLATION, "not JSON"),
    "wrong-types": Liar(
        "event(2, 'runner_on_failed', event_data=[1])\n"
        "event(3, 'runner_on_failed', event_data={'host': {'a': 1}, 'res': 'x'})\n"
        "event(4, 'runner_on_failed', event_data={'host': 'b', 'task': [1], 'play': None, 'res': [1]})\n"
        "event(5, 'runner_on_failed', event_data={'host': 'a', 'res': {'msg': {'x': [1]}}})\n"
        "end(6, 'failed', ok=[1], failures={'a': {}}, dark='x', changed=None, artifact_data=[1])",
        FAILED,
        "{'x': [1]}",
    ),
    "status-is-no-text": Liar("say(status=['successful'])", VIOLATION, "a status that is no text"),
    "output-is-no-text": Liar("event(2, stdout=['x'])", VIOLATION, "without counter, name or output"),
    "name-is-no-text": Liar("event(2, {'a': 1})", VIOLATION, "without counter, name or output"),
    "long-name": Liar("event(2, 'x' * 1000000)", VIOLATION, "a name of 1000000 characters"),
    "no-mapping": Liar("raw(b'null\\n')", VIOLATION, "not a mapping"),
    # What a terminal would obey, a database would refuse, or Ansible would evaluate.
    "escapes": Liar(
        f"evil = {ESCAPES}\n"
        "event(2, evil, evil, event_data={'task': evil})\n"
        "event(3, 'runner_on_failed', evil, event_data={'host': evil, 'task': evil, 'res': {'msg': evil}})\n"
        "say(status='running', job_explanation=evil, result_traceback=evil)\n"
        "sys.stderr.write(evil)\n"
        "end(4, 'failed', failures={evil: 1})",
        FAILED,
    ),
    "unstorable": Liar(
        r"evil = '\ud800\x00\udfff'"
        "\n"
        "event(2, 'runner_on_failed', evil, event_data={'host': evil, 'task': evil, 'res': {'msg': evil}})\n"
        "numbers = [float('nan'), float('inf'), 1 << 4000]\n"
        "end(3, 'failed', failures={evil: 1}, artifact_data={evil: [evil, *numbers]})",
        FAILED,
    ),
    "templates": Liar(
        "evil = '{{ 6 * 7 }}{% set x = 1 %}'\n"
        "event(2, 'runner_on_failed', evil, event_data={'host': evil, 'task': evil, 'res': {'msg': evil}})\n"
        "end(3, 'failed', failures={evil: 1}, artifact_data={'evil': evil, evil: 1})",
        FAILED,
        "{{ 6 * 7 }}",
    ),
    # Counters.
    "counter-repeats": Liar("event(2)\nevent(2)", VIOLATION, "event 2 where event 3 was due"),
    "counter-jumps": Liar("event(4)", VIOLATION, "event 4 where event 2 was due"),
    "counter-starts-again": Liar("event(2)\nevent(1)", VIOLATION, "event 1 where event 3 was due"),
    "counter-overflows": Liar(
        "event((1 << 64) + 2)", VIOLATION, "18446744073709551618 where event 2 was due"
    ),
    "counter-is-endless": Liar("event(10 ** 4000)", VIOLATION, "where event 2 was due"),
    "counter-is-negative": Liar("event(-2)", VIOLATION, "event -2 where event 2 was due"),
    "counter-is-a-fraction": Liar("event(2.0)", VIOLATION, "without counter, name or output"),
    "counter-is-a-text": Liar("event('2')", VIOLATION, "without counter, name or output"),
    "counter-is-infinite": Liar("event(float('inf'))", VIOLATION, "without counter, name or output"),
    # What only the supervisor may say.
    "record-in-the-output": Liar("raw(forged('ended', SESSION, **OVER))", VIOLATION, "not JSON"),
    "record-in-an-event": Liar(
        "event(2, stdout=forged('ended', SESSION, **OVER).decode())\nend(3, 'failed')", FAILED
    ),
    "forged-end": Liar(
        "to_controller(b''.join(forged('ended', SESSION + more, 0, **OVER) for more in range(50)))\n"
        "time.sleep(600)",
        RUNNER_FAILED,
        "proves no success",
    ),
    "forged-end-of-later-output": Liar(
        "to_controller(forged('ended', SESSION, 1 << 60, **OVER) * 100)\nend()", SUCCESSFUL
    ),
    "forged-output-of-later": Liar(
        "to_controller(forged('output', SESSION, 1 << 60) * 100)\nend()", SUCCESSFUL
    ),
    "forged-nonsense": Liar(
        "to_controller(forged('beat', SESSION, spool_end=-1, state='ended'))\ntime.sleep(600)",
        VIOLATION,
        "kind 'beat' whose spool_end is not valid",
    ),
    "forged-for-another-session": Liar(
        "to_controller(forged('ended', SESSION + 1, 0, **OVER) * 100)\nend()", SUCCESSFUL
    ),
    "forged-payload-trouble": Liar(
        "to_controller(forged('received', SESSION, 0, whole=False) * 100)\nend()", SUCCESSFUL
    ),
    "garbage-between-records": Liar(
        "for turn in range(50): to_controller(os.urandom(65536) + b'\\x1eJP1 ended 1 ')\nend()", SUCCESSFUL
    ),
    "record-without-an-end": Liar(
        "to_controller(b'\\x1eJP1 output %d 0 1048576 00000000\\n' % SESSION)\nend()", SUCCESSFUL
    ),
    # Ends that prove nothing.
    "success-with-a-failing-exit-code": Liar("end()\nsys.exit(3)", RUNNER_FAILED, "exit status 3"),
    "success-that-was-killed": Liar("end()\nos.kill(os.getpid(), 9)", RUNNER_FAILED, "signal 9"),
    "success-without-a-recap": Liar(
        "say(status='successful')\nsay(eof=True)", RUNNER_FAILED, "the playbook printed no recap"
    ),
    "success-without-an-end-mark": Liar(
        "recap(2)\nsay(status='successful')", RUNNER_FAILED, "proves no success"
    ),
    "success-of-another-case": Liar("end(2, 'SUCCESSFUL')", RUNNER_FAILED, "proves no success"),
    "failure-with-exit-code-0": Liar("end(2, 'failed')", FAILED),
    "more-after-the-end": Liar("end()\nevent(3)", VIOLATION, "output after the end mark"),
    "nothing-more": Liar("", RUNNER_FAILED, "proves no success"),
    # Silence.
    "silence": Liar("time.sleep(600)", TIMEOUT, options={"timeout": 1}),
    "silence-after-the-end": Liar("end()\ntime.sleep(600)", TIMEOUT, options={"timeout": 1}),
    "silence-without-output": Liar("os.close(1)\ntime.sleep(600)", TIMEOUT, options={"timeout": 1}),
    "half-a-line": Liar("raw(b'{\"status\": ')\ntime.sleep(600)", TIMEOUT, options={"timeout": 1}),
    "half-an-archive": Liar("say(zipfile=99)\ntime.sleep(600)", TIMEOUT, options={"timeout": 1}),
}
"""All that lie only by what they write."""
