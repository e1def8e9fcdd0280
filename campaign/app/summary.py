"""A campaign's state, outcome and next steps, in sentences for people. Plain text, no markup."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from campaign.domain.lists.locations import Location, place_of
from campaign.domain.model import CampaignState, Counts
from campaign.domain.status import BY_OUTCOME, OPEN, Status
from campaign.domain.text.lines import rows, sanitize_for_terminal, to_copy, utc_minute, wrapped
from campaign.domain.text.reasons import NO_REASON, reason_in_words
from campaign.insights import CampaignView, command_line
from campaign.ledger.port import CampaignRecord
from campaign.reporter.files.target import Format, failed_path
from campaign.setting_types import UNLIMITED

MOST_REASONS: Final = 8
"""The most reasons shown for a status; the others are added up."""


def in_words(view: CampaignView, *, commands: bool = True) -> str:
    """The campaign at this moment: its state, all rows by outcome and reason, and with `commands` the next steps.

    All result files that it names exist. The counts of the overview add up to the number of rows, and the reasons of a status to its count.
    """
    paragraphs = [
        list(_overview(view)),
        *(list(_reasons(view.counts, status)) for status in (() if view.half_staged else BY_OUTCOME)),
        list(_interrupted(view)),
        list(next_steps(view, commands=commands)),
    ]
    return "\n\n".join("\n".join(paragraph) for paragraph in paragraphs if paragraph)


def in_brief(view: CampaignView) -> str:
    """The campaign's state and the next steps, without reasons: for a message on a phone."""
    return "\n".join([*_overview(view), "", *next_steps(view, commands=True)])


def in_a_line(view: CampaignView) -> str:
    """The same in one self-contained line, for the mail of a scheduled job and for searches through many of them."""
    name = sanitize_for_terminal(view.record.spec.name)
    said = [f"Campaign {name} {view.state_in_words}", _counted(view), batches_in_words(view)]
    if needing := view.counts.needs_attention:
        said.append(f"{rows(needing)} {'needs' if needing == 1 else 'need'} attention.")
    steps = list(next_steps(view, commands=True))
    commands = [step.strip() for step in steps if step.startswith("    campaign ")]
    # Nobody should send a message twice because a line says “Next”.
    if command := next((command for command in commands if command != _twice(view)), ""):
        said.append(f"Next: {command}")
    elif steps and not steps[-1].startswith(" "):
        said.append(steps[-1])
    return " ".join(part for part in said if part)


def _overview(view: CampaignView) -> Iterator[str]:
    yield from wrapped(f"Campaign {sanitize_for_terminal(view.record.spec.name)} {view.state_in_words}")
    if view.half_staged:
        return
    yield from wrapped(_counted(view) or "The list has no rows.")
    yield from wrapped(batches_in_words(view))


def _counted(view: CampaignView) -> str:
    parts = [f"{count:,} {view.label_of(status)}" for status in BY_OUTCOME if (count := view.counts.by_status.get(status))]
    return f"{rows(view.counts.rows)}: {', '.join(parts)}." if parts else ""


def _interrupted(view: CampaignView) -> Iterator[str]:
    if view.interrupted:
        yield from wrapped(
            f"Interrupted ({view.interrupted:,}): their run ended before it recorded an answer, so these messages may have arrived. The "
            "next run treats them as unknown."
        )


def _reasons(counts: Counts, status: Status) -> Iterator[str]:
    total = counts.by_status.get(status, 0)
    if not total or not status.info.meaning:
        return
    reasons = reasons_in_words(counts, status, total)
    if status in OPEN and not reasons:
        return
    yield from wrapped(f"{status.info.label.capitalize()} ({total:,}): {status.info.meaning}.")
    column = max((len(f"{count:,}") for _, count in reasons), default=0)
    for words, count in reasons:
        yield from wrapped(words, first=f"  {count:>{column},}  ", rest=" " * (column + 4))


WRONG_ROW: Final = frozenset({"http_400", "http_404", "http_409", "http_410", "http_413", "http_422"})
"""Reasons of failed rows whose cause is the row's pass or message."""


def next_steps(view: CampaignView, *, commands: bool) -> Iterator[str]:
    """Yield the files and, with `commands`, the next steps, each with its command on a separate line."""
    at_work = view.state in {CampaignState.SENDING, CampaignState.WAITING}
    written = view.results != "" and view.state is not CampaignState.STAGED and _may_be_there(place_of(view.results))
    yield from _files(view, at_work=at_work, written=written)
    if not commands:
        return
    if view.half_staged:
        if not view.staging:
            yield "Run the same command again: campaign run LIST ..."
    elif view.record.purged_at:
        yield "It was forgotten: only these counts are left of it."
    elif view.record.exported_at:
        yield from to_copy("It was exported, and is sent on where this file is imported", view.record.exported_to)
    elif at_work:
        yield from to_copy("To see how it goes", view.command("status", "--watch"))
        yield from to_copy("To pause it", view.command("pause"))
    else:
        yield from _commands(view)
        if view.results and not written and view.state is not CampaignState.STAGED:
            yield from to_copy("To write the results to a file", view.command("report", "--output", "FILE"))


def _files(view: CampaignView, *, at_work: bool, written: bool) -> Iterator[str]:
    if at_work and view.results:
        yield from to_copy("The results will be in", view.results)
    elif written:
        results = place_of(view.results)
        verb = "are in" if isinstance(results, Path) else "go to"
        # A run that was killed has written none.
        older = " of an earlier run" if view.state is CampaignState.STOPPED and not view.record.ended else ""
        yield from to_copy(f"The results{older} {verb}", view.results)
        if view.counts.needs_attention and _may_be_there(failed := failed_path(results)):
            yield from to_copy(f"The rows that need attention {verb}", str(failed))


def _may_be_there(file: Location) -> bool:
    """Whether a file exists. Always true for an object in a store, because asking the store would take time."""
    return not isinstance(file, Path) or file.is_file()


def _commands(view: CampaignView) -> Iterator[str]:
    count = view.counts.by_status.get
    not_delivered = count(Status.NOT_DELIVERED, 0)
    may_send = view.state is not CampaignState.CANCELLED
    if not may_send and view.in_batches.batches:
        yield from to_copy("To cancel its batches at PassEntry, too", view.command("cancel"))
    if may_send and view.state is CampaignState.STAGED:
        yield from to_copy("To send it", view.command("send"))
    elif may_send and view.counts.open:
        go_on = view.go_on if view.state is CampaignState.STOPPED else ""
        yield from to_copy(f"To go on with the {rows(view.counts.open)} left", go_on or view.command("resume"))
    if view.to_read:
        passes = "its pass" if view.to_read == 1 else "their passes"
        which = _the(view.to_read, "unknown")
        yield from to_copy(f"To find out what became of {which} (reads {passes}, sends nothing)", view.command("verify"))
    if may_send and (unknown := count(Status.UNKNOWN, 0)):
        which, them = _the(unknown, "unknown"), "it" if unknown == 1 else "them"
        in_vain = f"Nobody can tell what became of {which}. To send {them} again, if twice is better than not at all"
        yield from to_copy("If that can't tell either, and twice is better than not at all" if view.to_read else in_vain, _twice(view))
    corrected = list(_once_corrected(view)) if may_send else []
    in_file = any(line.startswith(" ") for line in corrected)
    if may_send and (failed := count(Status.FAILED, 0)) and not (in_file and _wrong_rows(view) == failed):
        yield from to_copy(f"To send {_the(failed, 'failed')} again, once the cause is fixed", view.command("retry"))
    yield from corrected
    if may_send and not_delivered:
        passes = "the pass is in a wallet" if not_delivered == 1 else "the passes are in wallets"
        yield from to_copy(
            f"To send {_the(not_delivered, 'not delivered')} again, once {passes}", view.command("retry", "--status", "not_delivered")
        )
    if view.state is CampaignState.FINISHED and not (view.counts.needs_attention or not_delivered):
        yield "There is nothing left to do."


def _twice(view: CampaignView) -> str:
    return view.command("retry", "--status", "unknown")


def _wrong_rows(view: CampaignView) -> int:
    return sum(count for reason, count in view.counts.reasons(Status.FAILED).items() if reason in WRONG_ROW)


def _once_corrected(view: CampaignView) -> Iterator[str]:
    """Yield the next steps for rows that have to be corrected, because sending them again unchanged would fail again."""
    invalid, failed = (view.counts.by_status.get(status, 0) for status in (Status.INVALID, Status.FAILED))
    refused = _wrong_rows(view)
    if not invalid and not refused:
        return
    if view.state is CampaignState.STAGED:
        yield from wrapped(f"To correct {_the(invalid, 'invalid')} before, correct the list and run it again: nothing was sent yet.")
        return
    kind = "invalid" if not refused else "failed and invalid" if invalid else "failed"
    which = _the(invalid + (failed if refused else 0), kind)
    # A command that writes no results leaves those of an earlier one.
    results = view.results or view.record.spec.settings.get("results", "")
    file = _file_to_correct(place_of(results)) if results else None
    if file is not None and _may_be_there(file):
        where = "that file" if view.results and file.suffix == ".csv" else file.name
        again = f"To send {which}, once corrected in {where} (with the --template or --message again, if columns change)"
        yield from to_copy(again, command_line("retry", str(file), ledger=view.ledger))
    elif view.results:
        yield from wrapped(f"{which.capitalize()} can be corrected in the failed-rows file, which is written with the results.")
    elif invalid:
        yield from wrapped(f"{_the(invalid, 'invalid').capitalize()} can be sent as a new list, corrected, under another --name.")


def _file_to_correct(results: Location) -> Location:
    """The failed-rows file; or a workbook with the results, as Excel drops the zeros in front of ids in a CSV file."""
    return results if results.suffix.lower() == Format.XLSX else failed_path(results)


def _the(count: int, kind: str) -> str:
    return f"the {kind} row" if count == 1 else f"the {count:,} {kind} rows"


def batches_in_words(view: CampaignView) -> str:
    """The rows in batches at the vendor, and what that means, in sentences; empty if there are none."""
    found = view.in_batches
    if not found.batches:
        return ""
    verb, batches = "is" if found.rows == 1 else "are", "batch" if found.batches == 1 else "batches"
    said = [f"{rows(found.rows)} {verb} in {found.batches:,} {batches} at PassEntry."]
    if view.is_worked_on:
        return said[0]
    cancelled = view.state is CampaignState.CANCELLED
    if found.held:
        few = f"{found.held:,} of these {'was' if found.held == 1 else 'were'} not sent yet"
        unsent = "None of these was sent yet" if found.held == found.rows else few
        way = "cancel, given again with a token, undoes that" if cancelled else "resume goes on with them, and cancel undoes them"
        said.append(f"{unsent}: {way}.")
        if found.send_themselves_at:
            said.append(f"PassEntry sends by itself what nobody releases or cancels before {utc_minute(found.send_themselves_at)}.")
    if found.held < found.rows:
        which = "The others" if found.held else "They"
        said.append(f"{which} may have been released: {'cancel' if cancelled else 'resume'} reads what became of them.")
    return " ".join(said)


_INTERNAL: Final = frozenset({"results_of", "sent_again"})
"""Settings that the campaign remembers for itself."""


def settings_in_words(record: CampaignRecord) -> dict[str, tuple[str, str]]:
    """The settings that a campaign remembers: for each its name and value as people read them."""
    return {
        name: (name.replace("_", " ").capitalize(), sanitize_for_terminal(_with_unit(name, value)))
        for name, value in sorted(record.spec.settings.items())
        if value and name not in _INTERNAL
    }


def _with_unit(name: str, value: str) -> str:
    return f"{value.removesuffix('.0')} a second" if name == "rate" and value != UNLIMITED else value


def reasons_in_words(counts: Counts, status: Status, total: int) -> list[tuple[str, int]]:
    """The reasons of a status with their counts, the largest first; they add up to `total`. Empty if no row of the status has one."""
    if not any(counts.reasons(status)):
        return []
    merged: Counter[str] = Counter()
    for reason, count in counts.reasons(status).items():
        merged[reason_in_words(reason)] += count
    merged[NO_REASON] += total - merged.total()
    if status is Status.PENDING:
        merged["not tried yet"] = merged.pop(NO_REASON)
    reasons = [(words, count) for words, count in merged.most_common() if count]
    shown, others = reasons[:MOST_REASONS], reasons[MOST_REASONS:]
    if len(others) == 1:
        shown += others
    elif others:
        shown.append((f"other reasons, {len(others):,} of them", sum(count for _, count in others)))
    return shown
