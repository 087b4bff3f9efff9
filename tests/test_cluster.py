"""What only clusters do: profiles, nodes, clocks, locks, requeues; Slurm's programs are faked."""

import argparse
import dataclasses
import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from project import Project
from runs import ROOT, quiet, run, tiny

from actstudy.cluster import checks, logs, needs, requeue, slurm
from actstudy.cluster.profile import read
from actstudy.commands import cli, leaving
from actstudy.contract import store
from actstudy.contract.errors import StudyError
from actstudy.contract.spec import run_id
from actstudy.study import jobs, planning, series
from actstudy.training import devices

SOUND = {
    "scontrol": """case "$2" in
config) echo "AccountingStorageEnforce = none"; echo "JobRequeue              = 1";;
partition) echo "PartitionName=gpu PreemptMode=REQUEUE";;
esac""",
    "sinfo": """for word; do case "$word" in
%R) printf "cpu\\ngpu\\n";;
%G) case "$*" in *cpu*) echo "(null)";; *) echo "gpu:a100:4(S:0-1)";; esac;;
%l) echo 1-00:00:00;;
esac; done""",
    "sacctmgr": "exit 1",
}
SRUN = """#!{python}
import json, os, sys
from pathlib import Path
sys.path.insert(0, {lib!r})
from actstudy.cluster import probe
token = Path(sys.argv[-2])
facts = probe.seen(Path(os.environ.get("FAKE_PLACE", token.parent)) / token.name, False)
facts["time"] += float(os.environ.get("FAKE_SECONDS", 0))
print(json.dumps({{**facts, "reached": True, **json.loads(os.environ.get("FAKE_NODE", "{{}}"))}}))
"""
DEFAULTS = ["slurm_partition=gpu", "runtime=60", "mem_mb=2000"]


@pytest.fixture
def sound(tmp_path, monkeypatch):
    """A cluster on which nothing is wrong, as programs on PATH; gives their folder."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, body in SOUND.items():
        plant(programs, name, body)
    script = programs / "srun"
    script.write_text(SRUN.format(python=sys.executable, lib=str(ROOT / "lib")))
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(checks, "LOCAL", ())  # tests run in one
    monkeypatch.setattr(checks, "IN_MEMORY", ())
    write_profile({})
    return programs


def plant(programs: Path, name: str, body: str) -> None:
    script = programs / name
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(0o755)


def write_profile(settings: dict, defaults=DEFAULTS) -> None:
    folder = Path("profiles/slurm")
    folder.mkdir(parents=True, exist_ok=True)
    sound = {"executor": "slurm", "default-resources": list(defaults), "slurm-requeue": True}
    (folder / "config.yaml").write_text(yaml.safe_dump({**sound, **settings}))


def findings() -> list[tuple[str, str]]:
    listed = checks.examine(read(Path("profiles/slurm")), Path("results"))
    return [(finding.check, finding.sentence) for finding in listed]


def test_a_sound_cluster_has_no_finding(sound, capsys):
    assert findings() == []
    assert sorted(Path("results").iterdir()) == []  # nothing is left behind
    with pytest.raises(SystemExit, match="0"):
        cli.main(["doctor", "--cluster"])
    assert "nothing is wrong" in capsys.readouterr().out


def no_account(programs, monkeypatch):
    text = SOUND["scontrol"].replace("Enforce = none", "Enforce = associations,limits")
    plant(programs, "scontrol", text)
    plant(programs, "sacctmgr", 'case "$*" in *associations*) echo "one|ml|me|";; esac')


def no_gpu(programs, monkeypatch):
    write_profile({}, ["slurm_partition=cpu", *DEFAULTS[1:]])


def wrong_gres(programs, monkeypatch):
    write_profile({}, [*DEFAULTS, "gpu_model=a10"])


def not_shared(programs, monkeypatch):
    monkeypatch.setenv("FAKE_PLACE", "/nowhere")


def late_clock(programs, monkeypatch):
    monkeypatch.setenv("FAKE_SECONDS", "-90")


def old_driver(programs, monkeypatch):
    facts = {"reached": False, "torch": "13.0", "driver": "12.2", "node": "n7"}
    monkeypatch.setenv("FAKE_NODE", json.dumps(facts))


def no_requeue(programs, monkeypatch):
    write_profile({"slurm-requeue": False})
    plant(programs, "scontrol", SOUND["scontrol"].replace("  = 1", "  = 0"))


def local_store(programs, monkeypatch):
    monkeypatch.setattr(checks, "LOCAL", (str(Path.cwd()),))


PLANTED = {
    no_account: ("account", "slurm_account: missing, .*; allowed: ml"),
    no_gpu: ("partition", "got 'cpu', which has no GPU; allowed: gpu"),
    wrong_gres: ("gres", "gpu_model: got 'a10'; did you mean 'a100'"),
    not_shared: ("shared", "not what it is here .No such file.*storage that all nodes share"),
    late_clock: ("clocks", "is -(9|8)\\d s from that here; allowed: 2 s"),
    old_driver: ("cuda", "n7: torch reaches no GPU: .* CUDA 13.0, its driver goes up to CUDA 12.2"),
    no_requeue: ("requeue", "slurm-requeue: missing, .*; allowed: true"),
    local_store: ("store", "on a node's own .*; allowed: a folder on shared storage"),
}


@pytest.mark.parametrize("fault", PLANTED, ids=lambda fault: fault.__name__)
def test_each_planted_fault_is_named_and_no_other(sound, monkeypatch, capsys, fault):
    fault(sound, monkeypatch)
    check, sentence = PLANTED[fault]
    ((name, sentence_there),) = findings()
    assert name == check
    assert re.search(sentence, sentence_there), sentence_there
    with pytest.raises(SystemExit, match="3"):
        cli.main(["doctor", "--cluster"])
    assert f"{check}: " in capsys.readouterr().out


def test_what_else_keeps_a_cluster_from_a_study(sound, monkeypatch):
    """A time that no partition gives, an account of others, a lock that holds on one node alone."""
    write_profile({}, ["slurm_partition=gpu", "runtime=3000"])
    ((check, sentence),) = findings()
    assert check == "time"
    assert "got 3000, with which a job waits for ever; allowed: up to 1440 minutes" in sentence
    write_profile({}, [*DEFAULTS, "slurm_account=mm"])
    plant(sound, "sacctmgr", 'case "$*" in *associations*) echo "one|ml|me|";; esac')
    assert "got 'mm'; did you mean 'ml'" in findings()[0][1]
    write_profile({}, ["slurm_partition=gpus", *DEFAULTS[1:]])
    assert [check for check, _ in findings()] == ["partition"]
    write_profile({})
    monkeypatch.setenv("FAKE_NODE", json.dumps({"lock": "let in"}))
    assert [check for check, _ in findings()] == ["shared"]


def test_the_time_of_the_default_partition(sound):
    """The one that Slurm marks, of which `sinfo` has a line per state, some with a mark too."""
    write_profile({}, ["runtime=3000", "mem_mb=2000"])
    words = 'case "$*" in *%P*) printf "debug\\ngpu*\\n";; *"-p gpu "*%l*) echo 4:00:00;; '
    words += '*%G*) echo gpu:a100:4;; "-h") printf "gpu* up down*\\ngpu* up idle\\n";; esac'
    plant(sound, "sinfo", words)
    assert next(sentence for check, sentence in findings() if check == "time").endswith(
        "up to 240 minutes, as the partition gpu gives"
    )


def test_without_an_answer_it_says_what_is_not_known(sound, capsys):
    plant(sound, "srun", "exit 1")
    assert [check for check, _ in findings()] == ["node"]
    with pytest.raises(SystemExit, match="1"):
        cli.main(["doctor", "--cluster"])
    assert "are not known: no node of the partition (gpu)" in capsys.readouterr().out
    plant(sound, "scontrol", "exit 1")
    with pytest.raises(StudyError, match="scontrol is missing or does not answer"):
        findings()


def test_bad_profiles_are_one_line(tmp_path):
    with pytest.raises(StudyError, match="is missing; allowed: a folder with a profile"):
        read(tmp_path)
    (tmp_path / "config.yaml").write_text("executor: local")
    with pytest.raises(StudyError, match="executor: got 'local'; allowed: slurm"):
        read(tmp_path)
    (tmp_path / "config.yaml").write_text("a: [")
    with pytest.raises(StudyError, match="not YAML"):
        read(tmp_path)
    shipped = read(ROOT / "profiles/slurm")
    assert shipped.wants_gpu
    assert shipped.resources["slurm_extra"].startswith("--signal=TERM@")


MOVING = """echo "$@" >> asked
[ "$1" = show ] && echo "JobId=7 Restarts={restarts} BatchFlag=1 ExcNodeList={nodes}"
true"""
JOB = (
    "JobState={state} Requeue={requeue} Restarts=2 BatchFlag=1 TimeLimit=00:01:00 PreemptTime={pre}"
)


@pytest.mark.parametrize(
    ("state", "allowed", "preempted", "saved", "sentence", "goes"),
    [
        ("RUNNING", 1, "None", True, "back in the queue, after 2 restarts", True),
        ("RUNNING", 1, "2026-01-01T00:00:00", False, "back in the queue", True),
        ("RUNNING", 1, "None", False, "is up before the first checkpoint.*larger `runtime`", False),
        ("RUNNING", 0, "None", True, "slurm-requeue: true", False),
        ("CANCELLED", 1, "None", True, None, False),
    ],
)
def test_an_interrupted_job_goes_back_into_the_queue(
    sound, monkeypatch, state, allowed, preempted, saved, sentence, goes
):
    """Unless it was cancelled, may not, or would begin anew for ever."""
    about = JOB.format(state=state, requeue=allowed, pre=preempted)
    plant(sound, "scontrol", f'echo "$@" >> asked\necho "JobId=7 {about}"')
    assert requeue.back_into_queue(saved) is None  # no job of Slurm's
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    answer = requeue.back_into_queue(saved)
    assert (answer is None) == (sentence is None)
    if sentence:
        assert re.search(sentence, answer)
    assert ("requeue 7" in Path("asked").read_text().splitlines()) == goes


def test_a_gpu_that_fails_moves_its_job_to_another_node(sound, monkeypatch, capsys):
    plant(sound, "scontrol", MOVING.format(restarts=0, nodes="(null)"))
    arguments = passed(no_gpu_answers)
    for name, value in {"SLURM_JOB_ID": "7", "SLURMD_NODENAME": "n1"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StudyError, match="no GPU answers"):
        leaving.status_of(arguments)
    assert Path("asked").read_text() == "show job -o 7\nrequeue 7\nupdate JobId=7 ExcNodeList=n1\n"
    assert "job 7: back in the queue, for another node than n1" in capsys.readouterr().err
    monkeypatch.delenv("SLURM_JOB_ID")
    assert requeue.to_another_node() is None


def passed(run, spec="{}", trains=True) -> argparse.Namespace:
    """The arguments of a command to which the workflow passes a spec."""
    return argparse.Namespace(trains=trains, spec=spec, run=run)


@pytest.mark.parametrize(
    ("restarts", "nodes", "update", "sentence"),
    [
        (1, "n1", "ExcNodeList=n1,n2", "for another node than n1,n2"),
        (4, "n[1,4]", "ExcNodeList=n[1,4],n2", "for another node than n"),
        (5, "n1", None, "not put back, after 5 restarts; n2 fails too"),
    ],
)
def test_bad_nodes_add_up_and_moves_come_to_an_end(
    sound, monkeypatch, restarts, nodes, update, sentence
):
    plant(sound, "scontrol", MOVING.format(restarts=restarts, nodes=nodes))
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURMD_NODENAME", "n2")
    assert sentence in requeue.to_another_node()
    calls = Path("asked").read_text().splitlines()[1:]
    assert calls == (["requeue 7", f"update JobId=7 {update}"] if update else [])


def test_a_job_that_is_back_in_the_queue_is_said_to_be(sound, monkeypatch):
    """Also if Slurm does not leave the node out; one that is not put back is not said to be."""
    script = MOVING.format(restarts=0, nodes="(null)")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURMD_NODENAME", "n2")
    plant(sound, "scontrol", f'{script}\n[ "$1" != update ]')
    assert "back in the queue, but n2 could not be left out" in requeue.to_another_node()
    plant(sound, "scontrol", f'{script}\n[ "$1" != requeue ]')
    assert "`scontrol requeue` failed" in requeue.to_another_node()
    assert Path("asked").read_text().splitlines()[-1] == "requeue 7"
    plant(sound, "scontrol", script.replace("BatchFlag=1", "BatchFlag=0"))  # of salloc
    assert requeue.to_another_node() is None


@pytest.mark.parametrize(("trains", "spec"), [(False, "{}"), (True, None)])
def test_what_the_workflow_has_not_passed_is_not_put_back(sound, monkeypatch, trains, spec):
    """A Slurm job of someone's own, and a command that does not train."""
    plant(sound, "scontrol", MOVING.format(restarts=0, nodes="(null)"))
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURMD_NODENAME", "n1")
    with pytest.raises(StudyError, match="no GPU answers"):
        leaving.status_of(passed(no_gpu_answers, spec, trains))
    assert leaving.status_of(passed(lambda _: 75, spec, trains)) == 75
    assert not Path("asked").exists()


def no_gpu_answers(_):
    raise devices.Unanswered(RuntimeError("CUDA error: uncorrectable ECC error"), [])


def test_a_controller_that_is_away_loses_nothing(sound, monkeypatch, capsys):
    """An interrupted command still exits with 75, for Snakemake to start it again."""
    plant(sound, "scontrol", "exit 1")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert leaving.status_of(passed(lambda _: 75)) == 75
    assert "Snakemake starts it again (retries)" in capsys.readouterr().err
    assert slurm.ask("scontrol") is None
    assert slurm.ask("no-such-program") is None


def test_jobs_ask_for_what_such_runs_took(tmp_path, data_folder):
    """The profile's time is the most; its memory holds until such runs are completed."""
    spec = tiny()
    larger = dataclasses.replace(spec, epochs=spec.epochs + 50)
    specs = {run_id(planned): planned for planned in (spec, larger)}
    folder = tmp_path / spec.task_name / run_id(spec)
    profile = needs.Needs({"runtime": 90, "mem_mb": 4000}, specs, tmp_path)
    resources = profile.resources(lambda wildcards: [spec] * wildcards)
    assert (resources["runtime"](3, 1), resources["mem_mb"](3, 1), resources["mem_mb"](3, 2)) == (
        90,
        4000,
        8000,
    )
    run(spec, folder, data_folder, quiet())
    profile = needs.Needs(profile.defaults, specs, tmp_path)
    resources = profile.resources(lambda wildcards: [spec] * wildcards)
    took = profile.took(dataclasses.replace(spec, seed=7))
    assert took.seconds > 0
    minutes = needs.START_MINUTES + -(-2 * took.seconds * 3 // 60)
    assert resources["runtime"](3, 1) == min(90, minutes)
    assert resources["runtime"](1000_000, 1) == 90
    assert resources["mem_mb"](1, 1) == pytest.approx(500 + 1.3 * took.megabytes, abs=1)
    of_larger = profile.resources(lambda wildcards: [larger])
    assert (of_larger["runtime"](1, 1), of_larger["mem_mb"](1, 1)) == (90, 4000)
    row = {**store.summary_row(folder), "status": "out_of_memory"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "summary_row", lambda _: row)
        assert needs.peak_of([folder]) is None
    assert needs.Needs({}, {}).resources(lambda wildcards: []) == {}
    assert needs.defaults(["runtime=5", "slurm_extra='-x 1'", "mem_mb=<TBD>"]) == {"runtime": 5}


def test_series_of_a_cluster_follow_from_the_study_alone():
    """A node's own cores would cut other series than the login node has asked for."""
    assert [series.on_cluster(n) for n in (1, 50, 51, 1000, 100_000)] == [1, 1, 2, 20, 40]


def test_a_node_knows_the_job_that_writes_tables_again(tmp_path, data_folder):
    """Also if the tables that it will write are gone before the node reads the Snakefile."""
    project = Project(tmp_path / "project", [data_folder])
    spec = planning.load(project.folder / "config/smoke.yaml").runs()[0].spec
    targets = [str(store.run_folder(spec) / name) for name in store.FILES]
    words = ("--mode", "remote", "--allowed-rules", "train_again", "--force", "-n")
    printed = project.snakemake(*words, *targets)
    assert re.findall(r"^rule (\w+):", printed, re.M) == ["train_again"]


def test_a_thousand_short_runs_are_fifty_submissions(tmp_path):
    """Ten activations, a hundred seeds; each node's Snakemake cuts the same series."""
    axes = {"activation": ["relu", "tanh", "gelu", "silu", "elu", "selu", "mish", "celu"]}
    axes["activation"] += ["sigmoid", "softplus"]
    file = tmp_path / "many.yaml"
    file.write_text(yaml.safe_dump({"seeds": 100, "axes": axes, "tasks": {"mlp": {"epochs": 1}}}))
    study = planning.load(file)
    cut = jobs.plan_jobs(study, gpus=0, gpu_limit=1, local=False, config={})
    assert len(cut.specs) == 1000
    assert len(cut.series) == 50
    assert {len(runs) for runs in cut.series.values()} == {20}
    assert cut.gpu == 1
    again = jobs.plan_jobs(study, gpus=8, gpu_limit=None, local=False, config={})
    assert list(again.series) == list(cut.series)
    assert jobs.plan_jobs(study, gpus=0, gpu_limit=0, local=False, config={}).gpu == 0


def test_status_names_the_logs_of_jobs_that_failed(tmp_path):
    """The reason of ours before Slurm's; logs without one are of jobs that run."""
    for number, text in enumerate(
        [
            "Job stats:\nactstudy: results/x: No space left on device\nsrun: error: n1: task 0",
            "slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2026 DUE TO TIME LIMIT ***",
            "Building DAG of jobs...",
            "slurmstepd: error: Detected 1 oom-kill event(s) in StepId=8.0",
        ]
    ):
        path = tmp_path / f"rule_train/{number}.log"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        os.utime(path, (number, number))
    assert [line.partition(".log: ")[2] for line in logs.describe(tmp_path)] == [
        "slurmstepd: error: Detected 1 oom-kill event(s) in StepId=8.0",
        "slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2026 DUE TO TIME LIMIT ***",
        "actstudy: results/x: No space left on device",
    ]
    assert list(logs.describe(tmp_path / "missing")) == []


def test_a_log_that_goes_while_it_is_read_is_left_out(tmp_path, monkeypatch):
    """The plug-in removes those of jobs that went well; no more are read than are named."""
    for number in range(9):
        path = tmp_path / f"{number}.log"
        path.write_text(f"actstudy: {number}")
        os.utime(path, (number, number))
    opened = []
    reason = logs.reason

    def late(path):
        opened.append(path.name)
        if path.name == "7.log":
            path.unlink()
        return reason(path)

    monkeypatch.setattr(logs, "reason", late)
    (tmp_path / "gone.log").symlink_to(tmp_path / "nothing")
    *named, rest = logs.describe(tmp_path)
    assert [line.rpartition(": ")[2] for line in named] == ["8", "6", "5", "4", "3"]
    assert opened == [f"{number}.log" for number in (8, 7, 6, 5, 4, 3)]
    assert rest == f"3 older logs in {tmp_path} were not read"


def test_two_users_on_one_results_folder(tmp_path):
    """A folder of another user's that may not be written is one line with its file."""
    if os.getuid():
        pytest.skip("only root may act as two users")
    tmp_path.chmod(0o755)
    (tmp_path / "mlp").mkdir()
    code = (
        f"import sys, os; sys.path.insert(0, {str(ROOT / 'lib')!r})\n"
        "from pathlib import Path\nfrom actstudy.contract import errors, locks\n"
        "os.setuid(65534)\n"
        f"try:\n    with locks.locked(Path({str(tmp_path / 'mlp/run')!r})): pass\n"
        "except OSError as error:\n    print(errors.system_fault(error))"
    )
    for folder in tmp_path.parents:  # pytest's own are the user's alone
        if folder == Path("/tmp"):
            break
        folder.chmod(0o755)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{tmp_path}/mlp/.locks: Permission denied")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_quota_leaves_nothing_half_written(tmp_path, monkeypatch, number):
    """What was there stays, and the file is named."""
    place = tmp_path / "note.json"
    place.write_text("old")

    def full(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=os.strerror(number)), store.replacing(place) as draft:
        Path(draft).write_text("new")
    assert place.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["note.json"]
