"""The units of systemd: what they start is there, on every machine; that systemd takes them without a word, where systemd is."""

import re
import subprocess
from configparser import RawConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "jobs" / "systemd").iterdir())
SERVICE = ROOT / "jobs" / "systemd" / "campaign-job@.service"
MOST_EXPOSED = 20
"""In tenths; up to here systemd says OK."""


class Unit(RawConfigParser):
    """A unit file, whose keys may stand several times and are told in their own case."""

    def __init__(self, path: Path) -> None:
        super().__init__(strict=False, delimiters=("=",), comment_prefixes=("#", ";"), interpolation=None)
        self.read(path, encoding="utf-8")

    def optionxform(self, optionstr: str) -> str:
        return optionstr


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units as they are installed, with a program in the place of one that is not."""
    for unit in UNITS:
        text = unit.read_text(encoding="utf-8").replace("/opt/campaign/bin/campaign", "/bin/true")
        (tmp_path / unit.name).write_text(text, encoding="utf-8")
    return tmp_path


def analyze(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["systemd-analyze", *words], cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def verified(folder: Path) -> tuple[int, str]:
    done = analyze(folder, "verify", "--man=no", *(f"./{unit.name}" for unit in UNITS))
    return done.returncode, done.stdout + done.stderr


def test_every_timer_starts_a_job_that_there_is_and_is_enabled_by_install() -> None:
    timers = [unit for unit in UNITS if unit.suffix == ".timer"]
    assert {timer.stem for timer in timers} == {"campaign-job@weekly-offer", "campaign-job@nightly-retry"}
    for timer in timers:
        unit = Unit(timer)
        assert unit["Install"]["WantedBy"] == "timers.target"
        job = ROOT / "jobs" / f"{timer.stem.partition('@')[2]}.toml"
        zone = unit["Timer"]["OnCalendar"].rpartition(" ")[2]
        assert f'time_zone = "{zone}"' in job.read_text(encoding="utf-8")


def test_the_service_starts_jobs_again_only_where_another_start_goes_on() -> None:
    service = Unit(SERVICE)["Service"]
    assert service["ExecStart"].endswith("/campaign run jobs/%i.toml")
    assert service["Restart"] == "on-failure"
    # 1, 130 and 143 were cut off; 2 to 5 wait for a person or for the next time.
    assert service["RestartPreventExitStatus"].split() == ["2", "3", "4", "5"]
    seconds = {"1min": 60}[service["TimeoutStopSec"]]
    assert seconds > 10, "what is under way gets 10 s to settle, and then the results are written"


@pytest.mark.systemd
def test_systemd_takes_them_without_a_word(installed: Path) -> None:
    assert verified(installed) == (0, "")


@pytest.mark.systemd
@pytest.mark.parametrize(
    ("file", "right", "wrong"),
    [
        (SERVICE.name, "Type=oneshot", "Typ=oneshot"),
        (SERVICE.name, "ExecStart=/bin/true", "ExecStart=/nowhere/campaign"),
        ("campaign-job@weekly-offer.timer", "OnCalendar=Mon", "OnCalendar=Mittwoch"),
    ],
)
def test_systemd_tells_of_a_mistake(installed: Path, file: str, right: str, wrong: str) -> None:
    path = installed / file
    text = path.read_text(encoding="utf-8")
    assert right in text
    path.write_text(text.replace(right, wrong), encoding="utf-8")
    assert verified(installed) != (0, "")


@pytest.mark.systemd
def test_the_service_is_hardened(installed: Path) -> None:
    done = analyze(installed, "security", "--offline=true", f"--threshold={MOST_EXPOSED}", f"./{SERVICE.name}")
    assert done.returncode == 0, done.stdout
    # Without what makes it so it would not be.
    path = installed / SERVICE.name
    path.write_text(re.sub(r"^(Private|Protect|Restrict|SystemCall)\w*=.*\n", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert analyze(installed, "security", "--offline=true", f"--threshold={MOST_EXPOSED}", f"./{SERVICE.name}").returncode != 0
