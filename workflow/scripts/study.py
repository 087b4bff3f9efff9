"""`make study`: one snakemake at a time, after what a killed one has left; then where to look."""

import argparse
import contextlib
import fcntl
import os
import shlex
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

from actstudy.analysis.forecast import duration  # noqa: E402
from actstudy.analysis.watch import Display, Watch  # noqa: E402
from actstudy.contract import errors, home  # noqa: E402
from actstudy.study import planning  # noqa: E402

BIN = Path(sys.executable).parent
if BIN.is_relative_to(FOLDER):
    BIN = BIN.relative_to(FOLDER)
ENDING = """Summary: {page}  (figures and tables in the same folder)
To go on:
  {bin}/python -m actstudy status{config}
      what is done, what failed and why
  {bin}/python -m actstudy train --task mlp --activation mish --seed 0
      one run by hand
  edit {file}, then: {bin}/snakemake -n{configfile}
      what would be trained; without -n it is trained"""


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
    """What a signal does: Ctrl-C reaches all jobs by itself, SIGTERM is passed on to them."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.noted = False
        self._process = process
        signal.signal(signal.SIGINT, self.receive)  # not SIG_IGN, which jobs would inherit
        signal.signal(signal.SIGTERM, self.receive)

    def receive(self, number: int, _frame: object) -> None:
        self.noted = True
        if number == signal.SIGTERM:
            terminate(self._process.pid)


def call(command: list[str], watch: Watch) -> tuple[int, bool]:
    """The exit status of a command, and whether a signal stopped it.

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
            if stop.noted and not announced:
                announced = True
                display.copy(watch.stopping(), sys.stderr)
            for file, stream in copied.items():
                display.copy(file.read(), stream)
            display.refresh()
            time.sleep(0.2)
        for file, stream in copied.items():
            display.copy(file.read(), stream)
    return status, stop.noted


def study_of(arguments: list[str]) -> planning.Study:
    """The study that the arguments ask for; the last of several files, as in the Snakefile."""
    parser = argparse.ArgumentParser(
        add_help=False, allow_abbrev=False
    )  # --config is no --configfile
    files = ("--configfile", "--configfiles")
    parser.add_argument(*files, nargs="+", type=Path, default=[Path("config/config.yaml")])
    parser.add_argument("--config", "-C", nargs="*", default=[])
    known = parser.parse_known_args(arguments)[0]
    pairs = dict(pair.partition("=")[::2] for pair in known.config)
    return planning.load(known.configfile[-1], pairs)


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


def flags(flag: str, study: planning.Study) -> str:
    """The flag that names a study's file on a command line; none for the default study."""
    return "" if study.name == "default" else f" {flag} {shlex.quote(study.file)}"


def ending(watch: Watch, seconds: float) -> str:
    """What is said at the end of a study: how its runs ended, where the page is, what to do."""
    study = watch.study
    text = f"The study took {duration(seconds)}. Study {study.name}: {watch.counts()}."
    page = Path(study.folder, "summary.md")
    if not page.is_file():
        return text
    config = flags("--config", study)
    configfile = flags("--configfile", study)
    more = ENDING.format(page=page, bin=BIN, file=study.file, config=config, configfile=configfile)
    return f"{text}\n{more}"


def unfinished(watch: Watch, arguments: list[str], stopped: bool) -> str:
    """What is said if snakemake did not reach the end of a study."""
    again = "make study"
    if arguments:
        again += f" ARGS={shlex.quote(shlex.join(arguments))}"
    if stopped:
        return f"stopped: {watch.counts()}; to go on from there: {again}"
    where = "see above and .snakemake/log"
    return f"The study did not finish: {watch.counts()}; {where}; to go on: {again}"


def main(arguments: list[str]) -> int:
    """The exit status of snakemake, run with the arguments; says how far the study came."""
    try:  # before snakemake, which reports a file that is not YAML by a traceback
        study = study_of(arguments)
    except errors.StudyError as fault:
        errors.refuse(fault)
    start = time.monotonic()
    with alone():
        wait_for_others()
        shutil.rmtree(".snakemake/locks", ignore_errors=True)  # nobody is alive to hold them
        home.provide(Path(".snakemake/home"))
        watch = Watch(study)
        snakemake = [sys.executable, "-m", "snakemake", *arguments, "--logger", "actstudy"]
        status, stopped = call(snakemake, watch)
    watch.look(max_read=None)
    if status == 2:  # a bad study: one line has said so, and nothing was started
        return status
    if status or stopped:
        print(unfinished(watch, arguments, stopped))
        return status if status >= 0 else 128 - status
    print(ending(watch, time.monotonic() - start))
    return 0


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")  # \\u03b2 if the terminal cannot show it
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:  # while it waits for others
        sys.exit(130)
    except OSError as error:
        errors.refuse(f"{error.filename or FOLDER}: {error.strerror or error}")
