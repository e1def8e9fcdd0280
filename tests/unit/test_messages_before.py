"""The language of templates is what it was: what 2,174 templates made of six rows with the sandboxed Jinja2 that minijinja replaced.

`messages_before.json` was recorded from that implementation: null for a template that was refused, or for each row the reason, if it had
none, and the text. `now` is what differs on purpose, for one of two reasons:

- part: a part that a value lacks, such as the second word of one, is false in a condition; it made the row invalid.
- none: `none` and a variable that is not set are one; `default` takes the place of both.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from campaign.domain.errors import InputError
from campaign.loader.messages.resolve import plan_messages
from tests.examples import slow_after

GIVEN: dict[str, Any] = json.loads(Path(__file__).with_name("data").joinpath("messages_before.json").read_text(encoding="utf-8"))


def outcome(template: str) -> list[list[str]] | None:
    try:
        messages = plan_messages(GIVEN["columns"], message=template, template=None, templates=None, max_length=5_000)
    except InputError:
        return None
    found = [messages.render(row) for row in GIVEN["rows"]]
    batch = messages.render_columns(pd.DataFrame(GIVEN["rows"], dtype="str"))
    assert [rendered.text for rendered in found] == batch.texts
    return [[rendered.reason or "", rendered.text] for rendered in found]


@pytest.mark.parametrize("part", slow_after(3, range(10)))
def test_templates_make_what_they_made(part: int) -> None:
    cases = GIVEN["cases"][part::10]
    assert len(cases) > 200
    assert {case["template"]: outcome(case["template"]) for case in cases} == {
        case["template"]: case["now"] if "now" in case else case["before"] for case in cases
    }


def test_little_differs() -> None:
    assert Counter(case["why"] for case in GIVEN["cases"] if "now" in case) == {"part": 15, "none": 4}
