"""What `make bench` makes of its figures: ratios, goals missed, floors, the table, and the file that gives the same table later."""

import json
from pathlib import Path

import pytest

from campaign.ledger.port import RunnerRecord
from tests.bench import saved
from tests.bench.__main__ import main, measured
from tests.bench.arrivals import average_per_second, most_in_a_second
from tests.bench.catalogue import CATALOGUE, Entry, chosen
from tests.bench.figures import Figure, Floor, Group, at_least, at_most, fallen
from tests.bench.machine import Machine, cpu_model
from tests.bench.sends import seconds_of
from tests.bench.table import as_markdown, as_text, complaints, number

MACHINE = Machine(
    cpu="A CPU",
    cores=2,
    memory_gb=8.0,
    system="Linux 6 x86_64",
    python="3.11.7",
    sqlite="3.54.1",
    commit="abc1234",
    measured_at="2026-11-23 20:00 UTC",
)
FLOOR = Floor(bound=at_least(0.2), why="Half of what is usual.")


def sends(value: float, *, floor: Floor | None = FLOOR) -> Figure:
    return Figure(
        name="one process",
        value=value,
        unit="sends/s",
        beside="a bare loop",
        beside_value=10_000.0,
        ratio_goal=at_least(0.9),
        floor=floor,
    )


def memory(value: float) -> Figure:
    return Figure(
        name="peak | memory", value=value, unit="MB", beside="fewer rows", beside_value=100.0, goal=at_most(400), ratio_goal=at_most(1.2)
    )


def group(*figures: Figure, broken: str = "") -> Group:
    return Group(name="sends", title="Sends", seconds=12.4, figures=figures, left_out=("No nginx.",), broken=broken)


@pytest.mark.parametrize(
    ("value", "missed_by", "has_fallen"),
    [(9_500.0, 0.0, False), (9_000.0, 0.0, False), (4_500.0, 0.5, False), (2_000.0, 7 / 9, False), (1_999.0, 0.778, True)],
)
def test_a_ratio_misses_its_goal_long_before_it_falls_through_its_floor(value: float, missed_by: float, has_fallen: bool) -> None:  # noqa: FBT001 - a column of the table above
    figure = sends(value)
    assert figure.ratio == value / 10_000
    assert figure.missed_by == pytest.approx(missed_by, abs=0.001)
    assert figure.fallen is has_fallen


@pytest.mark.parametrize(("value", "missed_by"), [(120.0, 0.0), (180.0, 0.5), (500.0, 5 / 1.2 - 1), (90.0, 0.0)])
def test_of_two_goals_the_one_that_is_missed_by_more_is_told(value: float, missed_by: float) -> None:
    assert memory(value).missed_by == pytest.approx(missed_by)


def test_what_must_stay_small_falls_upwards() -> None:
    slow = Figure(
        name="help",
        value=400.0,
        unit="ms",
        beside="nothing",
        beside_value=10.0,
        floor=Floor(bound=at_most(30.0), why="It imports too much."),
    )
    assert slow.fallen


def test_a_figure_without_a_goal_misses_none_and_one_without_a_floor_never_falls() -> None:
    plain = Figure(name="a", value=1.0, unit="s", beside="b", beside_value=2.0)
    assert plain.missed_by is None
    assert not plain.fallen
    assert fallen([group(plain, sends(1.0, floor=None))]) == []


@pytest.mark.parametrize("beside_value", [None, 0.0])
def test_a_floor_without_anything_beside_it_is_refused(beside_value: float | None) -> None:
    with pytest.raises(ValueError, match="needs something beside it"):
        Figure(name="a", value=1.0, unit="s", beside_value=beside_value, floor=FLOOR)
    assert Figure(name="a", value=1.0, unit="s", beside_value=beside_value, goal=at_most(2)).ratio is None


def test_a_time_alone_never_fails_a_run_however_bad_it_is() -> None:
    late = Figure(name="resume", value=1e9, unit="s", goal=at_most(1.0))
    assert complaints([group(late)]) == []


def test_each_complaint_says_what_fell_below_what_and_why_that_is_too_low() -> None:
    found = group(sends(1_000.0), sends(5_000.0))
    assert complaints([found]) == [
        "sends: one process: 1,000 sends/s is 0.10 of a bare loop, and has to be ≥ 0.2. Half of what is usual.",
    ]


def test_a_group_that_broke_off_is_a_complaint_too() -> None:
    assert complaints([group(broken="It broke off: no disk.")]) == ["sends: It broke off: no disk."]


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.0, "0"), (0.0239, "0.024"), (0.4, "0.40"), (9.004, "9.00"), (99.51, "99.5"), (100.4, "100"), (66_942.3, "66,942")],
)
def test_a_number_has_three_digits_or_all_before_the_point(value: float, said: str) -> None:
    assert number(value) == said


def test_the_table_stands_in_columns_and_says_by_how_much_a_goal_is_missed() -> None:
    lines = as_text(group(sends(4_500.0), memory(110.0))).splitlines()
    assert lines == [
        "Sends (12 s)",
        "  figure         here           beside it                    ratio  goal",
        "  one process    4,500 sends/s  10,000 sends/s, a bare loop  0.45   ratio ≥ 0.9: missed by 50 %",
        "  peak | memory  110 MB         100 MB, fewer rows           1.10   ≤ 400 MB, ratio ≤ 1.2: reached",
        "  No nginx.",
    ]


def test_in_markdown_there_is_all_below_the_machine() -> None:
    groups = [group(sends(9_500.0), memory(110.0))]
    machine = "A CPU, 2 cores, 8 GB; Linux 6 x86_64; Python 3.11.7, SQLite 3.54.1; 2026-11-23 20:00 UTC, commit abc1234."
    top = [machine, "", "| figure | here | beside it | ratio | goal |", "|---|--:|---|--:|---|"]
    row = "one process | 9,500 sends/s | 10,000 sends/s, a bare loop | 0.95 | ratio ≥ 0.9: reached |"
    other = "| peak \\| memory | 110 MB | 100 MB, fewer rows | 1.10 | ≤ 400 MB, ratio ≤ 1.2: reached |"
    note = ["", "Sends: No nginx."]
    assert as_markdown(MACHINE, groups).splitlines() == [*top, "| **Sends** | | | | |", f"| {row}", other, *note]


def test_what_was_written_gives_the_same_table_and_the_same_judgement_later(tmp_path: Path) -> None:
    groups = [group(sends(1_000.0), memory(110.0)), group(broken="It broke off.")]
    path = tmp_path / "new" / "bench.json"
    saved.write(path, MACHINE, groups, short=True)
    machine, read, short = saved.read(path)
    assert short
    assert as_markdown(machine, read) == as_markdown(MACHINE, groups)
    assert complaints(read) == complaints(groups)
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["short"] is True
    figure = document["groups"][0]["figures"][0]
    assert (figure["value"], figure["ratio"], figure["fallen"], figure["ratio_goal"]) == (
        1_000.0,
        0.1,
        True,
        {"side": "at_least", "limit": 0.9},
    )


def test_an_earlier_run_is_shown_and_judged_again_without_measuring(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    saved.write(good, MACHINE, [group(sends(9_500.0))], short=False)
    saved.write(bad, MACHINE, [group(sends(100.0))], short=False)
    assert main(["--from", str(good)]) == 0
    assert capsys.readouterr().out == f"{MACHINE.in_a_line}\n{as_text(group(sends(9_500.0)))}\n"
    assert main(["--from", str(bad), "--markdown"]) == 1
    said = capsys.readouterr()
    assert said.out == as_markdown(MACHINE, [group(sends(100.0))]) + "\n"
    assert said.err.startswith("sends: one process: 100 sends/s is 0.010 of a bare loop")


@pytest.mark.parametrize("text", [None, "no json", "[]", '{"machine": {}, "groups": [], "short": false}'])
def test_a_file_without_figures_is_refused_by_its_name(tmp_path: Path, text: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "other.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    assert main(["--from", str(path)]) == 2
    assert capsys.readouterr().err.startswith(f"{path} holds no figures of an earlier run, which make bench writes: ")


def test_the_short_form_becomes_no_documents_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "short.json"
    saved.write(path, MACHINE, [group(sends(9_500.0))], short=True)
    assert main(["--from", str(path)]) == 0
    assert main(["--from", str(path), "--markdown"]) == 2
    assert "is of the short form" in capsys.readouterr().err


def test_what_is_not_there_is_refused_with_what_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["sends", "sand"])
    assert ended.value.code == 2
    assert "there is nothing called sand; there is sends, pace, " in capsys.readouterr().err


def test_a_group_that_breaks_off_does_not_take_the_others_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    entries = [Entry(name="none", title="None"), *chosen(["scale"], short=True)]
    broken, scale = measured(entries, short=True)
    assert broken.broken == "It broke off: No module named 'tests.bench.none'"
    assert "Traceback" in capsys.readouterr().err
    assert complaints([broken, scale]) == [f"none: {broken.broken}"]
    assert scale.figures


def test_the_fullest_second_is_looked_for_everywhere_and_ends_before_its_next() -> None:
    assert most_in_a_second([]) == 0
    assert most_in_a_second([0.0, 0.5, 0.999, 1.0, 1.5, 1.6, 1.9, 2.5]) == 5
    assert most_in_a_second([number / 4 for number in range(40)]) == 4


def test_an_average_is_taken_between_two_times_and_is_not_wrong_by_one() -> None:
    times = [number / 9 for number in range(200)]
    assert average_per_second(times, 2.05, 8.01) == pytest.approx(9.0)
    with pytest.raises(ValueError, match="a rate needs two"):
        average_per_second(times, 2.05, 2.1)


def test_who_staged_a_list_is_no_part_of_how_long_it_was_sent() -> None:
    def signed(on: float, off: float) -> RunnerRecord:
        return RunnerRecord(id=1, campaign=1, host="", pid=1, started_at=on, ended_at=off, ended="finished", activity="", alive=False)

    assert seconds_of([signed(101.5, 109.0), signed(101.0, 106.0), signed(90.0, 95.0)], began=100.0) == 8.0


def test_a_processor_is_called_what_the_kernel_calls_it(tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("processor : 0\nmodel name\t: A CPU @ 2 GHz\nmodel name\t: Another\n", encoding="utf-8")
    assert cpu_model(info) == "A CPU @ 2 GHz"
    assert cpu_model(tmp_path / "none")


def test_what_is_asked_for_is_measured_in_the_order_of_the_catalogue() -> None:
    assert [entry.name for entry in chosen(["scale", "sends"], short=True)] == ["sends", "scale"]
    assert chosen([], short=False) == list(CATALOGUE)
    assert "console" not in {entry.name for entry in chosen([], short=True)}
    assert [entry.name for entry in chosen(["console"], short=True)] == ["console"]


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.name)
def test_there_is_a_module_behind_every_entry(entry: Entry) -> None:
    assert callable(entry.measured)
