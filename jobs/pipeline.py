"""A promotion as the steps of a pipeline: plain functions, of which Airflow, Prefect or a notebook makes tasks.

By itself:       python jobs/pipeline.py
With Airflow:    @task on each function, and send(validate(extract())) in the DAG; a task that is tried again sends nothing twice.
With Prefect:    @task on each function, @flow on main.
"""

import datetime as dt
import sys
from pathlib import Path

import pandas as pd

import campaign

HERE = Path(__file__).parent
MESSAGE = "{{ first_name | default('Hi') }}: {{ offer }} with {{ code }}, until {{ valid_until }}."


def extract() -> pd.DataFrame:
    """The passes to send to; a query in a real pipeline. Ids are text."""
    return pd.read_csv(HERE.parent / "sample_data" / "promo.csv", dtype=str)


def validate(rows: pd.DataFrame) -> pd.DataFrame:
    """The same rows, unless many of them can't be sent: then something is wrong with the query."""
    found = campaign.check(rows, message=MESSAGE)
    if found.counts["invalid"] > len(rows) / 10:
        raise ValueError(f"{found.counts['invalid']} of {found.rows} rows can't be sent.\n{found.problems}")
    return rows


def send(rows: pd.DataFrame, week: str) -> str:
    """Send to all of them; tried again, it goes on where it stopped. Returns the campaign's name."""
    result = campaign.run(rows, name=f"weekly-{week}", message=MESSAGE, halt="20%", yes=True)
    if result.counts["pending"] or result.exit_code == 4:
        raise RuntimeError(f"{result.campaign} stopped with {result.counts['pending']} rows left. {result.note}")
    return result.campaign


def load(name: str) -> pd.DataFrame:
    """What became of each pass, for the warehouse."""
    rows = campaign.results(name)
    return rows[["pass_id", "delivery_status", "delivery_reason", "delivery_sent_at", "delivery_campaign"]]


def main() -> None:
    year, week, _ = dt.datetime.now(tz=dt.UTC).isocalendar()
    outcomes = load(send(validate(extract()), f"{year}-W{week:02}"))
    sys.stdout.write(f"{outcomes['delivery_status'].value_counts().loc[lambda counts: counts > 0].to_string()}\n")


if __name__ == "__main__":
    main()
