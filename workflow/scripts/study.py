"""`make study`: one snakemake at a time, what a killed one has left taken over, and where to look at the end."""

import argparse
import contextlib
import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import psutil

from actstudy.contract import errors
from actstudy.study import reading

HERE = Path.cwd()
BIN = Path(sys.executable).parent
BIN = BIN.relative_to(HERE) if BIN.is_relative_to(HERE) else BIN
ENDING = """Summary: {summary}  (figures and tables beside it)
To go on:
  {bin}/python -m actstudy status                                       what is done
  {bin}/python -m actstudy train --task mlp --activation mish --seed 0   one run by hand
  edit config/config.yaml, then: {bin}/snakemake -n                     what would be trained
  {bin}/snakemake                                                        train it"""

FAILED = r"Command '(?:set -euo pipefail; *)?(?:exec )?(.*)' (died with|returned non-zero exit status) (.*)\.$"
QUIET = [
    "--quiet",
    "rules",
    "reason",
    "host",
    "progress",
]  # `all` would hide what has failed, in the log too
CHATTER = (
    "Using workflow specific profile",
    "Assuming unrestricted shared filesystem",
    "Building DAG of jobs",
    "Using shell:",
    "Select jobs to execute",
    "Execute ",
    "RuleException:",
    "CalledProcessError in file",
    "Cannot restore ",
    "Restored previous version",
    "Removing output files of failed job",
    "Exiting because a job execution failed",
    "Elapsed time:",
    "WorkflowError:",
    "At least one job did not complete",
    "Nothing to be done",
    "Updating checkpoint dependencies",
)


def snakemake(words: list[str]) -> bool:
    """Whether a command is a snakemake's."""
    return "snakemake" in [Path(word).name for word in words[:3]]


def script(words: list[str]) -> bool:
    """Whether a command is a job of a snakemake that writes tables or figures; trainers hold locks of their own."""
    return any("/.snakemake/scripts/" in word for word in words[:3])


def working(kind: Callable[[list[str]], bool]) -> list[int]:
    """Ids of such processes that work in this folder now, whoever started them."""
    found = psutil.process_iter(["cmdline", "cwd", "status"])
    mine = [
        one
        for one in found
        if one.info["cwd"] == str(HERE) and one.info["status"] != psutil.STATUS_ZOMBIE
    ]
    return [one.pid for one in mine if kind(one.info["cmdline"] or [])]


def wait_for_others() -> None:
    """Return when no snakemake works here, nor a job of a killed one that holds no lock."""
    for what, kind in (("snakemake", snakemake), ("a job of a killed snakemake", script)):
        told = False
        while live := working(kind):
            if not told:
                print(
                    f"actstudy: {what} runs here (pid {live[0]}); waiting until it ends",
                    file=sys.stderr,
                    flush=True,
                )
            told = True
            time.sleep(0.5)


def told(line: str) -> str:
    """What a person is told of a line of snakemake's: a failed job in one, its chatter not at all."""
    if failed := re.match(FAILED, line):
        command, how, status = failed.groups()
        if status == "75":  # stopped by a signal, which it has said itself
            return ""
        return f"failed: {how} {status.strip('<>')}: {command[:120]} ...\n"
    return "" if line.startswith(CHATTER) or not line.strip() else line


def terminate(pid: int) -> None:
    """Tell a process to stop, then all that it has started, so that it starts nothing in their place."""
    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        for one in [parent, *parent.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.terminate()


def called(command: list[str], log: Path) -> int:
    """The exit status of a command whose stderr is retold; the log is a file, so that it may outlive this process.

    SIGTERM is handed on to all that it has started: trainers save and leave. Ctrl-C reaches them by itself.
    """
    signal.signal(signal.SIGINT, lambda *_: None)  # not SIG_IGN, which the command would inherit
    with log.open("wb") as written, log.open(encoding="utf-8", errors="replace") as read:
        with subprocess.Popen(command, stderr=written) as child:
            signal.signal(signal.SIGTERM, lambda *_: terminate(child.pid))
            begun, ended = "", False
            while not ended:
                ended = child.poll() is not None
                *lines, begun = (begun + read.read()).splitlines(keepends=True) or [""]
                if begun.endswith("\n"):
                    lines, begun = [*lines, begun], ""
                sys.stderr.write("".join(map(told, lines)))
                sys.stderr.flush()
                time.sleep(0 if ended else 0.2)
            sys.stderr.write(begun)
        return child.returncode


def study_file(arguments: list[str]) -> Path:
    """The study that the arguments ask for; of several files the last, as in the Snakefile."""
    parser = argparse.ArgumentParser(
        add_help=False, allow_abbrev=False
    )  # --config is another option
    parser.add_argument(
        "--configfile", "--configfiles", nargs="+", type=Path, default=[Path("config/config.yaml")]
    )
    chosen: Path = parser.parse_known_args(arguments)[0].configfile[-1]
    return chosen


def summary(file: Path) -> Path:
    """The page of a study."""
    return Path(
        "results/summary.md" if file.name == "config.yaml" else f"results/{file.stem}/summary.md"
    )


def holder(lock: TextIO) -> str:
    """Who holds the lock, `pid N`; one that has just begun has a second to write it over that of the last, now dead."""
    for _ in range(20):
        lock.seek(0)
        name = lock.read().strip()
        if name and psutil.pid_exists(int(name.removeprefix("pid "))):
            return name
        time.sleep(0.05)
    return "just started"


def main(arguments: list[str]) -> int:
    """The exit status of snakemake, run with the arguments on all cores."""
    try:  # before snakemake, which would tell of a file that is no YAML by a traceback
        reading.read(study_file(arguments))
    except errors.StudyError as fault:
        errors.refuse(fault)
    Path(".snakemake").mkdir(exist_ok=True)
    with Path(".snakemake/study.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(
                f"actstudy: another `make study` runs here ({holder(lock)}); wait for it or stop it",
                file=sys.stderr,
            )
            return 2
        lock.truncate(0)
        print(f"pid {os.getpid()}", file=lock, flush=True)
        wait_for_others()
        shutil.rmtree(".snakemake/locks", ignore_errors=True)  # nobody is alive to hold them
        print(
            f"Training what is missing; for progress, in another terminal: {BIN}/python -m actstudy status",
            flush=True,
        )
        start = time.monotonic()
        status = called([str(BIN / "snakemake"), *arguments, *QUIET], Path(".snakemake/study.log"))
    if status == 2:  # a bad study, which starts nothing and has been told
        return status
    if status:
        print("The study did not finish; see above. The same command goes on.")
        return status if status > 0 else 128 - status
    page = summary(study_file(arguments))
    outcome = (
        page.read_text(encoding="utf-8").splitlines()[0].lstrip("# ") + ". "
        if page.is_file()
        else ""
    )
    print(f"The study took {time.monotonic() - start:.0f} s. {outcome}".strip())
    if page.is_file():
        print(ENDING.format(summary=page, bin=BIN))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:  # while it waits for others
        sys.exit(130)
