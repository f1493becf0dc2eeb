# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a virtual environment for each end of what is supported: `oldest` and `newest`.

The oldest has what requirements.txt gives as lower bounds, the newest what pip takes today. Each is on the
Python that gets it furthest, of those that PATH or pyenv have; else on the one that runs this.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parents[1] / "requirements.txt"
PYTHONS = {"oldest": ("3.10", "3.11", "3.12"), "newest": ("3.14", "3.13", "3.12", "3.11", "3.10")}
"""The versions to look for, best first; the oldest ansible-core knows nothing above Python 3.12."""
BOUND = re.compile(r"^([\w-]+)>=([\d.]+)$", re.MULTILINE)


def main() -> int:
    """Makes both in the folder that the command line names; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="gets the folders oldest and newest")
    folder: Path = parser.parse_args().folder.absolute()
    text = REQUIREMENTS.read_text(encoding="utf-8")
    make(folder / "oldest", find_python(PYTHONS["oldest"]), BOUND.sub(r"\1==\2", text))
    make(folder / "newest", find_python(PYTHONS["newest"]), text)
    return 0


def find_python(versions: tuple[str, ...]) -> str:
    """The first of these versions that is installed and can make virtual environments."""
    for version in versions:
        name = f"python{version}"
        pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
        for python in (shutil.which(name), *map(str, sorted(pyenv.glob(f"{version}.*/bin/{name}")))):
            if python and can_make(python):
                return python
    return sys.executable


def can_make(python: str) -> bool:
    """Whether a Python can make environments; pyenv has programs also for versions that were not chosen."""
    done = subprocess.run([python, "-c", "import ensurepip"], capture_output=True, check=False)
    return done.returncode == 0


def make(target: Path, python: str, requirements: str) -> None:
    """Makes an environment, unless it is there, made of the same."""
    version = subprocess.run([python, "--version"], capture_output=True, check=True).stdout
    wanted = hashlib.sha256(version + requirements.encode()).hexdigest()
    stamp = target / "stamp"
    if stamp.exists() and stamp.read_text(encoding="ascii") == wanted:
        return
    print(f"ends: making {target.name} with {version.decode().strip()}", file=sys.stderr, flush=True)
    shutil.rmtree(target, ignore_errors=True)
    subprocess.run([python, "-m", "venv", str(target)], check=True)
    listed = target / "requirements.txt"
    listed.write_text(requirements, encoding="utf-8")
    pip = [str(target / "bin/python"), "-m", "pip", "install", "--quiet", "--progress-bar", "off"]
    subprocess.run([*pip, "-r", str(listed)], check=True)
    stamp.write_text(wanted, encoding="ascii")


if __name__ == "__main__":
    sys.exit(main())
