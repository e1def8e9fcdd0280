"""Notices reach whoever asked for them, and whatever becomes of them, the run is what it would have been."""

import json
import signal
import socket
import time
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import SecretStr

from campaign.app.notify.notice import Notice, deliver
from campaign.domain.notices import Occasion
from tests.acceptance.desk import Desk
from tests.acceptance.hardship import start
from tests.acceptance.webhook import Mood, Webhook, webhook
from tests.examples import slow_after

RUN = ("run", "list.csv", "--message", "Hi {{ first_name }}, only today")
TOKEN = "a-token-for-the-simulator"
NOTICE = Notice(title="offer: finished", text="1,000 rows: 1,000 delivered.", occasion=Occasion.FINISHED)
LIMITED = "import campaign.app.notify.notice as notices; notices.deliver.__kwdefaults__['limit_seconds'] = {}"
"""How long the command lets notices take."""
HELD_SECONDS = 60
"""How long a webhook that is silent holds a request."""


def make_certificate(path: Path, *, days: int) -> Path:
    """One for 127.0.0.1, with its key, that is good for so many days from now, or has expired so many days ago."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(tz=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=9))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    own_key = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(certificate.public_bytes(Encoding.PEM) + own_key)
    return path


def alone(said: str, hook: Webhook) -> None:
    """Neither the address nor the token is anywhere in what was said."""
    for secret in ("S3cret", TOKEN, f"127.0.0.1:{hook.port}"):
        assert secret not in said


def test_who_asked_is_told_how_it_ended_and_nothing_else(desk: Desk) -> None:
    desk.simulator.set_faults(faults={"not_found": 0.2})
    desk.make_list(20)
    with webhook() as hook:
        done = desk.run(*RUN, code=3, CAMPAIGN_NOTIFY=f"{hook.url}, {hook.url}/other")
    assert len(hook.told) == 2
    told = hook.told[0]
    assert told["title"] == "list: needs attention"
    assert told["type"] == "warning"
    failed = json.loads(desk.run("status", "list", "--json").stdout)["by_status"]["failed"]
    assert f"20 rows: {20 - failed} delivered, {failed} failed." in told["message"]
    assert f"    campaign retry {desk.folder / 'list.results.failed.csv'}" in told["message"]
    events = [json.loads(line) for line in done.stderr.splitlines()]
    sent = [event for event in events if event["event"] == "notice_sent"]
    assert {(event["service"], event["number"], event["occasion"]) for event in sent} == {("json", 1, "failed"), ("json", 2, "failed")}
    run = {event["run"] for event in events}
    assert len(run) == 1
    assert f"run {run.pop()}." in told["message"]
    everything = b"".join(hook.raw).decode()
    for private in (TOKEN, "Name ", "Hi ", "only today", "pass-0", "first_name"):
        assert private not in everything
    alone(done.stdout + done.stderr, hook)
    for path in desk.folder.rglob("*"):
        assert path.is_dir() or b"S3cret" not in path.read_bytes(), path


def test_a_job_says_whom_to_tell_and_of_what(desk: Desk) -> None:
    desk.make_list(4)
    with webhook() as hook:
        job = f'list = "list.csv"\nmessage = "Hi"\n[notify]\nurls = ["{hook.url}"]\non = ["failed", "stopped"]\n'
        (desk.folder / "job.toml").write_text(job, encoding="utf-8")
        desk.run("run", "job.toml", "--name", "well")
        assert hook.told == []
        desk.simulator.set_faults(faults={"not_found": 1.0})
        desk.run("run", "job.toml", "--name", "badly", code=3)
    assert [told["title"] for told in hook.told] == ["badly: needs attention"]


def test_a_run_that_had_nothing_to_do_tells_nobody_again(desk: Desk) -> None:
    desk.make_list(2)
    with webhook() as hook:
        desk.run(*RUN, CAMPAIGN_NOTIFY=hook.url)
        desk.run(*RUN, CAMPAIGN_NOTIFY=hook.url)
    assert [told["title"] for told in hook.told] == ["list: finished"]


def test_only_the_occasions_that_were_asked_for_are_told(desk: Desk) -> None:
    desk.make_list(6)
    with webhook() as hook:
        environment = {"CAMPAIGN_NOTIFY": hook.url}
        desk.run(*RUN, "--limit", "2", "--notify-on", "failed,finished", code=5, **environment)
        assert hook.told == []
        desk.run(*RUN, "--limit", "2", "--notify-on", "stopped", code=5, **environment)
        assert [(told["title"], told["type"]) for told in hook.told] == [("list: stopped with rows left", "failure")]
        assert "    campaign resume list" in hook.told[0]["message"]


def test_a_run_that_can_not_start_is_told_without_what_the_list_holds(desk: Desk) -> None:
    (desk.folder / "list.csv").write_text("Anna Smith,0171 5550\nBob,0172 5551\n")
    with webhook() as hook:
        done = desk.run(*RUN, code=2, CAMPAIGN_NOTIFY=hook.url)
    assert "Anna Smith" in done.stderr
    assert hook.told[0]["title"] == "list: needs attention"
    assert b"Anna" not in b"".join(hook.raw)
    assert desk.simulator.requests() == []


@pytest.mark.parametrize("mood", slow_after(1, [Mood.ANGRY, Mood.SILENT]))
def test_a_service_that_fails_or_hangs_changes_nothing_of_the_run(desk: Desk, mood: Mood) -> None:
    desk.make_list(5)
    undisturbed = desk.json(*RUN, "--name", "undisturbed", "--results", "undisturbed.csv")
    with webhook(mood) as hook:
        process = start(desk, *RUN, "--json", before=LIMITED.format(5.0), CAMPAIGN_NOTIFY=hook.url)
        out, err = process.communicate(timeout=HELD_SECONDS - 20)
    assert len(hook.told) >= 1
    found = json.loads(out)
    assert (found["by_status"], found["exit_code"]) == (undisturbed["by_status"], 0)
    results = (desk.folder / "list.results.csv").read_text().splitlines()
    assert len(results) == 6
    last = json.loads(err.splitlines()[-1])
    assert (last["event"], last["level"], last["service"], last["campaign"]) == ("notice_not_sent", "warning", "json", "list")
    alone(out + err, hook)


def test_a_service_that_is_not_there_or_not_known_changes_nothing(desk: Desk) -> None:
    desk.make_list(3)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = f"json://u:S3cret@127.0.0.1:{taken.getsockname()[1]}/"
        done = desk.run(*RUN, CAMPAIGN_NOTIFY=f"{nobody} nosuch://S3cret slack://S3cret")
    events = [json.loads(line) for line in done.stderr.splitlines()]
    failed = {event["number"]: event["detail"] for event in events if event["event"] == "notice_not_sent"}
    assert failed[1] != failed[2]
    assert sorted(failed) == [1, 2, 3]
    assert "S3cret" not in done.stdout + done.stderr


def test_a_notice_goes_only_where_the_certificate_is_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for days, is_good in ((1, True), (-1, False)):
        certificate = make_certificate(tmp_path / "trusted.pem", days=days)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        with webhook(certificate=certificate) as hook:
            assert [not found.why for found in deliver(NOTICE, [SecretStr(hook.url)], secret="")] == [is_good]
            assert len(hook.raw) == (days > 0)


def test_a_notice_that_is_led_elsewhere_was_not_sent() -> None:
    with webhook(Mood.ELSEWHERE) as hook:
        (found,) = deliver(NOTICE, [SecretStr(hook.url)], secret="")
        assert found.why
        assert len(hook.told) == 1


def test_one_that_drips_is_cut_off_and_the_others_are_told() -> None:
    with webhook(Mood.DRIPPING) as drips, webhook() as kind:
        addresses = [SecretStr(drips.url), SecretStr(kind.url)]
        found = deliver(NOTICE, addresses, secret="", limit_seconds=4.0)
    assert [(delivery.number, delivery.service, not delivery.why) for delivery in found] == [(1, "json", False), (2, "json", True)]
    assert kind.told[0]["message"] == NOTICE.text


def test_the_token_goes_neither_into_a_notice_nor_to_the_process_that_sends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSENTRY_API_KEY", "pe_live_1")
    with webhook() as hook:
        notice = Notice(title="pe_live_1", text="Bearer pe_live_1", occasion=Occasion.STOPPED)
        assert deliver(notice, [SecretStr(hook.url)], secret="pe_live_1")[0].why == ""
    assert (hook.told[0]["title"], hook.told[0]["message"]) == ("***", "Bearer ***")


def test_a_process_that_can_not_be_started_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    found = deliver(NOTICE, [SecretStr("json://x"), SecretStr("slack://y")], secret="")
    assert [(delivery.number, "FileNotFoundError" in delivery.why) for delivery in found] == [(1, True), (2, True)]


@pytest.mark.parametrize("number", slow_after(1, [signal.SIGTERM, signal.SIGINT]))
def test_a_signal_while_notices_are_sent_ends_them_and_not_the_exit_code(desk: Desk, number: signal.Signals) -> None:
    desk.simulator.set_faults(faults={"not_found": 1.0})
    desk.make_list(3)
    with webhook(Mood.SILENT) as hook:
        process = start(desk, *RUN, before=LIMITED.format(600.0), CAMPAIGN_NOTIFY=hook.url)
        while not hook.told:
            time.sleep(0.02)
        process.send_signal(number)
        out, err = process.communicate(timeout=HELD_SECONDS - 20)
    assert process.returncode == 3
    assert "3 rows need attention. Next: campaign retry " in out
    assert json.loads(err.splitlines()[-1])["event"] == "notice_not_sent"


def test_a_test_to_ones_own_pass_is_nobody_elses_business(desk: Desk, tmp_path: Path) -> None:
    desk.make_list(2)
    figures = tmp_path / "figures.prom"
    with webhook() as hook:
        desk.run("test", *RUN[1:], "--to", "my-pass", CAMPAIGN_NOTIFY=hook.url, CAMPAIGN_METRICS_FILE=str(figures))
    assert hook.told == []
    assert not figures.exists()
