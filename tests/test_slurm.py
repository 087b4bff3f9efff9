"""Jobs on a real Slurm of this machine (slurm_cluster.py), whose GPUs are null devices."""

import importlib.util
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import slurm_cluster
import yaml
from project import Project
from runs import run_row, same_tables, train_together

from actstudy.cluster import checks, profile
from actstudy.contract import spec, store

pytestmark = pytest.mark.skipif(bool(slurm_cluster.lacks()), reason=slurm_cluster.lacks() or "-")

PLUGIN = "snakemake_executor_plugin_slurm"
STUDY = {
    "seeds": 2,
    "runs_per_job": 2,
    "defaults": {
        "width": 16,
        "epochs": 40,
        "batch_size": 100,
        "warmup": 0,
        "dropout": 0.0,
    },
    "axes": {"activation": ["relu"], "engine": ["eager", {"engine": "pack", "pack_width": 2}]},
    "tasks": {"mlp": {}},
}
DEFAULTS = [
    "slurm_partition=gpu",
    "runtime=20",
    "mem_mb=1000",
    "slurm_extra='--signal=TERM@60 --open-mode=append'",
]
QUICK = {
    "default-resources": DEFAULTS,
    "actstudy-init-seconds-before-status-checks": 1,
    "seconds-between-status-checks": 1,
    "latency-wait": 5,
}


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    with slurm_cluster.running(tmp_path_factory.mktemp("slurm")) as cluster:
        yield cluster


@pytest.fixture
def project(tmp_path, data_folder) -> Project:
    """The project with a short study, and a profile that asks often."""
    project = Project(tmp_path / "project", [data_folder])
    (project.folder / "config/short.yaml").write_text(yaml.safe_dump(STUDY))
    file = project.folder / "profiles/slurm/config.yaml"
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), **QUICK}))
    return project


def start(project: Project, slurm: slurm_cluster.Cluster, *words: str) -> subprocess.Popen:
    """Snakemake on the cluster, for the runs of the short study."""
    environment = {**slurm.environment(), "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = ":".join([str(project.folder / "lib"), *sys.path])
    command = [sys.executable, "-m", "snakemake", "--profile", "profiles/slurm", *words]
    return subprocess.Popen(
        [*command, "--configfile", "config/short.yaml"],
        cwd=project.folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def interrupt(project: Project, slurm: slurm_cluster.Cluster) -> str:
    """SIGTERM to a training job, as at the end of its time; its number."""
    notes: list[Path] = []

    def training() -> bool:
        notes[:] = project.folder.glob("results/runs/mlp/relu-*/progress.json")
        return bool(notes)

    slurm.wait(training, "training", seconds=200)
    folder = notes[0].parent
    recorded = folder / "environment.json"
    slurm.wait(recorded.is_file, "environment", seconds=60)
    job = json.loads(recorded.read_text())["slurm"]["SLURM_JOB_ID"]
    slurm.ask("scancel", "--signal=TERM", job)
    return str(job)


@pytest.mark.skipif(not importlib.util.find_spec(PLUGIN), reason=f"no {PLUGIN}: extra `cluster`")
def test_a_study_trains_on_slurm(project, slurm, data_folder, tmp_path):
    """Each job sees the GPU that it was given; an interrupted one goes on; the bits are local's."""
    page = project.folder / "results/short/summary.md"
    page.parent.mkdir(parents=True)
    page.touch()  # as another start has left it
    going = start(project, slurm, "--until", *jobs_of(project))
    job = interrupt(project, slurm)
    by_slurm = dict[str, set[str]]()
    end = time.monotonic() + 300
    while going.poll() is None and time.monotonic() < end:
        note_gpus(slurm, by_slurm)
        slurm.hurry()
        time.sleep(0.3)
    going.kill()
    output = going.communicate()[0]
    assert going.returncode == 0, output
    assert "Summary: results/short/summary.md" in output
    assert "sacct" not in output
    assert "Restarts=1" in slurm.ask("scontrol", "show", "job", job)
    folders = project.run_folders()
    assert len(folders) == 4
    jobs = slurm.ask("squeue", "-h", "-t", "all", "-o", "%i %T %k").splitlines()
    assert [job.split()[1] for job in jobs] == ["COMPLETED"] * 2, (jobs, output)
    for folder in folders:
        job_there = json.loads((folder / "environment.json").read_text())["slurm"]
        assert job_there["CUDA_VISIBLE_DEVICES"] == job_there["SLURM_STEP_GPUS"]
        place = f"{job_there['SLURMD_NODENAME']}:{job_there['SLURM_STEP_GPUS']}"
        assert place in by_slurm[job_there["SLURM_JOB_ID"]]
    (stopped, *_) = [folder for folder in folders if run_row(folder)["n_resumes"]]
    stopped_spec = spec.from_json((stopped / "spec.json").read_text())
    (local,) = train_together([stopped_spec], tmp_path, data_folder, probe_every=200)
    assert same_tables(local, stopped)


def test_a_job_is_not_hurried_into_the_second_in_which_it_went_back(tmp_path, monkeypatch):
    """There its node refuses it; one that starts soon is left alone, or it would wait for ever."""
    now = time.time()
    begins = [time.strftime(slurm_cluster.TIME, time.localtime(now + s)) for s in (121, 2)]
    queue = [f"7|BeginTime|{begins[0]}", f"8|BeginTime|{begins[1]}", f"9|Resources|{begins[0]}"]
    queue.append(f"11|{slurm_cluster.LAUNCH_FAILED}|N/A")
    calls = []

    def ask(_cluster, *command: str) -> str:
        calls.append(command)
        return "\n".join([*queue, "10|None|N/A"])

    monkeypatch.setattr(slurm_cluster.Cluster, "ask", ask)
    slurm_cluster.Cluster(tmp_path).hurry()
    update = ("scontrol", "update", "JobId=7", "StartTime=now+2")
    assert calls[1:] == [update, ("scontrol", "release", "11")]


@pytest.mark.skipif(not importlib.util.find_spec(PLUGIN), reason=f"no {PLUGIN}: extra `cluster`")
def test_a_failed_job_says_why_and_gpu_0_reaches_the_jobs(project, slurm):
    """A line with the reason, from the log of a job that calls for no GPU."""
    array = project.folder / "results/data/mnist1d/train_x.npy"
    array.write_bytes(array.read_bytes() + b"x")
    words = ["--until", *jobs_of(project)[:1], "--resources", "gpu=0", "--retries", "0"]
    going = start(project, slurm, *words)
    output = going.communicate(timeout=100)[0]
    assert going.returncode == 1
    (line,) = [line for line in output.splitlines() if line.startswith("failed: ")]
    assert re.search(r"\(job \d+\) results/runs/mlp/relu\S+ and 1 more: actstudy: results", line)
    assert "train_x.npy is missing or does not have its checksum; to fix: " in line
    (log,) = re.findall(r"; log: (results/short/slurm_logs/\S+?\.log)", line)
    assert (project.folder / log).is_file()
    assert "--profile profiles/slurm --resources gpu=0 --configfile config/short.yaml" in line
    assert "Traceback" not in output
    number = Path(log).stem
    assert "gres" not in slurm.ask("scontrol", "show", "job", number).lower()


def note_gpus(slurm: slurm_cluster.Cluster, places: dict[str, set[str]]) -> None:
    """Note which GPU of which node Slurm has given to the jobs that run now."""
    listing = slurm.ask("scontrol", "show", "job", "-d", "-o")
    for line in listing.splitlines():
        number = re.search(r"JobId=(\d+) ", line)
        place = re.search(r" Nodes=(\w+) .*GRES=gpu:null:1\(IDX:(\d+)\)", line)
        if number and place:
            places.setdefault(number[1], set()).add(f"{place[1]}:{place[2]}")


def jobs_of(project: Project) -> list[str]:
    """The rules of the study's pack and series, as words for `--until`."""
    listed = project.call(
        *(sys.executable, "-m", "snakemake", "--configfile", "config/short.yaml", "--list-rules")
    )
    return [line for line in listed.splitlines() if line.startswith(("pack_", "series_"))]


def test_doctor_knows_a_real_cluster(slurm, tmp_path, monkeypatch):
    """A partition without GPUs, a model that is not there, a GPU that torch does not reach."""
    monkeypatch.setenv("PATH", slurm.environment()["PATH"])
    monkeypatch.setattr(checks, "LOCAL", ())
    monkeypatch.setattr(checks, "IN_MEMORY", ())

    def findings(*resources: str, wants_gpu: bool = True) -> list[str]:
        text = yaml.safe_dump({"executor": "actstudy", "default-resources": list(resources)})
        (tmp_path / "config.yaml").write_text(text)
        settings = profile.read(tmp_path, wants_gpu)
        return [finding.check for finding in checks.examine(settings, tmp_path / "results")]

    assert findings("slurm_partition=cpu", wants_gpu=False) == []
    assert findings("slurm_partition=cpu", "runtime=500", wants_gpu=False) == ["time"]
    assert findings("slurm_partition=none") == ["partition", "node"]
    assert findings("slurm_partition=cpu")[0] == "partition"
    assert findings("slurm_partition=gpu", "gpu_model=h100") == ["gres", "node"]
    assert findings("slurm_partition=gpu", "gpu_model=null") == ["cuda"]
    assert store.is_there(tmp_path / "results")
