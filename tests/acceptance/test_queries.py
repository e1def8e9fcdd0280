"""A list from a query: a campaign like any other, of real files and a real PostgreSQL, and no password on a command line."""

import csv
from collections.abc import Iterator

import pytest

from tests.acceptance.desk import ROOT, Desk
from tests.contract import postgres_server
from tests.contract.postgres_server import ASKED_FOR_A_PASSWORD, Server

MESSAGE = "Hi {{ first_name }}"
QUERY = "duckdb:SELECT pass_id, first_name FROM read_csv('crm/*.csv', all_varchar = true) WHERE opted_in = 'yes' ORDER BY pass_id"
SECRET = "S3cret-of-the-crm"


@pytest.fixture
def crm(desk: Desk) -> Desk:
    """With a folder of files of customers, two of three of whom may be sent to."""
    folder = desk.folder / "crm"
    folder.mkdir()
    for part in range(2):
        rows = "".join(f"{row:05},Name {row},{'no' if row % 3 == 0 else 'yes'}\n" for row in range(part * 9, part * 9 + 9))
        (folder / f"part-{part}.csv").write_text(f"pass_id,first_name,opted_in\n{rows}", encoding="utf-8")
    return desk


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres_server.running() as server:
        server.run(f"CREATE ROLE {ASKED_FOR_A_PASSWORD} LOGIN PASSWORD '{SECRET}'")
        server.run("CREATE TABLE customers (pass_id text, first_name text)")
        server.run("INSERT INTO customers SELECT lpad(n::text, 5, '0'), 'Name ' || n FROM generate_series(0, 17) AS numbers(n)")
        server.run(f"GRANT SELECT ON customers TO {ASKED_FOR_A_PASSWORD}")
        yield server


def greetings(rows: range = range(18)) -> dict[str, list[str]]:
    return {f"{row:05}": [f"Hi Name {row}"] for row in rows if row % 3}


def test_it_is_stopped_resumed_and_run_again_and_nobody_is_sent_to_twice(crm: Desk) -> None:
    words = ("run", QUERY, "--name", "weekly", "--message", MESSAGE)
    assert crm.json("check", QUERY, "--message", MESSAGE)["list"] == QUERY
    seen = crm.json(*words, "--limit", "3", code=5)
    assert (seen["campaign"], seen["list"], seen["rows"]) == ("weekly", QUERY, 12)
    assert seen["results"] == str(crm.folder / "weekly.results.csv")
    assert crm.json(*words, "--limit", "4", code=5)["by_status"]["delivered"] == 7
    (crm.folder / "crm" / "part-0.csv").rename(crm.folder / "part-0.csv")
    assert crm.json("resume", "weekly")["by_status"]["delivered"] == 12
    assert crm.sent() == greetings()
    with (crm.folder / "weekly.results.csv").open(encoding="utf-8-sig", newline="") as file:
        assert [row["pass_id"] for row in csv.DictReader(file)] == list(greetings())
    assert crm.json("status", "weekly")["list"] == QUERY
    assert QUERY in crm.run("show", "weekly").stdout
    # Its rows are others now, as those of a list that was changed.
    crm.run(*words, code=2)
    (crm.folder / "part-0.csv").rename(crm.folder / "crm" / "part-0.csv")
    crm.run(*words)
    assert crm.sent() == greetings()


def test_a_query_in_a_file_names_the_campaign(crm: Desk) -> None:
    (crm.folder / "weekly.sql").write_text(QUERY.removeprefix("duckdb:").replace(" FROM", "\nFROM"), encoding="utf-8")
    seen = crm.json("run", "duckdb:", "--query", "weekly.sql", "--message", MESSAGE, "--results", "became.parquet")
    assert (seen["campaign"], seen["results"]) == ("weekly", str(crm.folder / "became.parquet"))
    assert "\nFROM" in seen["list"]
    assert crm.sent() == greetings()
    said = crm.run("run", str(crm.make_list(1)), "--query", "weekly.sql", "--message", MESSAGE, code=2).stderr
    assert "--query" in said


def test_a_job_has_its_files_and_its_query_beside_it(crm: Desk) -> None:
    (crm.folder / "all.sql").write_text("FROM read_csv('crm/part-1.csv', all_varchar = true)", encoding="utf-8")
    inline = f'list = "{QUERY}"\nname = "inline-{{week}}"\nmessage = "{MESSAGE}"\n'
    (crm.folder / "inline.toml").write_text(inline, encoding="utf-8")
    (crm.folder / "file.toml").write_text(f'list = "duckdb:"\nquery = "all.sql"\nmessage = "{MESSAGE}"\n', encoding="utf-8")
    elsewhere = crm.folder / "elsewhere"
    elsewhere.mkdir()
    for job, rows in (("inline", 12), ("file", 9)):
        process = Desk(folder=elsewhere, simulator=crm.simulator, environment=crm.environment)
        assert process.json("run", str(crm.folder / f"{job}.toml"))["by_status"]["delivered"] == rows
    assert {pass_id: len(texts) for pass_id, texts in crm.sent().items()} == {
        f"{row:05}": (row % 3 > 0) + (row > 8) for row in range(18) if row % 3 or row > 8
    }
    (crm.folder / "secret.toml").write_text(f'list = "postgresql://crm:{SECRET}@db/crm?query=SELECT 1"\n', encoding="utf-8")
    said = crm.run("run", str(crm.folder / "secret.toml"), code=2)
    assert SECRET not in said.stdout + said.stderr


def test_a_query_without_a_name_and_without_the_extra_sends_nothing(crm: Desk) -> None:
    assert "--name" in crm.run("run", QUERY, "--message", MESSAGE, code=2).stderr
    (crm.folder / "without").mkdir()
    (crm.folder / "without" / "duckdb.py").write_text("raise ModuleNotFoundError(name='duckdb')\n", encoding="utf-8")
    without = f"{ROOT}:{crm.folder / 'without'}"
    said = crm.run("run", QUERY, "--name", "weekly", "--message", MESSAGE, code=2, PYTHONPATH=without).stderr
    assert "campaign[sql]" in said
    assert crm.sent() == {}


class TestPostgres:
    def test_the_password_is_nowhere_but_in_the_environment(self, desk: Desk, server: Server) -> None:
        query = "SELECT pass_id, first_name FROM customers WHERE pass_id::int % 3 > 0 ORDER BY 1"
        url = server.url("postgres", user=ASKED_FOR_A_PASSWORD)
        words = ("--name", "weekly", "--message", MESSAGE)
        seen = desk.json("run", f"{url}&query={query}", *words, "--limit", "5", code=5, PGPASSWORD=SECRET)
        assert seen["list"] == f"{url}&query={query}"
        (desk.folder / "weekly.sql").write_text(query, encoding="utf-8")
        desk.json("run", url, "--query", "weekly.sql", *words, PGPASSWORD=SECRET)
        assert desk.sent() == greetings()
        held = [file.read_bytes() for file in desk.folder.rglob("*") if file.is_file()]
        assert not any(SECRET.encode() in content for content in held)

    def test_a_password_on_the_command_line_is_refused(self, desk: Desk, server: Server) -> None:
        url = server.url("postgres", user=f"{ASKED_FOR_A_PASSWORD}:{SECRET}")
        for command in ("run", "check", "stage"):
            said = desk.run(command, f"{url}&query=SELECT 1", "--message", MESSAGE, code=2)
            assert "PGPASSWORD" in said.stderr
            assert SECRET not in said.stdout + said.stderr
        assert desk.sent() == {}
