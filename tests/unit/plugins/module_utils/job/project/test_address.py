# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of repositories and archives: which there are, and which are refused before anything starts."""

from __future__ import annotations

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.address import (
    Address,
    archive_address,
    check_url,
    git_address,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.git import check_words
from ansible_collections.jobpods.controller.plugins.module_utils.job.project.source import Login

PASSWORD = Login("me", "s3cret")
KEY = Login(ssh_key_data="key")
ALL = Login("deploy", "s3cret", "key")


@pytest.mark.parametrize(
    ("url", "login", "expected"),
    [
        pytest.param("/srv/git/x.git", None, Address("/srv/git/x.git", "file"), id="path"),
        pytest.param("file:///srv/x.git", None, Address("file:///srv/x.git", "file"), id="file"),
        pytest.param("git://h/x", None, Address("git://h/x", "git"), id="git"),
        pytest.param("https://h/x.git", None, Address("https://h/x.git", "http", "https://h"), id="no-login"),
        pytest.param(
            "HTTPS://you@H:8443/x",
            PASSWORD,
            Address("https://H:8443/x", "http", "https://H:8443", "me", "s3cret"),
            id="the-credential-s-user",
        ),
        pytest.param(
            "https://you%40org@h/x",
            Login(password="s3cret"),  # noqa: S106 - of the test
            Address("https://h/x", "http", "https://h", "you@org", "s3cret"),
            id="the-address-s-user",
        ),
        pytest.param(
            "http://[::1]:80/x",
            Login(password="s3cret"),  # noqa: S106 - of the test
            Address("http://[::1]:80/x", "http", "http://[::1]:80", "git", "s3cret"),
            id="token",
        ),
        pytest.param("ssh://git@h:22/x", None, Address("ssh://git@h:22/x", "ssh"), id="ssh"),
        pytest.param("git@h:x/y.git", KEY, Address("git@h:x/y.git", "ssh"), id="scp"),
        pytest.param("h:x/y.git", ALL, Address("deploy@h:x/y.git", "ssh"), id="scp-user"),
        pytest.param("git@[::1]:x", ALL, Address("deploy@[::1]:x", "ssh"), id="scp-address"),
        pytest.param("ssh://git@h:22/x", ALL, Address("ssh://deploy@h:22/x", "ssh"), id="ssh-user"),
    ],
)
def test_addresses_of_git(url: str, login: Login | None, expected: Address) -> None:
    assert git_address(url, login) == expected
    check_url("git", url)
    assert "s3cret" not in repr(git_address(url, login))


@pytest.mark.parametrize(
    ("url", "login", "expected"),
    [
        pytest.param("/srv/x.tgz", None, Address("/srv/x.tgz", "file"), id="path"),
        pytest.param("file:///srv/x%20y.tgz", None, Address("/srv/x y.tgz", "file"), id="file"),
        pytest.param(
            "https://h/x.tgz?a=b",
            PASSWORD,
            Address("https://h/x.tgz?a=b", "http", "https://h", "me", "s3cret"),
            id="https",
        ),
    ],
)
def test_addresses_of_archives(url: str, login: Login | None, expected: Address) -> None:
    assert archive_address(url, login) == expected


@pytest.mark.parametrize(
    ("url", "words"),
    [
        pytest.param("", "is empty", id="empty"),
        pytest.param("--upload-pack=x", "begins with -", id="option"),
        pytest.param("https://h/x y", "has ' ' in it", id="blank"),
        pytest.param("https://h/x\ny", r"has '\n' in it", id="line-feed"),
        pytest.param('https://h"/x', "has '\"' in it", id="quote"),
        pytest.param("ext::sh -c id", "has ' ' in it", id="helper-with-blank"),
        pytest.param("ext::id", "ext::... is not allowed", id="helper"),
        pytest.param("ftp://h/x", "ftp://... is not allowed", id="scheme"),
        pytest.param("x.git", "is 'x.git'", id="relative"),
        pytest.param("./x:y", "is './x:y'", id="relative-with-colon"),
        pytest.param("https:///x", "has no valid host name", id="no-host"),
        pytest.param("ssh://-oProxyCommand=id/x", "has no valid host name", id="host-option"),
        pytest.param("-oProxyCommand=id:x", "begins with -", id="scp-host-option"),
        pytest.param("u@-oProxyCommand=id:x", "is 'u@-oProxyCommand", id="scp-user-host-option"),
        pytest.param("ssh://-oProxyCommand=id@h/x", "has no valid host name", id="user-option"),
        pytest.param("https://me:s3cret@h/x", "has a password in it", id="password"),
        pytest.param("me:s3cret@h:x", "has a password in it", id="scp-password"),
        pytest.param("https://me:s3cret/@h/x", "is not a valid URL", id="odd-password"),
    ],
)
def test_addresses_that_are_refused(url: str, words: str) -> None:
    for read in (lambda: git_address(url, None), lambda: check_url("git", url)):
        with pytest.raises(Failure) as caught:
            read()
        assert caught.value.reason == "InvalidConfiguration"
        assert caught.value.message.startswith("scm_url ")
        assert words in caught.value.message
        assert "s3cret" not in caught.value.message


@pytest.mark.parametrize("url", ["ssh://h/x.tgz", "git@h:x.tgz", "git://h/x.tgz"])
def test_archives_come_by_http_or_from_here(url: str) -> None:
    for read in (lambda: archive_address(url, None), lambda: check_url("archive", url)):
        with pytest.raises(Failure, match="http://, https://, file:// or be an absolute path"):
            read()


def test_a_file_of_another_host_is_refused() -> None:
    with pytest.raises(Failure, match="names another host"):
        archive_address("file://h/x.tgz", None)


@pytest.mark.parametrize(
    ("url", "login", "words"),
    [
        pytest.param("ssh://h/x", PASSWORD, "it has no ssh_key_data", id="ssh-without-key"),
        pytest.param("h:x", PASSWORD, "it has no ssh_key_data", id="scp-without-key"),
        pytest.param("https://h/x", KEY, "it has no password", id="https-without-password"),
        pytest.param("/x", PASSWORD, "scm_url '/x' takes none", id="path"),
        pytest.param("git://h/x", ALL, "takes none", id="git"),
        pytest.param("git@github.com:x/y", ALL, "must be git for SSH access to github.com", id="scp-host"),
        pytest.param("ssh://GitHub.com/x", ALL, "must be git for SSH access to github.com", id="ssh-host"),
        pytest.param("h:x", Login("-oX", "", "key"), "can't be that of an SSH address", id="option"),
    ],
)
def test_credentials_that_don_t_fit(url: str, login: Login, words: str) -> None:
    with pytest.raises(Failure) as caught:
        git_address(url, login)
    assert caught.value.reason == "InvalidConfiguration"
    assert caught.value.message.startswith("credential")
    assert words in caught.value.message


@pytest.mark.parametrize("branch", ["", "main", "feature/x-1", "v1.0", "refs/heads/x", "1a2b3c4", "ümläut"])
def test_branches(branch: str) -> None:
    check_words(branch, "")


@pytest.mark.parametrize(
    "branch",
    ["-x", "--upload-pack=x", "a b", "a..b", "a~1", "a^", "a:b", "a?", "@{-1}", "a/", "/a", "a.lock"],
)
def test_branches_that_are_none(branch: str) -> None:
    with pytest.raises(Failure, match="scm_branch is "):
        check_words(branch, "")


@pytest.mark.parametrize("refspec", ["", "refs/pull/7/head", "+refs/pull/*:refs/remotes/origin/pull/*"])
def test_refspecs(refspec: str) -> None:
    check_words("", refspec)


@pytest.mark.parametrize("refspec", ["--upload-pack=x", ":x", "a:b:c", "a b", "a..b", "^a"])
def test_refspecs_that_are_none(refspec: str) -> None:
    with pytest.raises(Failure, match="scm_refspec is "):
        check_words("", refspec)
