# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a connection proves its identity with, read anew whenever it may have changed."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.cluster.connection import (
    Connection,
    user_credentials,
)
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.kubeconfig import (
    Kubeconfig,
    load_files,
)
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.kubeconfig_login import (
    MISSING_LIBRARY,
)
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.limit import within
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure, shortened

_LOGIN_PROGRAM = Path(__file__).with_name("kubeconfig_login.py")


@dataclass(frozen=True)
class Credentials:
    """Identity for requests.

    Attributes:
        authorization: value of the header of that name, None where there is none.
        token_file: file that the bearer token is read from, for each request.
        client_certificate: PEM text.
        client_key: PEM text.
        impersonation: more headers.
    """

    authorization: str | None = field(default=None, repr=False)
    token_file: str | None = None
    client_certificate: str | None = field(default=None, repr=False)
    client_key: str | None = field(default=None, repr=False)
    impersonation: tuple[tuple[str, str], ...] = ()

    @property
    def sent(self) -> str | None:
        """The secret that goes over the wire, None where there is none."""
        authorization = dict(self.headers()).get("Authorization")
        return None if authorization is None else authorization.split(" ", 1)[1]

    def headers(self) -> list[tuple[str, str]]:
        """The headers that go with every request; a token file is read here.

        Raises:
            Failure: `InvalidConfiguration` where the token file can't be read.
        """
        authorization = self.authorization
        if self.token_file is not None:
            authorization = f"Bearer {_read_token(self.token_file)}"
        own = [] if authorization is None else [("Authorization", authorization)]
        return own + list(self.impersonation)


async def read_credentials(
    connection: Connection, environ: Mapping[str, str], *, again: bool, login_seconds: float = 60.0
) -> Credentials:
    """The credentials of a connection.

    Args:
        connection: whose credentials.
        environ: the environment of an exec plugin.
        again: whether the ones in the connection were refused, so that its kubeconfig is to be read again.
        login_seconds: how long an exec plugin or auth provider may take.
    """
    if connection.login is not None:
        return await _log_in(connection, environ, login_seconds)
    fields: dict[str, Any] = {
        name: getattr(connection, name)
        for name in (
            "token",
            "token_file",
            "username",
            "password",
            "client_certificate",
            "client_key",
            "impersonation",
        )
    }
    if again and isinstance(connection.kubeconfig, str):
        # Where the file is gone or broken by now, what was read at the launch is still the best there is.
        with contextlib.suppress(Failure):
            fields.update(user_credentials(_reread(connection.kubeconfig).choose(connection.context)))
    authorization = None
    if fields["token"]:
        authorization = f"Bearer {fields['token']}"
    elif fields["username"] is not None:
        pair = f"{fields['username']}:{fields['password']}"
        authorization = "Basic " + base64.b64encode(pair.encode()).decode()
    return Credentials(
        authorization,
        fields["token_file"],
        fields["client_certificate"],
        fields["client_key"],
        fields["impersonation"],
    )


def _reread(paths: str) -> Kubeconfig:
    return load_files([Path(path) for path in paths.split(os.pathsep)], "kubeconfig")


def _read_token(path: str) -> str:
    try:
        token = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not text"
        raise Failure(
            "InvalidConfiguration", f"The token file {path} of the connection can't be read: {why}."
        ) from error
    if not token or not token.isascii() or not token.isprintable():
        raise Failure(
            "InvalidConfiguration", f"The token file {path} of the connection holds no bearer token."
        )
    return token


async def _log_in(connection: Connection, environ: Mapping[str, str], login_seconds: float) -> Credentials:
    """Run the kubeconfig's exec plugin or auth provider, with a time limit."""
    request = json.dumps({"kubeconfig": connection.kubeconfig, "context": connection.context}).encode()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(_LOGIN_PROGRAM),
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        env=dict(environ),
        start_new_session=True,
    )
    what = f"The {connection.login} login of {connection.source}"
    try:
        output, words = await within(login_seconds, process.communicate(request))
    except BaseException as error:
        # The plugin too, and what it has started: they hold the pipes.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        if not isinstance(error, asyncio.TimeoutError):
            raise
        message = f"{what} gave no credentials within {login_seconds:g} s."
        raise Failure("Unauthorized", message) from error
    said = words.decode("utf-8", "replace").strip()
    if process.returncode == MISSING_LIBRARY:
        raise Failure(
            "InvalidConfiguration",
            f"{what} needs the Python package kubernetes, 24.2 or newer, in {sys.executable}.",
            hint="Install it with pip, or use a kubeconfig with a token.",
            traceback=said,
        )
    answer = json.loads(output) if process.returncode == 0 else {}
    if not answer.get("authorization") and not answer.get("client_certificate"):
        last = shortened(said.splitlines()[-1], 300) if said else "it says nothing"
        raise Failure("Unauthorized", f"{what} gave no credentials: {last}.", traceback=said[-4096:])
    return Credentials(
        answer["authorization"],
        None,
        answer["client_certificate"],
        answer["client_key"],
        connection.impersonation,
    )
