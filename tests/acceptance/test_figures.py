"""`campaign stats` and `campaign compare`, as people and scripts call them."""

import re
from datetime import UTC, datetime, timedelta

from campaign.domain.text.reasons import reason_in_words
from tests.acceptance.desk import Desk
from tests.acceptance.screen import Terminal

MESSAGE = ("--message", "Hi {{ first_name }}")


def test_the_rates_of_all_campaigns_and_two_of_them_side_by_side(desk: Desk) -> None:
    desk.make_list(20, "spring.csv")
    desk.make_list(30, "autumn.csv")
    assert desk.json("stats")["campaigns"] == []
    desk.run("run", "spring.csv", *MESSAGE)
    desk.simulator.set_faults(faults={"not_found": 1.0})
    desk.run("run", "autumn.csv", "--message", "Dear {{ first_name }}", "--limit", "10", code=5, CAMPAIGN_RATE="100")
    desk.run("stage", "autumn.csv", *MESSAGE, "--name", "winter")

    spring, autumn = (desk.json("status", name)["by_status"] for name in ("spring", "autumn"))
    assert (spring["delivered"], autumn["failed"]) == (20, 10)
    found = desk.json("stats")
    assert [(one["campaign"], one["sent_to"], one["delivery_rate"]) for one in found["campaigns"]] == [
        ("spring", 20, 1.0),
        ("autumn", 10, 0.0),
    ]
    assert found["total"] == {"rows": 50, "sent_to": 30, "delivered": 20, "delivery_rate": 0.666667}
    assert found["unsent_campaigns"] == 1
    lines = desk.run("stats").stdout.splitlines()
    assert lines[1].split()[-2:] == ["100", "%"]
    assert lines[-2].split()[:5] == ["all", "2", "50", "30", "20"]
    assert desk.json("stats", "--until", "2020-01-01")["campaigns"] == []
    assert [one["campaign"] for one in desk.json("stats", "--since", "2020-01-01T12:00")["campaigns"]] == ["spring", "autumn"]
    assert "--since" in desk.run("stats", "--since", "soon", code=2).stderr
    assert "--until" in desk.run("stats", "--since", "2026-01-02", "--until", "2026-01-01", code=2).stderr

    told = {line.split("\t")[0]: line.split("\t")[1:] for line in desk.run("compare", "spring", "autumn").stdout.splitlines()}
    assert told[""] == ["spring", "autumn"]
    assert told["Delivery rate"] == ["100 %", "0 %"]
    assert ["20 (100 %)", "0 (0 %)"] in told.values()
    assert next(values for what, values in told.items() if what.endswith(reason_in_words("http_404"))) == ["0 (0 %)", "10 (33.3 %)"]
    assert told["Settings that differ: Rate"] == ["200.0", "100.0"]
    assert told["Message: Text"] == ["Hi «first_name»", "Dear «first_name»"]
    sides = desk.json("compare", "spring", "autumn")["campaigns"]
    assert [side["by_status"] for side in sides] == [spring, autumn]

    # Who redeemed it: half of the first list, after its message; of the second, whose messages failed, one long before.
    ids = [line.split(",")[0] for line in (desk.folder / "spring.csv").read_text(encoding="utf-8").splitlines()[1:11]]
    after = (datetime.now(tz=UTC) + timedelta(hours=1)).isoformat()
    lines = ["pass_id,redeemed_at", *(f"{pass_id},{after}" for pass_id in ids)]
    (desk.folder / "redeemed.csv").write_text("\n".join(lines), encoding="utf-8")
    join = ("--conversions", "redeemed.csv", "--within", "7d")
    found = desk.json("stats", *join, "--by", "first_name")
    assert [one["conversions"]["converted"] for one in found["campaigns"]] == [10, 10]
    assert found["campaigns"][0]["conversions"]["conversion_rate"] == 0.5
    assert (found["conversions"]["passes"], found["conversions"]["sent_to"], found["conversions"]["column"]) == (10, 30, "first_name")
    assert sum(one["converted"] for one in found["conversions"]["by_value"]) == 20
    found = desk.json("compare", "spring", "autumn", *join)
    assert [side["conversions"]["by_status"]["delivered"]["converted"] for side in found["campaigns"]] == [10, 0]
    told = {line.split("\t")[0]: line.split("\t")[1:] for line in desk.run("compare", "spring", "autumn", *join).stdout.splitlines()}
    assert ["10 of 20 (50.0 %)", "10 of 10 (100 %)"] in told.values()
    assert "10 of 20 (50.0 %)" in desk.run("stats", *join).stdout
    assert "--within" in desk.run("stats", "--within", "7d", code=2).stderr
    desk.run("compare", "spring", "autumn", *join, "--by", "town", code=2)

    # On a terminal: columns, and a bar of each rate.
    with Terminal(desk, "compare", "spring", "autumn") as terminal:
        assert terminal.end() == 0
    assert re.search(r"^Delivery rate +100 % +0 %$", str(terminal.screen), re.MULTILINE)
    assert re.search(r"^Settings that differ$", str(terminal.screen), re.MULTILINE)
    with Terminal(desk, "stats") as terminal:
        assert terminal.end() == 0
    assert re.search(r"^spring .* 100 % +█{20}$", str(terminal.screen), re.MULTILINE)
    assert re.search(r"^autumn .* 0 %$", str(terminal.screen), re.MULTILINE)


def test_a_name_that_is_not_there_is_met_with_the_nearest(desk: Desk) -> None:
    desk.make_list(2, "Spring-offer.csv")
    desk.run("run", "Spring-offer.csv", *MESSAGE)
    refused = desk.run("compare", "Spring-offer", "sprign-offer", code=2)
    assert "“Spring-offer”" in refused.stderr
    assert refused.stdout == ""
    assert "“Spring-offer”" in desk.run("compare", "Spring-offer", "Spring-offer", code=2).stderr
    assert "Missing argument" in desk.run("compare", "Spring-offer", code=2).stderr
    desk.run("compare", "a", "b", "c", code=2)
