"""A campaign's file that somebody has changed on its way decides nothing about the machine that it is imported on."""

import gzip
import hashlib
import json
from pathlib import Path

from tests.acceptance.desk import Desk
from tests.acceptance.webhook import webhook

MESSAGE = "Hi {{ first_name }}"


def rewrite(path: Path, **settings: str) -> None:
    """Give the campaign in the file these settings, and the file the checksum that fits."""
    lines = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()][:-1]
    lines[0]["record"]["spec"]["settings"] |= settings
    lines[0]["before"]["api"] = ""
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
    assert "list" in told
    assert not {"\x1b", "\x07", "\u202e"} & set(told)
    assert "list\n" not in told
