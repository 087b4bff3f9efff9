"""Seeds added look by look, rates chosen on val: what is planned when, and the workflow."""

import json
import re
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from project import Project

from actstudy.analysis import decide, figures, partial
from actstudy.analysis.questions import contrasts, procedure
from actstudy.analysis.status import status
from actstudy.contract import registry, store
from actstudy.contract.errors import StudyError
from actstudy.contract.plan import LooksTaken
from actstudy.study import looks, packs, planning

TWO = {"activation": ["relu", "leaky"]}
RATES = [0.001, 0.01, 0.1]


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Write a study file in a folder of its own; returns the study, loaded from there."""
    monkeypatch.chdir(tmp_path)

    def load(overrides=None, **content):
        (tmp_path / "mine.yaml").write_text(
            yaml.safe_dump({"axes": TWO, "tasks": {"mlp": None}, **content})
        )
        return planning.load("mine.yaml", overrides)

    return load


def write(planned, what, **content):
    """A decision of the task mlp; a look's n is its own unless it is in `content`."""
    decision = {"task": "mlp", **content}
    if what != "lr":
        decision.setdefault("n", looks.LOOKS[int(what[-1]) - 1])
    store.write_json(looks.path(planned.folder, "mlp", what), decision)


def seeds(planned):
    return {run.spec.seed for run in planned.runs()}


def test_constants_are_the_procedures():
    assert procedure.looks_of(True) == list(zip(looks.LOOKS, looks.SPENDS, strict=True))
    assert sum(looks.SPENDS) == pytest.approx(procedure.ALPHA)


def test_seeds_are_asked_for_look_by_look(study):
    planned = study(looks=True)
    assert seeds(planned) == set(range(8))
    assert {run.spec.seed for run in planned.possible} == set(range(20))
    write(planned, "look1", decided=False, undecided=["leaky_relu"])
    assert seeds(planned) == set(range(12))
    write(planned, "look2", decided=True, undecided=[])
    assert seeds(planned) == set(range(12))
    plan = planned.plan()
    assert {row["seed"] for row in plan.runs} == set(range(12))
    assert plan.tasks["mlp"].looks_runs == LooksTaken(run=12, all=20, ended=True)
    write(planned, "look2", decided=False, undecided=["leaky_relu"])
    write(planned, "look3", decided=False, undecided=["leaky_relu"])
    assert seeds(planned) == set(range(20))


def test_a_look_that_does_not_follow_from_the_one_before_is_none(study):
    """The first look was taken again with a smaller margin; the second repeats its old result."""
    planned = study(looks=True)
    write(planned, "look1", decided=False, undecided=["leaky_relu"])
    write(planned, "look2", decided=True, undecided=[], n=8)
    assert seeds(planned) == set(range(12))
    assert "mlp: look 2 of 3, n = 12; undecided: leaky_relu" in status(planned)[0]


def test_a_task_without_looks_is_untouched(study):
    planned = study(seeds=3, tasks={"mlp": None, "vision": {"looks": False}})
    assert planned.runs() == planned.possible == planned.first
    plan = planned.plan()
    assert plan.tuning == []
    assert not any(task.looks_runs for task in plan.tasks.values())
    assert {run.group for run in planned.runs()} == {""}


def test_one_task_may_look_while_another_has_its_seeds(study):
    planned = study(seeds=2, tasks={"mlp": {"looks": True}, "vision": None})
    seeds_of = {task: set() for task in planned.tasks}
    for run in planned.runs():
        seeds_of[run.spec.task].add(run.spec.seed)
    assert {task: len(own) for task, own in seeds_of.items()} == {"mlp": 8, "vision": 2}


def test_each_level_gets_the_rate_chosen_for_it_beside_the_fixed_one(study):
    planned = study(seeds=2, tune_lr=[0.01, 0.1, 0.001], tasks={"mlp": {"axes": {"depth": [2, 3]}}})
    assert len(planned.tuning) == 2 * 2 * 3 * 3
    assert {run.spec.seed for run in planned.tuning} == set(looks.TUNING_SEEDS)
    assert {run.group for run in planned.runs()} == {"depth=2, lr=fixed", "depth=3, lr=fixed"}
    chosen = [
        {"group": group, "level": level, "lr": lr}
        for level, lr in (("relu", 0.1), ("leaky_relu", 0.001))
        for group in ("depth=2", "depth=3")
    ]
    write(planned, "lr", chosen=chosen)
    tuned = {(run.level, run.spec.lr) for run in planned.runs() if "lr=tuned" in run.group}
    assert tuned == {("relu", 0.1), ("leaky_relu", 0.001)}
    assert {run.spec.lr for run in planned.runs() if "lr=fixed" in run.group} == {
        registry.task("mlp")["defaults"]["lr"]
    }
    plan = planned.plan()
    assert len(plan.runs) == 2 * 2 * 2 * 2
    assert not {row["run_id"] for row in plan.runs} & {row["run_id"] for row in plan.tuning}
    cell = {"run_id", "task", "level", "level_value", "group", "places", "data", "seed"}
    assert set(plan.tuning[0]) == cell | {"lr"}
    assert json.loads(plan.runs[0]["places"]) == {"depth": "2", "lr": "fixed"}
    assert {row["group"] for row in plan.tuning} == {"depth=2", "depth=3"}


def test_a_chosen_rate_that_is_the_fixed_one_is_one_run_in_both_groups(study):
    planned = study(seeds=1, tune_lr=RATES, tasks={"mlp": {"lr": 0.01}})
    write(
        planned,
        "lr",
        chosen=[{"group": "", "level": level, "lr": 0.01} for level in ("relu", "leaky_relu")],
    )
    groups = {}
    for run in planned.runs():
        groups.setdefault(run.id, set()).add(run.group)
    assert list(groups.values()) == [{"lr=fixed", "lr=tuned"}] * 2


def test_looks_never_share_a_pack(study):
    pack = {"engine": "pack", "pack_width": 16, "dropout": 0.0}
    planned = study(looks=True, defaults=pack)
    filled = [packs.packs(stage) for stage in planned.stages]
    seeds_by_look = []
    for stage in filled:
        members = [spec for pack in stage.values() for spec in pack]
        seeds_by_look.append({spec.seed for spec in members})
    assert seeds_by_look == [set(range(8)), set(range(8, 12)), set(range(12, 20))]
    fixed = study(seeds=20, defaults=pack)
    assert [packs.packs(stage) for stage in fixed.stages] == [packs.packs(fixed.runs()), {}, {}]


BAD = {
    "seeds beside looks": (
        {"looks": True, "seeds": 3},
        {},
        "seeds: set beside looks, which take 8, 12 and 20 seeds",
    ),
    "a task's seeds beside looks": (
        {"looks": True},
        {"seeds": 3},
        "tasks.mlp: seeds: set beside looks",
    ),
    "not a switch": ({"looks": 3}, {}, "looks: got 3; allowed: true, false, anytime"),
    "two rates": ({"tune_lr": [0.1, 0.2]}, {}, "tune_lr: got [0.1, 0.2]; allowed: "),
    "a rate twice": (
        {"tune_lr": [0.1, 0.2, 0.1]},
        {},
        "tune_lr: got [0.1, 0.2, 0.1]; allowed: 3 or more different",
    ),
    "a rate of zero": ({"tune_lr": [0, 0.2, 0.1]}, {}, "tune_lr.0: got 0; allowed: greater than 0"),
    "an axis of rates": (
        {"tune_lr": RATES, "axes": {**TWO, "lr": [0.1, 0.2]}},
        {},
        "tune_lr: chooses lr, which axis lr sets too",
    ),
    "a level with a rate": (
        {"tune_lr": RATES, "axes": {"activation": ["relu", {"activation": "elu", "lr": 0.1}]}},
        {},
        "tune_lr: chooses lr, which axis activation sets too",
    ),
    "rates compared": ({"tune_lr": RATES, "compare": "lr"}, {}, "compare: got 'lr' beside tune_lr"),
    "packs": (
        {"tune_lr": RATES},
        {"engine": "pack", "pack_width": 4, "dropout": 0.0},
        "engine: got 'pack' with tune_lr; allowed there: eager, compiled, "
        "as which runs fill a pack",
    ),
    "a tuning seed": (
        {"tune_lr": RATES},
        {"seeds": [0, 1001]},
        "seeds: got 1001; allowed beside tune_lr: not 1000",
    ),
    "family": (
        {"family": "tasks"},
        {},
        "family: got 'tasks'; did you mean 'task'? allowed: 'task' or 'study'",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_does_not_go_together_is_one_line(study, case):
    content, block, message = BAD[case]
    with pytest.raises(StudyError, match=re.escape(message)) as caught:
        study(**{"tasks": {"mlp": block}, **content})
    assert "\n" not in str(caught.value)


def test_the_command_line_switches_looks_off(study):
    assert seeds(study({"looks": "false", "seeds": "2"}, looks=True)) == {0, 1}
    with pytest.raises(StudyError, match="seeds: set beside looks"):
        study({"seeds": 2}, looks=True)


def test_seeds_of_the_command_line_are_never_ignored_for_looks_of_a_task(study):
    blocks = {"mlp": {"looks": True}}
    line = (
        "--config: seeds: got 1, but tasks.mlp has looks, which take 8, 12, 20 seeds; allowed: "
        "looks=false with it"
    )
    with pytest.raises(StudyError, match=re.escape(line)):
        study({"seeds": "1"}, tasks=blocks)
    assert seeds(study({"seeds": "1", "looks": "false"}, tasks=blocks)) == {0}
    assert seeds(study({"seeds": "1"}, tasks={"mlp": {"looks": False}})) == {0}


def test_a_decision_that_is_not_readable_is_one_line(study):
    planned = study(looks=True)
    file = looks.path(planned.folder, "mlp", "look1")
    file.parent.mkdir(parents=True)
    file.write_text("{")
    with pytest.raises(StudyError, match=f"{file}: not readable as a decision; to fix: rm {file}"):
        _ = planned.runs()


def read(file):
    return json.loads(file.read_text())


def test_looks_go_on_while_something_is_open_and_end_at_the_last(study):
    """No run has ended: too few seeds at every look."""
    planned = study(looks=True)
    decisions = [read(decide.decide(planned, "mlp", f"look{k}")) for k in (1, 2, 3)]
    assert [(look["n"], look["next"]) for look in decisions] == [(8, 12), (12, 20), (20, None)]
    assert [look["undecided"] for look in decisions] == [["leaky_relu"]] * 3
    assert not any(look["decided"] for look in decisions)
    text, _ = status(planned)
    assert "mlp: look 3 of 3, n = 20; looks ended; undecided: leaky_relu" in text


def test_a_decided_task_asks_for_nothing_more(study, monkeypatch):
    planned = study(looks=True)
    rows = [("primary", "better"), ("all pairs", "undecided")]
    table = pd.DataFrame(rows, columns=["family", "verdict"]).assign(
        task="mlp", level="leaky_relu", group=""
    )
    monkeypatch.setattr(contrasts, "contrasts", lambda *_: table)
    more = "; goes on to n = 20 unless all is decided before\n"
    assert f"mlp: look 1 of 3, n = 8{more}" in status(planned)[0]
    first = read(decide.decide(planned, "mlp", "look1"))
    assert first == {
        "task": "mlp",
        "look": 1,
        "n": 8,
        "decided": True,
        "undecided": [],
        "next": None,
    }
    monkeypatch.setattr(contrasts, "contrasts", None)  # later looks ask nobody
    assert read(decide.decide(planned, "mlp", "look2")) == first | {"look": 2}
    assert read(decide.decide(planned, "mlp", "look3")) == first | {"look": 3}
    assert "mlp: look 1 of 3, n = 8; decided\n" in status(planned)[0]


def test_status_counts_what_is_asked_for_and_says_what_is_open(study):
    planned = study(looks=True, tune_lr=RATES)
    write(planned, "look1", decided=False, undecided=["leaky_relu, lr=fixed"])
    text, _ = status(planned)
    assert f"0 of {2 * 9 + 2 * 12} runs completed" in text
    assert re.search(r"leaky_relu \(choosing lr\) +0 of 9", text)
    assert "mlp: learning rates chosen on val: not yet" in text
    assert "mlp: look 2 of 3, n = 12; undecided: leaky_relu, lr=fixed" in text


@pytest.mark.parametrize(
    ("task", "what", "message"),
    [
        ("mpl", "look1", "decide: got 'mpl'; did you mean 'mlp'? allowed: mlp"),
        ("mlp", "look4", "decide: got 'look4'; did you mean 'look3'? allowed: look1, look2, look3"),
        ("mlp", "lr", "decide: got 'lr'; allowed: look1, look2, look3"),
    ],
)
def test_a_decision_that_nobody_asked_for_is_one_line(study, task, what, message):
    with pytest.raises(StudyError, match=re.escape(message)):
        decide.decide(study(looks=True), task, what)


@pytest.fixture(scope="module")
def project(tmp_path_factory, data_folder):
    return Project(tmp_path_factory.mktemp("looks"), [data_folder])


LOOKS = """
looks: true
axes: {activation: [relu, leaky]}
tasks:
  mlp:
    {width: 16, dropout: 0.0, epochs: 1, warmup: 0, lr: 1.0e-12, margin: MARGIN,
     engine: pack, pack_width: 16}
"""


def test_one_call_goes_from_look_to_look_until_all_is_decided(project, monkeypatch):
    """Untrained networks: equivalent within a huge margin at once, never within a tiny one."""
    file = project.folder / "config/looks.yaml"
    project.provide("looks", ["relu", "leaky_relu"])
    folder = project.folder / "results/looks"
    call = [sys.executable, "-m", "snakemake", "--configfile", "config/looks.yaml"]
    tables = [*call, "--cores", "2", "results/looks/tables/plan.json"]
    decisions = [*call, "--cores", "2", "results/looks/plan/mlp-look3.json"]

    def stamps():
        sealed = (project.folder / "results/runs/mlp").glob("*-s*/checkpoints/final/runs.parquet")
        return {path.parents[2].name: path.stat().st_mtime_ns for path in sealed}

    def decided():
        return [read(folder / f"plan/mlp-look{k}.json") for k in (1, 2, 3)]

    file.write_text(LOOKS.replace("MARGIN", "0.9"))
    dry_run = project.call(*call, "-n")
    assert re.search(r"^look +3$", dry_run, re.M)
    assert len(set(re.findall(r"^pack_\w+ +1$", dry_run, re.M))) == 1
    drawn = project.call(*call, "--dag")
    assert drawn.startswith("digraph snakemake_dag {")
    assert drawn.count('label = "look') == 3

    project.call(*tables)
    assert [(look["n"], look["decided"]) for look in decided()] == [(8, True)] * 3
    first = stamps()
    assert len(first) == 16
    assert "Nothing to be done" in project.call(*tables)

    gone = sorted(first)[3]
    shutil.rmtree(project.folder / "results/runs/mlp" / gone)
    before = decided()
    assert re.search(r"^pack_\w+ +1$", project.call(*call, "-n"), re.M)
    project.call(*decisions, f"results/runs/mlp/{gone}/manifest.json")
    assert [name for name, stamp in stamps().items() if stamp != first[name]] == [gone]
    assert decided() == before
    first = stamps()

    file.write_text(LOOKS.replace("MARGIN", "1.0e-9"))
    project.call(*call, "--cores", "2", "results/looks/plan/mlp-look1.json")
    with monkeypatch.context() as context:
        context.chdir(project.folder)
        context.setattr(figures, "draw_page", lambda *_: None)
        planned = planning.load("config/looks.yaml")
        assert "mlp: look 2 of 3, n = 12; undecided: leaky_relu" in status(planned)[0]
        page = partial.write_partial(planned)
        assert page == Path("results/looks/partial/summary.md")
        assert "PARTIAL 16/24" in page.read_text().splitlines()[0]

    project.call(*tables)
    assert [(look["n"], look["next"]) for look in decided()] == [(8, 12), (12, 20), (20, None)]
    assert len(stamps()) == 40
    assert {name: stamps()[name] for name in first} == first
    runs = pd.read_parquet(folder / "tables/runs.parquet")
    assert sorted(runs["seed"]) == sorted([*range(20)] * 2)
    assert read(folder / "tables/plan.json")["tasks"]["mlp"]["looks_runs"] == {
        "run": 20,
        "all": 20,
        "ended": True,
    }
    assert "Nothing to be done" in project.call(*tables)


TUNED = """
seeds: 1
tune_lr: [1.0e-7, 1.0e-6, 0.02]
axes: {activation: [relu]}
tasks:
  mlp: {width: 16, dropout: 0.0, epochs: 2, warmup: 0, lr: 1.0e-6}
"""


def test_the_rate_that_val_chooses_is_trained_beside_the_fixed_one(project, data_folder):
    file = project.folder / "config/tuned.yaml"
    file.write_text(TUNED)
    project.seal(planning.load(file).tuning, data_folder)
    project.provide("tuned", ["relu"])
    call = [sys.executable, "-m", "snakemake", "--configfile", "config/tuned.yaml"]
    tables = [*call, "--cores", "2", "results/tuned/tables/plan.json"]
    folder = project.folder / "results/tuned"
    alone = project.call(*call, "-n", "--config", "runs_per_job=1")
    assert re.search(r"^train +10$", alone, re.M)
    project.call(*tables)
    decision = read(folder / "plan/mlp-lr.json")
    assert decision["chosen"] == [{"group": "", "level": "relu", "lr": 0.02}]
    runs = pd.read_parquet(folder / "tables/runs.parquet")
    assert {(row.group, row.seed): row.lr for row in runs.itertuples()} == {
        ("lr=fixed", 0): 1e-6,
        ("lr=tuned", 0): 0.02,
    }
    assert "Nothing to be done" in project.call(*tables)
    # The fixed rate is the chosen one: no further run is needed. A try leaves the study as it is.
    page = (folder / "tables/plan.json").read_bytes()
    project.provide("tuned+lr=0.02", ["relu"])
    tried = "results/tuned+lr=0.02/tables/plan.json"
    same = project.call(*call, "--cores", "2", tried, "--config", "lr=0.02")
    assert "actstudy: this try writes to results/tuned+lr=0.02" in same
    assert not re.search(r"^train +\d", same, re.M)
    assert (folder / "tables/plan.json").read_bytes() == page
    folder = project.folder / "results/tuned+lr=0.02"
    runs = pd.read_parquet(folder / "tables/runs.parquet")
    assert runs["run_id"].nunique() == 1
    assert list(runs["group"]) == ["lr=fixed", "lr=tuned"]
    assert list(runs["lr"]) == [0.02, 0.02]
