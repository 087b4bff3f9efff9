"""When each process trains which run: two that train one run at once are counted.

A clone gets this file and trains through it (`note_in`). Every trainer writes a line as it begins
with a run and as it ends. As it begins it looks which others are in the run that have written no
end and still live, so that a killed one has ended with its process, whatever it could not write.
"""

import json
import os
import secrets
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

FILE = "intervals.jsonl"  # of the clone, so that no disk of a fault holds it
PLACE = "lib/actstudy/training/intervals.py"
HOST = socket.gethostname()


class Count(NamedTuple):
    """What the lines of a clone say. at_once: run and both trainers, of each pair of them."""

    trainings: int
    runs: int
    processes: int
    waits: int  # for a run's lock
    at_once: list[str]


def note_in(clone) -> None:
    """Let a clone's trainers write down when they train."""
    shutil.copy(__file__, clone.folder / PLACE)
    package = "lib/actstudy"
    there = "actstudy.training.run import train"
    clone.edit(f"{package}/training/attempt.py", there, "actstudy.training.intervals import train")
    wait = "from actstudy.training import intervals; intervals.wait(folder); "
    clone.edit(f"{package}/contract/locks.py", r'print\(f"waiting', f'{wait}print(f"waiting')


def train(runs, state, data, settings) -> None:
    """What the trainer's own function does, between two lines per run."""
    from actstudy.training import run

    me = f"{HOST}:{os.environ.get('SLURM_JOB_ID', '')}:{os.getpid()}:{born(os.getpid())}"
    marks = {}
    for folder in runs:
        mark = secrets.token_hex(4)
        marks[mark] = f"{folder.parent.name}/{folder.name}"
        _write(begin=mark, run=marks[mark], who=me, at=time.time())
    for mark, name in marks.items():  # after its line: of two at once the later one sees both
        for other in going_on(name, me):
            _write(met=mark, other=other)
    try:
        run.train(runs, state, data, settings)
    finally:
        for mark in marks:
            _write(end=mark, at=time.time())


def wait(folder: Path) -> None:
    """Write that a process waits for a run's lock."""
    _write(wait=folder.name)


def going_on(run: str, me: str) -> list[str]:
    """Marks of trainings of a run by others that have not ended, and whose processes live."""
    begun = {}
    for line in lines(_file()):
        if line.get("run") == run and line["who"] != me:
            begun[line["begin"]] = line["who"]
        begun.pop(line.get("end"), None)
    return [mark for mark, who in begun.items() if lives(who)]


def lives(who: str) -> bool:
    """Whether a trainer's process lives; of another host nobody knows, which counts as yes."""
    host, _, pid, birth = who.split(":")
    return host != HOST or born(int(pid)) == birth


def born(pid: int) -> str:
    """When a process began, in ticks; empty if it has ended, also if nobody asked for its end."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if words[0] in "ZX" else words[19]


def lines(file: Path) -> Iterator[dict]:
    """What is written in a file."""
    if file.exists():
        yield from map(json.loads, file.read_text().splitlines())


def _file() -> Path:
    return Path(__file__).parents[3] / FILE


def _write(**note: object) -> None:
    with _file().open("a") as file:
        file.write(json.dumps(note) + "\n")  # in one go: lines of several processes do not mix


def count(clone) -> Count:
    """What the trainers of a clone have written so far."""
    notes = list(lines(clone.folder / FILE))
    begun = {note["begin"]: note for note in notes if "begin" in note}
    pairs = {frozenset([note["met"], note["other"]]) for note in notes if "met" in note}
    at_once = []
    for pair in pairs:
        first, second = [begun[mark] for mark in sorted(pair)]
        at_once.append(f"{first['run']}: {first['who']} and {second['who']}")
    return Count(
        len(begun),
        len({note["run"] for note in begun.values()}),
        len({note["who"] for note in begun.values()}),
        sum("wait" in note for note in notes),
        at_once,
    )
