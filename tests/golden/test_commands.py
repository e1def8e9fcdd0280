"""What the commands print: a story of two campaigns, and what people are told who ask for something that can't be."""

import json
import re
import socket
from pathlib import Path

from tests.acceptance.desk import Desk
from tests.acceptance.test_care import ODD
from tests.golden.files import Golden

MESSAGE = ("--message", "Hi {{ first_name }}")
_CHANGING = (
    (re.compile(r"\d+(\.\d+)? (ms|s|min)\b"), "N s"),
    (re.compile(r"\d+(\.\d+)? a second"), "N a second"),
    (re.compile(r"(Sends a second)\t.*"), r"\1\tN\tN"),
    # Whether a second passed between two runs, or two sends.
    (re.compile(r"\n.*Pauses: .*\t.*"), ""),
    (re.compile(rf"\S+ on {re.escape(socket.gethostname())}"), "USER on HOST"),
    (re.compile(r"\b\d{2}:\d{2}(:\d{2})?\b"), "HH:MM"),
    (re.compile(r"\b[0-9a-f]{12,}\b"), "HASH"),
    (re.compile(r"\bpid \d+|process \d+"), "process N"),
)


def told(desk: Desk, *words: str, code: int = 0, note: bool = False) -> str:
    """A command and what it said: its results, of which a `note` is the first paragraph, and its log's sentences of errors and warnings."""
    done = desk.run(*words, code=code)
    sentences = []
    for line in done.stderr.splitlines():
        event = json.loads(line) if line.startswith("{") else {"level": "error", "code": "", "detail": line}
        if event["level"] in {"warning", "error"} and "detail" in event:
            sentences.append(f"{event.get('code', event.get('event', ''))}: {event['detail']}".removeprefix(": "))
    shown = done.stdout.partition("\n\n")[0] if note else done.stdout
    text = "\n".join([f"$ campaign {' '.join(words)}", *sentences, shown.rstrip(), f"[exit {code}]", ""])
    for pattern, instead in _CHANGING:
        text = pattern.sub(instead, text)
    return text


def test_commands(golden: Golden, desk: Desk) -> None:
    desk.simulator.set_faults(missing=["pass-00002", "pass-00003"])
    rows = [f"pass-{row:05},Name {row}" for row in range(1, 11)]
    (desk.folder / "spring.csv").write_text("pass_id,first_name\n" + "\n".join([*rows, ",Nobody", rows[0]]) + "\n", encoding="utf-8")
    (desk.folder / "odd.csv").write_text(ODD, encoding="utf-8")
    desk.make_list(4, "autumn.csv")
    story = [
        told(desk, "status"),
        told(desk, "check", "odd.csv"),
        told(desk, "check", "spring.csv", *MESSAGE, code=3),
        told(desk, "stage", "autumn.csv", *MESSAGE),
        told(desk, "run", "spring.csv", *MESSAGE, "--limit", "6", code=5),
        told(desk, "pause", "spring"),
        told(desk, "run", "spring.csv", *MESSAGE, code=5, note=True),
        told(desk, "resume", "spring", code=3),
        told(desk, "run", "spring.csv", *MESSAGE, code=3, note=True),
        told(desk, "show", "spring"),
        told(desk, "list"),
        told(desk, "report", "spring", "--output", "all.xlsx"),
        told(desk, "retry", "spring", "--http-status", "422", code=3, note=True),
        told(desk, "retry", "spring.results.failed.csv", code=3, note=True),
        told(desk, "send", "autumn", code=3),
        told(desk, "compare", "spring", "autumn"),
        told(desk, "test", "autumn.csv", *MESSAGE, "--to", "mine"),
        told(desk, "run", "odd.csv", "--limit", "1", code=5),
        told(desk, "cancel", "odd", "--yes"),
        told(desk, "status"),
    ]
    golden("\n".join(re.sub(r"autumn test TIME|autumn test \S+ \S+", "autumn test TIME", part) for part in story), times=True)


def test_command_errors(golden: Golden, desk: Desk) -> None:
    desk.make_list(3)
    jobs = {
        "old": 'list = "none-*.csv"\nmessage = "a"\n',
        "wrong": 'list = "list.csv"\nmesage = "a"\nrate = "x"\n',
        "retry": 'command = "retry"\ncampaign = "list"\n',
    }
    (desk.folder / "jobs").mkdir()
    for name, text in jobs.items():
        (desk.folder / "jobs" / f"{name}.toml").write_text(text, encoding="utf-8")
    desk.run("run", "list.csv", *MESSAGE)
    desk.make_list(4)
    Path(desk.folder / "text.db").write_text("no ledger\n" * 100, encoding="utf-8")
    story = [
        told(desk, "run", "list.csv", *MESSAGE, code=2),
        told(desk, "run", "list.csv", *MESSAGE, "--name", "other", "--results", "list.results.csv", code=2),
        told(desk, "run", "gone.csv", *MESSAGE, code=2),
        told(desk, "run", "list.csv", *MESSAGE, "--name", "late", "--not-after", "2020-01-01", code=2),
        told(desk, "status", "lost", code=2),
        told(desk, "retry", "gone.failed.csv", code=2),
        told(desk, "retry", "list", "--status", "invalid", code=2),
        told(desk, "retry", "list", "--status", "delivered", code=2),
        told(desk, "report", "list", "--output", "page.html", "--by", "town", code=2),
        told(desk, "compare", "list", "list", code=2),
        told(desk, "stats", "--since", "2026-01-02", "--until", "2026-01-01", code=2),
        told(desk, "forget", code=2),
        told(desk, "test", "list.csv", *MESSAGE, "--to", " ", code=2),
        told(desk, "test", "list.csv", *MESSAGE, "--to", "mine", "--row", "9", code=2),
        told(desk, "status", "--ledger", "text.db", code=2),
        told(desk, "jobs", "check", "jobs", code=2),
        told(desk, "run", "jobs/wrong.toml", code=2),
        told(desk, "run", "jobs/retry.toml", "--dry-run", code=2),
    ]
    golden("\n".join(story))
