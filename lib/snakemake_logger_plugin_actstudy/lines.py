"""Events of a workflow as lines of JSON, for programs that watch it.

Every line has `time` (UTC) and `event`: planned (`jobs`: rule -> number), started, finished and
failed (`job`, `rule`, `wildcards`, `output`, and at the end `seconds`; of a failed one `ending` and
`log`), progress (`done`, `total`).
"""

import json
import sys
import time
from datetime import UTC, datetime
from logging import LogRecord
from pathlib import Path
from typing import Any

from snakemake_interface_logger_plugins.common import LogEvent

from . import again


class Lines:
    """Adds events to a file; lines of an earlier start stay in it."""

    def __init__(self, file: Path) -> None:
        """SystemExit, with one line, if the file cannot be written."""
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.open("a").close()
        except OSError as error:
            allowed = "allowed: a file that this user may write"
            sys.exit(f"actstudy: --logger-actstudy-lines: {file}: {error.strerror}; {allowed}")
        self._file = file
        self._jobs: dict[int, dict[str, Any]] = {}  # those that have started
        self._starts: dict[int, float] = {}

    def add(self, record: LogRecord, cause: str) -> None:
        """Add the line of an event, if it has one; cause: why the job has failed, if it has."""
        line = self.line(record, cause)
        if line:
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            with self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"time": now, **line}) + "\n")

    def line(self, record: LogRecord, cause: str) -> dict[str, Any]:
        """What a line says besides the time; nothing for most events."""
        fields = vars(record)
        match fields.get("event"):
            case LogEvent.RUN_INFO:
                jobs = {rule: n for rule, n in fields["stats"].items() if rule != "total"}
                return {"event": "planned", "jobs": jobs}
            case LogEvent.JOB_INFO:
                return {"event": "started", **self._begin(fields)}
            case LogEvent.JOB_FINISHED:
                return {"event": "finished", **self._end(fields["job_id"])}
            case LogEvent.JOB_ERROR:
                log = [str(file) for file in fields["log"] or ()]
                ended = self._end(fields["jobid"])
                return {"event": "failed", **ended, "ending": cause, "log": log}
            case LogEvent.PROGRESS:
                return {"event": "progress", "done": fields["done"], "total": fields["total"]}
        return {}

    def _begin(self, fields: dict[str, Any]) -> dict[str, Any]:
        """A job that starts."""
        job = {
            "job": fields["jobid"],
            "rule": fields["rule_name"],
            "wildcards": dict(fields["wildcards"] or {}),
            "output": [again.path_of(str(file)) for file in fields["output"] or ()],
        }
        self._jobs[fields["jobid"]] = job
        self._starts[fields["jobid"]] = time.monotonic()
        return job

    def _end(self, job: int) -> dict[str, Any]:
        """A job that has ended, with its seconds since it was handed to its executor."""
        seconds = time.monotonic() - self._starts.pop(job, time.monotonic())
        return {**self._jobs.pop(job, {"job": job}), "seconds": round(seconds, 3)}
