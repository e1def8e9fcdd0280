"""How a message looks for one row of the list, on a lock screen."""

from bisect import bisect_right
from dataclasses import dataclass, replace

from campaign.console.drafts.draft import Words
from campaign.console.drafts.findings import Looked
from campaign.console.drafts.wording import in_the_forms_words
from campaign.domain.errors import CampaignError, InputError, TemplateError
from campaign.loader.messages import MessageLimits, Messages, Rendered, length_as_shown, plan_messages, variables


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """A merge field: `written` is what puts the column's value into a message."""

    column: str
    written: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """What is wrong with a message for all rows; `line` and its `excerpt` say where, if that is known."""

    sentence: str
    line: int = 0
    excerpt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """One row's message. `at` is which of the samples; `shown` is what a lock screen shows of the text, `rest` what it cuts.

    `length` is in characters as a person counts them. `refusal` says why this row has no message.
    """

    at: int
    place: str
    samples: int
    shown: str = ""
    rest: str = ""
    length: int = 0
    refusal: str = ""
    mistake: Mistake | None = None


def chips(looked: Looked, *, without: str = "") -> tuple[Chip, ...]:
    """The list's columns as they are written in a message, the pass's own left out."""
    names: dict[int, str] = {}
    for name, place in variables(looked.columns).items():
        names.setdefault(place, name)
    return tuple(
        Chip(column=column, written=f"{{{{ {names[place]} }}}}") for place, column in enumerate(looked.columns) if column != without
    )


def compiled(looked: Looked, words: Words, message: str, *, max_length: int) -> Messages | Mistake:
    """The message, ready for rows; or what is wrong with it."""
    text = message if words is Words.WRITTEN else None
    try:
        return plan_messages(looked.columns, message=text, template=None, templates=None, limits=MessageLimits(max_length=max_length))
    except CampaignError as error:
        return mistake_of(error, message)


def mistake_of(error: CampaignError, message: str) -> Mistake:
    """What is wrong with a message, at its place."""
    if not isinstance(error, TemplateError):
        return Mistake(sentence=in_the_forms_words(error.problem if isinstance(error, InputError) else str(error)))
    lines = message.splitlines()
    excerpt = lines[error.template_line - 1][:200] if 0 < error.template_line <= len(lines) else ""
    return Mistake(sentence=in_the_forms_words(error.sentence), line=error.template_line, excerpt=excerpt)


def preview(looked: Looked, messages: Messages, message: str, *, at: int, lock_screen: int) -> Preview:
    """The message of one sample row."""
    at = min(max(at, 0), len(looked.samples) - 1)
    sample = looked.samples[at]
    seen = Preview(at=at, place=sample.place, samples=len(looked.samples))
    try:
        rendered = messages.render(sample.cells)
    except CampaignError as error:
        return replace(seen, mistake=mistake_of(error, message))
    if rendered.reason is not None:
        return replace(seen, refusal=in_the_forms_words(rendered.error))
    shown, rest = cut(rendered.text, lock_screen)
    return replace(seen, shown=shown, rest=rest, length=length_as_shown(rendered.text))


def longest(looked: Looked, messages: Messages) -> int:
    """Which of the samples has the longest message."""

    def length(at: int) -> int:
        try:
            rendered: Rendered = messages.render(looked.samples[at].cells)
        except CampaignError:
            return -1
        return length_as_shown(rendered.text)

    return max(range(len(looked.samples)), key=length)


def cut(text: str, characters: int) -> tuple[str, str]:
    """The first so many characters of a text, as a person counts them, and the rest."""
    if len(text) <= characters:
        return text, ""
    end = bisect_right(range(len(text) + 1), characters, key=lambda length: length_as_shown(text[:length])) - 1
    return text[:end], text[end:]
