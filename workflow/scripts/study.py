"""`make study`: one snakemake at a time, after what a killed one has left; then where to look."""

import argparse
import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import psutil

from actstudy.contract import checkout

FOLDER = Path.cwd()
checkout.refuse_other_code(FOLDER)  # which may lack what follows

from actstudy.contract import errors, home  # noqa: E402
from actstudy.study import checks, reading, tries  # noqa: E402

BIN = Path(sys.executable).parent
if BIN.is_relative_to(FOLDER):
    BIN = BIN.relative_to(FOLDER)
ENDING = """Summary: {summary}  (figures and tables in the same folder)
To go on:
  {bin}/python -m actstudy status                                       what is done
  {bin}/python -m actstudy train --task mlp --activation mish --seed 0   one run by hand
  edit config/config.yaml, then: {bin}/snakemake -n                     what would be trained
  {bin}/snakemake                                                        train it"""


def is_snakemake(words: list[str]) -> bool:
    """Whether a command is a snakemake's."""
    return "snakemake" in [Path(word).name for word in words[:3]]


def is_script(words: list[str]) -> bool:
    """Whether a command is a job that writes tables or figures; trainers have their own locks."""
    scripts = [Path(word) for word in words[:3] if "/workflow/scripts/" in word]
    return any(script.name != "study.py" for script in scripts)


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


def call(command: list[str], log: Path) -> int:
    """The exit status of a command; its stderr goes to a log, which is copied to this process's.

    The log is a file, so that the command may outlive this process. SIGTERM is passed on to all
    processes that the command has started: trainers save and exit. Ctrl-C reaches them by itself.
    """
    signal.signal(signal.SIGINT, lambda *_: None)  # not SIG_IGN, which the command would inherit
    with log.open("wb") as stderr, log.open(encoding="utf-8", errors="replace") as copied:
        with subprocess.Popen(command, stderr=stderr) as child:
            signal.signal(signal.SIGTERM, lambda *_: terminate(child.pid))
            while child.poll() is None:
                print(copied.read(), end="", file=sys.stderr, flush=True)
                time.sleep(0.2)
            print(copied.read(), end="", file=sys.stderr, flush=True)
        return child.returncode


def study_file(arguments: list[str]) -> Path:
    """The study that the arguments ask for; the last of several files, as in the Snakefile."""
    parser = argparse.ArgumentParser(
        add_help=False, allow_abbrev=False
    )  # --config is no --configfile
    files = ("--configfile", "--configfiles")
    parser.add_argument(*files, nargs="+", type=Path, default=[Path("config/config.yaml")])
    return Path(parser.parse_known_args(arguments)[0].configfile[-1])


def holder(lock: TextIO) -> str:
    """The lock's holder, `pid N`; a new one has a second to replace the last one's name."""
    for _ in range(20):
        lock.seek(0)
        name = lock.read().strip()
        if name and psutil.pid_exists(int(name.removeprefix("pid "))):
            return name
        time.sleep(0.05)
    return "just started"


def run_alone(arguments: list[str]) -> int:
    """The exit status of snakemake; 2 if another `make study` runs in this folder."""
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
        wait_for_others()
        shutil.rmtree(".snakemake/locks", ignore_errors=True)  # nobody is alive to hold them
        home.provide(Path(".snakemake/home"))
        print(
            "Training what is missing; for progress, in another terminal: "
            f"{BIN}/python -m actstudy status",
            flush=True,
        )
        snakemake = [sys.executable, "-m", "snakemake", *arguments, "--logger", "actstudy"]
        return call(snakemake, Path(".snakemake/study.log"))


def main(arguments: list[str]) -> int:
    """The exit status of snakemake, run with the arguments; prints where the summary is."""
    file = study_file(arguments)
    try:  # before snakemake, which reports a file that is not YAML by a traceback
        reading.read(file)
    except errors.StudyError as fault:
        errors.refuse(fault)
    start = time.monotonic()
    status = run_alone(arguments)
    if status == 2:  # a bad study: one line has said so, and nothing was started
        return status
    if status:
        print(
            "The study did not finish; see above and .snakemake/log. The same command resumes it."
        )
        return status if status > 0 else 128 - status
    page = Path(tries.results_folder(checks.study_name(file)), "summary.md")
    seconds = f"The study took {time.monotonic() - start:.0f} s."
    if not page.is_file():
        print(seconds)
        return 0
    headline = page.read_text(encoding="utf-8").splitlines()[0].lstrip("# ")
    print(f"{seconds} {headline}.")
    print(ENDING.format(summary=page, bin=BIN))
    return 0


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")  # \\u03b2 if the terminal cannot show it
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:  # while it waits for others
        sys.exit(130)
    except OSError as error:
        errors.refuse(f"{error.filename or FOLDER}: {error.strerror or error}")
