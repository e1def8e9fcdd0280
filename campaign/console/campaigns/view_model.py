"""The view model of a campaign's pages: the figures of a CampaignView, with labels and in order."""

from dataclasses import dataclass
from typing import Final

from campaign.app.summary import batches_in_words, settings_in_words
from campaign.console.pages import campaign_page
from campaign.domain.lists.query import list_title
from campaign.domain.model import CampaignState
from campaign.domain.status import BEGUN, BY_OUTCOME, CORRECTABLE, EXPLAINED, NEEDS_ATTENTION, RETRYABLE, Status
from campaign.domain.text.durations import words as duration
from campaign.domain.text.lines import either, sanitize_for_terminal
from campaign.domain.text.reasons import reason_in_words
from campaign.insights import CampaignView, rows_left

AT_WORK: Final = frozenset({CampaignState.SENDING, CampaignState.WAITING})
_STATES: Final = {
    "staged": "campaigns.state.staged",
    "sending": "campaigns.state.sending",
    "waiting": "campaigns.state.waiting",
    "paused": "campaigns.state.paused",
    "finished": "campaigns.state.finished",
    "stopped": "campaigns.state.stopped",
    "cancelled": "campaigns.state.cancelled",
    "forgotten": "campaigns.state.forgotten",
    "exported": "campaigns.state.exported",
}
_PLACES: Final = frozenset({"results", "exclude", "template", "templates"})
_BADGES: Final = {
    CampaignState.STAGED: "",
    CampaignState.SENDING: "live",
    CampaignState.WAITING: "live",
    CampaignState.PAUSED: "warn",
    CampaignState.FINISHED: "good",
    CampaignState.STOPPED: "bad",
    CampaignState.CANCELLED: "",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One status of the bar; `share` and `before` are in percent of all rows."""

    status: str
    label: str
    count: int
    share: float
    before: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """`reason` is the recorded word, `words` its meaning."""

    reason: str
    words: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The rows of a status, by reason."""

    status: str
    label: str
    meaning: str
    count: int
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class ShownCampaign:
    view: CampaignView

    @property
    def name(self) -> str:
        return sanitize_for_terminal(self.view.record.spec.name)

    @property
    def list_name(self) -> str:
        """The list's file name, without its folder."""
        return sanitize_for_terminal(list_title(self.view.record.spec.list_name))

    @property
    def page(self) -> str:
        return campaign_page(self.view.record.spec.name)

    @property
    def state(self) -> str:
        return self.view.state_word

    @property
    def state_text(self) -> str:
        """The key of the state's text."""
        return _STATES[self.state]

    @property
    def badge(self) -> str:
        """The CSS class of the badge."""
        return "" if self.gone else _BADGES[self.view.state]

    @property
    def sentence(self) -> str:
        return self.view.state_in_words

    @property
    def batches(self) -> str:
        """The state of the rows in batches, as sentences; empty if there are none."""
        return batches_in_words(self.view)

    @property
    def gone(self) -> bool:
        """Whether the campaign was purged or exported, so that nothing of it can be sent from here."""
        return bool(self.view.record.purged_at or self.view.record.exported_at)

    @property
    def at_work(self) -> bool:
        """Whether a process sends the campaign, waits to send it, or stages it."""
        return self.view.state in AT_WORK or self.view.staging

    @property
    def ended(self) -> bool:
        """Whether the campaign is finished or cancelled, with nothing left to do."""
        view = self.view
        return view.state in {CampaignState.FINISHED, CampaignState.CANCELLED} and not rows_left(view.counts, view.state)

    @property
    def begun(self) -> bool:
        """Whether a message was sent, or may have been."""
        return any(self.view.counts.by_status.get(status) for status in BEGUN)

    @property
    def rows(self) -> int:
        return self.view.counts.rows

    @property
    def done(self) -> int:
        return self.rows - self.view.counts.open

    @property
    def percent(self) -> int:
        """The share of settled rows in percent; 100 only when all are settled."""
        return 100 * self.done // self.rows if self.rows else 0

    @property
    def left(self) -> str:
        """How long the rest takes, in words; empty if unknown."""
        return self.about_left if self.view.state is CampaignState.SENDING else ""

    @property
    def parts(self) -> tuple[Part, ...]:
        parts: list[Part] = []
        before = 0.0
        for status in BY_OUTCOME:
            if count := self.view.counts.by_status.get(status, 0):
                share = 100 * count / self.rows
                parts.append(Part(status=status.value, label=self.view.label_of(status), count=count, share=share, before=before))
                before += share
        return tuple(parts)

    @property
    def groups(self) -> tuple[Group, ...]:
        """The statuses that need an explanation; empty while the list is being read."""
        if self.view.half_staged:
            return ()
        counts = self.view.counts
        return tuple(
            Group(
                status=status.value,
                label=status.info.label,
                meaning=status.info.meaning,
                count=counts.by_status[status],
                reasons=tuple(
                    Reason(reason=reason, words=reason_in_words(reason), count=count)
                    for reason, count in counts.reasons(status).items()
                    if reason
                ),
            )
            for status in EXPLAINED
            if counts.by_status.get(status)
        )

    @property
    def attention(self) -> str:
        """Which rows need attention, such as `failed or unknown`."""
        return either([status.info.label for status in BY_OUTCOME if status in NEEDS_ATTENTION])

    @property
    def may_pause(self) -> bool:
        return self.view.state in AT_WORK and not self.gone

    @property
    def may_go_on(self) -> bool:
        idle = {CampaignState.STAGED, CampaignState.PAUSED, CampaignState.STOPPED}
        return self.view.state in idle and not self.view.half_staged and not self.gone and bool(self.view.counts.unfinished)

    @property
    def may_cancel(self) -> bool:
        over = {CampaignState.FINISHED, CampaignState.CANCELLED}
        left = self.view.state is CampaignState.CANCELLED and self.view.in_batches.batches and not self.view.is_worked_on
        return (bool(left) or self.view.state not in over) and not self.view.half_staged and not self.gone

    @property
    def may_verify(self) -> bool:
        return bool(self.view.to_read) and not self.at_work and not self.gone

    @property
    def may_rerun(self) -> bool:
        again = sum(self.view.counts.by_status.get(status, 0) for status in RETRYABLE | CORRECTABLE)
        stays = {CampaignState.CANCELLED, CampaignState.PAUSED, *AT_WORK}
        return bool(again) and self.view.state not in stays and not self.gone and not self.view.half_staged

    @property
    def about_left(self) -> str:
        """How long the rest takes at the wanted rate, in words; empty if there is none."""
        eta = self.view.eta_seconds
        return duration(max(1.0, eta)) if eta is not None else ""

    @property
    def settings(self) -> list[tuple[str, str]]:
        """The given settings, without paths, which mean nothing to people without a shell."""
        return [shown for name, shown in settings_in_words(self.view.record).items() if name not in _PLACES]

    @property
    def has_results(self) -> bool:
        """Whether all rows are in this ledger."""
        return not self.view.half_staged and not self.view.record.purged_at


def label(status: Status) -> str:
    return status.info.label


def latency(seconds: float) -> str:
    """`85 ms`, `1.2 s`; empty for 0."""
    if not seconds:
        return ""
    return f"{seconds:,.1f} s" if seconds >= 1 else f"{seconds * 1000:,.0f} ms"


def thousands(number: int) -> str:
    return f"{number:,}"
