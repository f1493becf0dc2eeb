# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a run that has ended was a success: only with positive proof, and all that proves it agreeing."""

from __future__ import annotations

import re

from ansible_collections.jobpods.controller.plugins.module_utils.failures import (
    REASONS,
    Failure,
    shortened,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.escapes import one_line, plain_text
from ansible_collections.jobpods.controller.plugins.module_utils.job.events import Summary, TaskFailure
from ansible_collections.jobpods.controller.plugins.module_utils.job.resources import add_memory
from ansible_collections.jobpods.controller.plugins.module_utils.pod.wire import Ended

_INVENTORY_ERROR = re.compile(
    r"(failed to parse inventory|unable to parse .* as an inventory source|completely failed to parse)",
    re.IGNORECASE,
)
"""What ansible-core 2.16 and newer print for an inventory source that no plugin could parse."""

SENTENCE_LIMIT = 1024
"""Characters of the supervisor's reason that a message repeats."""
_ERROR = re.compile(r"^\[?ERROR\b", re.MULTILINE)
_PREFIX = re.compile(r"(?:\[ERROR\]:|ERROR!|[\w.-]+: error:)\s*")
_LOCKED_KEY = re.compile(r"Bad passphrase, try again for .*ssh_key_data")
_REFUSED_KEY = re.compile(r'Error loading key ".*ssh_key_data": (.+)')
"""What ssh-add of OpenSSH prints; `ssh_key_data` is the file that ansible-runner gives it."""

READ_OUTPUT = "Read the output."
WORDS_LIMIT = 200
ERROR_LIMIT = 500
NAMED_HOSTS = 3
"""Failed hosts that the message names; the failure's details have them all."""


def verdict(
    ended: Ended, summary: Summary, timeout: int, place: str = "the pod", memory_limit: str = ""
) -> Failure | None:
    """How a run ended.

    Args:
        ended: the supervisor's report.
        summary: what the runner's own output added up to.
        timeout: the job's time limit in seconds, for the message.
        place: where the run was, for messages.
        memory_limit: of its container; empty where that is not known.

    Returns:
        None for success, which the runner's status, its end mark, its exit status and the playbook's recap
        all have to say; else what to tell the user.
    """
    if ended.cause == "exit":
        return _exited(ended, summary, place, memory_limit)
    if ended.cause == "timeout":
        message = f"The playbook was stopped at its time limit of {timeout} s.{_unanswered(summary)}"
        return Failure("JobTimeout", message, traceback=ended.stderr)
    if ended.cause == "cancel":
        return Failure("PodDeleted", "The pod was asked to stop by somebody else.", traceback=ended.stderr)
    if ended.cause == "runner_missing":
        return Failure("RunnerMissing", _sentence(ended.message), traceback=ended.stderr)
    if ended.cause == "controller_lost":
        return Failure(
            "ControllerLost", "The pod heard nothing from its controller for too long, and stopped the run."
        )
    return Failure("RunnerFailed", _sentence(ended.message), traceback=ended.stderr)


def _exited(ended: Ended, summary: Summary, place: str, memory_limit: str) -> Failure | None:
    if summary.status == "successful" and summary.eof and ended.returncode == 0 and summary.stats:
        return None
    said = "\n".join(map(plain_text, summary.last_lines))
    if ended.memory_kills:
        failure = _out_of_memory(ended, _unsuccessful(ended, summary, said, place), summary)
        add_memory(failure, memory_limit, ended.memory_peak)
        return failure
    return _unsuccessful(ended, summary, said, place)


def _unsuccessful(ended: Ended, summary: Summary, said: str, place: str) -> Failure:
    if summary.status == "failed" and summary.eof:
        return _playbook_failed(ended, summary, said, place)
    if summary.status == "successful" and summary.eof and ended.returncode == 0:
        return Failure(
            "RunnerFailed", "The runner says successful, but the playbook printed no recap.", traceback=said
        )
    how = f"signal {ended.signal}" if ended.signal else f"exit status {ended.returncode}"
    message = (
        f"ansible-runner ended with {how} and status {summary.status or 'none'!r}, which proves no success."
    )
    return Failure(
        "RunnerFailed", message, traceback="\n".join(filter(None, (summary.explanation, ended.stderr, said)))
    )


def _out_of_memory(ended: Ended, failure: Failure, summary: Summary) -> Failure:
    """What to tell of a run of which the kernel has killed processes.

    With a recap the playbook itself came to its end, and says which tasks failed.
    """
    several = "a process" if ended.memory_kills == 1 else f"{ended.memory_kills} processes"
    kernel = f"the kernel killed {several} of the run for using more memory than the container's limit"
    details = {**failure.details, "memory_kills": ended.memory_kills}
    hint = REASONS["OOMKilled"].hint
    if summary.stats:
        message = f"{failure.message} In it {kernel}."
        return Failure(failure.reason, message, hint=hint, details=details, traceback=failure.traceback)
    message = f"The playbook did not come to its end: {kernel}."
    return Failure("OOMKilled", message, details=details, traceback=failure.traceback)


def _playbook_failed(ended: Ended, summary: Summary, said: str, place: str) -> Failure:
    if not summary.playbook_started and _INVENTORY_ERROR.search(said):
        return Failure(
            "InventoryInvalid",
            f"The inventory can't be parsed in {place}: {_error_line(said)}",
            traceback=said,
        )
    key_trouble = None if summary.playbook_started else _key_trouble(said)
    if key_trouble is not None:
        return key_trouble
    failures = summary.failures
    details = {
        "failed_hosts": sorted(failure.host for failure in failures),
        "tasks": [failure.as_detail() for failure in failures],
    }
    if not failures and _was_cut_short(summary, said):
        message = "ansible-playbook ended in the middle of a play, without an error or a recap."
        return Failure("RunnerFailed", message, traceback="\n".join(filter(None, (ended.stderr, said))))
    if not failures:
        message = f"The playbook failed: {_error_line(summary.complaint or said)}"
        return Failure(
            "PlaybookFailed", message, hint=READ_OUTPUT, details=details, traceback=ended.stderr or said
        )
    message = f"The playbook failed on {_named(failures)}."
    return Failure("PlaybookFailed", message, details=details, traceback=ended.stderr)


def _was_cut_short(summary: Summary, said: str) -> bool:
    """Whether ansible-playbook began, and then neither went on nor said why: something has killed it."""
    return summary.play_started and not summary.stats and not _ERROR.search(said)


def _key_trouble(said: str) -> Failure | None:
    """Why ssh-add, which runs before the playbook, did not take the key of the machine credential."""
    if _LOCKED_KEY.search(said):
        return Failure(
            "InvalidConfiguration",
            "The passphrase in ssh_key_unlock does not unlock the key in ssh_key_data.",
            traceback=said,
        )
    refusal = _REFUSED_KEY.search(said)
    if refusal is None:
        return None
    words = shortened(refusal[1].strip(), WORDS_LIMIT)
    message = f"The key in ssh_key_data can't be used; ssh-add says: {words}."
    return Failure("InvalidConfiguration", message, traceback=said)


def _unanswered(summary: Summary) -> str:
    """What to say where the last line of the output looks like a question that nobody has answered."""
    last = plain_text(summary.last_lines[-1]).strip() if summary.last_lines else ""
    if not last.endswith((":", "?")):
        return ""
    return (
        f' Its last line, "{shortened(last, WORDS_LIMIT)}", looks like a question, which nobody can answer in'
        " a pod: give variables of vars_prompt in extra_vars, and use no pause with a prompt."
    )


def _named(failures: list[TaskFailure]) -> str:
    """The first hosts that failed, each with its task, and how many more did."""
    named = [_host(failure) for failure in failures[:NAMED_HOSTS]]
    others = len(failures) - len(named)
    if others:
        named.append(f"{others} more host{'s' if others > 1 else ''}")
    return " and ".join(filter(None, (", ".join(named[:-1]), named[-1])))


def _host(failure: TaskFailure) -> str:
    what = "unreachable at" if failure.unreachable else "failed at"
    said = one_line(plain_text(failure.message), WORDS_LIMIT)
    return f"{plain_text(failure.host)} ({what} task {plain_text(failure.task)!r}: {said})"


def _error_line(said: str) -> str:
    """The most telling line of what ansible-playbook printed before it ended."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("ERROR", "[ERROR]"))]
    chosen = (errors or lines or ["it printed nothing"])[0]
    return shortened(_PREFIX.sub("", one_line(chosen, 2 * ERROR_LIMIT)), ERROR_LIMIT)


def _sentence(words: str) -> str:
    text = plain_text(words).strip()[:SENTENCE_LIMIT] or "the supervisor gave no reason"
    return text + ("" if text.endswith(".") else ".")
