"""What a user installs: the wheel's content, each extra with the newest of everything, and the command as a tool of its own."""

import os
import shutil
import subprocess
import sys
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path
from typing import Final

import pytest

pytestmark = [pytest.mark.install, pytest.mark.timeout(300)]

ROOT: Final = Path(__file__).resolve().parents[2]
EXTRAS: Final = {
    "": "campaign.cli.main",
    "console": "campaign.console.app, cryptography",
    "notify": "apprise",
    "postgres": "campaign.ledger.postgres, psycopg",
    "ray": "campaign.engine.cluster, ray",
    "sql": "duckdb, psycopg",
    "s3": "s3fs",
    "gs": "gcsfs",
    "az": "adlfs",
}


def uv(*arguments: str | Path, **environment: str) -> str:
    """Run uv, which reads no constraints of pip: users have none."""
    command = [sys.executable, "-m", "uv", "--quiet", "--no-config", *map(str, arguments)]
    done = subprocess.run(command, env=os.environ | environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def pythons() -> list[str]:
    """The oldest and the newest Python of this machine that the project supports: on PATH, or installed by pyenv."""
    found = []
    for minor in range(11, 15):
        candidates = [f"python3.{minor}", *map(str, Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python"))]
        found += [path for name in candidates if (path := runnable(name))][:1]
    return sorted({found[0], found[-1]}) if found else [sys.executable]


def runnable(name: str) -> str | None:
    path = shutil.which(name)
    if path is None:
        return None
    done = subprocess.run([path, "-c", "import sys; print(sys.executable)"], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    uv("build", "--wheel", "--out-dir", folder)
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_the_package_its_types_and_no_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names} == {"campaign", f"{'-'.join(wheel.name.split('-')[:2])}.dist-info"}
    assert "campaign/py.typed" in names


def test_the_wheel_says_what_it_is(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    metadata: Message = Parser().parsestr(archive.read(next(name for name in archive.namelist() if name.endswith("/METADATA"))).decode())
    assert metadata["Summary"]
    assert metadata["Keywords"]
    assert "Typing :: Typed" in metadata.get_all("Classifier", [])
    assert set(metadata.get_all("Provides-Extra", [])) == {*filter(None, EXTRAS), "dev", "test"}


@pytest.mark.parametrize("extra", EXTRAS)
def test_each_extra_installs_with_the_newest_of_everything(extra: str, wheel: Path, tmp_path: Path) -> None:
    inside = installed(pythons()[-1], f"{wheel}[{extra}]" if extra else str(wheel), tmp_path)
    subprocess.run([*inside, "-c", f"import {EXTRAS[extra]}"], check=True, cwd=tmp_path)
    if not extra:
        subprocess.run([*inside, "-m", "campaign", "demo"], check=True, cwd=tmp_path, capture_output=True)


def test_all_extras_together_install_on_the_oldest_python(wheel: Path, tmp_path: Path) -> None:
    inside = installed(pythons()[0], f"{wheel}[{','.join(filter(None, EXTRAS))}]", tmp_path)
    subprocess.run([*inside, "-c", f"import {', '.join(EXTRAS.values())}"], check=True, cwd=tmp_path)
    subprocess.run([*inside, "-m", "campaign", "demo"], check=True, cwd=tmp_path, capture_output=True)


def installed(python: str, what: str, folder: Path) -> list[str]:
    """The Python of an environment that has it, as the words that start it."""
    environment = folder / "environment"
    uv("venv", "--python", python, environment)
    uv("pip", "install", "--python", environment, what)
    return [str(environment / "bin" / "python"), "-W", "error::SyntaxWarning"]


def test_uv_tool_install_gives_the_command(tmp_path: Path) -> None:
    uv("tool", "install", ".", UV_TOOL_DIR=str(tmp_path / "tools"), UV_TOOL_BIN_DIR=str(tmp_path / "bin"))
    done = subprocess.run([tmp_path / "bin" / "campaign", "--version"], check=True, cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.startswith("campaign ")
