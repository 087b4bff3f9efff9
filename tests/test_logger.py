"""What `make study` shows of Snakemake's events."""

import json
import logging
import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.registry import LoggerPluginRegistry
from snakemake_interface_logger_plugins.tests import MockOutputSettings, TestLogHandlerBase

from actstudy.commands import processes
from snakemake_logger_plugin_actstudy import LogHandler, LogHandlerSettings, again
from snakemake_logger_plugin_actstudy.lines import Lines

COMMAND = "set -euo pipefail;  exec /venv/bin/python -m actstudy train --spec '{\"lr\":1}'"
KILLED = f"""RuleException:
CalledProcessError in file "/project/workflow/rules/train.smk", line 45:
Command '{COMMAND}' %s.
  File "/project/workflow/rules/train.smk", line 45, in __rule_train"""


class TestHandler(TestLogHandlerBase):
    """The tests that the interface brings along."""

    __test__ = True

    def get_log_handler_cls(self):
        return LogHandler

    def get_log_handler_settings(self):
        return None


@pytest.fixture
def emit(request, capfd, tmp_path, monkeypatch):
    """A function that sends an event to the handler and returns what is shown of it."""
    monkeypatch.chdir(tmp_path)
    handler = LogHandler(MockOutputSettings(), getattr(request, "param", None))

    def send(event, message, level=logging.INFO, thread=1, **fields):
        record = logging.LogRecord("snakemake", level, "", 1, message, (), None)
        record.thread = thread
        vars(record).update(event=event, **fields)
        handler.handle(record)
        return capfd.readouterr().err

    send.handler = handler
    return send


def fail(emit, how, output, rule="train", thread=1):
    """What is shown of a job's failure."""
    cause = KILLED % how
    assert emit(LogEvent.ERROR, cause, logging.ERROR, thread, exception="RuleException") == ""
    job = {"rule_name": rule, "rule_msg": None, "output": output, "log": []}
    return emit(LogEvent.JOB_ERROR, "Error in rule", logging.ERROR, thread, **job)


def test_snakemake_finds_the_plugin_by_its_name():
    assert LoggerPluginRegistry().get_plugin("actstudy").log_handler is LogHandler


def test_a_failed_run_is_one_line_with_its_name_reason_and_log(emit, tmp_path):
    run = "results/runs/mlp/relu-s0-0123"
    files = [f"{run}/runs.parquet", f"{run}/manifest.json"]
    line = f"failed: train {run}: died with <Signals.SIGKILL: 9>"
    assert fail(emit, "died with <Signals.SIGKILL: 9>", files) == f"{line}\n"
    (tmp_path / run).mkdir(parents=True)
    (tmp_path / run / "log.txt").touch()
    shown = fail(emit, "died with <Signals.SIGKILL: 9>", files)
    assert shown == f"{line}; log: {run}/log.txt\n"


def test_a_failed_pack_is_one_line(emit):
    files = [f"results/runs/mlp/{run}/runs.parquet (update)" for run in "abc"]
    shown = fail(emit, "returned non-zero exit status 1", files, rule="pack_0123")
    ending = "returned non-zero exit status 1"
    assert shown == f"failed: pack_0123 results/runs/mlp/a and 2 more: {ending}\n"


@pytest.mark.parametrize("status", [75, 130])
def test_a_job_that_a_signal_has_stopped_is_silent(emit, status):
    how = f"returned non-zero exit status {status}"
    assert fail(emit, how, ["results/runs/mlp/a/runs.parquet"]) == ""


def test_failures_of_two_threads_are_printed_apart(emit):
    for thread, status in ((1, 1), (2, 75)):
        cause = KILLED % f"returned non-zero exit status {status}"
        assert emit(LogEvent.ERROR, cause, thread=thread, exception="RuleException") == ""
    job = {"rule_name": "tables", "rule_msg": None, "output": [], "log": []}
    assert emit(LogEvent.JOB_ERROR, "Error", thread=2, **job) == ""
    shown = emit(LogEvent.JOB_ERROR, "Error", thread=1, **job)
    assert shown == "failed: tables: returned non-zero exit status 1\n"


def test_a_job_that_a_cluster_lost_is_one_line(emit):
    job = {"rule_name": "train", "rule_msg": "job 12 was lost", "output": [], "log": ["a.log"]}
    shown = emit(LogEvent.JOB_ERROR, "Error", **job)
    assert shown == "failed: train: job 12 was lost; log: a.log\n"


def test_snakemakes_own_errors_and_warnings_are_whole_and_chatter_is_not(emit):
    fault = "MissingRuleException:\nNo rule to produce x"
    shown = emit(LogEvent.ERROR, fault, logging.ERROR, exception="MissingRuleException")
    assert shown == f"{fault}\n"
    assert emit(None, "a warning", logging.WARNING) == "a warning\n"
    assert emit(None, "Building DAG of jobs...") == ""
    lost = "Cannot restore results/runs/mlp/a/runs.parquet: no backup found."
    assert emit(None, lost, logging.WARNING) == ""
    last = "WorkflowError:\nAt least one job did not complete successfully."
    assert emit(LogEvent.ERROR, last, logging.ERROR, exception="WorkflowError") == ""


def test_a_refusal_of_our_executor_is_one_line(emit):
    """Snakemake adds the lines of code that raised it."""
    words = "default-resources: runtime: got 500; allowed: up to 240 minutes"
    place = '  File "/a b/lib/snakemake_executor_plugin_actstudy/direct.py", line 46, in {}'
    fault = "\n".join(
        ["WorkflowError:", words, place.format("__post_init__"), place.format("check")]
    )
    line = emit(LogEvent.ERROR, fault, logging.ERROR, exception="WorkflowError")
    assert line == f"actstudy: {words}\n"
    other = f'WorkflowError:\n{words}\n  File "/a/Snakefile", line 3, in <module>'
    whole = emit(LogEvent.ERROR, other, logging.ERROR, exception="WorkflowError")
    assert whole == f"{other}\n"


def test_an_error_that_no_failed_job_follows_is_shown_at_the_end(emit, capfd):
    fault = "RuleException:\nNameError in file x, line 1:\nname 'y' is not defined"
    assert emit(LogEvent.ERROR, fault, exception="RuleException") == ""
    emit.handler.close()
    assert capfd.readouterr().err == f"{fault}\n"


def test_the_start_of_a_job_that_trains_nothing_is_said(emit):
    def begin(rule, **wildcards):
        return emit(LogEvent.JOB_INFO, "Rule", rule_name=rule, wildcards=wildcards)

    assert begin("prepare", data="mnist1d") == "preparing the data mnist1d\n"
    assert begin("reference", task="mlp", data="mnist1d") == (
        "fitting the reference of mlp on mnist1d\n"
    )
    assert begin("parity", cell="keras-jax-0123456789ab") == (
        "comparing keras-jax-0123456789ab with torch\n"
    )
    assert begin("boundaries") == "training the toy problems\n"
    assert begin("figures_mlp") == "drawing the figures of mlp\n"
    assert begin("more_figures_mlp") == "drawing more figures of mlp\n"
    assert begin("train", task="mlp", id="relu-s0") == ""
    emit.handler.common_settings.dryrun = True
    assert begin("prepare", data="mnist1d") == ""


@pytest.fixture
def lines(tmp_path, monkeypatch):
    """A function that sends events to a handler which keeps lines, and returns these."""
    monkeypatch.chdir(tmp_path)
    handler = LogHandler(MockOutputSettings(), LogHandlerSettings(lines="logs/events.jsonl"))

    def send(*events):
        for event, fields in events:
            record = logging.LogRecord("snakemake", logging.INFO, "", 1, "", (), None)
            record.thread = 1
            vars(record).update(event=event, **fields)
            record.msg = fields.get("msg", "")
            handler.handle(record)
        return [json.loads(line) for line in Path("logs/events.jsonl").read_text().splitlines()]

    return send


RUN = "results/runs/mlp/relu-s0-0123"
TRAIN = {
    "jobid": 3,
    "rule_name": "train",
    "rule_msg": None,
    "wildcards": {"task": "mlp", "id": "relu-s0-0123"},
    "output": [f"{RUN}/manifest.json"],
    "log": [],
}


def test_events_are_lines_of_json(lines):
    printed = lines(
        (LogEvent.RUN_INFO, {"stats": {"train": 2, "all": 1, "total": 3}}),
        (LogEvent.JOB_INFO, TRAIN),
        (LogEvent.JOB_FINISHED, {"job_id": 3}),
        (LogEvent.PROGRESS, {"done": 1, "total": 3}),
        (LogEvent.SHELLCMD, {"shellcmd": "x"}),
    )
    times = [datetime.fromisoformat(line.pop("time")) for line in printed]
    assert times == sorted(times)
    assert all(time.utcoffset() == timedelta(0) for time in times)
    job = {"job": 3, "rule": "train", "wildcards": TRAIN["wildcards"], "output": TRAIN["output"]}
    planned, started, finished, progress = printed
    assert planned == {"event": "planned", "jobs": {"train": 2, "all": 1}}
    assert started == {"event": "started", **job}
    assert 0 <= finished.pop("seconds") < 5
    assert finished == {"event": "finished", **job}
    assert progress == {"event": "progress", "done": 1, "total": 3}


def test_a_failed_job_says_how_it_ended(lines, capfd):
    cause = KILLED % "died with <Signals.SIGKILL: 9>"
    printed = lines(
        (LogEvent.JOB_INFO, TRAIN),
        (LogEvent.ERROR, {"msg": cause, "exception": "RuleException"}),
        (LogEvent.JOB_ERROR, TRAIN),
    )
    assert [line["event"] for line in printed] == ["started", "failed"]
    assert printed[-1]["ending"] == "died with <Signals.SIGKILL: 9>"
    assert printed[-1]["rule"] == "train"
    assert f"failed: train {RUN}" in capfd.readouterr().err  # people read on as before


def test_lines_of_an_earlier_start_stay(lines, tmp_path):
    (tmp_path / "logs/events.jsonl").write_text('{"event": "old"}\n')
    assert [line["event"] for line in lines((LogEvent.JOB_INFO, TRAIN))] == ["old", "started"]


def test_a_dry_run_writes_no_lines(tmp_path):
    settings = MockOutputSettings()
    settings.dryrun = True
    assert LogHandler(settings, LogHandlerSettings(lines=str(tmp_path / "x"))).lines is None


def test_snakemake_has_the_option(tmp_path):
    """In Snakemake itself: the lines of a workflow of one job."""
    (tmp_path / "Snakefile").write_text("rule one:\n    output: 'x'\n    shell: 'touch {output}'\n")
    words = ["--cores", "1", "--logger", "actstudy", "--logger-actstudy-lines", "events.jsonl"]
    command = [sys.executable, "-m", "snakemake", *words]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    printed = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert {"planned", "started", "finished", "progress"} == {line["event"] for line in printed}
    (job,) = [line for line in printed if line["event"] == "finished"]
    assert (job["rule"], job["output"]) == ("one", ["x"])
    done = subprocess.run(
        [*command[:-1], "x/y"], cwd=tmp_path, check=False, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "actstudy: --logger-actstudy-lines: x/y: File exists; allowed: " in done.stderr
    assert "Traceback" not in done.stderr


WORDS = ["/x/snakemake", "--profile", "profiles/slurm", "-j", "5", "--configfile", "config/a.yaml"]
ON_CLUSTER = pytest.mark.parametrize("emit", [LogHandlerSettings(progress=True)], indirect=True)


@ON_CLUSTER
@pytest.mark.parametrize(
    ("state", "text", "reason"),
    [
        ("FAILED", "actstudy: results/x: No space left\nsrun: error: n1: 2", "actstudy: results/x"),
        ("OUT_OF_MEMORY", "x\nslurmstepd: error: oom-kill", "OUT_OF_MEMORY: slurmstepd: error"),
        ("TIMEOUT", "trained", "SLURM-job '7' failed, SLURM status is: 'TIMEOUT'."),
    ],
)
def test_a_failed_job_of_a_cluster_says_why_and_what_starts_it_again(
    emit, tmp_path, monkeypatch, state, text, reason
):
    """One line: rule, run, last error of its log, the log, the command."""
    monkeypatch.setattr("sys.argv", WORDS)
    log = tmp_path / "results/a/slurm_logs/7.log"
    log.parent.mkdir(parents=True)
    log.write_text(text)
    message = f"SLURM-job '7' failed, SLURM status is: '{state}'."
    output = ["results/runs/mlp/r1/manifest.json (update)", "results/runs/mlp/r2/manifest.json"]
    job = {"rule_name": "series_1", "rule_msg": message, "output": output, "jobid": 3}
    (line,) = emit(LogEvent.JOB_ERROR, "Error", log=[str(log)], **job).splitlines()
    assert line.startswith(f"failed: series_1 (job 3) results/runs/mlp/r1 and 1 more: {reason}")
    assert "; log: results/a/slurm_logs/7.log; " in line
    assert line.endswith(
        "to start it again: snakemake results/runs/mlp/r1/manifest.json "
        "--profile profiles/slurm --configfile config/a.yaml"
    )


@ON_CLUSTER
def test_a_refused_submission_is_slurms_reason_without_the_script(emit, monkeypatch):
    monkeypatch.setattr("sys.argv", WORDS)
    words = "SLURM sbatch failed. The error message was 'sbatch: error: a\nsbatch: error: b'.\n"
    message = f"{words}    sbatch call:\n        sbatch x\n    sbatch script:\n#!/bin/sh\nexec x"
    job = {"rule_name": "tables", "rule_msg": message, "output": [], "log": [], "jobid": 3}
    assert emit(LogEvent.JOB_ERROR, "Error", **job) == (
        "failed: tables (job 3): SLURM sbatch failed. "
        "The error message was 'sbatch: error: a sbatch: error: b'.\n"
    )


@ON_CLUSTER
def test_progress_is_said_per_job(emit):
    assert emit(LogEvent.RUN_INFO, "Job stats", stats={"total": 9}) == "9 jobs to do\n"
    assert emit(LogEvent.PROGRESS, "", done=2, total=9) == "2 of 9 jobs done\n"
    assert emit(None, "Trying to restart job 3.") == "Trying to restart job 3.\n"
    assert emit(None, "Building DAG of jobs...") == ""


def test_a_locked_folder_is_one_line(emit, monkeypatch, tmp_path):
    """Who holds it, if that is known, and how to go on: no traceback."""
    monkeypatch.setattr("sys.argv", WORDS)
    monkeypatch.setattr(processes, "process_ids", lambda _: [os.getpid()])
    lock = {"exception": "LockException"}
    (line,) = emit(LogEvent.ERROR, "Error: Directory\ncannot be locked", **lock).splitlines()
    assert line.startswith(f"actstudy: {tmp_path}: locked by a snakemake that was killed")
    unlock = "snakemake --unlock --profile profiles/slurm --configfile config/a.yaml"
    assert line.endswith(f"{unlock}, then the same command")
    ended = subprocess.Popen(["true"])
    ended.wait()
    monkeypatch.setattr(processes, "process_ids", lambda _: [ended.pid])  # it was there just now
    (again,) = emit(LogEvent.ERROR, "Error: Directory\ncannot be locked", **lock).splitlines()
    assert again == line
    monkeypatch.setattr(processes, "process_ids", lambda _: [os.getpid(), os.getppid()])
    (line,) = emit(LogEvent.ERROR, "Error: Directory\ncannot be locked", **lock).splitlines()
    assert f"a snakemake runs here already (pid {os.getppid()}, since " in line


def test_the_command_that_goes_on_has_the_same_study():
    words = [
        "snakemake",
        "-n",
        "--config",
        "seeds=3",
        "lr=1",
        "--configfile=a b.yaml",
        "--cores",
        "2",
    ]
    assert (
        again.command(words, ["x"]) == "snakemake x --config seeds=3 lr=1 '--configfile=a b.yaml'"
    )


def test_the_files_of_a_storage_are_named_from_the_folder_on():
    file = "results/runs/mlp/r1/sealed.zip"
    assert again.path_of(f"s3://b/x/{file} (update, send to storage)") == file
    assert again.path_of(f"{file} (update)") == file
    words = ["snakemake", "--default-storage-prefix", "s3://b/x", "-n"]
    printed = again.command(words, [f"s3://b/x/{file} (update, send to storage)"])
    assert printed == f"snakemake {file} --default-storage-prefix s3://b/x"


def test_a_line_of_json_names_a_file(tmp_path):
    lines = Lines(tmp_path / "lines.json")
    record = logging.LogRecord("snakemake", logging.INFO, "", 1, "", (), None)
    job = {"jobid": 3, "rule_name": "series_a", "wildcards": {}}
    output = ["s3://b/x/results/runs/mlp/r1/sealed.zip (update, send to storage)"]
    vars(record).update(event=LogEvent.JOB_INFO, output=output, **job)
    assert lines.line(record, "")["output"] == ["results/runs/mlp/r1/sealed.zip"]
