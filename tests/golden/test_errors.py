"""What a person is told of each kind of error that needs no run: `CODE: sentence`. Those of a run are told with its command."""

import errno
import os
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import apsw
import pytest

from campaign.app.campaign_settings import check_schedule
from campaign.app.results.writable import check_writable
from campaign.atomic import writing
from campaign.cli.logs.metrics import write_metrics
from campaign.cli.logs.sinks import LogFile
from campaign.console.auth.users import check_password
from campaign.console.console_settings import ConsoleSettings
from campaign.console.subprocesses import CommandSpec
from campaign.domain.errors import CampaignError
from campaign.domain.failure_guard import FEWEST_FOR_A_SHARE, PATIENCE_SECONDS, FailureGuard, Halt
from campaign.domain.verdict import AttemptOutcome, Evidence
from campaign.engine.cluster import check_address
from campaign.engine.protocol import check_settings
from campaign.ledger import ledger_errors
from campaign.ledger.postgres.connection import parse
from campaign.ledger.sqlite.connection import in_words, prepare
from campaign.reporter.files.target import MOST_COLUMNS, MOST_ROWS
from campaign.reporter.page import check_page_writable
from campaign.sender.api.api_url import check_token, check_url
from campaign.sender.api.network import network_to
from campaign.settings import IsolatedSettings
from campaign.simulator.config import FIXED, Latency, SimulatorConfig, Storm, read_changes
from campaign.simulator.faults import parse_faults
from campaign.simulator.passes import read_change
from tests.golden.files import Golden
from tests.unit.test_results_owner import written

NOW = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)


def told(*calls: Callable[[], object]) -> Iterable[str]:
    for call in calls:
        with pytest.raises(CampaignError) as caught:
            call()
        yield f"{caught.value.code}: {caught.value}"


def raised(error: BaseException) -> Callable[[], object]:
    def call() -> None:
        raise error

    return call


def test_errors_of_settings(golden: Golden, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    wrong: list[dict[str, Any]] = [
        {"rate": "fast"},
        {"log_level": "loud"},
        {"json_output": "perhaps"},
        {"concurrency": "many"},
        {"limit": "0"},
        {"on_unknown": "x"},
        {"halt": "x"},
        {"notify_on": "stoped"},
        {"notify_on": "always"},
        {"notify": "not-an-address"},
        {"proxy": "socks5://proxy.example"},
        {"proxy": "http://anna:secret@proxy.example:3128"},
        {"proxy": "http://[proxy"},
        {"quiet_period": "soon"},
        {"window": "morning"},
        {"window": "09:00-09:00"},
        {"ledger": "mysql://db"},
        {"ledger": "postgresql://anna:secret@db.example/campaigns"},
        {"ledger": "$HOME/it.db"},
        {"ledger": "'it.db'"},
        {"results": "ftp://host/a.csv"},
        {"results": "s3://bucket"},
    ]
    console: list[dict[str, Any]] = [{"port": "70000"}, {"most_upload": "much"}, {"require_approval": "-1"}]
    found = list(
        told(*(partial(IsolatedSettings.read, **one) for one in wrong), *(partial(ConsoleSettings.read, **one) for one in console))
    )
    schedules: list[dict[str, Any]] = [
        {"not_after": "2026-11-30"},
        {"not_after": "2026-12-24", "start_at": "2026-12-25"},
        {"not_after": "2026-12-01T12:00", "window": "13:00-14:00"},
        {"time_zone": "Europe/Berln"},
        {"start_at": "tomorrow"},
    ]
    for one in schedules:
        settings = IsolatedSettings.read(**{"time_zone": "UTC"} | one)
        found += told(partial(check_schedule, settings, {}, zones=("",), now=NOW))
    found += told(IsolatedSettings.read().token, lambda: IsolatedSettings.read(api_key_file="gone").token())
    golden("\n".join(found))


def test_errors_of_the_network(golden: Golden, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("no certificate\n", encoding="utf-8")
    api = "https://api.example"
    urls = ("api.example", "http://api.example", "https://user:secret@api.example", "https://api.example?a=1", f"{api}/api/v1")
    golden(
        "\n".join(
            told(
                *(lambda url=url: check_url(url) for url in urls),
                lambda: check_token(""),
                lambda: check_token("Bearer a b"),
                lambda: network_to(api, proxy="http://proxy example", ca_file=None),
                lambda: network_to(api, proxy="", ca_file=tmp_path / "gone.pem"),
                lambda: network_to(api, proxy="", ca_file=tmp_path / "key.pem"),
                lambda: check_address("ray://10.0.0.1"),
                lambda: check_settings(IsolatedSettings.read(engine="ray", limit="5")),
            )
        )
    )


def test_errors_of_files(golden: Golden, tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    os.mkfifo(tmp_path / "pipe.csv")
    for name in ("list.csv", "list.failed.csv", "page.html", "a.prom", "a.log"):
        (tmp_path / name).write_text("pass_id\na\n", encoding="utf-8")
    spring = written(tmp_path / "spring.csv", "spring")

    def refused(number: int) -> None:
        with writing(tmp_path / "out.csv"):
            raise OSError(number, os.strerror(number))

    golden(
        "\n".join(
            told(
                *(lambda name=name: check_writable(tmp_path / name) for name in ("folder.csv", "pipe.csv", "gone/a.csv", "a.txt")),
                lambda: check_writable(spring, campaign="summer"),
                lambda: check_writable(tmp_path / "list.csv", list_file=tmp_path / "list.csv"),
                lambda: check_writable(tmp_path / "list.csv", list_file=tmp_path / "list.failed.csv"),
                lambda: check_writable(tmp_path / "a.xlsx", rows=MOST_ROWS + 1),
                lambda: check_writable(tmp_path / "a.xlsx", columns=("",) * MOST_COLUMNS),
                lambda: check_writable(tmp_path / "a.csv", columns=("delivery_status",)),
                *(lambda number=number: refused(number) for number in (errno.ENOSPC, errno.EACCES, errno.ENOENT, errno.EIO)),
                lambda: check_page_writable(tmp_path / "page.html"),
                lambda: check_page_writable(tmp_path / "folder.csv"),
                lambda: write_metrics(tmp_path / "a.prom", None),  # type: ignore[arg-type]  # nothing is written
                lambda: write_metrics(tmp_path / "folder.csv", None),  # type: ignore[arg-type]  # (same)
                lambda: LogFile(tmp_path / "a.log"),
                lambda: LogFile(tmp_path / "gone" / "a.log"),
            )
        )
    )


def test_errors_of_the_ledger(golden: Golden, tmp_path: Path) -> None:
    path = tmp_path / "campaign.db"
    for name in ("text.db", "other.db", "newer.db", "folder.db", "emptied.db"):
        (tmp_path / name).mkdir() if name == "folder.db" else None
    (tmp_path / "text.db").write_text("not a database, but a text that is longer than the head of one would be.\n" * 9, encoding="utf-8")
    with apsw.Connection(str(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE a (b)")
    other.close()
    prepare(tmp_path / "newer.db")
    with apsw.Connection(str(tmp_path / "newer.db")) as newer:
        newer.execute("PRAGMA user_version = 99")
    newer.close()
    prepare(tmp_path / "emptied.db")
    (tmp_path / "emptied.db").write_bytes(b"")
    (tmp_path / "emptied.db-wal").write_bytes(b"left")
    of_sqlite = (
        apsw.BusyError("busy"),
        apsw.FullError("full"),
        apsw.IOError("io"),
        apsw.ReadOnlyError("read-only"),
        apsw.CorruptError("bad"),
    )
    of_ledgers = (
        ledger_errors.replaced(),
        ledger_errors.name_taken("promo"),
        ledger_errors.staged_by_another(),
        ledger_errors.being_staged(),
        ledger_errors.other_api("https://one", "https://other"),
        ledger_errors.cannot_change_state(),
        ledger_errors.not_ended(),
        ledger_errors.too_recent(),
        ledger_errors.unverified(),
        ledger_errors.purged_or_exported(purged_at=1.8e9, exported_at=None, file=None),
        ledger_errors.purged_or_exported(purged_at=None, exported_at=1.8e9, file="promo.campaign"),
    )
    found = told(
        *(lambda name=name: prepare(tmp_path / name) for name in ("text.db", "other.db", "newer.db", "folder.db", "emptied.db")),
        *(raised(error) for one in of_sqlite if (error := in_words(one, path)) is not None),
        *(raised(error) for error in of_ledgers if error is not None),
        lambda: parse("postgresql://anna:se@cret@db/campaigns?"),
    )
    golden("\n".join(found))


def test_errors_of_the_console(golden: Golden) -> None:
    golden(
        "\n".join(
            told(
                lambda: check_password("short"),
                lambda: check_password("x" * 1025),
                lambda: CommandSpec(verb="run", arguments=("a\0b",)),
                lambda: CommandSpec(verb="run", arguments=(), options=("value",)),
            )
        )
    )


def test_errors_of_the_simulator(golden: Golden) -> None:
    configs: list[dict[str, Any]] = [
        {"host": "0.0.0.0"},  # noqa: S104 - that it is refused is the test
        {"port": -1},
        {"limit_per_second": -1},
        {"tokens_accepted_for": -1},
        {"keep_alive_seconds": 0.0},
        {"late_seconds": -0.5},
        {"huge_bytes": 0},
        {"portal": "hotel"},
        {"taken_then": ()},
        {"retry_after": "später"},
        {"statuses": {}},
        {"faults": {"lat": 0.5}},
    ]
    faults = ("zzz=0.1", "late", "late=often")
    documents: list[object] = [[], {"limit": 1}, {"limit_per_secnd": 1}, {"limit_per_second": 1.5}, {"storms": [{}]}, {min(FIXED): 1}]
    golden(
        "\n".join(
            told(
                *(lambda one=one: SimulatorConfig(**one) for one in configs),
                lambda: Latency(low_seconds=2, high_seconds=1),
                lambda: Storm(seconds=1.0, header="x"),
                *(lambda one=one: parse_faults([one]) for one in faults),
                lambda: parse_faults(["late=0.1", "late=0.2"]),
                lambda: parse_faults(["late=0.6", "gone=0.6"]),
                *(lambda one=one: read_changes(one) for one in documents),
                lambda: read_change({}),
                lambda: read_change({"status": None}),
            )
        )
    )


def test_safeguards(golden: Golden) -> None:
    def lasting(verdict: AttemptOutcome) -> str:
        guard = FailureGuard()
        said = [guard.note(verdict, failed=False, now=float(now)) for now in range(0, int(PATIENCE_SECONDS) + 1, 50)]
        return said[-1]

    failing = [FailureGuard(halt=Halt(count=3)), FailureGuard(halt=Halt(share=0.2))]
    refused = AttemptOutcome(proof=Evidence.REFUSED, reason="http_404")
    sent = FailureGuard()
    sent.note(AttemptOutcome(proof=Evidence.DELIVERED), failed=False, now=0.0)
    said = [[guard.note(refused, failed=True, now=0.0) for _ in range(FEWEST_FOR_A_SHARE)] for guard in failing]
    golden(
        "\n".join(
            [
                FailureGuard().note(AttemptOutcome(proof=Evidence.TOKEN_REFUSED, reason="http_401"), failed=False, now=0.0),
                sent.note(AttemptOutcome(proof=Evidence.TOKEN_REFUSED, reason="http_401"), failed=False, now=0.0),
                FailureGuard().note(AttemptOutcome(proof=Evidence.TOKEN_REFUSED, reason="http_401"), failed=False, now=0.0, again=True),
                lasting(AttemptOutcome(proof=Evidence.THROTTLED, reason="http_429")),
                lasting(AttemptOutcome(proof=Evidence.AMBIGUOUS, reason="http_500")),
                lasting(AttemptOutcome(proof=Evidence.NOT_ACCEPTED, reason="dns", error="Check the DNS.")),
                said[0][2],
                said[1][-1],
            ]
        )
    )
