"""Lists from a query, of a real DuckDB and a real PostgreSQL: the same text as of a Parquet file, and nothing but reading."""

import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from campaign.domain.errors import BadValueError, InputError, StoppedError, UsageError
from campaign.domain.lists.query import Query, list_title, parse_query
from campaign.loader import limits
from campaign.loader.query import read_query
from campaign.loader.source import STOP_CODE
from campaign.loader.table import open_table
from tests.contract import postgres_server
from tests.contract.postgres_server import ASKED_FOR_A_PASSWORD, Server


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres_server.running() as server:
        yield server


@pytest.fixture(scope="module")
def database(server: Server) -> str:
    """The URL of a database with a table, and with functions that write."""
    name = server.database()
    server.run(
        "CREATE TABLE crm (pass_id text); INSERT INTO crm VALUES ('0012'), ('0013'); CREATE SEQUENCE numbers; "
        "CREATE FUNCTION remove() RETURNS int LANGUAGE sql AS 'DELETE FROM crm RETURNING 1'",
        database=name,
    )
    return server.url(name)


@pytest.fixture(params=["duckdb", "postgresql"])
def ask(request: pytest.FixtureRequest) -> Callable[[str], Query]:
    """Makes a query of SQL that both understand."""
    if request.param == "duckdb":
        return lambda sql: parse_query(f"duckdb:{sql}")
    url: str = request.getfixturevalue("database")
    return lambda sql: parse_query(f"{url}&query={sql}")


def read(query: Query) -> dict[str, list[str]]:
    with open_table(read_query(query)) as table:
        frames = list(table.frames())
        return {name: [cell for frame in frames for cell in frame.iloc[:, place]] for place, name in enumerate(table.columns)}


def refused(query: Query) -> InputError:
    with pytest.raises(InputError) as caught:
        read_query(query)
    return caught.value


class TestNames:
    @pytest.mark.parametrize(
        ("given", "database", "text"),
        [
            ("duckdb:SELECT 1", "", "SELECT 1"),
            ("postgresql://crm@db/shop?query=SELECT '?query='", "postgresql://crm@db/shop", "SELECT '?query='"),
            ("postgres://db/shop?sslmode=require&query=SELECT 1", "postgres://db/shop?sslmode=require", "SELECT 1"),
        ],
    )
    def test_what_is_asked_and_whom(self, given: str, database: str, text: str) -> None:
        query = parse_query(given)
        assert (query.database, query.text, str(query)) == (database, text, given)
        assert parse_query(str(parse_query(database or "duckdb:", sql=text))) == query

    @pytest.mark.parametrize(
        ("given", "sql", "code"),
        [
            ("postgresql://crm:S3cret@db/shop?query=SELECT 1", None, "password_in_an_option"),
            ("postgresql://db/shop?password=S3cret&query=SELECT 1", None, "password_in_an_option"),
            ("postgresql://db/shop", None, "no_query"),
            ("duckdb: ", None, "no_query"),
            ("duckdb:", "\n", "no_query"),
            ("duckdb:SELECT 1", "SELECT 2", "two_queries"),
        ],
    )
    def test_what_cannot_be_is_refused_without_repeating_it(self, given: str, sql: str | None, code: str) -> None:
        with pytest.raises(BadValueError) as caught:
            parse_query(given, sql=sql)
        assert caught.value.code == code
        assert "S3cret" not in str(caught.value)

    def test_a_heading_has_the_whole_query(self) -> None:
        assert list_title("duckdb:FROM 'crm/a.parquet'") == "duckdb:FROM 'crm/a.parquet'"
        assert list_title("crm/a.parquet") == "a.parquet"


class TestText:
    def test_values_are_the_text_of_a_parquet_file(self, ask: Callable[[str], Query]) -> None:
        columns = {
            "'0012'": "0012",
            "1.50": "1.50",
            "12345678901234567890": "12345678901234567890",
            "CAST(1e300 AS double precision)": "1E+300",
            "1 = 1": "true",
            "NULL": "",
            "DATE '2026-01-02'": "2026-01-02",
            "TIMESTAMP '2026-01-02 03:04:05.500'": "2026-01-02T03:04:05.5",
            "TIME '10:00'": "10:00:00",
            "ARRAY[1, 2]": "[1,2]",
            "CAST('6F1B1B9A-0000-4000-8000-000000000000' AS uuid)": "6f1b1b9a-0000-4000-8000-000000000000",
            "''": "",
        }
        found = read(ask("SELECT " + ", ".join(f"{value} AS c{place}" for place, value in enumerate(columns))))
        assert found == {f"c{place}": [text] for place, text in enumerate(columns.values())}

    def test_rows_are_streamed_in_their_order(self, ask: Callable[[str], Query]) -> None:
        found = read(ask("SELECT n AS pass_id FROM generate_series(1, 25000) AS numbers(n) ORDER BY n DESC"))
        assert found["pass_id"] == [str(number) for number in range(25_000, 0, -1)]

    def test_a_value_that_is_no_text_is_named_by_row_and_column(self, database: str) -> None:
        sql = "SELECT CASE WHEN n = 10003 THEN '\\xff'::bytea END AS photo FROM generate_series(1, 10010) AS numbers(n)"
        error = refused(parse_query(f"{database}&query={sql}"))
        assert (error.code, error.row, error.column) == ("unsupported_value", 10_003, "photo")

    def test_more_rows_than_a_list_may_have_are_not_written_first(
        self, ask: Callable[[str], Query], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(limits, "ROWS", 10)
        with pytest.raises(InputError) as caught:
            read_query(ask("SELECT n AS pass_id FROM generate_series(1, 100000) AS numbers(n)"))
        assert caught.value.code == "too_many_rows"

    def test_no_rows_are_no_list(self, ask: Callable[[str], Query]) -> None:
        with pytest.raises(InputError) as caught:
            open_table(read_query(ask("SELECT '1' AS pass_id WHERE 1 = 2")))
        assert caught.value.code == "no_rows"


class TestFiles:
    """DuckDB reads files; those of a job beside the job."""

    def test_parquet_and_json(self, tmp_path: Path) -> None:
        (tmp_path / "a.json").write_text('{"pass_id": "0012"}\n{"pass_id": "0013"}\n', encoding="utf-8")
        assert read(parse_query("duckdb:FROM '*.json'", folder=tmp_path)) == {"pass_id": ["0012", "0013"]}

    def test_ids_of_csv_files_keep_their_zeros_or_are_not_read(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text("pass_id\n" + "1234\n" * 30_000 + "0012\n", encoding="utf-8")
        assert refused(parse_query("duckdb:FROM 'a.csv'", folder=tmp_path)).code == "csv_without_all_varchar"
        found = read(parse_query("duckdb:FROM read_csv('a.csv', all_varchar = true)", folder=tmp_path))
        assert found["pass_id"][-2:] == ["1234", "0012"]

    def test_variables_of_the_program_are_no_tables(self) -> None:
        assert refused(parse_query("duckdb:SELECT * FROM limits")).code == "bad_query"


class TestOnlyReading:
    @pytest.mark.parametrize(
        "sql",
        [
            "COPY (SELECT 1) TO '{folder}/new.csv'",
            "ATTACH '{folder}/new.db'",
            "INSTALL httpfs",
            "CREATE TABLE t AS SELECT 1",
            "SET lock_configuration = false",
            "SELECT 1; COPY (SELECT 1) TO '{folder}/new.csv'",
            "EXPORT DATABASE '{folder}/new'",
            "EXPLAIN ANALYZE COPY (SELECT 1) TO '{folder}/new.csv'",
            "PREPARE p AS COPY (SELECT 1) TO '{folder}/new.csv'",
            "-- nothing",
        ],
    )
    def test_duckdb_takes_one_select(self, sql: str, tmp_path: Path) -> None:
        assert refused(parse_query(f"duckdb:{sql.format(folder=tmp_path)}")).code == "query_is_no_select"
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        "sql",
        [
            "FROM enable_profiling(save_location = '{folder}/new.json')",
            "FROM enable_logging(storage = 'file', storage_path = '{folder}')",
            "FROM 'http://127.0.0.1:9/a.parquet'",
            "FROM query('COPY (SELECT 1) TO ''{folder}/new.csv''')",
        ],
    )
    def test_a_select_of_duckdb_writes_nothing_and_reaches_no_network(self, sql: str, tmp_path: Path) -> None:
        assert refused(parse_query(f"duckdb:{sql.format(folder=tmp_path)}")).code == "bad_query"
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        "sql",
        [
            "DELETE FROM crm",
            "SELECT 1; DELETE FROM crm",
            "SELECT 1; COMMIT; DELETE FROM crm",
            "WITH gone AS (DELETE FROM crm RETURNING *) SELECT * FROM gone",
            "SELECT remove()",
            "SELECT set_config('transaction_read_only', 'off', true), remove()",
            "SELECT nextval('numbers')",
            "SELECT * INTO other FROM crm",
        ],
    )
    def test_postgresql_writes_nothing(self, sql: str, database: str, server: Server) -> None:
        assert refused(parse_query(f"{database}&query={sql}")).code == "bad_query"
        name = database.partition("@/")[2].partition("?")[0]
        assert server.run("SELECT count(*), (SELECT count(*) FROM pg_tables WHERE tablename = 'other') FROM crm", database=name) == [(2, 0)]
        assert server.run("SELECT is_called FROM numbers", database=name) == [(False,)]


class TestErrors:
    @pytest.mark.parametrize(
        ("sql", "line", "character"),
        [("SELECT 1 FORM x y", 1, 15), ("SELECT 'ä' AS ü,\n  nöpe FROM generate_series(1, 2)", 2, 3), ("SELECT 1\nFROM nope", 2, 6)],
    )
    def test_what_is_wrong_is_named_by_line_and_character(self, ask: Callable[[str], Query], sql: str, line: int, character: int) -> None:
        error = refused(ask(sql))
        assert (error.code, error.line, error.values["character"]) == ("bad_query", line, character)

    def test_what_is_wrong_in_a_later_row(self, ask: Callable[[str], Query]) -> None:
        sql = "SELECT CASE WHEN n > 24000 THEN CAST('x' || n AS int) ELSE n END FROM generate_series(1, 25000) AS numbers(n)"
        assert refused(ask(sql)).code == "bad_query"

    def test_a_database_that_is_not_there(self) -> None:
        error = refused(parse_query("postgresql://crm@127.0.0.1:9/shop?query=SELECT 1"))
        assert error.code == "database_unreachable"

    def test_a_url_that_cannot_be_read(self) -> None:
        with pytest.raises(UsageError) as caught:
            read_query(parse_query("postgresql://db/shop?sslmode&query=SELECT 1"))
        assert caught.value.code == "bad_list_url"

    def test_the_password_comes_from_the_environment(self, server: Server, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
        server.run(f"CREATE ROLE {ASKED_FOR_A_PASSWORD} LOGIN PASSWORD 'S3cret'")
        query = parse_query(f"{database.replace('postgres@', f'{ASKED_FOR_A_PASSWORD}@')}&query=SELECT 1 AS pass_id")
        assert refused(query).code == "database_unreachable"
        monkeypatch.setenv("PGPASSWORD", "S3cret")
        assert read(query) == {"pass_id": ["1"]}

    def test_a_query_that_takes_long_ends_when_the_process_is_told_to_stop(self, ask: Callable[[str], Query]) -> None:
        told = threading.Event()
        timer = threading.Timer(0.3, told.set)
        token = STOP_CODE.set(lambda: 128 + signal.SIGINT if told.is_set() else 0)
        timer.start()
        try:
            with pytest.raises(StoppedError) as caught:
                read_query(
                    ask("SELECT count(*) FROM generate_series(1, 1000000) AS a(n), generate_series(1, 1000000) AS b(m) WHERE n * m = 7")
                )
        finally:
            STOP_CODE.reset(token)
            timer.cancel()
        assert caught.value.exit_code == 130
