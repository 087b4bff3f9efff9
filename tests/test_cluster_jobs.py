"""What jobs on a cluster ask for, and which runs share one."""

import dataclasses
import os
import re
from collections import Counter

import pytest
import yaml
from fake_slurm import plant
from project import Project
from runs import ROOT, quiet, run, tiny
from snakemake_interface_common.exceptions import WorkflowError

from actstudy.cluster import logs, needs
from actstudy.contract import store
from actstudy.contract.spec import run_id
from actstudy.study import jobs, planning, series
from snakemake_executor_plugin_actstudy import missing


def test_jobs_ask_for_what_such_runs_took(tmp_path, data_folder):
    """The profile's time is the most; its memory holds until such runs are completed."""
    spec = tiny()
    larger = dataclasses.replace(spec, epochs=spec.epochs + 50)
    specs = {run_id(planned): planned for planned in (spec, larger)}
    folder = tmp_path / spec.task_name / run_id(spec)
    profile = needs.Needs({"runtime": 90, "mem_mb": 4000}, specs, tmp_path)
    resources = profile.resources(lambda wildcards: [spec] * wildcards)
    assert (resources["runtime"](3, 1), resources["mem_mb"](3, 1)) == (90, 4000)
    run(spec, folder, data_folder, quiet())
    profile = needs.Needs(profile.defaults, specs, tmp_path)
    resources = profile.resources(lambda wildcards: [spec] * wildcards)
    took = profile.took(dataclasses.replace(spec, seed=7))
    assert took.seconds > 0
    minutes = needs.START_MINUTES + -(-2 * took.seconds * 3 // 60)
    assert resources["runtime"](3, 1) == min(90, minutes)
    assert resources["runtime"](1000_000, 1) == 90
    assert resources["mem_mb"](1, 1) == pytest.approx(200 + 1.3 * took.megabytes, abs=1)
    of_larger = profile.resources(lambda wildcards: [larger])
    assert (of_larger["runtime"](1, 1), of_larger["mem_mb"](1, 1)) == (90, 4000)
    row = {**store.summary_row(folder), "status": "out_of_memory"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "summary_row", lambda _: row)
        assert needs.peak_of([folder]) is None
    assert needs.Needs({}, {}).resources(lambda wildcards: []) == {}
    assert needs.defaults(["runtime=5", "slurm_extra='-x 1'", "mem_mb=<TBD>"]) == {"runtime": 5}


def test_only_a_job_that_lacked_memory_asks_for_more(monkeypatch):
    """Whatever else failed, a retry asks for the same; of other runs nothing changes."""
    monkeypatch.setattr(needs, "OUT_OF_MEMORY", Counter())
    spec = tiny()
    other = dataclasses.replace(spec, seed=5)
    memory = needs.Needs({"mem_mb": 4000}, {}).resources(lambda members: members)["mem_mb"]
    assert memory([spec], 2) == 4000
    files = [f"results/runs/mlp/{run_id(spec)}/{name}" for name in store.FILES]
    for n in (2, 3):
        needs.note_out_of_memory(files)
        assert memory([spec], 2) == memory([other, spec], 3) == n * 4000
        assert memory([other], 3) == 4000


def test_no_job_asks_for_more_memory_than_a_node_has(tmp_path, monkeypatch):
    """Which sbatch would refuse; nor for less than before, nor bounded if nothing is known."""
    monkeypatch.setattr(needs, "OUT_OF_MEMORY", Counter())
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    of_gpu = '[ "$3 $4" = "-p gpu" ] && printf "8000\\n10000+\\n"'
    plant(tmp_path, "sinfo", f'[ "$3" = "%P" ] && exec printf "fat\\ngpu*\\n"; {of_gpu}')
    spec = tiny()

    def memory(mem_mb, partition):
        asking = needs.Needs({"mem_mb": mem_mb}, {}, partition=partition)
        return asking.resources(lambda members: members)["mem_mb"]([spec], 1)

    needs.note_out_of_memory([f"results/runs/mlp/{run_id(spec)}/manifest.json"])
    assert [memory(mb, "gpu") for mb in (4000, 6000, 12000)] == [8000, 10000, 12000]
    assert memory(6000, "") == 10000  # of the default one
    assert memory(6000, "other") == 12000


@pytest.mark.parametrize(
    ("message", "log", "lacked"),
    [
        ("SLURM status is: 'OUT_OF_MEMORY'", "", True),
        ("SLURM status is: 'FAILED'", "slurmstepd: error: Detected 1 oom-kill event(s)", True),
        ("SLURM status is: 'FAILED'", "srun: error: n1: task 0: Out Of Memory", True),
        ("SLURM status is: 'FAILED'", "error: Detected 1 oom_kill event in StepId=8.0.", True),
        ("SLURM status is: 'FAILED'", "r1: out_of_memory, CUDA out of memory", False),
        ("SLURM status is: 'FAILED'", "actstudy: exit status 137: killed", True),
        ("SLURM status is: 'TIMEOUT'", "actstudy: results/x: No space left on device", False),
    ],
)
def test_a_lack_of_memory_is_known_by_slurm_or_by_the_log(tmp_path, message, log, lacked):
    (tmp_path / "7.log").write_text(log)
    paths = [tmp_path / "7.log", tmp_path / "gone.log"]
    assert logs.is_out_of_memory(message, paths) == lacked


def test_without_the_plug_in_of_slurm_the_executor_says_what_is_missing():
    """Snakemake imports it at each start, on one machine too: it must not fail there."""
    with pytest.raises(WorkflowError, match="snakemake-executor-plugin-slurm is missing; to fix"):
        missing.Executor(None, None)
    assert missing.common_settings.non_local_exec
    settings = yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text())
    words = [key.removeprefix("actstudy-") for key in settings if key.startswith("actstudy-")]
    names = [field.name.replace("_", "-") for field in dataclasses.fields(missing.ExecutorSettings)]
    assert sorted(words) == sorted(names)


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


def test_gpus_of_a_login_node_limit_no_jobs_of_its_cluster():
    study = planning.load(ROOT / "config/smoke.yaml")
    for gpus in (0, 1):
        cut = jobs.plan_jobs(study, gpus=gpus, gpu_limit=8, local=False, config={})
        assert (cut.slots, cut.notice) == (None, "")
    cut = jobs.plan_jobs(study, gpus=1, gpu_limit=8, local=True, config={})
    assert cut.slots == series.jobs_on_a_gpu(study.slots_per_gpu)
    assert cut.notice == "--resources gpu=8: this machine has 1; 1 are used"
