"""What is wrong with a job file: every mistake of it, by line and key."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from campaign.domain.errors import BadValueError, UsageError


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Mistake:
    """`line` is counted from 1, 0 where it is about the whole file; `problem` is the end of a sentence; a `key` may be empty.

    `suggestion` is the key, or the value, that was probably meant.
    """

    line: int
    key: str
    problem: str
    code: str
    suggestion: str = ""

    @classmethod
    def of(cls, error: BadValueError, *, line: int, key: str) -> "Mistake":
        return cls(line=line, key=key, problem=str(error), code=error.code, suggestion=error.suggestion)

    def __str__(self) -> str:
        place = ", ".join([*([f"line {self.line}"] if self.line else []), *([f"“{self.key}”"] if self.key else [])])
        sentence = self.problem if self.problem.endswith("?") else f"{self.problem}."
        return f"{place}: {sentence}" if place else sentence

    def as_json(self) -> dict[str, Any]:
        return {"line": self.line or None, "key": self.key or None, "code": self.code, "problem": self.problem}


class JobError(UsageError):
    """A job file with mistakes; `lines` are the sentences for a person, one a line."""

    code = "job_mistakes"

    def __init__(self, file: str, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(sorted(set(mistakes)))
        count = len(self.mistakes)
        found = "is a mistake" if count == 1 else f"are {count} mistakes"
        self.lines = (f"{file}: there {found} in this job; nothing was sent.", *(f"  {mistake}" for mistake in self.mistakes))
        super().__init__(" ".join(self.lines), file=file)
