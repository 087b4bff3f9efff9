"""The ledger of a gate: every edit is named by its line, two writers wait, a kill loses nothing."""

import itertools
import json
import os
import signal
import subprocess
import sys

import pytest
from forks import forked
from gates import SETTINGS, noise, write

from actstudy.contract.errors import StudyError
from actstudy.judging.gate import ledger

CONTENTS = [{"kind": "start", "level": 0.05}, {"kind": "attempt", "n": 3}]
CONTENTS += [{"kind": "attempt", "n": 4}, {"kind": "failed", "reason": "é"}]


@pytest.fixture
def book(tmp_path):
    """A ledger of four lines."""
    path = tmp_path / "ledger.jsonl"
    for content in CONTENTS:
        with ledger.writing(path) as lines:
            ledger.append(path, lines, content)
    return path


def rewritten(path, edit):
    """The lines of a file as bytes, edited in place and written again."""
    texts = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(edit(texts)))


def edited(text, **fields):
    """A line with other fields and its old hash."""
    return ledger.text_of({**json.loads(text), **fields}) + b"\n"


def hashed(text, **fields):
    """A line with other fields and a hash that fits."""
    line = {**json.loads(text), **fields}
    return ledger.text_of({**line, "hash": ledger.digest(line)}) + b"\n"


def test_lines_hold_what_was_appended(book):
    lines = ledger.read(book)
    assert [line["line"] for line in lines] == [1, 2, 3, 4]
    assert lines[0]["previous"] == ledger.START
    for before, line in itertools.pairwise(lines):
        assert line["previous"] == before["hash"]
    for line, content in zip(lines, CONTENTS, strict=True):
        assert content.items() <= line.items()
    assert sorted(path.name for path in book.parent.iterdir()) == [".locks", "ledger.jsonl"]


EDITS = {
    "a value": (lambda t: [t[0], edited(t[1], n=9), *t[2:]], "line 2: was edited"),
    "the last line": (lambda t: [*t[:3], edited(t[3], reason="none")], "line 4: was edited"),
    "the first line": (lambda t: [edited(t[0], level=0.5), *t[1:]], "line 1: was edited"),
    "a value and its hash": (
        lambda t: [t[0], hashed(t[1], n=9), *t[2:]],
        "line 3: does not follow",
    ),
    "a line left out": (lambda t: [*t[:2], t[3]], "line 3: does not follow"),
    "the first left out": (lambda t: t[1:], "line 1: does not follow"),
    "two lines swapped": (lambda t: [t[0], t[2], t[1], t[3]], "line 2: does not follow"),
    "a line twice": (lambda t: [*t[:2], t[1], *t[2:]], "line 3: does not follow"),
    "a line of another": (lambda t: [*t[:3], hashed(t[3], previous="0" * 64)], "line 4: does not"),
    "a number": (lambda t: [*t[:3], hashed(t[3], line=7)], "line 4: does not follow"),
    "a space": (lambda t: [t[0].replace(b": ", b":  ", 1), *t[1:]], "line 1: was edited"),
    "a field twice": (lambda t: [t[0].replace(b"{", b'{"level": 1, ', 1), *t[1:]], "line 1: was"),
    "an empty line": (lambda t: [*t[:2], b"\n", *t[2:]], "line 3: is no line"),
    "no JSON": (lambda t: [*t[:2], b"{\n", *t[3:]], "line 3: is no line"),
    "no object": (lambda t: [b"[1]\n", *t[1:]], "line 1: is no line"),
    "NaN": (lambda t: [t[0], t[1].replace(b'"n": 3', b'"n": NaN'), *t[2:]], "line 2: is no line"),
    "no hash": (lambda t: [*t[:3], b'{"line": 4, "previous": ""}\n'], "line 4: is no line"),
    "a cut end": (lambda t: [*t[:3], t[3][:-20]], "line 4: has no end"),
    "a new line's end": (lambda t: [*t[:3], t[3][:-1] + b"\r\n"], "line 4: was edited"),
    "all": (lambda t: [], "line 1: has no end"),
    "no text": (lambda t: [b"\xff\xfe\n"], "line 1: is no line"),
    "deep": (lambda t: [b"[" * 100_000 + b"\n"], "line 1: is no line"),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_is_named_by_its_line(book, name):
    edit, words = EDITS[name]
    rewritten(book, edit)
    before = book.read_bytes()
    with pytest.raises(StudyError, match=words), ledger.writing(book):
        pass
    assert book.read_bytes() == before


def test_a_cut_end_is_seen_by_a_hash_that_was_written_down(book):
    head = ledger.head(ledger.read(book))
    ledger.expect(book, ledger.read(book), head[:12])
    rewritten(book, lambda texts: texts[:3])
    lines = ledger.read(book)
    with pytest.raises(StudyError, match=f"head: got '{head}', which none of its 3 lines has"):
        ledger.expect(book, lines, head)
    with pytest.raises(StudyError, match="12 digits or more"):
        ledger.expect(book, lines, head[:3])


def test_two_writers_wait_for_each_other(book):
    children = []
    for _ in range(3):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115
                for number in range(10):
                    with ledger.writing(book) as lines:
                        ledger.append(book, lines, {"kind": "attempt", "number": number})
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    lines = ledger.read(book)
    assert len(lines) == 4 + 30
    numbers = [line["number"] for line in lines[4:]]
    assert sorted(numbers) == sorted(3 * list(range(10)))


@pytest.mark.parametrize("stage", ["draft", "fsync", "rename", "folder"])
def test_a_kill_leaves_the_ledger_whole(book, stage, monkeypatch):
    before = book.read_bytes()
    monkeypatch.setenv("ACTSTUDY_FAULT", f"ledger.jsonl/{stage}:kill")

    def append():
        with ledger.writing(book) as lines:
            ledger.append(book, lines, {"kind": "attempt"})

    assert forked(["append"], append).returncode == -signal.SIGKILL
    monkeypatch.delenv("ACTSTUDY_FAULT")
    whole = len(ledger.read(book))
    assert whole == (5 if stage == "folder" else 4)
    assert book.read_bytes().startswith(before)
    append()
    assert len(ledger.read(book)) == whole + 1
    assert sorted(path.name for path in book.parent.iterdir()) == [".locks", "ledger.jsonl"]


def test_a_full_disk_leaves_the_ledger_as_it_was(book, monkeypatch):
    before = book.read_bytes()
    monkeypatch.setenv("ACTSTUDY_FAULT", "ledger.jsonl/fsync:full")
    with pytest.raises(OSError, match="No space left"), ledger.writing(book) as lines:
        ledger.append(book, lines, {"kind": "attempt"})
    assert book.read_bytes() == before


def test_places_where_no_ledger_can_be(tmp_path):
    with (
        pytest.raises(StudyError, match=r"no folder .*; allowed"),
        ledger.writing(tmp_path / "no/where.jsonl"),
    ):
        pass
    with pytest.raises(StudyError, match="got a folder"), ledger.writing(tmp_path):
        pass


def test_two_commands_at_once_write_two_attempts(tmp_path):
    write(tmp_path / "base.csv", noise(20, 1))
    processes = []
    for number in (2, 3):
        write(tmp_path / f"{number}.csv", noise(12, number), {**SETTINGS, "lr": str(number)})
        words = ["gate", "ledger.jsonl", "--candidate", f"{number}.csv", "--baseline", "base.csv"]
        command = [sys.executable, "-m", "actstudy", *words]
        processes.append(subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL))
    assert all(process.wait(60) in (1, 2) for process in processes)
    lines = ledger.read(tmp_path / "ledger.jsonl")
    assert [line.get("attempt") for line in lines] == [None, 1, 2]
