"""What is said of each mistake in a job file."""

from pathlib import Path

from campaign.domain.errors import InputError
from tests.golden.files import Golden
from tests.unit.jobs_given import mistakes, write_job
from tests.unit.test_jobs_mistakes import GOOD, WRONG
from tests.unit.test_jobs_orders import ordered, put


def test_job_mistakes(golden: Golden, tmp_path: Path) -> None:
    grammar = (
        "list = 'C:\\lists\"",
        'list = "C:\\lists"',
        "list = “a.csv”",
        "rate =",
        "[notify",
        "baseline = True",
        'name = """',
        "api_key = 1",
    )
    retries = ("", 'campaign = " "', 'campaign = "a"\nlist = "b"', 'campaign = "a"\nstatus = "sent"\nreason = ""\nhttp_status = "4xx"')
    jobs = [
        *(f"{GOOD}{line}\n" for line in (*(line for line, *_ in WRONG), *grammar)),
        'list = "-"\n',
        *(f'command = "retry"\n{lines}\n' for lines in retries),
    ]
    said: list[str] = []
    for text in jobs:
        said += [text.removeprefix(GOOD), *(f"    {mistake}\n" for mistake in mistakes(write_job(tmp_path, text))), "\n"]
    golden("".join(said))


def test_job_lists(golden: Golden, tmp_path: Path) -> None:
    put(tmp_path / "old.csv", days_old=3.5)
    said = []
    for line in ('list = "lists/*.csv"', 'list = "none.csv"', 'list = "*.csv"\nmax_age = "3d"'):
        try:
            ordered(tmp_path, f"{line}\n")
        except InputError as error:
            said.append(f"{line}\n    {error}\n")
    golden("\n".join(said))
