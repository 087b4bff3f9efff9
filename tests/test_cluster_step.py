"""A Slurm job from the executor to its command, and in the queue; Slurm's programs are faked."""

import asyncio
import contextlib
import io
import json
import logging
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from fake_slurm import plant
from runs import ROOT

from actstudy.cluster import needs, queue, step

pytest.importorskip("snakemake_executor_plugin_slurm", reason="extra `cluster`")
from snakemake.io import AnnotatedString, flag

from snakemake_executor_plugin_actstudy import direct

SRUN = 'echo "$@" > srun-words; while [ "$1" != bash ]; do shift; done; exec "$@"'


def job(**others) -> SimpleNamespace:
    """A job of Snakemake's as far as the executor reads it."""
    known = {
        "shellcmd": "exec echo done",
        "is_shell": True,
        "is_shadow": False,
        "benchmark": None,
        "conda_env": None,
        "container_img_url": None,
        "env_modules": None,
        "resources": {"gpu": 1, "runtime": 5},
        "threads": 3,
        "input": [],
        "output": [output("runs/a/manifest.json"), output("runs/b/manifest.json", update=True)],
        "log": [],
        "is_group": lambda: False,
        "get_wait_for_files": lambda: ["data/manifest.json"],
        "dag": SimpleNamespace(workflow=workflow()),
    }
    return SimpleNamespace(**{**known, **others})


def output(path: str, update: bool = False) -> AnnotatedString:
    """A file of a job, as Snakemake has it."""
    file = flag(path, "update") if update else AnnotatedString(path)
    file.is_storage = False
    return file


def workflow() -> SimpleNamespace:
    settings = SimpleNamespace(precommand=None)
    execution = SimpleNamespace(latency_wait=2)
    return SimpleNamespace(remote_execution_settings=settings, execution_settings=execution)


def test_a_job_is_described_by_its_command_and_files():
    """Without a GPU srun is asked for none; what a job updates stays until it does."""
    assert direct.is_plain(job())
    described = direct.described(job(), workflow())
    words = "srun -n1 --cpu-bind=q --cpus-per-task=3 --gpus=1 --nodes=1"
    assert " ".join(described["srun"]) == words
    assert described["outputs"] == ["runs/a/manifest.json"]
    assert described["folders"] == ["runs/a", "runs/b"]
    without = direct.described(job(resources={"gpu": 0}), workflow())
    assert "--gpus" not in " ".join(without["srun"])
    assert json.loads(json.dumps(described)) == described


@pytest.mark.parametrize(
    "more",
    [
        {"is_shell": False},
        {"benchmark": "file"},
        {"conda_env": "env"},
        {"is_group": lambda: True},
        {"resources": {"mpi": "srun"}},
        {"shellcmd": "x" * 200_000},
    ],
    ids=lambda more: next(iter(more)),
)
def test_a_job_that_is_more_than_a_command_is_left_to_snakemake(more):
    assert not direct.is_plain(job(**more))


def started(description: dict, text: str = "") -> tuple[int, str]:
    """The exit status of the step in the present folder, and what it prints to stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "actstudy.cluster.step"],
        input=text or json.dumps(description),
        env={**os.environ, "PYTHONPATH": str(ROOT / "lib"), "SLURM_MEM_PER_NODE": "5"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


def test_a_step_starts_its_command_with_what_it_needs(sound):
    """Old outputs are gone, folders are there, libraries know their threads, srun asks for them."""
    plant(sound, "srun", SRUN)
    for file in ("data/manifest.json", "runs/a/manifest.json", "runs/b/manifest.json"):
        Path(file).parent.mkdir(parents=True)
        Path(file).touch()
    command = "set -u; ls runs/*; echo $OMP_NUM_THREADS ${SLURM_MEM_PER_NODE:-none}; exit 3"
    description = {**direct.described(job(), workflow()), "command": f"({command}) > said"}
    assert started(description) == (3, "")
    *listed, last = Path("said").read_text().split("\n")[:-1]
    assert listed == ["runs/a:", "", "runs/b:", "manifest.json"]
    assert last == "3 none"
    assert Path("srun-words").read_text().startswith("-n1 --cpu-bind=q --cpus-per-task=3 --gpus=1")
    status, errors = started({**description, "command": "kill -9 $$"})
    assert status == 137
    assert "exit status 137: killed, as the system does when memory is short" in errors


def test_a_command_that_slurm_ends_before_it_has_saved_anything_says_so(sound, monkeypatch):
    """One that is no training; Snakemake's line of a failed job has the last line of its log."""
    plant(sound, "srun", SRUN)
    about = "JobState=RUNNING Requeue=1 BatchFlag=1 TimeLimit=00:03:00 PreemptTime=None"
    plant(sound, "scontrol", f'echo "JobId=7 {about}"')
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    description = {**direct.described(job(), workflow()), "inputs": []}
    status, errors = started({**description, "command": "kill -TERM $$"})
    assert status == 143
    fix = "to fix: a larger `runtime` in the profile"
    assert errors.endswith(f"its time (00:03:00) is up before anything is saved; {fix}\n")


def test_a_file_that_a_node_does_not_see_is_named(sound):
    status, errors = started({**direct.described(job(), workflow()), "patience": 0})
    assert status == 1
    assert errors.startswith("actstudy: data/manifest.json: this node does not see it after 0 s")


def test_a_batch_script_holds_the_job(monkeypatch):
    """As sh runs it: quotes and dollars of the command arrive unchanged."""
    shellcmd = """exec train --spec '{"lr":1,"x":"$HOME"}'"""
    executor = direct.Executor.__new__(direct.Executor)
    executor.workflow = workflow()
    monkeypatch.setattr(direct.Executor, "get_python_executable", lambda _: "cat")
    text = executor.format_job_exec(job(shellcmd=shellcmd)).replace("-m actstudy.cluster.step", "-")
    done = subprocess.run(["sh"], input=text, capture_output=True, text=True, check=True)
    assert json.load(io.StringIO(done.stdout))["command"] == f"set -euo pipefail;  {shellcmd}"


def test_a_signal_before_the_step_listens_does_not_end_the_job(monkeypatch, tmp_path):
    """It is lost there: Slurm kills whom it pre-empts later, and puts a killed one back."""
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nkill -TERM $$\necho alive\n")
    python.chmod(0o755)
    executor = direct.Executor.__new__(direct.Executor)
    executor.workflow = workflow()
    monkeypatch.setattr(direct.Executor, "get_python_executable", lambda _: str(python))
    script = executor.format_job_exec(job())
    done = subprocess.run(["bash"], input=script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "alive\n")


def test_a_folder_that_a_job_writes_anew_is_removed(tmp_path):
    """As an output `directory()` of someone's own rule; of a link only the link."""
    for name in ("old", "target"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    (tmp_path / "table").touch()
    outputs = [str(tmp_path / name) for name in ("old", "link", "table", "missing")]
    step.make_room(outputs, [str(tmp_path / "logs")])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["logs", "target"]
    assert (tmp_path / "target/file").is_file()


def test_what_ends_is_noted(monkeypatch, tmp_path):
    """A lack of memory for the next try; logs of earlier tries go when one goes well."""
    monkeypatch.setattr(needs, "OUT_OF_MEMORY", Counter())
    ended = []
    for name in ("error", "success"):
        method = f"report_job_{name}"
        monkeypatch.setattr(direct.slurm.Executor, method, lambda *_, **__: ended.append(1))
    executor = direct.Executor.__new__(direct.Executor)
    executor.workflow = SimpleNamespace(executor_settings=SimpleNamespace(keep_successful_logs=0))
    logs = [tmp_path / f"{number}.log" for number in (7, 8)]
    for log in logs:
        log.write_text("slurmstepd: error: Detected 1 oom-kill event(s)")
    executor.ended = set()
    info = SimpleNamespace(job=job(), aux={"slurm_logfile": logs[1]}, external_jobid="8")
    executor.report_job_error(info, msg="FAILED", aux_logs=[str(logs[0]), None])
    assert needs.OUT_OF_MEMORY == {"a": 1, "b": 1}
    assert executor.ended == {"8"}
    executor.ended.clear()
    executor.report_job_success(info)
    assert executor.ended == {"8"}
    assert list(tmp_path.iterdir()) == []
    assert len(ended) == 2


def still_running(executor, jobs):
    """The jobs of which the executor says that they have not ended."""

    async def listed():
        return [info async for info in executor.check_active_jobs(jobs)]

    return asyncio.run(listed())


def submitted(*numbers: str) -> list[SimpleNamespace]:
    return [SimpleNamespace(external_jobid=number, aux={}, job=job()) for number in numbers]


def test_ended_jobs_are_noticed_within_half_a_minute(monkeypatch):
    """However long none has ended."""

    async def all_run(self, jobs):
        for info in jobs:
            yield info
        self.next_seconds_between_status_checks += 100

    monkeypatch.setattr(direct.slurm.Executor, "check_active_jobs", all_run)
    executor = direct.Executor.__new__(direct.Executor)
    executor.ended = set()
    executor._next_seconds_between_status_checks = 5
    jobs = submitted("7", "8")
    assert still_running(executor, jobs) == jobs
    assert executor.next_seconds_between_status_checks == direct.MAX_PAUSE


def test_no_job_is_forgotten_of_which_slurm_says_nothing(sound, monkeypatch):
    """If `squeue` fails as often as the plug-in asks; an ended job is not waited for."""
    monkeypatch.setattr(direct.slurm.Executor, "report_job_success", lambda *_: None)
    settings = SimpleNamespace(
        status_attempts=2, status_command="squeue", init_seconds_before_status_checks=1
    )
    settings.keep_successful_logs = True
    executor = direct.Executor.__new__(direct.Executor)
    executor.ended = set()
    executor.run_uuid = "results_1"
    executor.logger = logging.getLogger("slurm")
    executor.workflow = SimpleNamespace(executor_settings=settings)
    executor.status_rate_limiter = contextlib.AsyncExitStack()
    executor._next_seconds_between_status_checks = 1
    executor._status_query_failures = executor._status_query_calls = 0
    executor._status_query_total_seconds = 0.0
    executor._status_query_max_seconds = 0.0
    executor._status_query_min_seconds = None
    executor._status_query_cycle_rows = []
    jobs = submitted("7", "8")
    plant(sound, "scontrol", "echo 'MinJobAge = 300 sec'")
    plant(sound, "squeue", "exit 1")
    assert still_running(executor, jobs) == jobs
    plant(sound, "squeue", "printf '7|COMPLETED\\n8|RUNNING\\n'")
    assert still_running(executor, jobs) == jobs[1:]


def test_no_account_is_guessed(monkeypatch):
    """Slurm's default account needs no question, which a Slurm without accounting answers badly."""
    executor = direct.Executor.__new__(direct.Executor)
    monkeypatch.setattr(direct.slurm.Executor, "get_account_arg", lambda *_: iter([" -A ml"]))
    assert next(executor.get_account_arg(job())) == ""
    assert next(executor.get_account_arg(job(resources={"slurm_account": "ml"}))) == " -A ml"


def test_status_lists_the_jobs_of_this_study_alone(sound, monkeypatch):
    """Those of another study, and of another folder, are left out; without logs nobody is asked."""
    folder = Path.cwd()
    lines = [
        f"7|results-smoke_1-2|RUNNING|None|0:12|n1|rule_train_wildcards_mlp_a|{folder}",
        f"8|results-smoke_1-2|PENDING|Resources|0:00||rule_series_ab|{folder}",
        f"9|results-smoke2_1-2|RUNNING|None|0:12|n1|rule_train|{folder}",
        "10|results-smoke_1-2|RUNNING|None|0:12|n1|rule_train|/elsewhere",
        f"11|results-smoke_1-2|PENDING|{queue.NOT_LAUNCHED}|0:00||rule_a|{folder}",
    ]
    plant(sound, "squeue", "printf '%s\\n' " + " ".join(f"'{line}'" for line in lines))
    results = Path("results/smoke")
    assert list(queue.describe(results)) == []
    (results / "slurm_logs").mkdir(parents=True)
    assert list(queue.describe(results)) == [
        "Slurm: 2 pending, 1 running",
        "  job 7        running    0:12 on n1  train_wildcards_mlp_a",
        "  job 8        pending    (Resources)  series_ab",
        f"  job 11       pending    ({queue.NOT_LAUNCHED}; to fix: scontrol release 11)  a",
    ]
    plant(sound, "squeue", "exit 1")
    assert list(queue.describe(results)) == [
        "Slurm: squeue does not answer; which jobs wait or run is not known"
    ]
    assert queue.job_name(Path("results"), "1") == "results_1"
    assert step.THREADS[0] == "OMP_NUM_THREADS"


def test_a_job_asks_the_same_slurm(monkeypatch):
    """Its configuration may be elsewhere than in /etc/slurm."""
    for name in ("SLURM_CONF", "SLURM_CLUSTERS", "SLURM_MEM_PER_CPU"):
        monkeypatch.setenv(name, "x")
    variables = step.environment(1)
    assert {"SLURM_CONF", "SLURM_CLUSTERS"} <= set(variables)
    assert "SLURM_MEM_PER_CPU" not in variables
