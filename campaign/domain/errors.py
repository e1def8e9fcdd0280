"""What can go wrong, as one tree. Every message is a sentence for the person at the keyboard and ends with what to do.

CampaignError                 exit 1 unless a subclass says otherwise
├── UsageError                exit 2: an option, a setting or a name is wrong; nothing was sent
│   └── OtherContentError     exit 2: a campaign of this name exists with another list, template or message
├── InputError                exit 2: the list, a template or a results file can't be used; names file, row and column
│   └── TemplateError         exit 2: a template can't be used; names its line and column
├── StoppedError              exit 130 or 143: asked to stop before anything was sent
├── LedgerError               exit 4: the ledger can't be read or written
│   ├── LedgerPlaceError      exit 2: the file can't be created or written at its path
│   ├── LedgerVersionError    exit 2: made by a newer version, or the SQLite library is too old
│   └── LedgerDamagedError    exit 2: the file is not a ledger, or is damaged
└── SafeguardError            exit 4: stopped on purpose; rows are left, and the run can be resumed
    ├── TokenRefusedError     401 or 403
    └── DiskFullError         no space left for the ledger or the results

The sentence is for people and may be reworded at any time. `code` and the values are for scripts, the log and tests, and stay.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from campaign.domain.lists.sheet import place


class CampaignError(Exception):
    """An error that a person can do something about.

    Args:
        problem: what is wrong and what to do, as a sentence.
        code: the kind, one word of `snake_case`; a class that means one thing has its own.
        values: the subject, such as `option`, `file` or `column`; each is an attribute.
    """

    exit_code = 1
    code = "failed"

    def __init__(self, problem: str, *, code: str = "", **values: object) -> None:
        super().__init__(problem)
        self.values = values
        if code:
            self.code = code

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["values"][name]
        except KeyError:
            raise AttributeError(f"{type(self).__name__} “{self.code}” has no {name}") from None


class BadValueError(ValueError):
    """A value that a person has written and that is not valid; says why, as the end of a sentence.

    `suggestion` is what was probably meant.
    """

    def __init__(self, problem: str, *, code: str = "bad_value", suggestion: str = "") -> None:
        super().__init__(problem)
        self.code = code
        self.suggestion = suggestion

    @classmethod
    def of(cls, error: Exception) -> "BadValueError":
        """`error` itself, or a BadValueError with the text of another error."""
        return error if isinstance(error, BadValueError) else cls(str(error))


class UsageError(CampaignError):
    exit_code = 2
    code = "usage"


class OtherContentError(UsageError):
    code = "other_content"


class InputError(CampaignError):
    """A file that can't be used.

    Args:
        problem: what is wrong and what to do, as a sentence.
        code: the kind.
        file: the file.
        row: 1-based, counted from the first row after the header.
        line: the line of that row, as a spreadsheet numbers it; None if unknown.
        column: the column's name in the file.
        header_row: the line that the header seems to be in, where that may be the reason.
        values: further values, as in CampaignError.
    """

    exit_code = 2
    code = "input"

    def __init__(
        self,
        problem: str,
        *,
        code: str = "",
        file: Path | str | None = None,
        row: int | None = None,
        line: int | None = None,
        column: str | None = None,
        header_row: int | None = None,
        **values: object,
    ) -> None:
        self.header_row = header_row
        self.problem = problem
        self.file = file
        self.row = row
        self.line = line
        self.column = column
        where = place(row, line) if row else ""
        parts = (str(file) if file is not None else "", where, f"column “{column}”" if column else "")
        at = ", ".join(part for part in parts if part)
        super().__init__(f"{at}: {problem}" if at else problem, code=code, **values)

    def said(self) -> dict[str, object]:
        """The arguments of the constructor."""
        names = ("problem", "code", "file", "row", "line", "column", "header_row")
        return {name: getattr(self, name) for name in names} | self.values

    def at(self, **changes: object) -> "InputError":
        """The same error with other values, such as another `row`."""
        return InputError(**(self.said() | changes))  # type: ignore[arg-type]  # the constructor's arguments


class TemplateError(InputError):
    """A template that can't be used. `file` is the template, or the option that holds it.

    `template_line` is the line of the template, and `position` the character of the line, both 1-based; None if unknown.
    """

    code = "template"

    def __init__(self, sentence: str, *, file: Path | str, template_line: int, position: int | None = None) -> None:
        self.sentence = sentence
        self.template_line = template_line
        self.position = position
        super().__init__(f"Line {template_line}{f', column {position}' if position else ''}: {sentence}", file=file)


class StoppedError(CampaignError):
    """The signal decides the exit code: 130 or 143."""

    code = "stopped"

    def __init__(self, problem: str, *, exit_code: int = 130, code: str = "", **values: object) -> None:
        self.exit_code = exit_code
        super().__init__(problem, code=code, **values)


class LedgerError(CampaignError):
    exit_code = 4
    code = "ledger"


class LedgerPlaceError(LedgerError):
    exit_code = 2
    code = "ledger_place"


class LedgerVersionError(LedgerError):
    exit_code = 2
    code = "ledger_version"


class LedgerDamagedError(LedgerError):
    exit_code = 2
    code = "ledger_damaged"


class SafeguardError(CampaignError):
    exit_code = 4
    code = "safeguard"


class TokenRefusedError(SafeguardError):
    code = "token_refused"


class DiskFullError(SafeguardError):
    code = "disk_full"


def problem_of(error: BaseException) -> CampaignError | None:
    """The first error for a person; None if any of the errors is a fault of the program, which no other error may hide."""
    return None if fault_of(error) is not None else next((one for one in _each(error) if isinstance(one, CampaignError)), None)


def fault_of(error: BaseException) -> BaseException | None:
    """The first error that is not a CampaignError; None if there is none."""
    return next((one for one in _each(error) if not isinstance(one, CampaignError)), None)


def _each(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _each(inner)
    else:
        yield error
