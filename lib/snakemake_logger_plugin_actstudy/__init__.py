"""What a person should see of Snakemake's events: `snakemake --logger actstudy`.

A failed job is one line, and so is the start of one that trains nothing but takes a while; warnings
and Snakemake's own errors are shown whole, all else is not. `make study` itself shows how far the
runs are; on a cluster, `--logger-actstudy-progress` says it per job. `--logger-actstudy-lines FILE`
has every event of a job as a line of JSON, for programs. Snakemake finds this package by its name.
"""

import contextlib
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from logging import WARNING, LogRecord
from pathlib import Path
from typing import Any

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.settings import LogHandlerSettingsBase

from actstudy.cluster import logs

from . import again
from .lines import Lines

STOPPED = (  # by a signal: a run, which says so itself, or another job, which begins again
    "returned non-zero exit status 75",
    "returned non-zero exit status 130",
    "died with <Signals.SIGINT: 2>",
    "died with <Signals.SIGTERM: 15>",
)
NO_BACKUP = "Cannot restore "  # said of each file that a stopped pack has not written yet
REDUNDANT = (  # said of failed jobs, each of which has its line
    "Exiting because a job execution failed. Look above for error messages",
    "WorkflowError:\nAt least one job did not complete successfully.",
)


OWN_EXECUTOR = "snakemake_executor_plugin_actstudy"
REFUSAL = rf'^WorkflowError:\n(.+)(\n  File ".*{OWN_EXECUTOR}.*)+$'  # with lines of code
SUBMISSION = "\n    sbatch call:"  # before the whole batch script
BEGUN = {  # rule -> what is said when a job of it begins
    "prepare": "preparing the data {data}",
    "parity": "comparing {cell} with torch",
    "reference": "fitting the reference of {task} on {data}",
    "boundaries": "training the toy problems",
    "tables": "all runs have ended; computing the tables",
    "summary": "writing the page",
    "appendix": "writing the appendix",
    "explorer": "writing the page to explore",
}
PASSED_ON = (
    "Nothing to be done",
    "Trying to restart job",
)  # of Snakemake's messages, with progress
FIGURES = {  # begins the names of rules that draw, each for a task or the study
    "figures_": "drawing the figures of",
    "more_figures_": "drawing more figures of",
}


@dataclass
class LogHandlerSettings(LogHandlerSettingsBase):
    """What is shown besides failures."""

    progress: bool = field(
        default=False,
        metadata={
            "help": "Say how many jobs are done, and of a failed one which command starts it again",
            "env_var": False,
            "required": False,
        },
    )
    lines: str | None = field(
        default=None,
        metadata={
            "help": "File to which every event of a job is added, a line of JSON each",
            "type": str,  # snakemake cannot read `str | None`
            "env_var": False,
            "required": False,
        },
    )


class LogHandler(LogHandlerBase):
    """Writes events to stderr, those of a dry run to stdout."""

    writes_to_stream = True
    writes_to_file = False
    has_filter = True  # every event arrives, whatever --quiet says
    has_formatter = False
    needs_rulegraph = False

    def __post_init__(self) -> None:
        self.causes: dict[int | None, str] = {}  # thread -> error of the job that fails there next
        self.progress = bool(getattr(self.settings, "progress", False))
        file = getattr(self.settings, "lines", None)
        self.lines = Lines(Path(file)) if file and not self.common_settings.dryrun else None

    def emit(self, record: LogRecord) -> None:
        try:
            cause = self.causes.get(record.thread, "")
            self.write(self.text(record))
            if self.lines:
                self.lines.add(record, ending_of(cause))
        except Exception:  # else the thread that handles events would end
            self.handleError(record)

    def text(self, record: LogRecord) -> str:
        """What is shown of an event; empty if it is nothing."""
        event = getattr(record, "event", None)
        fields = vars(record)
        if event == LogEvent.JOB_ERROR:
            words = sys.argv if self.progress else []
            return failure(fields, self.causes.pop(record.thread, ""), words)
        if event == LogEvent.ERROR and fields["exception"] == "RuleException":
            self.causes[record.thread] = record.getMessage()  # its JOB_ERROR follows
            return ""
        if event == LogEvent.ERROR and fields["exception"] == "LockException":
            return again.locked(sys.argv)
        shows_progress = self.progress and not self.common_settings.dryrun
        if shows_progress and (line := advance(event, fields) or passed_on(record.getMessage())):
            return line
        if event == LogEvent.JOB_INFO and not self.common_settings.dryrun:
            return begun(fields["rule_name"], dict(fields["wildcards"] or {}))
        is_plan = self.common_settings.dryrun and event in (LogEvent.RUN_INFO, None)
        if not is_plan and record.levelno < WARNING:
            return ""
        message = record.getMessage()
        if message in REDUNDANT or message.startswith(NO_BACKUP):
            return ""
        return re.sub(REFUSAL, r"actstudy: \1", self.format(record))

    def write(self, text: str) -> None:
        if text:
            stream = sys.stdout if self.common_settings.stdout else sys.stderr
            print(text, file=stream, flush=True)

    def close(self) -> None:
        """Show errors that no failed job has followed."""
        for cause in self.causes.values():
            self.write(cause)
        self.causes.clear()
        super().close()


def begun(rule: str, wildcards: dict[str, str]) -> str:
    """What is said when a job begins; empty for most rules."""
    for start, words in FIGURES.items():
        if rule.startswith(start):
            return f"{words} {rule.removeprefix(start)}"
    return BEGUN.get(rule, "").format(**wildcards)


def advance(event: Any, fields: dict[str, Any]) -> str:
    """How many jobs there are, or are done; empty for other events."""
    if event == LogEvent.RUN_INFO:
        return f"{fields['stats']['total']} jobs to do"
    if event == LogEvent.PROGRESS:
        return f"{fields['done']} of {fields['total']} jobs done"
    return ""


def passed_on(message: str) -> str:
    """A message of Snakemake's if it is one of those that are shown, else empty."""
    return message.partition("\n")[0] if message.startswith(PASSED_ON) else ""


def failure(job: dict[str, Any], cause: str, words: Sequence[str] = ()) -> str:
    """One line on a failed job; empty if it was only stopped.

    Its rule, folder, end, log with the last error there; words: of snakemake's command line, from
    which the command is made that starts it again.
    """
    message = (job["rule_msg"] or "").partition(SUBMISSION)[0]
    ending = " ".join((ending_of(cause) or message or "no reason given").split())
    if ending in STOPPED:
        return ""
    name = job["rule_name"]
    if words:
        name += f" (job {job['jobid']})"
    named = [again.short(path) for path in job["log"]]
    folders = list(dict.fromkeys(Path(again.path_of(file)).parent for file in job["output"]))
    if folders:
        name += f" {folders[0]}"
        log = folders[0] / "log.txt"
        if log.is_file():
            named.append(str(log))
    if len(folders) > 1:
        name += f" and {len(folders) - 1} more"
    parts = [f"failed: {name}: {why(job['log'], ending)}"]
    if named:
        parts.append(f"log: {', '.join(named)}")
    if words and folders:
        parts.append(f"to start it again: {again.command(words, [job['output'][0]])}")
    return "; ".join(parts)


def why(paths: Sequence[str], ending: str) -> str:
    """Why a job has failed: the last error in the first log that has one, else its ending.

    If Slurm says more than FAILED, its word comes first.
    """
    state = re.search(r"SLURM status is: '(\w+)'", ending)
    before = f"{state[1]}: " if state and state[1] != "FAILED" else ""
    for path in paths:
        with contextlib.suppress(OSError):
            if reason := logs.reason(Path(path)):
                return f"{before}{reason}"
    return ending


def ending_of(cause: str) -> str:
    """How a job's command ended (`returned non-zero exit status 1`), else the cause in one line."""
    if "CalledProcessError" not in cause:
        return " ".join(cause.split())
    after_command = cause.rpartition("' ")[2]
    return after_command.partition("\n")[0].rstrip(".")
