"""A demo knows nothing of what people send for real."""

import shutil
from contextlib import nullcontext
from pathlib import Path

import pytest

from campaign.app import demo
from campaign.sender.port import Silence
from campaign.sender.stop import StopRequest
from tests.acceptance.desk import SAMPLES


@pytest.mark.parametrize("results", [False, True])
async def test_a_demo_takes_no_other_ledger_and_no_results_for_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, results: bool
) -> None:
    usual = tmp_path / "data" / "campaign" / "campaign.db"
    usual.parent.mkdir(parents=True)
    usual.touch()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    samples = tmp_path / "samples"
    shutil.copytree(SAMPLES / "templates", samples / "templates")
    lines = (SAMPLES / "promo.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (samples / "promo.csv").write_text("".join(lines[:3]), encoding="utf-8")
    if results:
        (samples / "promo.results.csv").write_text("id,delivery_status,delivery_campaign\na,delivered,promo\n", encoding="utf-8")
    monkeypatch.setattr(demo, "sample_data", lambda: samples)
    done = await demo.run_demo(rate_per_second=300, folder=tmp_path / "demo", watch=lambda *_: nullcontext(Silence()), listen=StopRequest)
    assert (done.summary.processed, done.finished.note, done.finished.details) == (2, "", {})
