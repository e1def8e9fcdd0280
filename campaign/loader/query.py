"""Lists from a query. The query runs once, and its rows are written to a private Parquet file while they are used.

From then on such a list is a Parquet file like any other. A query can only read: DuckDB runs one SELECT under a locked configuration,
PostgreSQL runs a cursor in a read-only transaction.
"""

import json
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NoReturn

import pyarrow as pa

from campaign.domain.errors import InputError, StoppedError, UsageError
from campaign.domain.lists.query import Query
from campaign.loader.in_memory import objects, parquet_source, write
from campaign.loader.source import LOOK_SECONDS, STOP_CODE, Source

_ROWS_AT_ONCE: Final = 10_000
_CONNECT_SECONDS: Final = 10
_DUCKDB: Final[dict[str, Any]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_persistent_secrets": "false",
    "python_enable_replacements": "false",  # otherwise a table's name could refer to a Python variable of this module
    "errors_as_json": "true",
    "lock_configuration": "true",
}
_EXPLAIN: Final = "EXPLAIN (FORMAT json) "
_CURSOR: Final = "campaign_list"
_DECLARE: Final = f'DECLARE "{_CURSOR}" CURSOR FOR '
_AGAIN: Final = "Correct the query; nothing was sent."


def read_query(query: Query) -> Source:
    """Return the rows of a query as a source, whose file is removed when the source is closed.

    Raises:
        UsageError: the extra is not installed, or the database's URL can't be read.
        InputError: the database refuses the query, or the query would write; the database can't be reached; a value can't be text, with
            its row and column.
        StoppedError: the process got a signal to stop.
    """
    fill = _fill_from_postgres if query.database else _fill_from_duckdb
    return parquet_source(lambda path: fill(query, path), query.name)


def _fill_from_duckdb(query: Query, path: Path) -> None:
    try:
        import duckdb  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise _missing_extra() from error
    with (
        tempfile.TemporaryDirectory(prefix="campaign-query-") as folder,
        duckdb.connect(config=_DUCKDB | {"temp_directory": folder, "file_search_path": str(query.folder or "")}) as connection,
        _stoppable(connection.interrupt, query),
    ):
        try:
            statements = connection.extract_statements(query.text)
            if len(statements) != 1 or statements[0].type is not duckdb.StatementType.SELECT:
                raise InputError(
                    f"It is not one SELECT, and a list is only ever read. {_AGAIN}", code="query_is_no_select", file=query.name
                )
            plan = connection.execute(_EXPLAIN + query.text).fetchall()[0][1]
        except duckdb.Error as error:
            _refuse_of_duckdb(error, query, before=_EXPLAIN)
        if plan.count('"Function": "READ_CSV') > query.text.lower().count("all_varchar"):
            # DuckDB guesses from the first 20,000 rows: it would read an id 0012 below them as 12.
            raise InputError(
                "DuckDB guesses the types of a CSV file's columns, and may take an id for a number and its zeros away. Write "
                f"read_csv('…', all_varchar = true) in place of each CSV file, and cast numbers yourself. {_AGAIN}",
                code="csv_without_all_varchar",
                file=query.name,
            )
        reader = connection.sql(query.text).to_arrow_reader(_ROWS_AT_ONCE)

        def batches() -> Iterator[pa.RecordBatch]:
            try:
                yield from reader
            except (duckdb.Error, pa.ArrowException, OSError) as error:
                _refuse_of_duckdb(error, query)

        write(path, reader.schema, batches(), query.name)


def _refuse_of_duckdb(error: Exception, query: Query, before: str = "") -> NoReturn:
    said = str(error)
    try:
        found = json.loads(said[said.index("{") :])
    except ValueError:
        found = {"exception_message": said}
    at = None
    if "position" in found:
        # The position counts bytes of the statement as it was sent. A query that can't be parsed was sent without `before`.
        start = 0 if found.get("exception_type") == "Parser" else len(before)
        at = len(query.text.encode()[: max(int(found["position"]) - start, 0)].decode(errors="ignore"))
    raise _refused(query, found["exception_message"].partition("\n\n")[0], at) from None


def _fill_from_postgres(query: Query, path: Path) -> None:
    try:
        import psycopg  # noqa: PLC0415 - an extra
        from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415 - (same)
    except ImportError as error:
        raise _missing_extra() from error
    try:
        given = conninfo_to_dict(query.database)
    except psycopg.ProgrammingError:
        problem = "The database's URL can't be read. Write it as postgresql://USER@HOST:PORT/DATABASE?query=SELECT ..."
        raise UsageError(problem, code="bad_list_url") from None
    usual: dict[str, Any] = {"connect_timeout": _CONNECT_SECONDS, "application_name": "campaign"}
    try:
        connection = psycopg.connect(**usual | given | {"client_encoding": "utf8"})
    except psycopg.OperationalError as error:
        problem = (
            f"The database can't be reached: {' '.join(str(error).split())}. Check the URL; a password comes from PGPASSWORD or ~/.pgpass."
        )
        raise InputError(problem, code="database_unreachable", file=query.name) from None
    with connection, connection.cursor(_CURSOR) as cursor, _stoppable(connection.cancel, query):
        connection.read_only = True
        try:
            cursor.execute(query.text.encode())
            names = [column.name for column in cursor.description or ()]
            schema = pa.schema([(name, pa.large_string()) for name in names])

            def batches() -> Iterator[pa.RecordBatch]:
                done = 0
                while rows := cursor.fetchmany(_ROWS_AT_ONCE):
                    columns = zip(names, zip(*rows, strict=True), strict=True)
                    arrays = [objects(cells, name, query.name, rows_before=done) for name, cells in columns]
                    yield pa.record_batch(arrays, schema=schema)
                    done += len(rows)

            write(path, schema, batches(), query.name)
        except psycopg.Error as error:
            at = int(error.diag.statement_position or 0) - 1 - len(_DECLARE)
            hint = f" {error.diag.message_hint}" if error.diag.message_hint else ""
            raise _refused(query, f"{error.diag.message_primary or error}{hint}", at if at >= 0 else None) from None


@contextmanager
def _stoppable(cancel: Callable[[], None], query: Query) -> Iterator[None]:
    """Cancel the query when the process gets a signal to stop, and raise StoppedError."""
    exit_code, over = STOP_CODE.get(), threading.Event()

    def watch() -> None:
        while not over.wait(LOOK_SECONDS):
            if exit_code():
                cancel()

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield
    except Exception:
        if code := exit_code():
            problem = "Interrupted while the query was being read; nothing was sent."
            raise StoppedError(problem, exit_code=code, code="interrupted", file=query.name) from None
        raise
    finally:
        over.set()
        watching.join()


def _refused(query: Query, problem: str, at: int | None) -> InputError:
    """The error for a query that the database refuses; `at` is the position of the fault in the SQL, in characters from 0."""
    words = " ".join(problem.split()).rstrip(".!")
    if at is None:
        return InputError(f"{words}. {_AGAIN}", code="bad_query", file=query.name)
    line = query.text.count("\n", 0, at) + 1
    character = at - query.text.rfind("\n", 0, at)
    problem = f"Line {line}, character {character}: {words}. {_AGAIN}"
    return InputError(problem, code="bad_query", file=query.name, line=line, character=character)


def _missing_extra() -> UsageError:
    return UsageError("A list from a query needs more to be installed: pip install 'campaign[sql]'.", code="extra_missing", extra="sql")
