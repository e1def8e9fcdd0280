"""How each run of a campaign ended, as the ledger keeps it: for people in `show`, for scripts as the exit code that it answered."""

import json
import signal

import pytest

from campaign.domain.text.reasons import ended_in_words
from tests.acceptance.desk import Desk
from tests.acceptance.hardship import start
from tests.acceptance.test_run import wait_for
from tests.acceptance.webhook import webhook
from tests.examples import slow_after

RUN = ("run", "list.csv", "--message", "Hi {{ first_name }}")

BROKEN_IN = """
from campaign.domain.errors import LedgerError
from campaign.sender.lease_keeper import LeaseKeeper
from campaign.sender.readback.verify import Verifier
async def fault(self):
    raise TypeError("a fault of the program")
async def gone(self):
    raise LedgerError("The ledger is gone. Bring it back.")
"""
LEDGER_ALONE = f"{BROKEN_IN}\nVerifier.run = gone"
FAULT_BESIDE = f"{BROKEN_IN}\nLeaseKeeper.run, Verifier.run = gone, fault"
NEITHER_SIGNS_OFF = f"""{BROKEN_IN}
from campaign.ledger.sqlite import SqliteLedger
async def not_signed_off(self, runner, ended):
    raise LedgerError("The ledger is gone. Bring it back.")
LeaseKeeper.run, SqliteLedger.deregister_runner = fault, not_signed_off
"""


@pytest.mark.parametrize(
    ("number", "code", "word"),
    slow_after(1, [(signal.SIGTERM, 143, "terminated"), (signal.SIGINT, 130, "interrupted"), (signal.SIGHUP, 129, "hung_up")], unpack=True),
)
def test_which_signal_ended_a_run_is_kept(desk: Desk, number: signal.Signals, code: int, word: str) -> None:
    desk.make_list(200)
    process = desk.start(*RUN, "--rate", "20")
    wait_for(lambda: len(desk.sent()) >= 3)
    process.send_signal(number)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == code
    assert ended_in_words(word) in out.replace("\n", " ")
    assert desk.json("status", "list")["exit_code"] == code
    [run] = desk.json("show", "list")["runs"]
    assert (run["ended"], run["exit_code"], run["rows_left"]) == (word, code, 200 - len(desk.sent()))
    shown = desk.run("show", "list").stdout
    assert f"exit code {code}. {ended_in_words(word)}" in shown
    # The next run ends as it ends, and the history keeps both.
    desk.run("resume", "list", "--limit", "1", code=5)
    assert desk.json("status", "list")["exit_code"] == 5
    assert [run["exit_code"] for run in desk.json("show", "list")["runs"]] == [5, code]
    assert {len(texts) for texts in desk.sent().values()} == {1}


@pytest.mark.parametrize(
    ("before", "code", "kept"),
    slow_after(
        1,
        [
            (LEDGER_ALONE, 4, ("The run broke off. The ledger is gone. Bring it back.", 4)),
            (FAULT_BESIDE, 1, ("fault", 1)),
            (NEITHER_SIGNS_OFF, 1, ("lost", None)),
        ],
        unpack=True,
    ),
)
def test_a_fault_of_the_program_is_not_hidden_by_a_ledger_that_failed_beside_it(
    desk: Desk, before: str, code: int, kept: tuple[str, int | None]
) -> None:
    desk.make_list(20)
    with webhook() as hook:
        process = start(desk, *RUN, "--rate", "20", before=before, CAMPAIGN_NOTIFY=hook.url)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (code, "")
    end = next(event for line in err.splitlines() if (event := json.loads(line))["event"] == "run_broke_off")
    assert end["exit_code"] == code
    if code == 1:
        assert end["code"] == "internal_error"
        assert any("TypeError: a fault of the program" in line for line in end["exception"])
        assert "TypeError" in hook.told[0]["message"]
    else:
        assert end["detail"] == "The ledger is gone. Bring it back."
        assert "The ledger is gone. Bring it back." in hook.told[0]["message"]
    desk.json("resume", "list")
    first = desk.json("show", "list")["runs"][-1]
    assert (first["ended"], first["exit_code"]) == kept
    assert {len(texts) for texts in desk.sent().values()} == {1}
