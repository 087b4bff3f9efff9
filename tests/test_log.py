"""What a person sees of a run: its log, the console, the bar on a terminal."""

import io
import re
import sys

from runs import quiet, run, tiny


class Terminal(io.StringIO):
    """A standard output that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def open_terminal(monkeypatch):
    """Make the standard output a terminal of 120 columns; returns it."""
    screen = Terminal()
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys, "stdout", screen)
    return screen


def plain(text):
    """Text without the codes that move a terminal's cursor and set its colours."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def logged(folder):
    """The lines of a run's log without their times."""
    return [line[len("2000-01-01 00:00:00 ") :] for line in (folder / "log.txt").open()]


def test_a_terminal_shows_a_bar_and_the_log_above_it(monkeypatch, tmp_path, data_folder):
    terminal = open_terminal(monkeypatch)
    run(tiny(), tmp_path / "a", data_folder, quiet(quiet=False))
    printed = plain(terminal.getvalue())
    assert "step 21/21" in printed
    lines = [line for line in logged(tmp_path / "a") if line.startswith("epoch ")]
    assert [line.split()[1] for line in lines] == ["1", "2", "3"]
    for line in lines:
        assert line.strip() in printed
    assert terminal.getvalue().count("\x1b[?25l") == terminal.getvalue().count("\x1b[?25h") == 1


def test_a_quiet_run_shows_nothing_on_a_terminal(monkeypatch, tmp_path, data_folder):
    terminal = open_terminal(monkeypatch)
    run(tiny(), tmp_path / "a", data_folder, quiet())
    assert terminal.getvalue() == ""
    assert len(logged(tmp_path / "a")) >= 3


def test_without_a_terminal_the_console_is_the_log(capsys, tmp_path, data_folder):
    run(tiny(), tmp_path / "a", data_folder, quiet(quiet=False))
    assert capsys.readouterr().out == "".join(logged(tmp_path / "a"))
