"""The page of a campaign to which everything has happened, held against the results file and the ledger to the digit."""

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import chain, pairwise
from operator import itemgetter
from statistics import median

import apsw
import pytest

from campaign.domain.lists.sheet import SheetLines, places
from campaign.domain.status import Status
from campaign.domain.text.lines import percent
from campaign.domain.text.reasons import reason_in_words
from campaign.reporter.figures import READ_BACK
from campaign.reporter.page import _why, day_and_time
from campaign.reporter.pauses import KIND_LABEL, SHORTEST_SECONDS, Kind
from tests.acceptance.desk import Desk
from tests.acceptance.troubled import ROWS, everything_happens


class Page(HTMLParser):
    """What stands in the page: its tables' cells under their headings, and its texts outside of pictures and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = defaultdict(list)
        self.heads: dict[str, list[int]] = defaultdict(list)
        """At which of the rows under a heading a table begins."""
        self.texts: dict[str, str] = defaultdict(str)
        self.tags: Counter[str] = Counter()
        self.scrolling: list[dict[str, str | None]] = []
        self._heading = ""
        self._within: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.scrolling += [dict(attrs)] if ("class", "scroll") in attrs else []
        if tag not in {"meta", "path", "rect"}:
            self._within.append(tag)
        if tag in {"h1", "h2", "h3"}:
            self._heading = ""
        if tag == "thead":
            self.heads[self._heading].append(len(self.tables[self._heading]))
        if tag == "tr":
            self.tables[self._heading].append([])
        if tag in {"td", "th"}:
            self.tables[self._heading][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._within:
            while self._within.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if {"style", "svg"} & set(self._within):
            return
        if {"h1", "h2", "h3"} & set(self._within):
            self._heading += data
        elif {"td", "th"} & set(self._within):
            self.tables[self._heading][-1][-1] += data
        elif "small" not in self._within:
            self.texts[self._heading] += data

    def tables_under(self, heading: str) -> list[list[list[str]]]:
        """The tables under a heading, each with its head."""
        found = next(cells for title, cells in self.tables.items() if title.startswith(heading))
        starts = [place for place, cells in enumerate(found) if place in self.heads[heading]]
        return [found[first:last] for first, last in pairwise([*starts, len(found)])]

    def rows(self, heading: str) -> Iterator[list[str]]:
        """The rows of the tables under a heading, without the tables' heads."""
        found = next(cells for title, cells in self.tables.items() if title.startswith(heading))
        yield from (cells for cells in found if any(re.match(r"[\d,]+\b", cell) for cell in cells))


def number(text: str) -> int:
    return int(text.replace(",", ""))


def short(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 9.95 else f"{round(seconds)} s"


def expected_pauses(ledger: apsw.Connection) -> dict[Kind, list[float]]:
    """By kind how long each pause was, as runners and attempts have it; no two runs were at once; less than a second apart they are one."""
    each = [
        (since, last_seen if ended == "lost" else until, ended)
        for since, until, ended, last_seen in ledger.execute(
            "SELECT started_at, ended_at, ended, (SELECT max(sent_at + coalesce(latency_seconds, 0)) FROM attempts WHERE runner = r.id)"
            " FROM runners AS r WHERE ended <> 'staged' ORDER BY started_at"
        )
    ]
    runs = each[:1]
    for since, until, ended in each[1:]:
        if since - runs[-1][1] < SHORTEST_SECONDS:
            runs[-1] = runs[-1][0], until, ended
        else:
            runs.append((since, until, ended))
    found: dict[Kind, list[float]] = defaultdict(list)
    for (_, until, ended), (since, _, _) in pairwise(runs):
        found[Kind.PERSON if ended == "paused" else Kind.NOBODY].append(since - until)
    sent = sorted(ledger.execute("SELECT sent_at, sent_at + coalesce(latency_seconds, 0), http_status FROM attempts"), key=itemgetter(0))
    shortest = max(SHORTEST_SECONDS, 10 * median(later[0] - sooner[0] for sooner, later in pairwise(sent)))
    for begins, ends, _ in runs:
        moments = [begins, *(at for at, *_ in sent if begins <= at < ends), ends]
        for since, until in pairwise(moments):
            if until - since >= shortest:
                answers = [status for at, ended, status in sent if at <= since <= ended]
                trouble = any(status is None or status >= 500 for status in answers)
                kind = Kind.SLOWED if 429 in answers else Kind.TROUBLE if trouble else Kind.HOURS
                found[kind].append(until - since)
    return found


def expected_retries(ledger: apsw.Connection) -> dict[str, tuple[int, int, int]]:
    """By why, in words: sends that were not their row's last, their rows, and those of them that are delivered."""
    sends, rows = Counter[str](), defaultdict(set)
    for row, reason, status, http_status in ledger.execute(
        "SELECT row, reason, status, http_status FROM attempts AS a"
        " WHERE EXISTS (SELECT 1 FROM attempts WHERE row = a.row AND campaign = a.campaign AND id > a.id)"
    ):
        is_open = status == "pending" and not reason
        why = reason_in_words(f"http_{http_status}" if is_open and http_status else reason)
        why = _why(READ_BACK) if is_open and not http_status else why
        sends[why[:1].upper() + why[1:]] += 1
        rows[why[:1].upper() + why[1:]].add(row)
    delivered = {row for (row,) in ledger.execute("SELECT row FROM rows WHERE status = 'delivered'")}
    return {why: (count, len(rows[why]), len(rows[why] & delivered)) for why, count in sends.items()}


@pytest.mark.timeout(240)
@pytest.mark.slow
def test_every_figure_is_that_of_the_ledger(desk: Desk) -> None:
    everything_happens(desk)
    desk.run("report", "list", "--output", "report.html", "--by", "country")
    raw = (desk.folder / "report.html").read_text(encoding="utf-8")
    page = Page(raw)
    with (desk.folder / "list.results.csv").open(encoding="utf-8-sig", newline="") as file:
        results = list(csv.DictReader(file))
    assert len(results) == ROWS
    statuses = Counter(Status(row["delivery_status"]) for row in results)
    assert {Status.DELIVERED, Status.NOT_DELIVERED, Status.FAILED, Status.ACCEPTED, Status.SKIPPED, Status.INVALID} <= set(statuses)

    # What a phone has to scroll, a keyboard can, and a screen reader names.
    assert len(page.scrolling) == 8
    assert all(attrs.get("tabindex") == "0" and attrs.get("aria-label") for attrs in page.scrolling)

    # The sentence and the key of the bar.
    head = " ".join(page.texts["list"].split())
    assert f"Of {ROWS:,} rows, {statuses[Status.DELIVERED]:,} were delivered ({percent(statuses[Status.DELIVERED], ROWS)})" in head
    for status, count in statuses.items():
        assert f"{status.info.label.capitalize()} {count:,}" in head, status

    # Reasons, with the first rows of each.
    for status in (Status.NOT_DELIVERED, Status.FAILED, Status.INVALID, Status.SKIPPED):
        of_status = [row for row in results if row["delivery_status"] == status]
        told = {cells[1]: (number(cells[0]), cells[3]) for cells in page.rows(f"{status.info.label.capitalize()}: {len(of_status):,}")}
        expected = {}
        for reason in {row["delivery_reason"] for row in of_status}:
            numbers = [int(row["delivery_row"]) for row in of_status if row["delivery_reason"] == reason]
            words = reason_in_words(reason)
            expected[words[:1].upper() + words[1:]] = (len(numbers), places(numbers[:5], SheetLines(first=2), count=len(numbers)))
        assert told == expected

    # By country: the twenty largest, and the rest as one.
    by_country: dict[str, Counter[str]] = defaultdict(Counter)
    for row in results:
        by_country[row["country"]][row["delivery_status"]] += 1
    told_countries = {cells[0]: [number(cell.split()[0]) for cell in cells[1:5]] for cells in page.rows("By “country”")}
    assert len(told_countries) == 21
    assert sum(counts[0] for counts in told_countries.values()) == ROWS
    largest = sorted(by_country.items(), key=lambda item: (-item[1].total(), item[0]))[:20]
    for country, counts in largest:
        delivered, missed = counts["delivered"], counts["not_delivered"]
        assert told_countries[country or "empty"] == [counts.total(), delivered, missed, counts.total() - delivered - missed]
    assert told_countries[f"{len(by_country) - 20} other values"][0] == ROWS - sum(counts.total() for _, counts in largest)

    # Tried again.
    by_attempts = Counter(int(row["delivery_attempts"]) for row in results if int(row["delivery_attempts"]))
    assert len(by_attempts) > 1
    assert {number(cells[0]): number(cells[1]) for cells in page.tables_under("Tried again")[0][1:]} == by_attempts

    # Attempts, 429s and times, from the ledger itself.
    ledger = apsw.Connection(str(desk.folder / "campaign.db"), flags=apsw.SQLITE_OPEN_READONLY)
    total, throttled, first_sent = next(ledger.execute("SELECT count(*), sum(http_status = 429), min(sent_at) FROM attempts"))
    paused, retried = expected_pauses(ledger), expected_retries(ledger)
    seconds = sorted(value for (value,) in ledger.execute("SELECT latency_seconds FROM rows WHERE latency_seconds IS NOT NULL"))
    by_device = dict(ledger.execute("SELECT device_type, count(*) FROM rows WHERE device_type <> '' GROUP BY 1"))
    by_pass_status = dict(ledger.execute("SELECT pass_status, count(*) FROM rows WHERE pass_status <> '' GROUP BY 1"))
    ledger.close()
    assert throttled
    assert f"First message {day_and_time(first_sent)}, ended" in head
    tried = ROWS - statuses[Status.SKIPPED] - statuses[Status.INVALID]
    assert f"{percent(statuses[Status.DELIVERED], tried)} of the {tried:,} rows" in head
    over_time = " ".join(page.texts["Sends over time"].split())
    assert f"{throttled:,} of them {'was' if throttled == 1 else 'were'} answered with “slow down”" in over_time
    assert f"{total:,} sends were tried in" in over_time
    kinds, each, table = page.tables_under("Sends over time")
    assert {cells[0]: tuple(cells[1:]) for cells in kinds[1:]} == {
        f"{KIND_LABEL[kind][:1].upper()}{KIND_LABEL[kind][1:]}": (f"{len(all_of)}", short(sum(all_of)), short(max(all_of)))
        for kind, all_of in paused.items()
    }
    assert paused.keys() == set(Kind)
    assert sorted(cells[2] for cells in each[1:]) == sorted(map(short, sorted(chain.from_iterable(paused.values()))[-12:]))
    heads = dict(zip(table[0], zip(*table[1:], strict=True), strict=True))
    assert sum(map(number, heads["Of these HTTP 429"])) == throttled
    counted = [cells for head, cells in heads.items() if head not in {"From", "Of these HTTP 429", "Paused"}]
    assert sum(number(cell) for cells in counted for cell in cells) == total

    # Why rows were tried again, and what became of them.
    _attempts, reasons = page.tables_under("Tried again")
    assert {cells[0]: (number(cells[1]), number(cells[2]), number(cells[3].split()[0])) for cells in reasons[1:]} == retried
    assert len(retried) > 3
    took = " ".join(page.texts["How long sends took"].split())
    ranks = (seconds[-(-len(seconds) * part // 100) - 1] for part in (50, 90, 99, 100))
    assert re.findall(r"([\d,]+) ms", took)[:4] == [f"{round(value * 1000):,}" for value in ranks]
    assert sum(number(cells[1]) for cells in page.rows("How long sends took")) == len(seconds)
    known = {cells[0]: number(cells[1]) for cells in page.rows("By the pass's status and device") if cells[0] != "not known"}
    assert known == by_device | by_pass_status
    assert known

    # Whoever it is forwarded to learns of nobody, and runs and fetches nothing.
    assert "Hi «first_name», «code» gives 20 % off" in page.texts["The message"]
    assert not re.search(r"pass-\d|C00\d|Anna|Atlantis|C0\d", raw)
    assert str(desk.folder) not in raw
    assert not page.tags.keys() & {"script", "link", "img", "iframe", "form", "object"}
    assert not re.search(r"(?:src|href|url)\s*[=(]", raw)


def test_a_page_takes_no_other_files_place_and_says_what_it_can_be_divided_by(desk: Desk) -> None:
    desk.make_list(3)
    desk.run("run", "list.csv", "--message", "Hi {{ first_name }}")
    notes = desk.folder / "notes.html"
    notes.write_text("<p>mine</p>", encoding="utf-8")
    assert "notes.html" in desk.run("report", "list", "--output", "notes.html", code=2).stderr
    assert notes.read_text(encoding="utf-8") == "<p>mine</p>"
    for _ in range(2):
        desk.run("report", "list", "--output", "page.html")
    assert "first_name" in desk.run("report", "list", "--output", "page.html", "--by", "town", code=2).stderr
    assert "--by pass_id" in desk.run("report", "list", "--output", "page.html", "--by", "pass_id", code=2).stderr
    assert ".html" in desk.run("report", "list", "--output", "page.csv", "--by", "first_name", code=2).stderr
