"""Delivery rates and comparisons as lines of text."""

from campaign.cli.screen.stats_table import BAR, bar, lines_of_rates
from campaign.domain.model import Counts
from campaign.domain.status import Status
from campaign.ledger.port import CampaignRecord, CampaignSpec, DesiredState
from campaign.reporter.comparison import Rate, Rates


def counts(**by_status: int) -> Counts:
    return Counts(by_status=dict.fromkeys(Status, 0) | {Status(name): count for name, count in by_status.items()})


def rate(name: str, **by_status: int) -> Rate:
    spec = CampaignSpec(name=name, list_name="a", list_sha256="a", message_sha256="a", columns=(), id_column="", settings={})
    record = CampaignRecord(
        id=1,
        spec=spec,
        content_sha256="",
        rows=0,
        desired_state=DesiredState.GO,
        created_at=1.0,
        started_at=1.8e9,
        finished_at=0.0,
        ended="",
    )
    return Rate(record=record, counts=counts(**by_status))


def test_a_line_a_campaign_and_one_for_all_in_columns() -> None:
    found = Rates(campaigns=(rate("promo", delivered=1500, failed=500), rate("a\x1b[2Jb", skipped=3)), unsent=1)
    head, first, second, total, note = lines_of_rates(found, bars=False)
    assert head.split("  ")[0] == "CAMPAIGN"
    assert first.split()[0] == "promo"
    assert first.split()[-5:] == ["2,000", "2,000", "1,500", "75.0", "%"]
    assert second.split()[-3:] == ["0", "0", "-"]
    assert "\x1b" not in second
    assert total.split() == ["all", "2", "2,003", "2,000", "1,500", "75.0", "%"]
    assert len({line.rfind("%") for line in (first, total)}) == 1
    assert note.startswith("1 ")
    assert len(lines_of_rates(Rates(campaigns=(), unsent=0), bars=True)) == 1


def test_a_bar_is_as_long_as_the_rate() -> None:
    assert bar(counts(delivered=1)) == "█" * BAR
    assert bar(counts(failed=1)) == bar(counts()) == ""
    assert bar(counts(delivered=1, failed=3)) == "█" * (BAR // 4)
    assert bar(counts(delivered=1, failed=31)) == "▋"
    _head, first, total = lines_of_rates(Rates(campaigns=(rate("promo", delivered=1, failed=1),), unsent=0), bars=True)
    assert first.endswith("50.0 %  " + "█" * (BAR // 2))
    assert total.endswith("█" * (BAR // 2))
