#!/usr/bin/env bash
# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# All linters and sanity tests, behind `make check`. Usage: tests/check.sh [STEP...]
# Every step runs, also after one has failed; each has its log in .local/log. VENV is the virtual environment
# with requirements-dev.txt in it (default .local/venv).

set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

root=$PWD
venv=$(realpath "${VENV:-.local/venv}")
check=$root/.local/check
copy=$check/ansible_collections/jobpods/controller
logs=$root/.local/log
steps=(format lint types yaml ansible-lint sanity docs changelog build importer)

check_format() { ruff format --check .; }
check_lint() { ruff check .; }
check_types() { mypy; }
check_yaml() { cd "$copy" && yamllint --strict .; }
check_ansible-lint() { cd "$copy" && ansible-lint --offline --profile production; }
check_docs() {
    cd "$copy" || return
    antsibull-docs lint-collection-docs --plugin-docs --check-extra-docs-refs --validate-collection-refs self \
        --skip-rstcheck . || return
    docs/docsite/build.sh "$check/docs"
}
check_changelog() { cd "$copy" && antsibull-changelog lint; }

# ansible-test looks for a script that brings pip in a folder of the home folder, under a name with a version.
bootstrap_pip() {
    local version cache=$HOME/.ansible/test/cache
    version=$(python -c 'import re, ansible_test._internal.python_requirements as module
print("_".join(re.findall(r"\bpip=.([0-9.]+)", open(module.__file__).read())[-1].split(".")))') || return
    mkdir -p "$cache" && cp "$root/tests/bootstrap_pip.py" "$cache/get_pip_$version.py"
}

check_sanity() {
    bootstrap_pip || return
    cd "$copy" && ansible-test sanity --color no \
        --python "$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
}

# From the checkout itself, to see that build_ignore keeps out what git doesn't know.
check_build() {
    rm -rf "$check/tarball"
    ansible-galaxy collection build --output-path "$check/tarball" . || return
    local strays
    strays=$(comm -23 <(tar -tzf "$check"/tarball/*.tar.gz | grep -vE '/$|^(MANIFEST|FILES)\.json$' | sort) \
        <(git ls-files --cached --others --exclude-standard | sort))
    [ -z "$strays" ] || { printf 'not in git, but in the tarball:\n%s\n' "$strays"; return 1; }
}

# The importer ends well unless Galaxy would refuse the collection; here its warnings count too, but for the one
# that there are ignore files at all, and for a playbook that imports another one by a name that is not known before
# it runs.
check_importer() {
    cd "$check" && python -m galaxy_importer.main tarball/*.tar.gz 2>&1 | tee "$check/importer.txt" || return
    ! grep -E '^(WARNING|ERROR):' "$check/importer.txt" | grep -v -e '^WARNING: Ignore files skip ' \
        -e "^WARNING: ERROR    Failed to find {{ lookup('jobpods.controller.playbook_to_run'"
}

[ -x "$venv/bin/ansible-test" ] || { echo "$venv has no ansible-test: run make check, or set VENV" >&2; exit 1; }
PATH=$venv/bin:$PATH

# A home folder of their own keeps the tools from what lies in the user's, and out of it.
mkdir -p "$logs" "$check/home"
for folder in .config/pip .pip; do
    [ ! -d "$HOME/$folder" ] || { mkdir -p "$check/home/.config" && ln -sfn "$HOME/$folder" "$check/home/$folder"; }
done
export HOME=$check/home
export NO_COLOR=1 ANSIBLE_COLLECTIONS_PATH=$check ANSIBLE_HOME=$HOME/.ansible
unset XDG_CACHE_HOME XDG_CONFIG_HOME PYTHONPATH

# The tools that walk folders, or ask git, get a copy of the checkout's files with a repository of its own.
rm -rf "$copy" && mkdir -p "$copy"
git ls-files -z --cached --others --exclude-standard --deduplicate |
    while IFS= read -r -d '' file; do [ -e "$file" ] && printf '%s\0' "$file"; done |
    tar --null --files-from=- -cf - | tar -xf - -C "$copy"
git -C "$copy" init -q && git -C "$copy" add -A

failed=()
for step in "${@:-${steps[@]}}"; do
    declare -F "check_$step" >/dev/null || { echo "no step $step; there are: ${steps[*]}" >&2; exit 1; }
    printf '%-14s' "$step"
    start=${EPOCHREALTIME/[.,]/}
    ("check_$step") >"$logs/check-$step.log" 2>&1 && result=ok || result=FAILED
    took=$(((${EPOCHREALTIME/[.,]/} - start) / 100000))
    printf '%-7s %4d.%d s\n' "$result" $((took / 10)) $((took % 10))
    [ "$result" = ok ] || { failed+=("$step"); tail -n 30 "$logs/check-$step.log" | sed 's/^/    /'; }
done

[ ${#failed[@]} -eq 0 ] || { echo "failed: ${failed[*]} (see .local/log/check-*.log)"; exit 1; }
