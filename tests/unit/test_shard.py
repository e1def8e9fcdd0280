"""Shares of a campaign: every row is in exactly one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.domain.shard import MOST_SHARDS, Shard, parse_shard


@given(count=st.integers(1, 1000), row=st.integers(1, 10**9))
def test_every_row_is_in_exactly_one(count: int, row: int) -> None:
    assert [index for index in range(count) if Shard(index=index, count=count).holds(row)] == [row % count]


@given(count=st.integers(1, MOST_SHARDS), index=st.integers(0, MOST_SHARDS))
def test_what_is_written_is_read(count: int, index: int) -> None:
    shard = Shard(index=index % count, count=count)
    assert parse_shard(f" {shard} ") == shard


@pytest.mark.parametrize("text", ["", "1", "1/", "/4", "4/4", "0/0", "-1/4", "1/-4", "1.0/4", "1/4/4", "٣/٤", "0/1000000", "1 of 4"])
def test_what_is_no_share_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="share"):
        parse_shard(text)
