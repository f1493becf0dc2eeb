# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the store lies."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import store_options
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure

HOME = Path("/home/ann")
USER = HOME / ".local" / "share" / "jobpods"
POSTGRESQL = "postgresql+psycopg://ann:hunter2@db.test/jobpods"


@pytest.mark.parametrize(
    ("params", "environ", "file", "key", "folder"),
    [
        pytest.param({}, {}, USER / "jobpods.db", USER / "secret.key", USER, id="nothing given"),
        pytest.param(
            {"database_url": None, "data_dir": None, "secret_key_file": None},
            {"JOBPODS_DATABASE_URL": ""},
            USER / "jobpods.db",
            USER / "secret.key",
            USER,
            id="None and empty are nothing",
        ),
        pytest.param(
            {},
            {"XDG_DATA_HOME": "/xdg"},
            Path("/xdg/jobpods/jobpods.db"),
            Path("/xdg/jobpods/secret.key"),
            Path("/xdg/jobpods"),
            id="XDG_DATA_HOME",
        ),
        pytest.param(
            {"data_dir": "~/jobs"},
            {},
            HOME / "jobs" / "jobpods.db",
            HOME / "jobs" / "secret.key",
            HOME / "jobs",
            id="data_dir in the home folder",
        ),
        pytest.param(
            {"data_dir": "~"}, {}, HOME / "jobpods.db", HOME / "secret.key", HOME, id="data_dir is home"
        ),
        pytest.param(
            {"database_url": "sqlite:////srv/a.db"},
            {"JOBPODS_DATABASE_URL": "sqlite:////srv/b.db"},
            Path("/srv/a.db"),
            Path("/srv/secret.key"),
            Path("/srv"),
            id="an option before a variable",
        ),
        pytest.param(
            {"database_url": "sqlite+pysqlite:///~/a.db"},
            {},
            HOME / "a.db",
            HOME / "secret.key",
            HOME,
            id="the file's folder is data_dir",
        ),
        pytest.param(
            {},
            {
                "JOBPODS_DATABASE_URL": "sqlite:////srv/b.db",
                "JOBPODS_DATA_DIR": "/data",
                "JOBPODS_SECRET_KEY_FILE": "/keys/k",
            },
            Path("/srv/b.db"),
            Path("/keys/k"),
            Path("/data"),
            id="three variables",
        ),
        pytest.param(
            {"database_url": POSTGRESQL}, {}, None, USER / "secret.key", USER, id="a server has no folder"
        ),
    ],
)
def test_places(
    params: dict[str, str | None], environ: dict[str, str], file: Path | None, key: Path, folder: Path
) -> None:
    options = store_options(params, environ, HOME)
    assert (options.database_file, options.secret_key_file, options.data_dir) == (file, key, folder)


def test_relative_file_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert store_options({"database_url": "sqlite:///a.db"}, {}, HOME).database_file == tmp_path / "a.db"


def test_password_is_not_in_its_text() -> None:
    assert "hunter2" not in repr(store_options({"database_url": POSTGRESQL}, {}, HOME))


@pytest.mark.parametrize(
    "url",
    [
        "/var/lib/jobs.db",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:////a.db?mode=memory",
        "sqlite:a",
    ],
)
def test_wrong_url_is_named(url: str) -> None:
    with pytest.raises(Failure, match="database_url") as caught:
        store_options({"database_url": url}, {}, HOME)
    assert caught.value.reason == "InvalidConfiguration"
