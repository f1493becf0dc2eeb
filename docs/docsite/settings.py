# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of Sphinx that build.sh adds to those of `antsibull-docs sphinx-init`, and which win over them."""

# Without intersphinx, which asks other hosts at each build.
extensions = ["sphinx_antsibull_ext", "myst_parser"]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
highlight_language = "none"

# What other collections and programs document; all else must be there.
nitpick_ignore_regex = [
    ("std:ref", r"ansible_collections\.(?!jobpods\.controller\.).*"),
    ("std:ref", "action_plugins|ansible_configuration_settings|common_return_values"),
    ("std:envvar|envvar", r"ANSIBLE_\w+|KUBECONFIG|XDG_DATA_HOME"),
]

antsibull_ext_color_scheme = "default-autodark"

# Furo breaks a long one in the middle of a word.
html_title = "jobpods"

html_static_path = ["static"]
html_css_files = ["site.css"]
