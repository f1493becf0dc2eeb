#!/usr/bin/env bash
# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Builds the documentation, behind `make docs`: guides, modules, plugins, roles, and the pages in docs/.
# Usage: docs/docsite/build.sh FOLDER. The folder is made anew; FOLDER/build/html/index.html is the first page.
# The collection must be in ANSIBLE_COLLECTIONS_PATH, and what requirements-dev.txt lists in PATH.

set -euo pipefail
site=${1:?the folder to build in is missing}
docs=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

rm -rf "$site"
mkdir -p "$site"
antsibull-docs sphinx-init --dest-dir "$site" --use-current --fail-on-error --sphinx-theme furo \
    --project jobpods.controller --title 'jobpods.controller' --copyright 'the jobpods developers' \
    --index-rst-source "$docs/docsite/index.rst" jobpods.controller >/dev/null
cat "$docs/docsite/settings.py" >>"$site/conf.py"
mkdir "$site/static"
cp "$docs/docsite/site.css" "$site/static/"

# The pages that GitHub shows, too; a plot or a table of numbers lies in a folder beside its page.
mkdir -p "$site/rst/pages"
cp -r "$docs"/*.md "$site/rst/pages/"
for folder in "$docs"/*/; do
    [ "$(basename "$folder")" = docsite ] || cp -r "$folder" "$site/rst/pages/"
done
# A folder has no page here.
sed -i "s|](benchmarks)|](https://github.com/jobpods/controller/tree/main/docs/benchmarks)|" "$site"/rst/pages/*.md

# Ends with an error where anything is warned of.
"$site/build.sh"
