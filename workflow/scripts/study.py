"""`make study`: one snakemake at a time, after what a killed one has left; then where to look."""

import argparse
import contextlib
import fcntl
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

import psutil

from actstudy.contract import checkout

FOLDER = Path.cwd()
checkout.refuse_other_code(FOLDER)  # which may lack what follows

from snakemake import cli  # noqa: E402

from actstudy.analysis import forecast  # noqa: E402
from actstudy.analysis.ending import ending, unfinished  # noqa: E402
from actstudy.analysis.watch import Display, Watch  # noqa: E402
from actstudy.contract import errors, home  # noqa: E402
from actstudy.study import jobs, planning  # noqa: E402

PROFILE = Path("profiles/default")


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
    ids = []
    for process in psutil.process_iter(["cmdline", "cwd", "status"]):
        if process.info["cwd"] != str(FOLDER) or process.info["status"] == psutil.STATUS_ZOMBIE:
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


def call(command: list[str], watch: Watch) -> tuple[int, int]:
    """The exit status of a command, and the signal that was to stop it, 0 if there was none.

    What it prints goes to files, which are copied to this process's streams, so that the command
    may outlive this process.
    """
    logs = {".snakemake/study.out": sys.stdout, ".snakemake/study.log": sys.stderr}
    with contextlib.ExitStack() as stack:
        written = [stack.enter_context(Path(log).open("wb")) for log in logs]
        copied = {}
        for log, stream in logs.items():
            file = Path(log).open(encoding="utf-8", errors="replace")  # noqa: SIM115
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
            time.sleep(0.2)
        for file, stream in copied.items():
            display.copy(file.read(), stream)
    return status, stop.number


def options_of(arguments: list[str]) -> argparse.Namespace:
    """What snakemake reads in the arguments and in the profile of this folder."""
    profiles = [str(PROFILE)] if PROFILE.is_dir() else []
    return cli.get_argument_parser(profiles).parse_args(arguments)


def study_of(options: argparse.Namespace) -> planning.Study:
    """The study that snakemake is asked for; the last of several files, as in the Snakefile."""
    file = [Path("config/config.yaml"), *options.configfile][-1]
    try:
        pairs = cli.parse_config(options.config)
    except ValueError as fault:
        raise errors.StudyError(f"--config: {fault}") from None
    return planning.load(file, pairs)


def watch_of(study: planning.Study, options: argparse.Namespace) -> Watch:
    """A watch of the study that knows how many processes snakemake may start."""
    gpu = options.resources.get("gpu")
    return Watch(study, forecast.room(study, options.cores, gpu.value if gpu else None))


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
    """While the block runs no other `make study` does in this folder: exit 2 if one runs now."""
    Path(".snakemake").mkdir(exist_ok=True)
    with Path(".snakemake/study.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            errors.refuse(
                f"another `make study` runs here ({holder(lock)}); wait for it or stop it"
            )
        lock.truncate(0)
        print(f"pid {os.getpid()}", file=lock, flush=True)
        yield


def main(arguments: list[str]) -> int:
    """The exit status of snakemake, run with the arguments; says how far the study came."""
    home.provide(Path(".snakemake/home"))  # which snakemake's own parser asks for
    try:  # before snakemake, which reports a file that is not YAML by a traceback
        options = options_of(arguments)
        study = study_of(options)
    except errors.StudyError as fault:
        errors.refuse(fault)
    start = time.monotonic()
    with alone():
        wait_for_others()
        shutil.rmtree(".snakemake/locks", ignore_errors=True)  # nobody is alive to hold them
        snakemake = [sys.executable, "-m", "snakemake", *arguments, "--logger", "actstudy"]
        if not jobs.are_run(options):
            return subprocess.call(snakemake)
        watch = watch_of(study, options)
        status, signal_number = call(snakemake, watch)
    watch.look(max_read=None)
    if status == 2:  # a bad study: one line has said so, and nothing was started
        return status
    if status or signal_number:
        print(unfinished(watch, arguments, stopped=bool(signal_number)))
        return status if status > 0 else 128 + (signal_number or -status)
    print(ending(watch, time.monotonic() - start, options.config or ()))
    return 0


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")  # \\u03b2 if the terminal cannot show it
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:  # while it waits for others
        sys.exit(130)
    except OSError as error:
        errors.refuse(f"{error.filename or FOLDER}: {error.strerror or error}")
