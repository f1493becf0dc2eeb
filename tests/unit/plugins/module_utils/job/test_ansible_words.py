# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ansible-inventory says becomes one sentence, whatever its version; outputs are its own."""

from __future__ import annotations

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.job.ansible_words import sentence

NEW_YAML = """\
[WARNING]: Failed to parse inventory with 'yaml' plugin: YAML parsing failed: While parsing a flow mapping \
did not find expected ',' or '}'.

Failed to parse inventory with 'yaml' plugin.

<<< caused by >>>

YAML parsing failed: While parsing a flow mapping did not find expected ',' or '}'.
Origin: /srv/hosts.yml:4:4

2   hosts:
3    a: {password: secret
4   b: }
     ^ column 4

[WARNING]: Failed to parse inventory with 'ini' plugin: Failed to parse inventory: Invalid host pattern \
'all:' supplied.

[ERROR]: Completely failed to parse inventory source /srv/hosts.yml
"""
OLD_YAML = """\
[WARNING]:  * Failed to parse /srv/hosts.yml with auto plugin: We were
unable to read either as JSON nor YAML, these are the errors we got from each:
JSON: Expecting value: line 1 column 1 (char 0)  Syntax Error while loading
YAML.   did not find expected ',' or '}'  The error appears to be in
'/srv/hosts.yml': line 4, column 4, but may be elsewhere in the file
depending on the exact syntax problem.  The offending line appears to be:
a: {password: secret   b: }    ^ here
[WARNING]:  * Failed to parse /srv/hosts.yml with ini plugin: Invalid
host pattern 'all:' supplied, ending in ':' is not allowed, this character is
reserved to provide a port.
ERROR! Completely failed to parse inventory source /srv/hosts.yml
"""
OLD_INI = """\
[WARNING]:  * Failed to parse /srv/hosts.ini with ini plugin: not
enough values to unpack (expected 3, got 2)
  File "/usr/lib/python3/ansible/inventory/manager.py", line 293, in parse_source
    plugin.parse(self._inventory, self._loader, source, cache=cache)
ERROR! Completely failed to parse inventory source /srv/hosts.ini
"""
OLD_PLUGIN = """\
[WARNING]:  * Failed to parse /srv/aws_ec2.yml with auto plugin:
inventory config '/srv/aws_ec2.yml' specifies unknown plugin
'amazon.aws.aws_ec2'
[WARNING]:  * Failed to parse /srv/aws_ec2.yml with yaml plugin: Plugin
configuration YAML file, not YAML inventory
ERROR! Completely failed to parse inventory source /srv/aws_ec2.yml
"""


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        pytest.param(
            NEW_YAML,
            "YAML parsing failed: While parsing a flow mapping did not find expected ',' or '}'"
            " (/srv/hosts.yml:4:4)",
            id="YAML",
        ),
        pytest.param(
            OLD_YAML,
            "did not find expected ',' or '}' The error appears to be in '/srv/hosts.yml': line 4, column 4",
            id="YAML, ansible-core 2.16",
        ),
        pytest.param(OLD_INI, "not enough values to unpack (expected 3, got 2)", id="INI, ansible-core 2.16"),
        pytest.param(
            OLD_PLUGIN,
            "inventory config '/srv/aws_ec2.yml' specifies unknown plugin 'amazon.aws.aws_ec2'",
            id="plugin, ansible-core 2.16",
        ),
        pytest.param("ERROR! No such file\n", "No such file", id="error, ansible-core 2.16"),
        pytest.param("[ERROR]: No such file.\n", "No such file", id="error"),
        pytest.param("nothing known\n", "", id="nothing"),
        pytest.param("", "", id="no output"),
    ],
)
def test_sentence(output: str, expected: str) -> None:
    assert sentence(output) == expected


def test_several_plugins_have_their_say() -> None:
    output = "".join(
        f"[WARNING]: Failed to parse inventory with '{name}' plugin: {name} fails.\n\n" for name in "ab"
    )
    assert sentence(output) == "a: a fails; b: b fails"


@pytest.mark.parametrize(
    ("file", "expected"),
    [("hosts.yml", "no YAML"), ("hosts.json", "no YAML"), ("hosts", "yaml: no YAML; ini: no INI file")],
)
def test_a_yaml_file_is_no_ini_file(file: str, expected: str) -> None:
    output = f"""\
[WARNING]: Failed to parse inventory with 'yaml' plugin: no YAML.

[WARNING]: Failed to parse inventory with 'ini' plugin: no INI file.

[ERROR]: Completely failed to parse inventory source /srv/{file}
"""
    assert sentence(output) == expected


def test_a_long_sentence_is_cut() -> None:
    assert sentence(f"[ERROR]: {'x' * 10_000}") == f"{'x' * 600} ..."
