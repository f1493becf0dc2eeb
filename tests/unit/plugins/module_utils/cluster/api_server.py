# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An API server for tests: real HTTP and WebSockets over real TLS, with answers that the test writes down."""

from __future__ import annotations

import json
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from aiohttp import web

Reply = Callable[[web.Request], Awaitable[web.StreamResponse]]

SENT = "s3cret-token"
"""The token that the tests' connection has."""

VERSION = {"major": "1", "minor": "34", "gitVersion": "v1.34.4"}


@dataclass(frozen=True)
class Seen:
    """A request that the server got."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any
    client_name: str | None

    @property
    def authorization(self) -> str | None:
        return self.headers.get("Authorization")


@dataclass
class ApiServer:
    """Answers each method and path with what `on` said, in that order; the last answer stays."""

    context: ssl.SSLContext | None
    replies: dict[tuple[str, str], list[Reply]] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    port: int = 0
    _runner: web.AppRunner | None = None

    def on(self, method: str, path: str, *replies: Reply) -> None:
        self.replies[(method, path)] = list(replies)

    @property
    def url(self) -> str:
        return f"{'https' if self.context else 'http'}://127.0.0.1:{self.port}"

    async def __aenter__(self) -> ApiServer:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self.context)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        certificate = request.get_extra_info("peercert")
        name = dict(part[0] for part in certificate["subject"])["commonName"] if certificate else None
        self.seen.append(
            Seen(
                request.method,
                request.path,
                dict(request.query),
                dict(request.headers),
                json.loads(text) if text else None,
                name,
            )
        )
        replies = self.replies.get((request.method, request.path))
        if replies is None:
            return await status(404, "the server could not find the requested resource", "NotFound")(request)
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        return await reply(request)


def document(value: Any, code: int = 200, headers: dict[str, str] | None = None) -> Reply:
    """Answer with an object."""

    async def reply(_request: web.Request) -> web.StreamResponse:
        return web.json_response(value, status=code, headers=headers)

    return reply


def text(value: str, code: int = 200, headers: dict[str, str] | None = None) -> Reply:
    """Answer with a text, as any web server does."""

    async def reply(_request: web.Request) -> web.StreamResponse:
        return web.Response(text=value, status=code, content_type="text/html", headers=headers)

    return reply


def status_object(
    code: int, message: str, reason: str, details: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The `Status` that the API server answers instead of what was asked for."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "details": details or {},
        "code": code,
    }


def status(
    code: int,
    message: str,
    reason: str,
    details: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
) -> Reply:
    """Answer with a `Status`."""
    return document(status_object(code, message, reason, details), code, headers)


async def hang_up(request: web.Request) -> web.StreamResponse:
    """Cut the connection instead of answering."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()
