"""A campaign's file that somebody has changed on its way decides nothing about the machine that it is imported on."""

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

from tests.acceptance.desk import Desk
from tests.acceptance.webhook import webhook

MESSAGE = "Hi {{ first_name }}"


def lines_of(path: Path) -> list[dict[str, Any]]:
    """What the file holds, but for its checksum."""
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()][:-1]


def rewrite(path: Path, **settings: str) -> None:
    """Give the campaign in the file these settings."""
    lines = lines_of(path)
    lines[0]["record"]["spec"]["settings"] |= settings
    lines[0]["before"]["api"] = ""
    pack(path, lines)


def pack(path: Path, lines: list[dict[str, Any]]) -> None:
    """Have a file hold this, with the checksum that fits."""
    packed = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    last = json.dumps({"sha256": hashlib.sha256(packed).hexdigest()}).encode() + b"\n"
    path.write_bytes(gzip.compress(packed + last))


def test_where_the_token_goes_and_whether_a_person_is_asked_is_not_the_files_to_say(desk: Desk) -> None:
    desk.make_list(3)
    desk.run("run", "list.csv", "--message", MESSAGE, "--limit", "1", code=5)
    desk.run("export", "list", "--output", "list.campaign")
    grown, figures = desk.folder / "grown.log", desk.folder / "grown.prom"
    # The only URL is now the default one: what a file says must not take its place.
    del desk.environment["PASSENTRY_API_URL"]
    there = {"CAMPAIGN_LEDGER": str(desk.folder / "other.db"), "CAMPAIGN_YES": ""}
    with webhook() as elsewhere:
        rewrite(
            desk.folder / "list.campaign",
            api_url=f"http://127.0.0.1:{elsewhere.port}",
            yes="true",
            log_file=str(grown),
            metrics_file=str(figures),
            api_key="another",
            ledger=str(desk.folder / "third.db"),
            notify=f"json://127.0.0.1:{elsewhere.port}",
        )
        desk.run("import", "list.campaign", code=0, **there)
        refused = desk.run("resume", "list", code=2, **there)
        assert "Add --yes" in refused.stderr
        assert elsewhere.raw == []
    assert len(desk.sent()) == 1
    assert not any(path.exists() for path in (grown, figures, desk.folder / "third.db"))


def test_a_name_from_elsewhere_commands_no_terminal(desk: Desk) -> None:
    desk.make_list(2)
    name = "list\n\x1b]0;all is well\x07\u202e"
    desk.run("run", "list.csv", "--message", MESSAGE, "--name", name, "--limit", "1", code=5)
    told = desk.run("export", name, "--output", "list.campaign").stdout
    told += desk.run("import", "list.campaign", CAMPAIGN_LEDGER=str(desk.folder / "other.db")).stdout
    told += desk.run("report", name, "--output", "list.html").stdout + desk.run("report", name, "--output", "list.csv.copy.csv").stdout
    assert "list" in told
    assert not {"\x1b", "\x07", "\u202e"} & set(told)
    assert "list\n" not in told


def test_nor_does_one_in_json(desk: Desk) -> None:
    desk.make_list(2)
    name = "list\x9b2J\x7f\x1b"
    desk.run("run", "list.csv", "--message", MESSAGE, "--name", name)
    told = desk.run("stats", "--json").stdout
    assert not {"\x9b", "\x7f", "\x1b"} & set(told)
    assert [one["campaign"] for one in json.loads(told)["campaigns"]] == [name]


def test_times_that_can_not_be_are_refused_whole(desk: Desk) -> None:
    """In a ledger no list of campaigns could be shown any more."""
    desk.make_list(2)
    desk.run("run", "list.csv", "--message", MESSAGE)
    desk.run("export", "list", "--output", "list.campaign")
    path = desk.folder / "list.campaign"
    desk.environment["CAMPAIGN_LEDGER"] = str(desk.folder / "other.db")
    found = lines_of(path)
    sent_at = found[-1]["attempt"].index(next(value for value in found[-1]["attempt"] if isinstance(value, float) and value > 10**9))
    for where, name in ((found[0]["record"], "started_at"), (found[0]["runners"][0], "ended_at"), (found[-1]["attempt"], sent_at)):
        kept = where[name]
        for odd in (1e300, -1e9):
            where[name] = odd
            pack(path, found)
            assert "can't be" in desk.run("import", "list.campaign", code=2).stderr
        where[name] = kept
    for odd in (1e300, -1e9):
        pack(path, [found[0] | {"waits": [[odd, odd, "hours"]]}, *found[1:]])
        assert "can't be" in desk.run("import", "list.campaign", code=2).stderr
    pack(path, found)
    desk.run("import", "list.campaign")
    assert "list" in desk.run("stats").stdout
