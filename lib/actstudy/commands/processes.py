"""Processes in the present folder: snakemakes, what killed ones have left, and the one started."""

import contextlib
import fcntl
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

import psutil

from actstudy.analysis.watch import Display, Watch
from actstudy.contract import errors

OWN = Path(".snakemake")  # the folder of what a start needs for itself, which is snakemake's


def program(words: list[str]) -> str:
    """The script or module that a Python process runs, else empty: an editor may name one too."""
    if len(words) < 2 or not Path(words[0]).name.startswith("python"):
        return ""
    return words[2] if words[1] == "-m" and len(words) > 2 else words[1]


def is_snakemake(words: list[str]) -> bool:
    """Whether a command is a snakemake's."""
    return Path(program(words)).name == "snakemake"


def is_script(words: list[str]) -> bool:
    """Whether a command is a job that writes tables or figures; trainers have their own locks."""
    script = Path(program(words))
    return script.parts[-3:-1] == ("workflow", "scripts") and script.name != "study.py"


def process_ids(is_of_kind: Callable[[list[str]], bool]) -> list[int]:
    """Ids of the processes of a kind that run in this folder now, whoever started them."""
    folder = str(Path.cwd())
    ids = []
    for process in psutil.process_iter(["cmdline", "cwd", "status"]):
        if process.info["cwd"] != folder or process.info["status"] == psutil.STATUS_ZOMBIE:
            continue
        if is_of_kind(process.info["cmdline"] or []):
            ids.append(process.pid)
    return ids


def wait_for_others() -> None:
    """Return when neither a snakemake nor a lockless job of a killed one runs in this folder."""
    kinds = {"snakemake": is_snakemake, "a job of a killed snakemake": is_script}
    for name, is_of_kind in kinds.items():
        ids = process_ids(is_of_kind)
        if ids:
            message = f"{name} runs here (pid {ids[0]}); waiting until it ends"
            print(f"actstudy: {message}", file=sys.stderr, flush=True)
        while process_ids(is_of_kind):
            time.sleep(0.5)


def terminate(pid: int) -> None:
    """Stop a process, then all that it has started, so that it starts nothing in their place."""
    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        for process in [parent, *parent.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()


class Stop:
    """What a signal does: SIGTERM is passed on to all jobs, Ctrl-C reaches them by itself.

    A SIGINT that this process alone has got is passed on a second later, as SIGTERM, which does
    nothing more to jobs that Ctrl-C has reached.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.number = 0  # of the signal
        self._process = process
        self._due = math.inf
        signal.signal(signal.SIGINT, self.receive)  # not SIG_IGN, which jobs would inherit
        signal.signal(signal.SIGTERM, self.receive)

    def receive(self, number: int, _frame: object) -> None:
        self.number = number
        self._due = time.monotonic() + (number == signal.SIGINT)

    def pass_on(self) -> None:
        """Pass a signal on to the process and its children if that is due; once."""
        if time.monotonic() >= self._due:
            self._due = math.inf
            terminate(self._process.pid)


def call(
    command: list[str], watch: Watch, look: Callable[[], None] | None = None
) -> tuple[int, int]:
    """The exit status of a command, and the signal that was to stop it, 0 if there was none.

    What it prints goes to files, which are copied to this process's streams, so that the command
    may outlive this process. look: is called after each look at the runs.
    """
    logs = {OWN / "study.out": sys.stdout, OWN / "study.log": sys.stderr}
    with contextlib.ExitStack() as stack:
        written = [stack.enter_context(log.open("wb")) for log in logs]
        copied = {}
        for log, stream in logs.items():
            file = log.open(encoding="utf-8", errors="replace")
            copied[stack.enter_context(file)] = stream
        display = stack.enter_context(Display(watch))
        child = subprocess.Popen(command, stdout=written[0], stderr=written[1])
        stop = Stop(child)
        stack.enter_context(child)
        announced = False
        while (status := child.poll()) is None:
            stop.pass_on()
            if stop.number and not announced:
                announced = True
                watch.look()
                display.copy(watch.stopping(), sys.stderr)
            for file, stream in copied.items():
                display.copy(file.read(), stream)
            display.refresh()
            if look:
                look()
            time.sleep(0.2)
        for file, stream in copied.items():
            display.copy(file.read(), stream)
    return status, stop.number


def holder(lock: TextIO) -> str:
    """The lock's holder, `pid N`; a new one has a second to replace the last one's name."""
    for _ in range(20):
        lock.seek(0)
        name = lock.read().strip()
        if name and psutil.pid_exists(int(name.removeprefix("pid "))):
            return name
        time.sleep(0.05)
    return "just started"


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """While the block runs no other study is started in this folder: exit 2 if one runs now."""
    OWN.mkdir(exist_ok=True)
    with (OWN / "study.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            errors.refuse(f"a study runs here already ({holder(lock)}); wait for it or stop it")
        lock.truncate(0)
        print(f"pid {os.getpid()}", file=lock, flush=True)
        yield
