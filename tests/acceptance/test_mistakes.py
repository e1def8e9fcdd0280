"""What people do without meaning to: nothing is lost by it, and what is said tells the way on."""

from tests.acceptance.desk import Desk


def test_a_second_campaign_of_a_list_leaves_the_results_of_the_first_alone(desk: Desk) -> None:
    desk.simulator.set_faults(faults={"not_found": 1.0})
    desk.make_list(3)
    desk.run("run", "list.csv", "--message", "One", code=3)
    first = [(desk.folder / name).read_bytes() for name in ("list.results.csv", "list.results.failed.csv")]
    desk.simulator.set_faults(faults={})
    desk.run("run", "list.csv", "--message", "Two", "--name", "second")
    assert [(desk.folder / name).read_bytes() for name in ("list.results.csv", "list.results.failed.csv")] == first
    assert (desk.folder / "second.results.csv").exists()
    for words in (
        ("run", "list.csv", "--message", "Three", "--name", "third", "--results", "list.results.csv"),
        ("retry", "second", "--results", "list.results.csv"),
        ("report", "second", "--output", "list.results.csv"),
    ):
        assert "holds the results of the campaign “list”" in desk.run(*words, code=2).stderr
    assert (desk.folder / "list.results.csv").read_bytes() == first[0]
    assert len(desk.sent()) == 3
