"""A share of a campaign's rows, for schedulers that count their processes: Slurm, AWS Batch, Kubernetes' Indexed Jobs."""

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """The rows whose number leaves `index` when divided by `count`; the index counts from 0."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @property
    def is_whole(self) -> bool:
        return self.count == 1

    def holds(self, row: int) -> bool:
        return row % self.count == self.index


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How a shard stands: whether a row of it is pending, in flight or still to be read back, and whether one needs a person."""

    unfinished: bool
    needs_someone: bool


WHOLE: Final = Shard(index=0, count=1)
MOST_SHARDS: Final = 100_000


def parse_shard(text: str) -> Shard:
    """`2/8` is the third of eight shares.

    Raises:
        ValueError: it is none; the end of a sentence.
    """
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text.strip(), re.ASCII)
    if found is None:
        raise ValueError(f"“{text}” is not a share; write 0/4 for the first of four, 3/4 for the last")
    shard = Shard(index=int(found[1]), count=int(found[2]))
    if not 0 < shard.count <= MOST_SHARDS or shard.index >= shard.count:
        raise ValueError(f"there is no share {shard}: shares count from 0, so those of {shard.count} are 0/{shard.count} and on")
    return shard
