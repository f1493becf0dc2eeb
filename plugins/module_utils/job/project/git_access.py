# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How git gets at a repository: with nothing of the user's own settings, and with one login for one place.

No secret is in a file with a name, an address, a command line or an environment. A password is in the memory
of this process, where git's helper reads it through /proc, for the project's own server only: a submodule on
another one never gets it. A key is with an agent that is the update's own.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path

from ansible_collections.jobpods.controller.plugins.module_utils.cluster.limit import within
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.address import Address
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.commands import Commands
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.source import (
    Login,
    ProjectSource,
)

KEPT_VARIABLES = (
    "PATH",
    "TMPDIR",
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH"),
)
"""Of the caller's environment: where programs are, the way out, and whom to trust."""
SILENCE = 120
"""Seconds without any byte after which git gives an HTTP server up."""
AGENT_LIMIT = 20.0
"""Seconds that the agent may take to start, and to end."""
PROTOCOLS = ("https", "http", "ssh", "git")

BESIDE_AGENT = "echo $SSH_AGENT_PID; exec cat >/dev/null"

# `file` for what the project itself names, not for its submodules: they could name anything on this machine.
SETTINGS = """\
[protocol]
\tallow = never
{protocols}[protocol "file"]
\tallow = user
[core]
\thooksPath = /dev/null
\taskPass =
[credential]
\thelper =
[gc]
\tautoDetach = false
[maintenance]
\tautoDetach = false
[fetch]
\trecurseSubmodules = false
[advice]
\tdetachedHead = false
[http]
\tlowSpeedLimit = 1
\tlowSpeedTime = {silence}
"""
HELPER = """\
[credential "{origin}"]
\thelper = "!f() {{ test \\"$1\\" = get && cat {path}; }}; f"
"""
ASKPASS = """\
#!/bin/sh
case "$1" in
Bad*) exit 1 ;;
esac
exec cat "$JOBPODS_PASSPHRASE"
"""
"""Answers ssh-add; a passphrase that was wrong once is not given again, else it would ask for ever."""


@asynccontextmanager
async def git_access(
    source: ProjectSource, address: Address, commands: Commands, home: Path
) -> AsyncIterator[dict[str, str]]:
    """Gives access to a project's repository, and takes it back at the end.

    Args:
        source: the project.
        address: of the repository, or of the archive whose requirements may be in repositories beside it.
        commands: runs ssh-add.
        home: a private folder, for settings without secrets.

    Yields:
        The environment for git, and for programs that call it.

    Raises:
        Failure: `InvalidConfiguration`, where the credential's key can't be opened.
    """
    environ = base_environment(source.environ, home)
    settings = SETTINGS.format(
        protocols="".join(f'[protocol "{name}"]\n\tallow = always\n' for name in PROTOCOLS), silence=SILENCE
    )
    async with AsyncExitStack() as stack:
        if address.password:
            answer = f"username={address.username}\npassword={address.password}\n"
            path = stack.enter_context(in_memory(answer))[1]
            settings += HELPER.format(origin=address.origin, path=path)
        agent = None
        if source.login is None:
            # Without a credential, SSH is the user's own: configuration, keys and agent, as in AWX.
            agent = source.environ.get("SSH_AUTH_SOCK")
        elif address.kind == "ssh":
            agent = await stack.enter_async_context(_agent(source.login, environ, commands, home))
        if agent:
            environ["SSH_AUTH_SOCK"] = agent
        known_hosts = source.folder / "known_hosts"
        environ["GIT_SSH_COMMAND"] = ssh_command(known_hosts, own=source.login is None)
        (home / ".gitconfig").write_text(settings, encoding="utf-8")
        yield environ


def base_environment(given: Mapping[str, str], home: Path) -> dict[str, str]:
    """The environment in which git knows no settings but those in `home`."""
    return {
        **{name: given[name] for name in KEPT_VARIABLES if given.get(name)},
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "GIT_SSH_VARIANT": "ssh",
    }


def ssh_command(known_hosts: Path, *, own: bool) -> str:
    """The command line by which git calls ssh.

    Args:
        known_hosts: the project's; a new host is added to it, one whose key has changed is refused.
        own: the user's own configuration and keys are used.
    """
    # ssh splits the value at blanks and replaces %.
    quoted = str(known_hosts).replace("%", "%%")
    options = [
        "BatchMode=yes",
        "StrictHostKeyChecking=accept-new",
        f'UserKnownHostsFile="{quoted}"',
        "ConnectTimeout=30",
        "ServerAliveInterval=15",
        "ServerAliveCountMax=4",
        "ForwardAgent=no",
        "ControlMaster=no",
        "ControlPath=none",
    ]
    if not own:
        options.append("IdentityFile=none")
    command = ["ssh"] if own else ["ssh", "-F", "none"]
    for option in options:
        command += ["-o", option]
    return shlex.join(command)


@contextmanager
def in_memory(text: str) -> Iterator[tuple[int, str]]:
    """Keeps a text in memory; gives a descriptor of it, and a path that programs of this user can read it by.

    By the path, since not every program lets its children inherit a descriptor: ansible-galaxy doesn't.
    """
    descriptor = os.memfd_create("jobpods")
    try:
        os.write(descriptor, text.encode())
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor, f"/proc/{os.getpid()}/fd/{descriptor}"
    finally:
        os.close(descriptor)


@asynccontextmanager
async def _agent(
    login: Login, environ: Mapping[str, str], commands: Commands, home: Path
) -> AsyncIterator[str]:
    """An ssh-agent of our own with the login's key; gives the path of its socket."""
    folder = Path(tempfile.mkdtemp(prefix="agent-"))  # short: the path of a socket may have 107 bytes
    try:
        agent = await _Agent.start(folder / "socket", environ)
        try:
            await _add_key(login, {**environ, "SSH_AUTH_SOCK": str(folder / "socket")}, commands, home)
            yield str(folder / "socket")
        finally:
            await agent.end()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Agent:
    """An ssh-agent beside a `cat` of ours.

    That one ends with our end of its pipe, and the agent soon after it: also where this process is killed.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._pid = 0

    @classmethod
    async def start(cls, socket: Path, environ: Mapping[str, str]) -> _Agent:
        try:
            process = await asyncio.create_subprocess_exec(
                *("ssh-agent", "-a", str(socket), "sh", "-c", BESIDE_AGENT),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env=dict(environ),
                start_new_session=True,
            )
        except OSError as exc:
            raise _no_agent(exc.strerror or "no such program") from exc
        agent = cls(process)
        try:
            await agent._read_pid()
        except BaseException:
            await agent.end()
            raise
        return agent

    async def _read_pid(self) -> None:
        if self._process.stdout is None:
            return
        try:
            said = await within(AGENT_LIMIT, self._process.stdout.readline())
        except asyncio.TimeoutError as exc:
            raise _no_agent(f"it did not start within {AGENT_LIMIT:.0f} s") from exc
        if not said.strip().isdigit():
            raise _no_agent("it ended at once")
        self._pid = int(said)

    async def end(self) -> None:
        if self._pid:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGTERM)
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            await within(AGENT_LIMIT, self._process.communicate())
        except asyncio.TimeoutError:
            self._process.kill()
            await self._process.communicate()


async def _add_key(login: Login, environ: Mapping[str, str], commands: Commands, home: Path) -> None:
    askpass = home / "askpass"
    askpass.write_text(ASKPASS, encoding="ascii")
    askpass.chmod(0o700)
    unlock = f"{login.ssh_key_unlock}\n"
    with in_memory(login.ssh_key_data) as (key, _path), in_memory(unlock) as (_descriptor, phrase):
        added = await commands.run(
            # The lifetime is a net: the agent ends with the update.
            ("ssh-add", "-q", "-t", str(int(commands.limit.left) + 60), "-"),
            what="ssh-add",
            environ={
                **environ,
                "SSH_ASKPASS": str(askpass),
                "SSH_ASKPASS_REQUIRE": "force",
                "DISPLAY": ":0",  # without it, an older ssh-add asks nobody
                "JOBPODS_PASSPHRASE": phrase,
            },
            folder=home,
            standard_input=key,
        )
    if added.status:
        words = added.errors.strip()
        raise Failure(
            "InvalidConfiguration",
            "credential: its ssh_key_data can't be opened"
            f"{' with its ssh_key_unlock' if login.ssh_key_unlock else ''}.",
            hint="Give the private key as ssh-keygen wrote it, and its passphrase in ssh_key_unlock.",
            traceback=words,
        )


def _no_agent(words: str) -> Failure:
    return Failure(
        "ProjectUpdateFailed",
        f"ssh-agent can't be started on the controller node: {words}.",
        hint="Install the OpenSSH client on the controller node.",
    )
