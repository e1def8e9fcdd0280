"""What 2,174 templates made of six rows with the sandboxed Jinja2 that minijinja replaced: a template makes the same, or is refused.

`messages_before.json` was recorded from that implementation: null for a template that was refused, or for each row the reason, if it had
none, and the text. `now` is what differs since then: a part that a value lacks is false in a condition, and `none` was no value.
"""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from campaign.domain.errors import InputError
from campaign.loader.messages import Columns, MessageLimits, plan_messages

GIVEN: dict[str, Any] = json.loads(Path(__file__).with_name("data").joinpath("messages_before.json").read_text(encoding="utf-8"))
LIMITS = MessageLimits(max_length=5_000)


def outcome(template: str) -> list[list[str]] | None:
    try:
        messages = plan_messages(GIVEN["columns"], message=template, template=None, templates=None, limits=LIMITS)
    except InputError:
        return None
    found = [messages.render(row) for row in GIVEN["rows"]]
    batch = messages.render_columns(Columns(pd.DataFrame(GIVEN["rows"], dtype="str")))
    assert [rendered.text for rendered in found] == batch.texts
    return [[rendered.reason or "", rendered.text] for rendered in found]


NUMBERS_ARE_WRITTEN_OTHERWISE = {
    "{{ 42 | round }}",
    "{{ 0.00001 }}",
    "{{ 1000000000000000.0 * 10 }}",
    "{{ 123456789.0 * 1000000000 }}",
    "{{ (7) ~ (points | float(0.5)) }}",
    "{{ (points | float(2)) | round }}",
    "{{ (points | float(2)) | round(1) }}",
}


@pytest.mark.parametrize("part", range(10))
def test_a_template_makes_what_it_made_or_is_refused(part: int) -> None:
    cases = [case for case in GIVEN["cases"][part::10] if case["template"] not in NUMBERS_ARE_WRITTEN_OTHERWISE]
    accepted = 0
    for case in cases:
        before, now = case.get("now", case["before"]), outcome(case["template"])
        if now is not None:
            accepted += 1
            assert before is not None, case
            # A row may be invalid that was not, and no other text may be sent.
            assert [text or kept for (_, text), (_, kept) in zip(now, before, strict=True)] == [kept for _, kept in before], case
            assert all(bool(reason) != bool(text) for reason, text in now)
    assert len(cases) > 200
    assert accepted > 30
