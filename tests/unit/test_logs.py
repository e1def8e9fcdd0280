"""The log is set up when there is something to tell, and never on stdout, where results go."""

import json
from pathlib import Path

import pytest

from campaign.cli.logs import setup as logs
from campaign.domain.errors import UsageError


def test_what_is_told_after_a_log_file_was_refused_goes_to_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs.expect()
    with pytest.raises(UsageError):
        logs.configure(file=tmp_path)
    logs.tell("odd", "Something is odd.")
    told = capsys.readouterr()
    assert json.loads(told.err)["detail"] == "Something is odd."
    assert told.out == ""


def test_the_level_that_was_expected_last_counts(capsys: pytest.CaptureFixture[str]) -> None:
    logs.expect()
    logs.expect("error")
    logs.tell("odd", "Something is odd.")
    assert capsys.readouterr() == ("", "")
