# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server of git repositories and files: real HTTP, real `git http-backend`, on a port of its own."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.job.project.repositories import (
    ENVIRONMENT,
)

HANG_LIMIT = 120.0


class GitServer:
    """Serves what lies in a folder: repositories for git, files for all others.

    Attributes:
        url: of the folder.
        login: user and password that are asked for; None for nobody.
        hangs: it takes requests, and never answers.
        broken: it answers 503.
        redirect: where all requests are sent on to.
        asked: set at the first request.
        given: the logins that were given, in their order; None where there was none.
    """

    def __init__(self, folder: Path) -> None:
        self.url = ""
        self.login: tuple[str, str] | None = None
        self.hangs = False
        self.broken = False
        self.redirect = ""
        self.asked = asyncio.Event()
        self.given: list[tuple[str, str] | None] = []
        self._folder = folder

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answers a request."""
        self.asked.set()
        given = _login(request)
        self.given.append(given)
        if self.hangs:
            await asyncio.sleep(HANG_LIMIT)
        if self.redirect:
            raise web.HTTPFound(self.redirect + request.path_qs)
        if self.login is not None and given != self.login:
            raise web.HTTPUnauthorized(headers={"WWW-Authenticate": 'Basic realm="test"'})
        if self.broken:
            raise web.HTTPServiceUnavailable
        if ".git/" in request.path:
            return await self.handle_git(request)
        file = self._folder / request.path.split("/")[1]  # a page answers for all that is below it, too
        if file.is_file():
            return web.FileResponse(file)
        raise web.HTTPNotFound

    async def handle_git(self, request: web.Request) -> web.StreamResponse:
        """Answers git."""
        environ = {
            **os.environ,
            **ENVIRONMENT,
            "GIT_PROJECT_ROOT": str(self._folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": request.path,
            "QUERY_STRING": request.query_string,
            "REQUEST_METHOD": request.method,
            "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
            "REMOTE_ADDR": "127.0.0.1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "uploadpack.allowAnySHA1InWant",
            "GIT_CONFIG_VALUE_0": "true",
        }
        process = await asyncio.create_subprocess_exec(
            *("git", "http-backend"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=environ,
        )
        said, _errors = await process.communicate(await request.read())
        head, _blank, body = said.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
        status = int(headers.pop("Status", "200").split()[0])
        return web.Response(status=status, headers=headers, body=body)


def _login(request: web.Request) -> tuple[str, str] | None:
    kind, _blank, encoded = request.headers.get("Authorization", "").partition(" ")
    if kind != "Basic":
        return None
    user, _colon, password = base64.b64decode(encoded).decode().partition(":")
    return user, password


@asynccontextmanager
async def git_server(folder: Path) -> AsyncIterator[GitServer]:
    """Serves a folder."""
    server = GitServer(folder)
    application = web.Application(client_max_size=1 << 30)
    application.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(
        application, handler_cancellation=True, auto_decompress=False, shutdown_timeout=0.1
    )
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    server.url = f"http://{host}:{port}"
    try:
        yield server
    finally:
        await runner.cleanup()
