"""A list that comes from a database: `duckdb:SELECT ...` over files, or `postgresql://HOST/DATABASE?query=SELECT ...`."""

import re
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final

from campaign.domain.errors import BadValueError

POSTGRES: Final = ("postgresql://", "postgres://")
_DUCKDB: Final = "duckdb:"
_TEXT_OF_URL: Final = re.compile(r"[?&]query=")
_PASSWORD: Final = re.compile(r"^postgres(ql)?://([^/?#@]*:[^/?#]+@|.*[?&](ssl)?password=)", re.IGNORECASE)
_EXAMPLES: Final = '"duckdb:SELECT ... FROM \'crm/*.parquet\'" or "postgresql://HOST/DATABASE?query=SELECT ..."'


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A query and its database.

    Attributes:
        text: the SQL, as it was written.
        database: the URL of a PostgreSQL database, without the query; empty for DuckDB.
        file: the file that the SQL was read from; None if the list's name contains it.
        folder: the folder that relative paths in DuckDB's SQL start from; None is the current folder.
    """

    text: str
    database: str = ""
    file: Path | None = None
    folder: Path | None = None

    def __str__(self) -> str:
        """The form in which it can be given as a list."""
        if not self.database:
            return f"{_DUCKDB}{self.text}"
        return f"{self.database}{'&' if '?' in self.database else '?'}query={self.text}"

    @property
    def name(self) -> str:
        """The name in messages."""
        return str(self.file) if self.file is not None else "the query"


def is_query(given: str) -> bool:
    return given.lower().startswith((_DUCKDB, *POSTGRES))


def has_password(url: str) -> bool:
    """Whether the URL of a database contains a password."""
    return _PASSWORD.search(url) is not None


def parse_query(given: str, *, sql: str | None = None, file: Path | None = None, folder: Path | None = None) -> Query:
    """The query that a list's name means, for which `is_query` is true.

    `sql` is the SQL, if the name leaves it out; `file` is the file that it was read from, and `folder` is as in `Query`.

    Raises:
        BadValueError: there is no query, or two, or a password. The text repeats no part of `given`, as any part may be the password.
    """
    if given.lower().startswith(_DUCKDB):
        database, text = "", given[len(_DUCKDB) :]
    else:
        database, *rest = _TEXT_OF_URL.split(given, maxsplit=1)
        text = "".join(rest)
    if has_password(database):
        raise BadValueError(
            "there is a password in it, and everyone on the machine can read a command line, as everyone who has a job's file can read "
            "that; put it into PGPASSWORD or ~/.pgpass",
            code="password_in_an_option",
        )
    if sql is not None and text.strip():
        raise BadValueError("there are two queries, one in the list and one in --query; leave one of them out", code="two_queries")
    text = text if sql is None else sql
    if not text.strip():
        raise BadValueError(f"there is no query; write {_EXAMPLES}, or name a file with it by --query", code="no_query")
    return Query(text=text, database=database, file=file, folder=folder)


def list_title(name: str) -> str:
    """The name of a list in a heading: a file without its folder, a query unchanged."""
    return name if is_query(name) else PurePath(name).name
