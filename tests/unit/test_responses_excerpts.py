"""What of a foreign text is recorded, whatever it holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.sender.api.responses import LONGEST_EXCERPT, excerpt, visible

TOKEN = "pe_live_0123456789abcdef"


@given(st.text(alphabet=st.sampled_from(f"<>/ &;\n\x00xé{TOKEN}"), max_size=600))
def test_an_excerpt_is_one_short_line_without_the_secret(text: str) -> None:
    found = excerpt(text + TOKEN + text, secret=TOKEN)
    assert (len(found) <= LONGEST_EXCERPT, found.isprintable(), TOKEN in found) == (True, True, False)
    assert excerpt(found, secret=TOKEN) == found or "<" in found
    assert "  " not in found
    assert visible(found, secret=TOKEN) == found


@pytest.mark.parametrize("text", ["<" * 250_000, "<title" * 40_000, "<style>" * 40_000, "&" * 250_000, " " * 250_000, "<a " * 90_000])
@pytest.mark.timeout(5)
def test_no_text_makes_an_excerpt_slow(text: str) -> None:
    for _ in range(20):
        excerpt(text, secret=TOKEN)
