"""What is built is what is on disk: the distributions hold the package, whole, and nothing else.

They are built once, from a copy of the project, and the wheel is installed into an environment of its own.
"""

import configparser
import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
from pathlib import Path
from typing import NamedTuple
from zipfile import ZipFile

import pytest

import django_batch

ROOT = Path(__file__).parent.parent
STEM = f"django_batch-{django_batch.__version__}"
LEFTOVERS = shutil.ignore_patterns(
    ".git",
    ".tox",
    ".venv",
    ".*_cache",
    ".hypothesis",
    ".coverage*",
    "mutants",
    "__pycache__",
    "*.egg-info",
    "*.sqlite3*",
    "build",
    "dist",
)


class Built(NamedTuple):
    output: str
    wheel: Path
    sdist: Path


def run(*command: str | Path, cwd: Path) -> str:
    # Without byte code there is a warning, and where none is written is the caller's taste.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    # pip says so when it reaches no index; where all services are required, that is a failure.
    if "(from versions: none)" in done.stdout and not os.environ.get("REQUIRE_SERVICES"):
        pytest.skip("offline: the build and the installation fetch packages")
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    source = shutil.copytree(ROOT, tmp_path_factory.mktemp("source") / "project", ignore=LEFTOVERS)
    target = tmp_path_factory.mktemp("dist")
    output = run(sys.executable, "-m", "build", "--outdir", target, cwd=source)
    return Built(output, target / f"{STEM}-py3-none-any.whl", target / f"{STEM}.tar.gz")


@pytest.fixture(scope="session")
def package() -> set[str]:
    files = (path.relative_to(ROOT) for path in (ROOT / "django_batch").rglob("*") if path.is_file())
    return {path.as_posix() for path in files if "__pycache__" not in path.parts}


def test_commits_are_checked_as_lint_checks() -> None:
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    hooks = re.findall(r"^ +entry: \.venv/bin/(.+)$", (ROOT / ".pre-commit-config.yaml").read_text(), re.MULTILINE)
    assert hooks == tox["testenv:lint"]["commands"].split("\n")[1:]


def test_build_warns_of_nothing(built: Built) -> None:
    assert "warning" not in built.output.lower(), built.output


def test_wheel_holds_the_package_and_its_metadata(built: Built, package: set[str]) -> None:
    metadata = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE", "top_level.txt"}
    with ZipFile(built.wheel) as wheel:
        assert set(wheel.namelist()) == package | {f"{STEM}.dist-info/{name}" for name in metadata}


def test_sdist_holds_the_package_and_what_builds_it(built: Built, package: set[str]) -> None:
    beside = {"CHANGELOG.md", "LICENSE", "MANIFEST.in", "PKG-INFO", "README.md", "pyproject.toml", "setup.cfg"}
    with tarfile.open(built.sdist) as sdist:
        names = {member.name.removeprefix(f"{STEM}/") for member in sdist if member.isfile()}
    assert {name for name in names if not name.startswith("django_batch.egg-info/")} == package | beside


IMPORT_ALL = """
import importlib, pathlib, pkgutil
import django, django_batch
from django.conf import settings

needed = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.admin", "rest_framework"]
settings.configure(INSTALLED_APPS=[*needed, "django_batch", "django_batch.jobs"])
django.setup()
for module in pkgutil.walk_packages(django_batch.__path__, "django_batch."):
    # These import packages of others.
    others = ("django_batch.integrations.", "django_batch.openapi.spectacular.", "django_batch.pytest_plugin")
    if not module.name.startswith(others):
        importlib.import_module(module.name)
print(django_batch.__version__, (pathlib.Path(django_batch.__file__).parent / "py.typed").is_file())
"""


def test_installed_wheel_imports_whole_and_is_typed(built: Built, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", f"{built.wheel}[client]", cwd=tmp_path)
    assert run(python, "-I", "-c", IMPORT_ALL, cwd=tmp_path) == f"{django_batch.__version__} True\n"
