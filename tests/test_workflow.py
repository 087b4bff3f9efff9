"""The workflow in a copy of the project: the smoke study, then what an edit sets in motion."""

import json
import os
import re
import shutil
import sys

import pytest
import snakes
import yaml
from project import SNAKEMAKE, Project

from actstudy.contract import store
from actstudy.study import planning


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    made = Project(tmp_path_factory.mktemp("project"))
    made.snakemake("--cores", "2")
    return made


@pytest.fixture
def edited(project):
    """The smoke study's content, to change; put back afterwards."""
    path = project.folder / "config/smoke.yaml"
    before, times = path.read_text(), path.stat()
    yield lambda change: path.write_text(yaml.safe_dump(change(yaml.safe_load(before)) or before))
    path.write_text(before)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.fixture
def restored(project):
    """The path of a file of the project that is put back afterwards, with its times."""
    before = {}

    def path_of(name):
        path = project.folder / name
        before[path] = (path.read_bytes(), path.stat())
        return path

    yield path_of
    for path, (content, times) in before.items():
        path.write_bytes(content)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_smoke_study_then_nothing_to_do(project):
    page = (project.folder / "results/smoke/summary.md").read_text()
    assert page.startswith("# Study smoke: 2 of 2 runs completed")
    assert "SMOKE TEST" in page
    for picture in re.findall(r"\]\((.*?\.png)\)", page):
        assert (project.folder / "results/smoke" / picture).stat().st_size > 5000
    page += (project.folder / "results/smoke/details.md").read_text()
    assert len(set(re.findall(r"\]\((.*?\.png)\)", page))) == 3
    for table in re.findall(r"\]\((tables/.*?)\)", page):
        assert (project.folder / "results/smoke" / table).is_file()
    assert "Nothing to be done" in project.snakemake("-n")


def test_one_activations_lr_retrains_its_cells_only(project, edited):
    def change(study):
        study["axes"]["activation"] = ["tanh", {"activation": "relu", "lr": 0.01}]
        return study

    edited(change)
    rules, ids = project.planned()
    assert {name.split("-")[0] for name in ids} == {"relu"}
    assert len(ids) == 1
    assert {"train", "tables", "summary"} <= rules


def test_one_more_seed_trains_only_new_runs(project, edited):
    edited(lambda study: study["tasks"]["mlp"].update(seeds=2) or study)
    _, ids = project.planned()
    assert {re.sub("-[0-9a-f]{12}$", "", name) for name in ids} == {"tanh-s1", "relu-s1"}


def test_a_target_redoes_tables_and_figures_only(project, edited):
    edited(lambda study: study["tasks"]["mlp"].update(targets=[0.2]) or study)
    rules, ids = project.planned()
    assert not ids
    assert rules == {"tables", "figures_study", "summary", "explorer", "all"}


SEEN = "results/smoke/collected/changed.txt"  # which stands between runs and tables


def test_each_run_is_an_input_of_one_file_alone(project):
    """Snakemake hashes inputs once per output, and writes them down with each."""
    printed = project.snakemake("-n", "--quiet", "host", "--forceall")
    blocks = re.findall(r"^(?:local)?rule (\w+):\n    input: (.*)$", printed, re.M)
    with_runs = {rule for rule, inputs in blocks if "results/runs" in inputs}
    assert with_runs == {"collect", "all"}


def test_what_was_seen_and_not_tabled_yet_is_tabled(project, restored):
    """A workflow that was killed between the two: else tables without new runs would stay."""
    restored(SEEN)
    project.snakemake("--cores", "1", "--forcerun", "collect", "--", SEEN)
    rules, ids = project.planned()
    assert rules == {"tables", "figures_study", "summary", "explorer", "all"}
    assert not ids


def test_the_folder_of_what_was_collected_may_be_deleted(project, restored):
    path = restored(SEEN)
    path.unlink()
    assert "Nothing to be done" in project.snakemake("-n")


def test_a_comment_retrains_nothing(project, restored):
    for path in (project.folder / "lib").rglob("*.py"):
        restored(path).write_text(path.read_text() + "# a comment\n")
    for path in (project.folder / "workflow/rules").glob("*.smk"):
        restored(path).write_text(path.read_text() + "# a comment\n")
    assert "Nothing to be done" in project.snakemake("-n")


def test_an_edited_activation_is_planned_anew_and_named(project, restored):
    path = restored("lib/actstudy/nets/activations.py")
    finished = {folder.name for folder in project.run_folders()}
    path.write_text(path.read_text().replace('nn.ReLU, "max', 'nn.ReLU6, "max'))
    rules, ids = project.planned()
    assert {run.split("-")[0] for run in ids} == {"relu"}
    assert not ids & finished
    assert {"boundaries", "tables"} <= rules
    assert "reference" not in rules
    printed = project.call(
        sys.executable, "-m", "actstudy", "status", "--config", "config/smoke.yaml"
    )
    assert "activation relu: own or edited since shipped (code " in printed


def test_data_that_are_not_of_their_source_stop_a_study(project, restored):
    path = restored("results/data/mnist1d/source.json")
    path.write_text('{"code": {"data/sets/mnist1d.py": "ab12cd34"}, "files": []}')
    printed = project.snakemake("-n", status=2)
    assert "actstudy: lib/actstudy/data/sets/mnist1d.py has changed since results/data" in printed


@pytest.mark.parametrize("name", store.FILES)
def test_a_deleted_file_retrains_only_its_run(project, name):
    victim = project.run_folders()[0]
    content = (victim / name).read_bytes()
    times = (victim / name).stat()
    (victim / name).unlink()
    _, ids = project.planned()
    assert ids == {victim.name}
    (victim / name).write_bytes(content)
    os.utime(victim / name, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_a_deleted_figure_is_drawn_and_a_deleted_file_republished_without_training(project):
    picture = project.folder / "results/smoke/figures/study/metric_curves.pdf"
    picture.unlink()
    rules, ids = project.planned()
    assert "figures_study" in rules
    assert "figures_mlp" not in rules
    assert not ids
    victim = project.run_folders()[0]
    before = (victim / "log.txt").read_text()
    (victim / "curves.parquet").unlink()
    project.snakemake("--cores", "2")
    assert picture.exists()
    assert store.verifies(victim)
    assert (victim / "log.txt").read_text() == before
    assert "Nothing to be done" in project.snakemake("-n")


def test_a_failed_run_is_named_and_retry_mends_it(project, edited, restored):
    """Planning is made to miss what training refuses."""
    checks = restored("lib/actstudy/study/model_checks.py")
    checks.write_text(checks.read_text().replace("spec.batch_size > n_train", "False"))
    edited(lambda study: study["axes"].update(batch_size=[100, 4000]) or study)
    project.snakemake("--cores", "2")
    page = (project.folder / "results/smoke/summary.md").read_text()
    assert page.startswith("# Study smoke: 2 of 4 runs completed")
    assert "batch_size: got 4000; allowed: at most the 3500 train examples" in page
    actstudy = [sys.executable, "-m", "actstudy"]
    assert "2 failed" in re.sub(
        " +", " ", project.call(*actstudy, "status", "--config", "config/smoke.yaml", status=1)
    ).replace("failed 2", "2 failed")
    assert (
        project.call(*actstudy, "retry", "failed", "--config", "config/smoke.yaml").count("cleared")
        == 2
    )
    _, ids = project.planned()
    assert len(ids) == 2


def test_dag_goes_to_stdout_alone(project):
    environment = {**os.environ, "PYTHONPATH": str(project.folder / "lib")}
    done = snakes.called(project.folder, "snakemake", [*SNAKEMAKE[3:], "--dag"], environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("digraph snakemake_dag {")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-n", "--config", "lr=-1"], "--config: lr: got -1; allowed: greater than 0"),
        (["-n", "--config", "activation=rellu"], "did you mean 'relu'"),
        (["--config", "precision=fp16"], "precision: got 'fp16', but no GPU"),
        (["--config", "device=cuda"], "device: got 'cuda', but there is no GPU"),
    ],
)
def test_bad_config_is_one_line_and_exit_2(project, arguments, message):
    printed = project.snakemake(*arguments, status=2)
    lines = [
        line
        for line in printed.splitlines()
        if not line.startswith("Using workflow specific profile")
    ]
    assert len(lines) == 1, printed
    assert lines[0].startswith("actstudy: ")
    assert message in lines[0]


def test_a_dry_run_plans_what_another_machine_trains(project):
    printed = project.snakemake("-n", "--config", "precision=fp16")
    assert "precision: got 'fp16', but no GPU; allowed: fp32, bf16; a dry run is not" in printed
    assert re.search(r"^train +\d+$", printed, re.M)


WORDS = """
axes: {activation: [relu, silu]}
tasks:
  mlp: {epochs: 3, axes: {depth: [1, 2]}}
  lm:
    vocabulary: 400
    context: 64
    width: 8
    steps: 4
    eval_every: 2
    warmup: 0
    batch_size: 4
    targets: [1.0e+9, 2.0]
"""


def test_tasks_of_different_kinds_and_cells_share_a_study(project, prepared_folder):
    """Tokens and classes, a second axis in one task: all figures, tasks in order, no empty cell."""
    file = project.folder / "config/words.yaml"
    file.write_text(WORDS)
    of_mlp = [run for run in planning.load(file).runs() if run.spec.task == "mlp"]
    project.seal(of_mlp, project.folder / "results/data/mnist1d")
    project.provide("words", ["relu", "silu"])
    text = prepared_folder("sotu_text-v400-t64")
    shutil.copytree(text, project.folder / "results/data" / text.name)
    words = ["--configfile", "config/words.yaml"]
    project.call(sys.executable, "-m", "snakemake", *words, "--cores", "2")
    page = (project.folder / "results/words/summary.md").read_text()
    assert page.startswith("# Study words: 6 of 6 runs completed")
    assert page.index("## MLP on MNIST-1D") < page.index("## GPT on State of the Union")
    assert not re.search(r"\bnan\b", page)
    assert "| reference: add-one bigram" in page
    page += (project.folder / "results/words/details.md").read_text()
    assert len(set(re.findall(r"\]\((.*?\.png)\)", page))) == 2 + 2
    targets = (project.folder / "results/words/tables/targets.csv").read_text()
    assert re.search(r"lm,,relu,1000000000.0,1,1,2", targets), targets
    assert "Nothing to be done" in project.call(sys.executable, "-m", "snakemake", *words, "-n")


def test_a_named_run_is_not_overwritten_by_another(project):
    train = [
        sys.executable,
        "-m",
        "actstudy",
        "train",
        "--task",
        "mlp",
        "--run_id",
        "mine",
        "--epochs",
        "3",
        "--quiet",
    ]
    project.call(*train, "--activation", "relu")
    assert "completed" in project.call(*train, "--activation", "relu")
    assert "mine holds another spec" in project.call(*train, "--activation", "tanh", status=2)


def test_help_shows_the_tasks_defaults(project):
    printed = project.call(sys.executable, "-m", "actstudy", "train", "--task", "mlp", "--help")
    printed = " ".join(printed.split())
    assert "peak learning rate, reached after warm-up (default: 0.003)" in printed
    assert (
        "a difference matters from 0.01 on: a smaller difference is lost in the choice" in printed
    )
    assert "tabled to 0.6, 0.7 on val" in printed


def test_gpus_asked_for_and_gpus_there(project):
    """On a machine that says it has one GPU: no more is used than that, and none if gpu=0."""
    path = project.folder / "lib/actstudy/contract/host.py"
    whole = path.read_text()
    path.write_text(f'{whole}\n\ndef gpus():\n    return ["0"]\n')
    new = ["-n", "--quiet", "host", "--forcerun", "train", "--resources"]
    alone = ["--config", "runs_per_job=1"]
    many = project.snakemake(*new, "gpu=3", *alone)
    no_gpu = project.snakemake(*new, "gpu=0", *alone)
    slots = ["gpu=3", *alone, "slots_per_gpu=4"]
    shared = project.snakemake("-p", *new, *slots)
    limit = project.snakemake("--touch", "--forcerun", "train", "--resources", *slots)
    by_lease = project.snakemake("-p", *new, "gpu=3", *alone, "slots_per_gpu=auto")
    slots[-1] = "slots_per_gpu=auto"
    most = project.snakemake("--touch", "--forcerun", "train", "--resources", *slots)
    path.write_text(whole)
    assert "--slots_per_gpu 4 " in shared
    assert 'gpu=Resource("gpu", 4)' in limit
    assert "--slots_per_gpu auto " in by_lease
    assert 'gpu=Resource("gpu", 8)' in most
    assert many.count("actstudy: --resources gpu=3: this machine has 1; 1 are used") == 1
    assert "gpu=1\n" in many
    assert "this machine has" not in no_gpu
    assert "gpu=0\n" in no_gpu
    assert "gpu=1\n" not in no_gpu


# Lints that we answer instead of obeying, with the reason.
REASONED = {
    "Specify a conda environment or container": "one environment serves all rules: envs/",
    "No log directive": "a run writes log.txt into its folder; all else takes seconds, on stderr",
    "Shell command directly uses variable": "a changed device or cadence must retrain nothing",
}


def test_lint_finds_only_what_we_answer(project):
    found = re.findall(r"^    \* (.*)$", project.snakemake("--lint", status=1), re.M)
    assert found
    assert [lint for lint in found if not lint.startswith(tuple(REASONED))] == []
    assert [
        reason for reason in REASONED if not any(lint.startswith(reason) for lint in found)
    ] == []


PACKS = """
seeds: 2
axes: {activation: [relu, tanh, sigmoid]}
tasks:
  mlp: {width: 16, dropout: 0.0, epochs: 2, engine: pack, pack_width: 4}
"""


def test_packs_train_what_is_missing_and_nothing_else(project):
    """Two packs of six runs, two deleted runs, one more seed: other seals keep their times."""
    file = project.folder / "config/packs.yaml"
    project.provide("packs", ["relu", "tanh", "sigmoid"])
    file.write_text(PACKS)
    call = [sys.executable, "-m", "snakemake", "--configfile", "config/packs.yaml"]
    tables = [*call, "--cores", "2", "results/packs/tables/plan.json"]

    def stamps():
        specs = [path for path in project.run_folders() if (path / "spec.json").is_file()]
        packed = [
            path
            for path in specs
            if json.loads((path / "spec.json").read_text())["engine"] == "pack"
        ]
        return {
            path.name: (path / "checkpoints/final/runs.parquet").stat().st_mtime_ns
            for path in packed
        }

    project.call(*tables)
    first = stamps()
    assert len(first) == 6
    assert "Nothing to be done" in project.call(*tables, "-n")
    for name in (gone := sorted(first)[::3]):
        shutil.rmtree(project.folder / "results/runs/mlp" / name)
    project.call(*tables, *[f"results/runs/mlp/{name}/manifest.json" for name in gone])
    again = {name: stamps()[name] for name in first}
    assert {name for name in first if first[name] != again[name]} == set(gone)
    file.write_text(PACKS.replace("seeds: 2", "seeds: 3"))
    project.call(*call, "--cores", "2")
    assert {name: stamps()[name] for name in first} == again
    assert "9 of 9 runs completed" in (project.folder / "results/packs/summary.md").read_text()
    assert "Nothing to be done" in project.call(*call, "-n")


def test_runs_that_a_broken_job_has_ended_stay(tmp_path, monkeypatch):
    copy = Project(tmp_path)
    path = copy.folder / "config/smoke.yaml"
    study = {**yaml.safe_load(path.read_text()), "runs_per_job": 2}
    path.write_text(yaml.safe_dump({**study, "tasks": {"mlp": {"epochs": 1, "seeds": 1}}}))
    monkeypatch.setenv("ACTSTUDY_FAULT", "spec.json/rename:full:2")
    copy.snakemake("--cores", "1", "--until", "collect", status=1)
    (first,) = copy.run_folders()
    assert (first / store.MANIFEST).is_file()
    ended = store.summary_row(first)["ended"]
    monkeypatch.delenv("ACTSTUDY_FAULT")
    copy.snakemake("--cores", "1", "--until", "collect")
    assert len(copy.run_folders()) == 2
    assert store.summary_row(first)["ended"] == ended
