"""A new virtual environment with the wheel in it, made in seconds and without a network."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

from tests.testbed.commands import ROOT

INSTALLED = ("django", "isal", "msgspec", "tqdm", "gunicorn")
"""The packages that the environment has: those that the app may need, and a server."""


def build_wheel(folder: Path) -> Path:
    """Build the wheel into `folder` with the pinned build backend and return its path.

    Raises:
        subprocess.CalledProcessError: it cannot be built, or another version of the backend is
            installed than pyproject.toml asks for.
    """
    offline = ("--no-deps", "--no-index", "--no-build-isolation", "--check-build-dependencies")
    pip = (sys.executable, "-m", "pip", "--quiet")
    subprocess.run([*pip, "wheel", *offline, "-w", str(folder), str(ROOT)], check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def make_environment(folder: Path, wheel: Path) -> Path:
    """Make an environment in `folder`, install `wheel` there and return its Python.

    The packages of INSTALLED are links to those of this environment. No other package can be
    imported, so the wheel works only if it names all packages that it needs.

    Raises:
        subprocess.CalledProcessError: the wheel needs more than INSTALLED.
    """
    venv.create(folder, symlinks=True)
    variables = {"base": str(folder), "platbase": str(folder)}
    packages = Path(sysconfig.get_path("purelib", "venv", variables))
    for found in _with_requirements(*INSTALLED).values():
        _link(found, packages)
    python = folder / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--quiet", "--python", str(python))
    subprocess.run([*pip, "install", "--no-index", str(wheel)], check=True)
    return python


def _with_requirements(*names: str) -> dict[str, Distribution]:
    """Return, by name, the packages `names` and all packages that these require."""
    found: dict[str, Distribution] = {}
    missing = list(names)
    while missing:
        name = missing.pop()
        if name in found:
            continue
        found[name] = distribution(name)
        for text in found[name].requires or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                missing.append(requirement.name)
    return found


def _link(found: Distribution, packages: Path) -> None:
    entries = {file.parts[0] for file in found.files or []} - {"..", "__pycache__"}
    for entry in entries:
        (packages / entry).symlink_to(str(found.locate_file(entry)))
