"""What can go wrong, as one tree. Every message is a sentence for the person at the keyboard and ends with what to do.

CampaignError                 exit 1 unless a subclass says otherwise
├── UsageError                exit 2: an option, a setting or a name is wrong; nothing was sent
│   └── OtherContentError     exit 2: a campaign of this name exists with another list, template or message
├── InputError                exit 2: the list, a template or a results file can't be used; names file, row and column
│   └── TemplateError         exit 2: a template can't be used; names its line and column
├── StoppedError              exit 130 or 143: told to stop before anything was sent
├── LedgerError               exit 4: the ledger can't be read or written
│   ├── LedgerPlaceError      exit 2: it can't be made or written where it is to be
│   ├── LedgerVersionError    exit 2: made by a newer version, or the SQLite library is too old
│   └── LedgerDamagedError    exit 2: the file is not a ledger, or is damaged
└── SafeguardError            exit 4: stopped on purpose, rows are left, resumable
    ├── TokenRefusedError     401 or 403
    └── DiskFullError         no space left for the ledger or the results
"""

from pathlib import Path

from campaign.domain.sheet import place


class CampaignError(Exception):
    exit_code = 1


class UsageError(CampaignError):
    exit_code = 2


class OtherContentError(UsageError):
    pass


class InputError(CampaignError):
    """A file that can't be used.

    Args:
        problem: what is wrong and what to do, as a sentence.
        file: the file it is about.
        row: 1-based, counted from the first row after the header.
        line: of that row, as a spreadsheet numbers it; None where that is not known.
        column: the column's name as the file has it.
    """

    exit_code = 2

    def __init__(
        self, problem: str, *, file: Path | str | None = None, row: int | None = None, line: int | None = None, column: str | None = None
    ) -> None:
        self.problem = problem
        self.file = file
        self.row = row
        self.line = line
        self.column = column
        where = place(row, line) if row else ""
        parts = (str(file) if file is not None else "", where, f"column “{column}”" if column else "")
        at = ", ".join(part for part in parts if part)
        super().__init__(f"{at}: {problem}" if at else problem)


class TemplateError(InputError):
    """A template that can't be used.

    Args:
        sentence: what is wrong and what to do.
        file: the template, or the option that holds it.
        template_line: 1-based, of the template.
        position: the character of the line, 1-based, where it is known.
    """

    def __init__(self, sentence: str, *, file: Path | str, template_line: int, position: int | None = None) -> None:
        self.sentence = sentence
        self.template_line = template_line
        self.position = position
        super().__init__(f"Line {template_line}{f', column {position}' if position else ''}: {sentence}", file=file)


class StoppedError(CampaignError):
    """Which signal it was decides the exit code."""

    def __init__(self, problem: str, *, exit_code: int = 130) -> None:
        self.exit_code = exit_code
        super().__init__(problem)


class LedgerError(CampaignError):
    exit_code = 4


class LedgerPlaceError(LedgerError):
    exit_code = 2


class LedgerVersionError(LedgerError):
    exit_code = 2


class LedgerDamagedError(LedgerError):
    exit_code = 2


class SafeguardError(CampaignError):
    exit_code = 4


class TokenRefusedError(SafeguardError):
    pass


class DiskFullError(SafeguardError):
    pass
