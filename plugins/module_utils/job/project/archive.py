# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gets a project's archive: by HTTP, or from this machine; into a file without a name."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import ssl
import stat
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import IO, Any

import aiohttp
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.errors import Unreachable
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.limit import within
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.network import (
    TROUBLE,
    Route,
    trouble_of,
)
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.proxy import proxy_for
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.address import Address
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.commands import Commands
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.source import invalid

ARCHIVE_LIMIT = 1 << 30
"""Bytes of an archive."""
CONNECT_LIMIT = 30.0
SILENCE = 120.0
"""Seconds without any byte after which the server is given up."""
PIECE = 1 << 20
REVISION_LENGTH = 40
"""Characters of the archive's SHA-256 that are its revision: as many as a commit of git has."""


@dataclass(frozen=True)
class Archive:
    """An archive that is here.

    Attributes:
        file: its content, in a file without a name, at its start; it is closed by whoever got it.
        revision: what tells it from others.
    """

    file: IO[bytes]
    revision: str


async def get_archive(address: Address, environ: Mapping[str, str], commands: Commands) -> Archive:
    """Gets the archive of a project.

    Raises:
        Failure: `ProjectUpdateFailed`, where it can't be got, or is too large.
    """
    commands.tell(f"getting {address.url}")
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    try:
        digest = hashlib.sha256()
        size = 0
        async with _pieces(address, environ, commands) as pieces:
            async for piece in pieces:
                size += len(piece)
                if size > ARCHIVE_LIMIT:
                    raise _too_large(address)
                digest.update(piece)
                await asyncio.to_thread(file.write, piece)
        file.seek(0)
    except OSError as exc:
        file.close()
        raise _failed(f"The archive can't be kept in {tempfile.gettempdir()}: {exc.strerror}.") from exc
    except BaseException:
        file.close()
        raise
    revision = digest.hexdigest()[:REVISION_LENGTH]
    commands.tell(f"the archive has {size} bytes, revision {revision}")
    return Archive(file, revision)


@asynccontextmanager
async def _pieces(
    address: Address, environ: Mapping[str, str], commands: Commands
) -> AsyncIterator[AsyncIterator[bytes]]:
    if address.kind == "file":
        file = _open(address.url)
        try:
            yield _of_file(file, commands)
        finally:
            file.close()
        return
    async with _session(environ) as session:
        try:
            answer = await within(commands.limit.left, session.get(address.url, **_request(address, environ)))
        except asyncio.TimeoutError as exc:
            raise _late(exc, address, commands) from exc
        except TROUBLE as exc:
            raise _unreachable(exc, address) from exc
        async with answer:
            _check(answer, address)
            yield _of_answer(answer, address, commands)


async def _of_file(file: IO[bytes], commands: Commands) -> AsyncIterator[bytes]:
    while piece := await asyncio.to_thread(file.read, PIECE):
        if not commands.limit.left:
            raise commands.limit.over("reading the archive")
        yield piece


async def _of_answer(
    answer: aiohttp.ClientResponse, address: Address, commands: Commands
) -> AsyncIterator[bytes]:
    while True:
        try:
            piece = await within(commands.limit.left, answer.content.read(PIECE))
        except asyncio.TimeoutError as exc:
            raise _late(exc, address, commands) from exc
        except TROUBLE as exc:
            raise _unreachable(exc, address) from exc
        if not piece:
            return
        yield piece


# --- HTTP -----


def _session(environ: Mapping[str, str]) -> aiohttp.ClientSession:
    authorities = environ.get("SSL_CERT_FILE") or environ.get("GIT_SSL_CAINFO") or None
    try:
        context = ssl.create_default_context(cafile=authorities)
    except OSError as exc:
        raise invalid(f"the CA certificates in {authorities} can't be read: {exc.strerror or exc}.") from exc
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_LIMIT, sock_read=SILENCE)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=context), timeout=timeout, auto_decompress=False
    )


def _request(address: Address, environ: Mapping[str, str]) -> dict[str, Any]:
    headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
    if address.password:
        # The client drops it where it is sent on to another server.
        pair = f"{address.username}:{address.password}".encode()
        headers["Authorization"] = "Basic " + base64.b64encode(pair).decode("ascii")
    proxy = proxy_for(address.url, None, environ)
    request: dict[str, Any] = {"headers": headers}
    if proxy is not None:
        request |= {"proxy": proxy.url, "proxy_headers": proxy.headers}
    return request


def _check(answer: aiohttp.ClientResponse, address: Address) -> None:
    schemes = [each.url.scheme for each in (*answer.history, answer)]
    if "http" in schemes[1:] and schemes[0] == "https":
        raise _failed(f"{address.url} is sent on to an address without TLS.", "Give that address itself.")
    if answer.status in (401, 403):
        raise _failed(
            f"{address.url} refuses the login ({answer.status} {answer.reason}).",
            "Check the username and the password or token of the project's credential.",
        )
    if answer.status != 200:  # noqa: PLR2004 - OK
        raise _failed(
            f"{address.url} answers {answer.status} {answer.reason}.",
            "Check scm_url; many servers say 404, too, where the login is missing.",
            retryable=answer.status >= 500,  # noqa: PLR2004 - errors of the server
        )
    if (answer.content_length or 0) > ARCHIVE_LIMIT:
        raise _too_large(address)


def _late(error: BaseException, address: Address, commands: Commands) -> Failure:
    if not commands.limit.left:
        return commands.limit.over("getting the archive")
    return _failed(
        f"{address.url} sent nothing for {SILENCE:.0f} s.", "Check the server and the network.", True
    )


def _unreachable(error: BaseException, address: Address) -> Failure:
    trouble = trouble_of(error, Route(address.origin, None, CONNECT_LIMIT, SILENCE))
    failure = trouble.failure if isinstance(trouble, Unreachable) else trouble
    return _failed(
        f"The archive can't be got: {failure.message}",
        "Check the address in scm_url, and firewalls and proxies between here and the server.",
        isinstance(trouble, Unreachable),
        failure.traceback,
    )


# --- files -----


def _open(path: str) -> IO[bytes]:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise _failed(f"{path} is no file.", "Give the path of an archive in scm_url.")
        return open(path, "rb")  # noqa: SIM115 - the caller closes it
    except OSError as exc:
        raise _failed(
            f"{path} can't be read: {exc.strerror}.", "Give an archive that the controller's user can read."
        ) from exc


def _too_large(address: Address) -> Failure:
    return _failed(
        f"{address.url} has more than {ARCHIVE_LIMIT >> 20} MiB.", "Remove large files from the archive."
    )


def _failed(message: str, hint: str = "", retryable: bool = False, traceback: str = "") -> Failure:
    return Failure("ProjectUpdateFailed", message, hint=hint, retryable=retryable, traceback=traceback)
