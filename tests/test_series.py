"""Runs that one job trains one after another: which they are, and that each is as if alone."""

import dataclasses
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys

import pytest
from faults import forks
from project import Project
from runs import quiet, run, run_row, same_tables, small, tiny

from actstudy.contract import store
from actstudy.contract.spec import data_name, run_id
from actstudy.study import packs, planning, series
from actstudy.study.grid import PlannedRun
from actstudy.training import attempt, timeout
from actstudy.training import run as training_run
from actstudy.training.attempt import complete
from actstudy.training.in_turn import complete_each


def planned(tmp_path, text):
    file = tmp_path / "several.yaml"
    file.write_text(text)
    return planning.load(file).possible


def runs_of(specs):
    return [PlannedRun(spec, "gelu", "gelu", {}) for spec in specs]


def sizes(runs, runs_per_job, cores=2, on_gpu=False):
    cut = series.series(runs, runs_per_job, cores, on_gpu)
    return [len(members) for members in cut.values()]


TWO_TASKS = """
axes: {activation: [relu, gelu, tanh]}
tasks: {mlp: {seeds: 10}, vision: {seeds: 10, steps: 9}}
"""


def test_a_job_takes_at_most_half_of_what_remains_per_core(tmp_path):
    runs = planned(tmp_path, TWO_TASKS)
    assert sizes(runs, "auto") == [8, 8, 8, 6, 7, 5, 4, 3, 2, 2]  # then 7 alone
    assert sizes(runs, "auto", cores=16) == []
    assert sizes(runs * 9, "auto")[0] == series.MAX_AUTO
    assert sizes(runs, 1) == []
    assert sizes(runs, 4) == [4] * 7 + [2] + [4] * 7 + [2]


def test_every_run_is_in_one_job_in_order_of_training(tmp_path):
    runs = planned(tmp_path, TWO_TASKS)
    ids = [run.id for run in runs]
    specs = itertools.chain(*series.series(runs, 7, 2).values())
    assert list(map(run_id, specs)) == ids


@pytest.mark.parametrize(
    "fields",
    [
        {"engine": "pack"},
        {"framework": "keras-jax"},
        {"code": {"mine.py": "0"}},
    ],
    ids=str,
)
def test_what_lasts_in_a_process_keeps_a_run_alone(fields):
    specs = [tiny(seed=seed) for seed in range(4)]
    assert sizes(runs_of(specs), 4) == [4]
    assert sizes(runs_of([dataclasses.replace(spec, **fields) for spec in specs]), 4) == []


def compiled_runs(seeds, activations=("relu", "gelu", "tanh", "silu", "prelu")):
    """Runs in order of training: seed by seed over all activations."""
    names = itertools.product(range(seeds), activations)
    return runs_of([tiny(name, seed, engine="compiled") for seed, name in names])


def test_compiled_runs_of_equal_code_follow_each_other():
    cut = series.series(compiled_runs(3, ("relu", "gelu")), 4, 1)
    assert list(map(len, cut.values())) == [4, 2]
    names = [(spec.activation, spec.seed) for spec in itertools.chain(*cut.values())]
    assert names == list(itertools.product(["relu", "gelu"], range(3)))


def test_on_a_gpu_jobs_are_whole_codes_and_no_slot_waits_long():
    runs = compiled_runs(8)
    assert sizes(runs, "auto", 1, on_gpu=True) == [40]
    assert sizes(compiled_runs(17), "auto", 1, on_gpu=True) == [34, 34, 17]
    assert sizes(runs, "auto", 2, on_gpu=True) == [8, 8, 4, 4, 4, 4, 4, 2]  # then 2 alone
    of_eight = sizes(runs, "auto", 8, on_gpu=True)
    assert max(of_eight) == series.MIN_AUTO_GPU
    assert len(of_eight) >= 8
    assert sizes(compiled_runs(3), "auto", 16, on_gpu=True) == []
    assert sizes(runs, 1, 1, on_gpu=True) == []
    assert sizes(compiled_runs(20, ["relu"]), "auto", 1, on_gpu=True) == [20]
    assert sizes(compiled_runs(50, ["relu"]), "auto", 1, on_gpu=True) == [25, 25]


@pytest.mark.parametrize(
    ("device", "local", "gpus", "expected"),
    [("cuda", True, 1, [20]), ("auto", True, 0, []), ("cuda", False, 1, [])],
)
def test_auto_on_a_gpu_needs_to_know_its_gpus(tmp_path, device, local, gpus, expected):
    (tmp_path / "compiled.yaml").write_text(
        "axes: {activation: [relu, gelu, tanh, silu, elu]}\n"
        "tasks: {mlp: {seeds: 4, engine: compiled}}\n"
    )
    study = planning.load(tmp_path / "compiled.yaml")
    priorities = {run.id: -place for place, run in enumerate(study.possible)}
    cut = series.of_study(study, device, local, gpus, priorities)
    assert [len(members) for members in cut.values()] == expected


def test_if_the_lease_decides_processes_are_few_and_no_job_has_most_runs(tmp_path):
    """150 runs as of the full study's search on two GPUs: a slot of eight would have jobs of 4."""
    acts = "relu, gelu, tanh, silu, elu, mish, selu, leaky_relu, relu_squared, prelu"
    (tmp_path / "search.yaml").write_text(
        f"axes: {{activation: [{acts}]}}\n"
        "tasks: {mlp: {seeds: 15, engine: compiled}}\nslots_per_gpu: auto\n"
    )
    study = planning.load(tmp_path / "search.yaml")
    priorities = {run.id: -place for place, run in enumerate(study.possible)}
    for gpus, n in ((1, 16), (2, 30), (4, 46)):
        cut = series.of_study(study, "cuda", True, gpus, priorities).values()
        n_alone = len(study.possible) - sum(map(len, cut))
        assert len(cut) + n_alone == n
        assert max(map(len, cut)) <= 150 / (4 * gpus)


TUNING = """
looks: false
axes: {activation: [relu, gelu, tanh]}
tasks: {mlp: {seeds: 6, lr: 0.01, tune_lr: [0.005, 0.01, 0.02]}}
"""


def test_tuned_runs_share_a_job_with_those_that_are_asked_for_with_them(tmp_path):
    """Which rate is chosen is not known before, but all seeds of a cell train at the same one."""
    (tmp_path / "tuning.yaml").write_text(TUNING)
    study = planning.load(tmp_path / "tuning.yaml")
    runs = [*study.tuning, *study.possible]
    priorities = {run.id: -place for place, run in enumerate(runs)}
    cut = list(series.of_study(study, "cpu", False, 0, priorities).values())
    assert cut == []  # on a cluster: they are few
    study = dataclasses.replace(study, runs_per_job=4)
    cut = list(series.of_study(study, "cpu", True, 0, priorities).values())
    ids = list(map(run_id, itertools.chain(*cut)))
    assert len(ids) == len(set(ids))
    tuned = [members for members in cut if members[0].lr != 0.01 and members[0].seed < 1000]
    assert [len(members) for members in tuned] == [4, 2] * (3 * 2)
    for members in tuned:
        assert len({(spec.activation, spec.lr) for spec in members}) == 1


def test_jobs_of_tuned_runs_get_smaller_towards_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr(series.host, "cores", lambda: 2)
    (tmp_path / "tuning.yaml").write_text(TUNING.replace("seeds: 6", "seeds: 8"))
    study = planning.load(tmp_path / "tuning.yaml")
    priorities = {run.id: -place for place, run in enumerate([*study.tuning, *study.possible])}
    cut = series.of_study(study, "cpu", True, 0, priorities).values()
    sizes_at = [len(m) for m in cut if m[0].lr == 0.02 and m[0].seed < 1000]
    assert sizes_at == [6, 2, 4, 3, 2]  # and five alone


def test_runs_of_a_job_set_a_process_alike():
    specs = [tiny(), tiny(precision="bf16"), tiny(depth=3), tiny("relu", seed=1), tiny(lr=0.01)]
    (members,) = series.series(runs_of(specs), 4, 2).values()
    assert members == [specs[3], specs[4]]


@pytest.fixture
def there(prepared_folder, tmp_path):
    """A folder of prepared data, with the first examples of those of a run."""

    def cut(run):
        name = data_name(run)
        shutil.copytree(prepared_folder(name), tmp_path / "data" / name)
        forks.cut(tmp_path / "data" / name)
        return tmp_path / "data"

    return cut


def folders(specs, root):
    return {root / run_id(spec): spec for spec in specs}


@pytest.mark.parametrize("task", ["mlp", "vision", "cls", "lm"])
def test_the_bits_of_a_run_are_those_of_a_process_of_its_own(tmp_path, there, task):
    """Alone is another process, whose imports and first draws are its own; any order is right."""
    specs = [small(task, "gelu", 0), small(task, "prelu", 1), small(task, "rrelu", 0)]
    data = there(specs[0])
    runs = folders(specs, tmp_path / "ab")
    assert complete_each(runs, quiet(), data) == 0
    assert complete_each(folders(reversed(specs), tmp_path / "ba"), quiet(), data) == 0
    words = ["--device", "cpu", "--probe_every", "5", "--quiet", "--data_dir", str(data)]
    members = packs.to_json([specs[2]])
    command = [sys.executable, "-m", "actstudy", "series", "--members", members, *words]
    subprocess.run([*command, "--log_dir", str(tmp_path / "alone")], check=True)
    for folder in runs:
        assert same_tables(folder, tmp_path / "ba" / folder.name)
    last = run_id(specs[2])
    assert same_tables(tmp_path / "ab" / last, tmp_path / "alone" / last)
    rows = [run_row(folder) for folder in runs]
    assert [row["peak_memory_bytes"] is None for row in rows] == [False, True, True]
    assert {row["peak_memory_kind"] for row in rows} == {"process RSS"}
    assert all(row["start_seconds"] < 10 for row in rows[1:])  # each has a start of its own


def test_a_run_that_fails_or_diverges_does_not_touch_the_next(tmp_path, data_folder):
    specs = [tiny(lr=1e30, clip=None, optimizer="sgd", warmup=0), tiny(), tiny("relu")]
    runs = folders(specs, tmp_path / "a")
    runs = {tmp_path / "a/fails": tiny(batch_size=3500, warmup=0, seed=7), **runs}
    real = training_run.make_engine

    def make_engine(specs, *arguments):
        if specs[0].seed == 7:
            raise RuntimeError("no engine")
        return real(specs, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_run, "make_engine", make_engine)
        assert complete_each(runs, quiet(), data_folder.parent) == 0
    statuses = [store.summary_row(folder)["status"] for folder in runs]
    assert statuses == ["failed", "diverged", "completed", "completed"]
    assert run(tiny("relu"), tmp_path / "b", data_folder, quiet()) == "completed"
    assert same_tables(tmp_path / "a" / run_id(tiny("relu")), tmp_path / "b")


def test_a_damaged_folder_is_said_when_the_others_are_done(tmp_path, data_folder):
    runs = folders([tiny("tanh"), tiny(), tiny("relu")], tmp_path)
    first, *others = runs
    first.mkdir()
    (first / "spec.json").write_text("{")
    with pytest.raises(store.Damaged, match=f"{first.name}/spec.json is not a spec"):
        complete_each(runs, quiet(), data_folder.parent)
    assert [store.summary_row(folder)["status"] for folder in others] == ["completed"] * 2


def test_a_signal_saves_the_present_run_and_leaves_the_others(tmp_path, data_folder, monkeypatch):
    specs = [tiny("tanh"), tiny(), tiny("relu")]
    runs = folders(specs, tmp_path / "a")
    real = training_run.fit

    def fit(engine, stopping, *arguments):
        def stop():
            if list(engine.specs) == [specs[1]] and engine.step == 4:
                os.kill(os.getpid(), signal.SIGTERM)
            return stopping()

        return real(engine, stop, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_run, "fit", fit)
        assert complete_each(runs, quiet(), data_folder.parent) == attempt.RESUMABLE
    assert [store.verifies(folder) for folder in runs] == [True, False, False]
    assert complete_each(runs, quiet(), data_folder.parent) == 0
    assert run_row(list(runs)[1])["n_resumes"] == 1
    for folder, spec in runs.items():
        run(spec, tmp_path / "b" / folder.name, data_folder, quiet())
        assert same_tables(folder, tmp_path / "b" / folder.name)


def test_a_run_that_hangs_is_given_up_and_the_same_command_goes_on(
    tmp_path, data_folder, monkeypatch
):
    runs = folders([tiny("tanh"), tiny("relu")], tmp_path)
    first, second = runs
    words = ["-m", "actstudy", "series", "--members", packs.to_json(runs.values()), "--quiet"]
    words += ["--device", "cpu", "--data_dir", str(data_folder.parent), "--log_dir", str(tmp_path)]
    monkeypatch.setattr(sys, "orig_argv", [sys.executable, *words])
    monkeypatch.setattr(timeout, "GRACE", 0.5)
    monkeypatch.setattr(training_run, "fit", lambda *_: signal.pause())
    slow = quiet(timeout_minutes=0.5 / 60)
    assert forks.forked(lambda: complete_each(runs, slow, data_folder.parent)) == 0
    assert store.summary_row(first)["status"] == "timeout"
    assert store.summary_row(second)["status"] == "completed"


def test_what_is_done_is_not_trained_again(tmp_path, data_folder, capsys):
    runs = folders([tiny("tanh"), tiny("relu")], tmp_path)
    first, second = runs
    assert complete({second: runs[second]}, quiet(), data_folder.parent) == 0
    before = (second / "runs.parquet").stat().st_mtime_ns
    assert complete_each(runs, quiet(), data_folder.parent) == 0
    assert (second / "runs.parquet").stat().st_mtime_ns == before
    assert store.verifies(first)


STUDY = """
axes: {activation: [relu, gelu]}
runs_per_job: 3
tasks: {mlp: {seeds: 2, epochs: 1, width: 16, depth: 1, warmup: 0, dropout: 0}}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory, data_folder):
    copy = Project(tmp_path_factory.mktemp("project"), [data_folder])
    (copy.folder / "config/several.yaml").write_text(STUDY)
    copy.provide("several", ["relu", "gelu"])
    return copy


def test_the_workflow_trains_series_and_other_sizes_train_nothing_again(project):
    study = ["--configfile", "config/several.yaml"]
    dry = project.snakemake("-n", *study)
    assert len(set(re.findall(r"^series_\w+", dry, re.MULTILINE))) == 1
    tables = "results/several/tables/plan.json"
    project.snakemake("--cores", "2", tables, *study)
    assert len(project.run_folders()) == 4
    assert "Nothing to be done" in project.snakemake("-n", tables, *study)
    for size in ("1", "2", "auto"):
        words = [tables, *study, "--config", f"runs_per_job={size}"]
        assert "Nothing to be done" in project.snakemake("-n", *words)
    lost = project.run_folders()[0]
    (lost / "runs.parquet").unlink()
    file = str(lost.relative_to(project.folder) / "runs.parquet")
    project.snakemake("--cores", "2", file, *study)
    assert store.verifies(lost)
