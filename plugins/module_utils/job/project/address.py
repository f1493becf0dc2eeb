# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses of repositories and archives, read and refused before anything is started with them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import SplitResult, quote, unquote, urlsplit, urlunsplit

from ansible_collections.jobpods.controller.plugins.module_utils.job.project.source import (
    Login,
    ScmType,
    invalid,
)

Kind = Literal["http", "ssh", "git", "file"]

GIT_SCHEMES: dict[str, Kind] = {"http": "http", "https": "http", "ssh": "ssh", "git": "git", "file": "file"}
ARCHIVE_SCHEMES: dict[str, Kind] = {"http": "http", "https": "http", "file": "file"}
GIT_USER_HOSTS = ("github.com", "bitbucket.org", "altssh.bitbucket.org")
"""Whose SSH user is `git`, whoever one is there (AWX: update_scm_url)."""
TOKEN_USER = "git"  # noqa: S105 - the name that goes with a token, where the credential has none
_SCP_LIKE = re.compile(r"(?:(?P<user>[^@/:]+)@)?(?P<host>[^@/:\[\]]+|\[[0-9A-Fa-f:.]+\]):(?P<path>[^:].*)")
_HELPER = re.compile(r"[A-Za-z0-9]+::")
_PASSWORD = "scm_url has a password in it; give it in a credential of type source_control."  # noqa: S105 - words
_ODD = re.compile(r"[\s\x00-\x1f\x7f\"\\]")


@dataclass(frozen=True)
class Address:
    """An address that may be asked.

    Attributes:
        url: to ask; no user and password are in it, but for the user of an SSH address.
        kind: how it is asked.
        origin: scheme, host and port of an `http` address.
        username: to log in with, over `http`.
        password: likewise.
    """

    url: str
    kind: Kind
    origin: str = ""
    username: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return f"Address({self.url!r})"


def check_url(scm_type: ScmType, url: str) -> None:
    """Refuses an `scm_url` that can't be right, whatever the credential is.

    Raises:
        Failure: `InvalidConfiguration`.
    """
    _read(url.strip(), ARCHIVE_SCHEMES if scm_type == "archive" else GIT_SCHEMES)


def git_address(url: str, login: Login | None) -> Address:
    """The address of a git repository.

    Raises:
        Failure: `InvalidConfiguration`, where it is none, or the credential does not fit it.
    """
    kind, parts = _read(url, GIT_SCHEMES)
    if kind == "http" and parts is not None:
        return _http_address(parts, login)
    if kind == "ssh":
        return Address(_ssh_url(url, parts, login), kind)
    _refuse_login(login, url)
    return Address(url, kind)


def archive_address(url: str, login: Login | None) -> Address:
    """The address of an archive; of one that lies here, `url` is its path.

    Raises:
        Failure: `InvalidConfiguration`, where it is none, or the credential does not fit it.
    """
    kind, parts = _read(url, ARCHIVE_SCHEMES)
    if kind == "http" and parts is not None:
        return _http_address(parts, login)
    _refuse_login(login, url)
    if parts is not None and parts.netloc not in ("", "localhost"):
        raise invalid(f"scm_url {url!r} names another host; a file URL has three slashes: file:///PATH.")
    return Address(unquote(parts.path) if parts is not None else url, kind)


def _read(url: str, schemes: dict[str, Kind]) -> tuple[Kind, SplitResult | None]:
    """What kind of address it is, and its parts where it is a URL."""
    right = f"it must begin with {', '.join(f'{scheme}://' for scheme in schemes)} or be an absolute path"
    odd = _ODD.search(url)
    if not url or url.startswith("-") or odd:
        what = "is empty" if not url else f"has {odd.group()!r} in it" if odd else "begins with -"
        raise invalid(f"scm_url {what}; {right}.")
    if url.startswith("/"):
        return "file", None
    if _HELPER.match(url):
        raise invalid(f"scm_url {url.partition('::')[0]}::... is not allowed; {right}.")
    if "://" not in url:
        match = _SCP_LIKE.fullmatch(url) if "ssh" in schemes else None
        if match is None or match["host"].startswith("-"):
            raise invalid(f"scm_url is {url!r}; {right}.")
        if "@" in match["path"].partition("/")[0]:
            raise invalid(_PASSWORD)  # user:password@host:path
        return "ssh", None
    parts = _split(url)
    kind = schemes.get(parts.scheme.lower())
    if kind is None:
        raise invalid(f"scm_url {parts.scheme}://... is not allowed; {right}.")
    host = parts.hostname or ""
    if kind != "file" and (not host or host.startswith("-") or (parts.username or "").startswith("-")):
        raise invalid(f"scm_url {_without_user(parts)!r} has no valid host name.")
    return kind, parts


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _port = parts.port
    except ValueError as exc:
        raise invalid("scm_url is not a valid URL.") from exc
    if parts.password is not None:
        raise invalid(_PASSWORD)
    return parts


def _without_user(parts: SplitResult) -> str:
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _http_address(parts: SplitResult, login: Login | None) -> Address:
    url = _without_user(parts)
    origin = f"{parts.scheme.lower()}://{parts.netloc.rpartition('@')[2]}"
    if login is None:
        return Address(url, "http", origin)
    if not login.password:
        raise invalid(f"credential: it has no password (or token), which {origin} is to be asked with.")
    username = login.username or unquote(parts.username or "") or TOKEN_USER
    return Address(url, "http", origin, username, login.password)


def _ssh_url(url: str, parts: SplitResult | None, login: Login | None) -> str:
    if login is None:
        return url
    if not login.ssh_key_data:
        raise invalid(f"credential: it has no ssh_key_data, which the SSH address {url!r} needs.")
    if not login.username:
        return url
    if parts is not None:
        host = parts.hostname or ""
        made = urlunsplit(
            parts._replace(netloc=f"{quote(login.username, safe='')}@{parts.netloc.rpartition('@')[2]}")
        )
    else:
        host, _colon, path = url.rpartition("@")[2].partition(":")
        made = f"{login.username}@{host}:{path}"
    if login.username.startswith("-") or _ODD.search(login.username):
        raise invalid("credential: its username can't be that of an SSH address.")
    if host.lower() in GIT_USER_HOSTS and login.username != "git":
        raise invalid(f"credential: its username must be git for SSH access to {host}.")
    return made


def _refuse_login(login: Login | None, url: str) -> None:
    if login is not None:
        raise invalid(f"credential is given, but scm_url {url!r} takes none; leave it out.")
