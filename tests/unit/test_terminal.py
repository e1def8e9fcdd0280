"""What is typed on a terminal, and a Ctrl-C that comes at the worst moment."""

import os
import pty
import signal
import threading
from collections.abc import Iterator

import pytest

from campaign.cli.screen.terminal import ask_yes_no, prompt


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Where to write what a person types."""
    controller, terminal = pty.openpty()
    with os.fdopen(terminal, encoding="utf-8") as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        yield controller
    os.close(controller)


@pytest.mark.parametrize(("typed", "expected"), [("y\n", True), ("YES \n", True), ("\n", False), ("n\n", False), ("maybe\ny\n", True)])
def test_yes_is_yes_and_enter_alone_is_no(keys: int, typed: str, *, expected: bool) -> None:
    os.write(keys, typed.encode())
    assert ask_yes_no("Send?") is expected


def test_a_line_comes_without_its_end(keys: int, capsys: pytest.CaptureFixture[str]) -> None:
    os.write(keys, "12 345 ü\n".encode())
    assert prompt("How many") == "12 345 ü"
    assert capsys.readouterr().err == "How many: "


def test_the_end_of_the_input_is_no_answer(keys: int) -> None:
    os.write(keys, b"\x04")
    with pytest.raises(KeyboardInterrupt):
        prompt("How many")


def test_a_ctrl_c_that_interrupts_no_read_is_heard_all_the_same(keys: int) -> None:
    over = threading.Event()
    other = threading.Thread(target=over.wait)
    other.start()
    assert other.ident is not None
    # It is another thread's system call that the signal breaks off, so the read goes on: as if the signal had come just before it.
    strike = threading.Timer(0.2, signal.pthread_kill, (other.ident, signal.SIGINT))
    rescue = threading.Timer(30.0, os.write, (keys, b"\n"))
    strike.start()
    rescue.start()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            prompt("How many")
        assert rescue.is_alive()
    finally:
        signal.signal(signal.SIGINT, before)
        rescue.cancel()
        over.set()
        other.join()
