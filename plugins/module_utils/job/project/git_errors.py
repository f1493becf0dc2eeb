# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What git says when it fails, and what the user can do about it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure

NAMED_AT_MOST = 10
"""Branches and tags that a message names."""


@dataclass(frozen=True)
class Case:
    """A way in which git fails.

    Attributes:
        name: for programs, in the failure's details.
        pattern: of what git says then.
        message: what it means.
        hint: what to do.
        retryable: it may go away by itself.
    """

    name: str
    pattern: re.Pattern[str]
    message: str
    hint: str
    retryable: bool = False


def _case(name: str, pattern: str, message: str, hint: str, retryable: bool = False) -> Case:
    return Case(name, re.compile(pattern, re.IGNORECASE), message, hint, retryable)


# The first that fits counts: what is said about the cause before what is said about its consequence.
CASES = (
    _case(
        "host_key",
        "host key verification failed|remote host identification has changed",
        "the host key of {address} is not the one that is known",
        "If the server's key was changed on purpose, remove its line from {known_hosts}.",
    ),
    _case(
        "host_not_found",
        "could not resolve host|name or service not known|temporary failure in name resolution"
        "|unable to look up|no address associated with hostname",
        "the host name in {address} can't be resolved",
        "Check the host name in scm_url and this machine's DNS.",
        True,
    ),
    _case(
        "tls",
        "certificate|ssl_error|gnutls_handshake|tls handshake",
        "the TLS certificate of {address} is not trusted",
        "Give the server's CA by the environment variable GIT_SSL_CAINFO.",
    ),
    _case(
        "authentication",
        "authentication failed|could not read username|could not read password|permission denied"
        "|access denied|invalid credentials|returned error: 40[13]|too many authentication failures"
        "|no supported authentication methods",
        "{address} refuses the login",
        "Check the project's credential: username and password or token for https, ssh_key_data for SSH.",
    ),
    _case(
        "not_connected",
        "connection refused|connection timed out|failed to connect|no route to host|network is unreachable"
        "|couldn't connect|operation too slow|connection reset|early eof|operation timed out"
        "|unable to connect|empty reply from server|the remote end hung up unexpectedly.*unpack",
        "there is no connection to {address}",
        "Check the address in scm_url, and firewalls and proxies between here and the server.",
        True,
    ),
    _case(
        "server_error",
        r"returned error: (5\d\d|429)",
        "the server of {address} can't answer now",
        "Look at the server, and try again.",
        True,
    ),
    _case(
        "no_such_ref",
        r"couldn't find remote ref",
        "{address} does not have what is to be fetched",
        "Check scm_refspec, and whether the repository has any commit.",
    ),
    _case(
        "not_a_repository",
        "does not appear to be a git repository|not found|not valid: is this a git repository"
        "|does not exist|not a git repository|no such file or directory|project you were looking for",
        "there is no git repository at {address} that this login may read",
        "Check the path in scm_url; many servers say this, too, where the login is missing.",
    ),
    _case(
        "protocol",
        "transport '.*' not allowed",
        "it refers to an address of a kind that is not allowed",
        "Submodules may be reached by https, http, ssh and git only.",
    ),
    _case(
        "ownership",
        "dubious ownership",
        "the repository {address} belongs to another user",
        "Give it to the user that runs the controller, or reach it by https or SSH.",
    ),
    _case(
        "no_room",
        "no space left on device|disk quota exceeded",
        "the disk is full",
        "Make room in data_dir.",
    ),
)
OTHER = Case("other", re.compile(""), "git could not do it", "Read what git said in result_traceback.")

_ERROR = re.compile(r"^(fatal|error|ssh|remote: *(error|fatal)):", re.IGNORECASE)


def git_failure(what: str, said: str, *, address: str, known_hosts: str) -> Failure:
    """The failure for what git said.

    Args:
        what: it was to do.
        said: its standard error, fit to be shown.
        address: of the repository.
        known_hosts: path of the project's known hosts.
    """
    case = next((case for case in CASES if case.pattern.search(said)), OTHER)
    names = {"address": address, "known_hosts": known_hosts}
    words = _telling_line(said, case)
    return Failure(
        "ProjectUpdateFailed",
        f"{what} failed: {case.message.format(**names)}{f' (git: {words})' if words else ''}.",
        hint=case.hint.format(**names),
        retryable=case.retryable,
        details={"case": case.name},
        traceback=said,
    )


def missing_branch(branch: str, names: Sequence[str], address: str) -> Failure:
    """The failure for a branch, tag or commit that the repository does not have.

    Args:
        branch: what was wanted.
        names: of its branches and tags.
        address: of the repository.
    """
    near = difflib.get_close_matches(branch, names, NAMED_AT_MOST, 0.6)
    if near:
        hint = f"Did you mean {' or '.join(near)}?"
    elif names:
        more = f" and {len(names) - NAMED_AT_MOST} more" if len(names) > NAMED_AT_MOST else ""
        hint = f"It has {', '.join(names[:NAMED_AT_MOST])}{more}."
    else:
        hint = "It has no branch and no tag."
    return Failure(
        "ProjectUpdateFailed",
        f"scm_branch {branch!r} is no branch, tag or commit of {address}.",
        hint=hint,
        details={"case": "no_such_branch", "near": near},
    )


def _telling_line(said: str, case: Case) -> str:
    """The line that says most: the one by which the case is known, else the first that names an error."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    patterns = (case.pattern,) if case is not OTHER else ()
    for pattern in (*patterns, _ERROR, OTHER.pattern):
        for line in lines:
            if pattern.search(line):
                return line.rstrip(".")[:400]
    return ""
