# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports of jobs that ran on the cluster: what is in them, and what is not."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any

from ansible_collections.jobpods.controller.tests.integration.conftest import LOCAL
from ansible_collections.jobpods.controller.tests.integration.playbooks import Controller

Options = dict[str, Any]

MARKED = "<script>alert(1)</script>"


def readable(page: str) -> str:
    """The page without its elements."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page)).split())


def test_failed_job(controller: Controller, job: Options) -> None:
    tasks: list[Options] = [
        {"name": "Print", "ansible.builtin.debug": {"msg": f"printed {MARKED}"}},
        {"name": "Hide", "ansible.builtin.command": "echo hunter2", "no_log": True},
        {"name": "Ignore", "ansible.builtin.fail": {"msg": "passed over"}, "ignore_errors": True},
        {"name": "Rest", "ansible.builtin.pause": {"seconds": 1}},
        {"name": "Break", "ansible.builtin.command": "echo hunter2", "no_log": True, "failed_when": True},
    ]
    controller.project(site=tasks)
    ended = controller.verb("container_group_job", **job)
    assert ended["job"]["status"] == "failed", ended["msg"]
    options = {"job_id": ended["job"]["id"], "dest": "report.html"}
    checked = controller.verb("job_report", "--check", **options)
    place = Path(checked["dest"])
    assert (checked["changed"], place.exists(), place.name) == (True, False, "report.html")
    done = controller.verb("job_report", **options)
    assert (done["changed"], done["size"], done["jobs"]) == (True, checked["size"], 1), done
    assert (place.stat().st_size, place.stat().st_mode & 0o777) == (done["size"], 0o600)
    assert not controller.verb("job_report", **options)["changed"]
    page = place.read_text()
    assert MARKED not in page
    assert "hunter2" not in page
    assert re.search(r'<span class="[^"]*f\d+">', page)
    text = readable(page)
    for words in (
        " ".join(ended["job"]["failure"]["message"].split()),
        ended["job"]["pod_name"],
        f"on {ended['job']['execution_node']}",
        f"printed {MARKED}",
        "here failed Break",
        "1 failure ignored",
        "site.yml:",
        "the output has been hidden",
    ):
        assert words in text
    assert re.search(r"Rest site\.yml:\d+ 1\.\d s", text)
    assert '<rect x="' in page


def test_sliced_job(controller: Controller, job: Options) -> None:
    job["inventory"] = {"all": {"hosts": {"one": LOCAL, "two": LOCAL}}}
    ended = controller.verb("container_group_job", **job, job_slice_count=2)
    assert ended["job"]["status"] == "successful", ended["msg"]
    (controller.folder / "reports").mkdir()
    done = controller.verb("job_report", job_id=ended["job"]["id"], dest="reports", mode="0640")
    assert (done["changed"], done["jobs"]) == (True, 3), done
    place = controller.folder / "reports" / f"job-{ended['job']['id']}.html"
    assert (done["dest"], place.stat().st_mode & 0o777) == (str(place), 0o640)
    text = readable(place.read_text())
    for number, each in enumerate(ended["job"]["slices"], start=1):
        assert f"Slice {number} of 2" in text
        assert f'href="#job-{each["id"]}"' in place.read_text()
        assert each["pod_name"] in text
    assert "ok: [one]" in text
    assert "ok: [two]" in text
