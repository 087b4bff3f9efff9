"""A command of the user's own hears of a study's first failed run and of its end."""

import pytest
from made_up import study_of

from actstudy.analysis.watch import Watch
from actstudy.commands import notify
from actstudy.commands.notify import Notifier

STUDY = {"axes": {"activation": ["relu", "tanh"]}, "tasks": {"mlp": {"epochs": 1, "seeds": 2}}}


@pytest.fixture
def watch(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Watch(study_of(tmp_path, STUDY), root=tmp_path / "runs")


@pytest.fixture
def heard(tmp_path, monkeypatch):
    """The lines that the command has written so far."""
    file = tmp_path / "heard.txt"
    line = '"$ACTSTUDY_EVENT: $ACTSTUDY_STUDY: $ACTSTUDY_TEXT"'
    monkeypatch.setenv(notify.VARIABLE, f"echo {line} >> {file}")
    return lambda: file.read_text().splitlines() if file.is_file() else []


def fail(watch, place):
    watch.states[list(watch.folders)[place]] = "failed"


def test_the_first_failed_run_is_heard_of_once(watch, heard):
    notifier = Notifier(watch)
    notifier.look()
    assert heard() == []
    for place in (0, 1):
        fail(watch, place)
        notifier.look()
    text = "failure: made: study made: failure: 0 of 4 runs completed, 1 failed"
    assert heard() == [text]


def test_what_failed_before_is_no_news(watch, heard):
    fail(watch, 0)
    notifier = Notifier(watch)
    notifier.look()
    assert heard() == []
    fail(watch, 1)
    notifier.look()
    assert len(heard()) == 1


@pytest.mark.parametrize(
    ("status", "signal_number", "event"),
    [(0, 0, "finished"), (1, 0, "unfinished"), (0, 15, "stopped"), (-15, 15, "stopped")],
)
def test_an_end_is_heard_of(watch, heard, status, signal_number, event):
    Notifier(watch).end(status, signal_number)
    assert [line.split(":")[0] for line in heard()] == [event]


def test_without_a_command_nothing_happens(watch, monkeypatch, capfd):
    monkeypatch.delenv(notify.VARIABLE, raising=False)
    Notifier(watch).end(0, 0)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("command", "fault"),
    [("exit 3", "exit status 3"), ("no_such_program_here", "exit status 127")],
)
def test_a_command_that_fails_is_named_and_that_is_all(watch, monkeypatch, capfd, command, fault):
    monkeypatch.setenv(notify.VARIABLE, command)
    Notifier(watch).end(0, 0)
    assert f"actstudy: ACTSTUDY_NOTIFY: {fault}" in capfd.readouterr().err


def test_a_command_that_does_not_end_is_left(watch, monkeypatch, capfd):
    monkeypatch.setenv(notify.VARIABLE, "sleep 20")
    monkeypatch.setattr(notify, "SECONDS", 0.1)
    Notifier(watch).end(0, 0)
    assert "still running after 0.1 s" in capfd.readouterr().err
