"""Which activations `choose` puts in its set, from which tables, and when it has no data."""

import dataclasses
import itertools
import json
import math

import numpy as np
import pandas as pd
import pytest
import yaml
from commands import command
from plans import task_plan
from runs import ROOT

from actstudy.analysis import choosing, evidence, stored
from actstudy.analysis.page import (
    choice_notes,
    choice_overview,
    choice_steps,
    choice_tables,
    next_steps,
)
from actstudy.analysis.questions import choice, procedure
from actstudy.analysis.questions.seed_values import TaskValues
from actstudy.commands import choose
from actstudy.commands.parser import Parser
from actstudy.contract.errors import StudyError
from actstudy.contract.plan import ANYTIME
from actstudy.contract.spec import DEFAULTS
from actstudy.study import model_checks, planning

EXAMPLES = ROOT / "docs/example"
LEVELS = ("relu", "gelu", "silu")


@pytest.fixture(scope="module")
def cells():
    return evidence.cells(stored.kept_folders())[0]


def question(*words):
    """The question of a command line."""
    parser = Parser()
    choose.add_flags(parser)
    return choosing.Question(**choose.question_of(parser.parse_args(words)))


def values_of(columns, diverged=()):
    """Values of one group of cells from level -> values by seed; diverged: (level, seed) pairs."""
    values = pd.DataFrame({("", level): column for level, column in columns.items()}, dtype=float)
    is_diverged = pd.DataFrame(False, values.index, values.columns)
    for level, seed in diverged:
        is_diverged.loc[seed, ("", level)] = True
    return TaskValues(values, is_diverged, pd.Series(0.1, values.columns))


def noise(n, scale=0.004, seed=0):
    return scale * np.random.default_rng(seed).normal(size=n)


def test_a_level_leaves_if_another_is_better_by_the_margin_and_not_by_chance():
    n = 8
    columns = {
        "best": 0.7 + noise(n, seed=1),
        "close": 0.698 + noise(n, seed=2),
        "small but sure": 0.7 + noise(n, seed=1) - 0.005,
        "worse": 0.65 + noise(n, seed=3),
    }
    rows = choice.choice(values_of(columns), task_plan())
    assert list(rows.index[rows["in_set"]]) == ["best", "close", "small but sure"]
    assert rows.loc["worse", "better"] in ("best", "small but sure")
    sure = rows.loc["small but sure"]
    assert sure["low"] == pytest.approx(0.005) == sure["high"]
    without_margin = choice.choice(values_of(columns), task_plan(margin=1e-9))
    assert not without_margin.loc["small but sure", "in_set"]


def test_the_interval_is_that_of_the_tests():
    pairs = np.array([0.01, 0.03, 0.02, 0.05, 0.04, 0.02, 0.01, 0.06])
    columns = {"best": 0.7 + pairs, "level": np.full(8, 0.7), "third": np.full(8, 0.2)}
    rows = choice.choice(values_of(columns), task_plan())
    t = 2.364624  # of 7 degrees of freedom, 0.025 on each side: K = 3
    half = t * pairs.std(ddof=1) / math.sqrt(8)
    row = rows.loc["level"]
    assert row["shortfall"] == pytest.approx(pairs.mean())
    assert row["low"] == pytest.approx(pairs.mean() - half, rel=1e-5)
    assert row["high"] == pytest.approx(pairs.mean() + half, rel=1e-5)
    assert rows.loc["best", "n"] == 8
    assert math.isnan(rows.loc["best", "high"])


def test_equal_levels_stay_together():
    same = 0.7 + noise(8)
    rows = choice.choice(values_of({"elu": same, "celu": same, "tanh": same - 0.1}), task_plan())
    assert list(rows["in_set"]) == [True, True, False]


def test_too_few_pairs_compare_nothing():
    columns = {"a": [0.9, 0.91, 0.92], "b": [0.1, 0.11, np.nan], "c": [0.2, 0.21, 0.22]}
    x = values_of(columns).values.to_numpy()
    assert list(choice.members(x, 0.01)) == [True, True, False]


def test_missing_seeds_never_leave_an_empty_set():
    x = np.full((9, 3), np.nan)
    for start, (better, worse) in enumerate([(0, 1), (1, 2), (2, 0)]):
        x[3 * start : 3 * start + 3, better] = [0.52, 0.53, 0.54]
        x[3 * start : 3 * start + 3, worse] = [0.42, 0.43, 0.44]
    assert choice.members(x, 0.01).sum() == 1


def test_a_level_that_collapsed_runs_turn_puts_none_out():
    """Its typical runs are better by far, all of its runs are worse on average."""
    safe = 0.70 + noise(10)
    risky = 0.75 + noise(10, seed=1)
    assert list(choice.choice(values_of({"a": safe, "b": risky}), task_plan())["in_set"]) == [
        False,
        True,
    ]
    risky[:2] = 0.1
    rows = choice.choice(values_of({"a": safe, "b": risky}), task_plan())
    assert list(rows["in_set"]) == [True, True]
    assert rows.loc["b", "n_collapsed"] == 2


def test_collapsed_runs_are_counted_and_come_last():
    rng = np.random.default_rng(0)
    columns = {name: 0.7 + 0.002 * rng.normal(size=8) for name in ("steady", "risky")}
    columns["risky"][2] = 0.1
    columns["risky"] += 0.001
    values = values_of(columns, [("risky", 2)])
    costs = pd.DataFrame(0.0, ["steady", "risky"], choice.COSTS)
    costs["train_seconds"] = [2.0, 1.0]
    rows = choice.choice(values, task_plan()).join(costs)
    assert rows["in_set"].all()
    assert list(rows["n_collapsed"]) == [0, 1]
    assert list(choice.ordered(rows, "speed").index) == ["steady", "risky"]


@pytest.mark.parametrize(
    ("matters", "first"), [("accuracy", "accurate"), ("speed", "fast"), ("memory", "small")]
)
def test_what_matters_orders_the_set(matters, first):
    rows = pd.DataFrame(
        {
            "in_set": [True, True, True, True, False],
            "trains": True,
            "n_collapsed": 0,
            "shortfall": [0.0, 0.001, 0.002, 0.003, 0.5],
            "train_seconds": [9.0, 1.0, 8.0, np.nan, 0.1],
            "peak_memory_bytes": [9.0, 8.0, 1.0, np.nan, 0.1],
        },
        ["accurate", "fast", "small", "not timed", "out"],
    )
    order = list(choice.ordered(rows, matters).index)
    assert order[0] == first
    assert order[-2:] == ["not timed", "out"]


def test_the_best_of_equals_is_in_the_set_as_often_as_promised():
    rng = np.random.default_rng(3)
    n = 1500
    holds = 0
    for _ in range(n):
        x = 0.7 + 0.01 * (rng.normal(size=(8, 1)) + rng.normal(size=(8, 5)))
        holds += choice.members(x, 1e-9)[0]
    error = math.sqrt(0.95 * 0.05 / n)
    assert 0.95 - 3 * error < holds / n < 0.99  # Bonferroni's inequality is nearly sharp here


def test_kept_differences_are_those_of_the_study(cells):
    """The study's own table, made by another procedure, has the same paired means."""
    contrasts = pd.read_csv(EXAMPLES / "verdicts/tables/contrasts.csv")
    compared = 0
    for cell in cells:
        if cell.study != "verdicts":
            continue
        rows = choice.choice(cell.values, cell.settings)
        best = rows.index[rows["high"].isna()].item()
        own = contrasts[(contrasts["group"] == cell.group) & (contrasts["family"] == "all pairs")]
        for row in own.to_dict("records"):
            if best in (row["level"], row["baseline"]):
                is_first = row["level"] == best
                other = row["baseline"] if is_first else row["level"]
                mean = row["mean"] if is_first else -row["mean"]
                assert rows.loc[other, "shortfall"] == pytest.approx(mean)
                compared += 1
    assert compared == 14


def runs_of(**columns):
    """A table of runs, three seeds of LEVELS in one cell, but for some columns."""
    rows = []
    for level, seed in itertools.product(LEVELS, range(3)):
        value = 0.7 - 0.1 * LEVELS.index(level) + 0.001 * seed
        spec = {"task": "mlp", "dataset": "mnist1d", "activation": level, "seed": seed}
        spec |= {"activation_args": "{}", "depth": 3, "width": 128}
        cell = {"run_id": f"{level}-s{seed}", "level": level, "group": "", "data": "mnist1d"}
        end = {"status": "completed", "reported_accuracy": value, "order_hash": f"order {seed}"}
        end |= {"precision": "fp32", "engine": "eager", "device": "CPU X, 1 thread"}
        end |= {"timing_clean": True, "train_seconds": 1.0 + LEVELS.index(level)}
        rows.append({**spec, **cell, **end, "peak_memory_bytes": 1e9})
    return pd.DataFrame(rows).assign(**columns)


def written(folder, runs, study="axes:\n  activation: [relu, gelu, silu]\ntasks: {mlp: {}}\n"):
    """A folder of tables with a study file next to it."""
    (folder / "tables").mkdir(parents=True)
    runs.to_csv(folder / "tables/runs.csv", index=False)
    if study:
        (folder / "made_up.yaml").write_text(f"baseline: relu\nseeds: 3\n{study}")
    return folder / "tables"


def test_cells_of_a_table(tmp_path):
    (cell,), faults = evidence.cells([written(tmp_path, runs_of())])
    assert faults == {}
    assert (cell.study, cell.task, cell.group) == ("made_up", "mlp", "")
    assert cell.fields["depth"] == "3"
    assert cell.fields["model"] == "mlp"
    assert cell.fields["framework"] == DEFAULTS["framework"]  # newer than the table
    assert cell.values.values.shape == (3, 3)
    assert cell.is_on("cpu")
    assert cell.is_on("cpu x")
    assert not cell.is_on("cuda")


def test_runs_of_other_batches_are_no_pairs(tmp_path):
    runs = runs_of()
    runs.loc[runs["run_id"] == "gelu-s1", "order_hash"] = "another"
    (cell,), _ = evidence.cells([written(tmp_path, runs)])
    assert list(cell.values.values["", "gelu"].isna()) == [False, True, False]


def test_diverged_runs_are_at_chance_and_failed_ones_count_nowhere(tmp_path):
    runs = runs_of()
    runs.loc[runs["level"] == "gelu", ["status", "reported_accuracy"]] = ["diverged", np.nan]
    runs.loc[runs["level"] == "silu", ["status", "reported_accuracy"]] = ["failed", np.nan]
    (cell,), _ = evidence.cells([written(tmp_path, runs)])
    rows = choosing.rows_of(cell, question())
    assert list(rows.index) == ["relu", "gelu"]
    assert not rows.loc["gelu", "in_set"]
    assert rows.loc["gelu", "n_collapsed"] == 3
    page = choice_overview.page([(cell, rows)])
    assert "Not compared, as no run ended with a number: silu." in page


def test_a_study_that_compares_something_else_is_answered_by_activation(tmp_path):
    runs = pd.concat([runs_of(init=init) for init in ("auto", "he_normal")])
    runs["run_id"] = runs["run_id"] + runs["init"]
    runs = runs.assign(level=runs["init"], group="activation=" + runs["activation"])
    study = "compare: init\naxes:\n  activation: [relu, gelu, silu]\n  init: [auto, he_normal]\n"
    place = written(tmp_path, runs.reset_index(drop=True))
    file = tmp_path / "made_up.yaml"
    file.write_text(f"baseline: auto\nseeds: 3\n{study}tasks: {{mlp: {{}}}}\n")
    several, faults = evidence.cells([place])
    assert faults == {}
    assert [cell.group for cell in several] == ["init=auto", "init=he_normal"]
    assert list(choosing.rows_of(several[0], question()).index) == list(LEVELS)


def test_the_same_runs_answer_once(tmp_path):
    places = [written(tmp_path / name, runs_of()) for name in ("a", "b")]
    assert len(evidence.cells(places)[0]) == 1


def test_tables_that_say_too_little_are_named(tmp_path):
    places = [
        written(tmp_path / "a", runs_of().drop(columns="device")),
        written(tmp_path / "b", runs_of(), study=""),
    ]
    several, faults = evidence.cells(places)
    assert several == []
    assert "no column device" in faults[places[0]]
    assert "no plan.json" in faults[places[1]]


def test_kept_folders_without_a_plan_have_that_of_their_study(cells):
    of_study = {cell.study: cell for cell in cells}
    for name in ("gated", "learnt"):
        assert of_study[name].file.endswith(f"config/{name}.yaml")
    _, faults = evidence.cells(stored.kept_folders())
    assert "runs.csv: no column" in faults[EXAMPLES / "default"]


def test_one_function_with_two_names_is_compared_once(cells):
    cell = next(cell for cell in cells if cell.study == "verdicts")
    assert cell.doubles == {"celu": "elu", "silu_written_out": "silu"}
    rows = choosing.rows_of(cell, question())
    assert not set(cell.doubles) & set(rows.index)
    page = choice_overview.page([(cell, rows)])
    assert "under another name: celu is elu and silu_written_out is silu." in page
    assert "slower than the budget" not in page


def test_an_overview_says_what_is_wrong_with_a_level(cells):
    deep = [cell for cell in cells if "init=xavier_normal" in cell.group]
    answers = [(cell, choosing.rows_of(cell, question())) for cell in deep]
    page = choice_overview.page(answers)
    assert "tanh; relu (most are at chance)" in page
    assert "- depth_full, mlp: mnist; NVIDIA H100" in page
    assert f"The seeds of {len(deep)} of {len(deep)} cells are too few" in page
    assert "read from" in page
    assert "| 96.88 %     | tanh; relu" in page  # of depth 20: cells can be compared
    assert "ordered by training time" in page
    assert "ordered by the mean" in choice_overview.page(answers, "accuracy")
    assert "here xavier_normal alone" in choice_tables.default_init(answers, [])
    assert choice_tables.default_init(answers, ["init"]) == ""


def test_many_cells_have_a_row_per_study_with_the_flags_that_tell_them_apart(cells):
    answers = [(cell, choosing.rows_of(cell, question())) for cell in cells]
    page = choice_overview.page(answers)
    deep = [(cell, rows) for cell, rows in answers if cell.study == "depth_full"]
    assert len(deep) > choice_overview.MAX_LINES
    (line,) = [line for line in page.splitlines() if line.startswith("| depth_full, mlp")]
    assert line.split("|")[2].strip() == str(len(deep))
    assert line.split("|")[-2].split() == ["--depth", "--init"]
    trained = [rows for _, rows in deep if rows["trains"].any()]
    assert f"tanh {sum(rows.loc['tanh', 'in_set'] for rows in trained)};" in line
    assert f"none trains in {len(deep) - len(trained)} " in line


def test_a_first_level_that_may_be_worse_is_named(tmp_path):
    runs = runs_of()
    for level, values in {"silu": (0.7, 0.71, 0.72), "relu": (0.7, 0.69, 0.73)}.items():
        runs.loc[runs["level"] == level, "reported_accuracy"] = values
    runs.loc[runs["level"] == "gelu", "reported_accuracy"] = (0.699, 0.709, 0.719)
    (cell,), _ = evidence.cells([written(tmp_path, runs)])
    page = choice_overview.page([(cell, choosing.rows_of(cell, question()))])
    assert "Not separated: relu may be up to " in page
    assert "below silu; shown as good: gelu." in page
    runs.loc[runs["level"] == "gelu", "reported_accuracy"] = (0.75, 0.63, 0.69)
    (cell,), _ = evidence.cells([written(tmp_path / "other", runs)])
    open_page = choice_overview.page([(cell, choosing.rows_of(cell, question()))])
    assert "below silu; no other is shown as good." in open_page
    by_mean = choosing.rows_of(cell, question("--matters", "accuracy"))
    assert "Not separated" not in choice_overview.page([(cell, by_mean)])


def test_a_study_that_is_looked_at_whenever_has_a_set_of_one_look(tmp_path):
    (cell,), _ = evidence.cells([written(tmp_path, runs_of())])
    rows = choosing.rows_of(cell, question())
    assert "looks: anytime" not in choice_overview.page([(cell, rows)])
    settings = dataclasses.replace(cell.settings, looks=ANYTIME)
    often = dataclasses.replace(cell, settings=settings)
    assert "the set is of one look at the present seeds" in choice_overview.page([(often, rows)])
    assert "looks=false" not in choice_overview.page([(often, rows)])


def test_seeds_are_added_as_the_page_of_the_study_adds_them(tmp_path):
    """Other seeds in a new study; of a study at any number of seeds more of its own."""
    (cell,), _ = evidence.cells([written(tmp_path, runs_of())])
    row = pd.Series({"in_set": True, "high": 1.0, "more_seeds": 5.0})
    once = dataclasses.replace(cell, file="s.yaml")
    n = cell.runs["seed"].nunique()
    first = cell.runs["seed"].max() + 1
    new = ",".join(str(seed) for seed in range(first, first + n + 5))
    assert f" --set seeds={new} tasks=" in choice_steps.command(once, row)
    assert next_steps.new_study(n + 5) in choice_steps.sharpen(once, row)
    settings = dataclasses.replace(cell.settings, looks=ANYTIME)
    often = dataclasses.replace(once, settings=settings)
    assert f" --set seeds={first + 5} tasks=" in choice_steps.command(often, row)
    assert choice_steps.sharpen(often, row).startswith("seeds to add: 5 (margin)")
    text = choice_overview.page([(once, choosing.rows_of(cell, question()))])
    assert choice_notes.VERDICTS_ASK in text


def test_a_budget_leaves_out_what_is_slower(tmp_path):
    several, _ = evidence.cells([written(tmp_path, runs_of())])
    (answer,) = choosing.answers_of(several, question("--budget", "2.5"))
    assert list(answer[1].index) == ["relu", "gelu"]
    assert "Not compared, slower than the budget" in choice_overview.page([answer])
    short = question("--budget", "0.5")
    assert choosing.answers_of(several, short) == []
    content = choosing.no_data(several, short)
    nearest = "nothing that was timed is within the budget: relu, the fastest, took 1 s"
    assert content["nearest"][0].endswith(nearest)
    assert "within the budget" in content["fault"]


def test_packed_runs_have_no_costs(cells):
    packed = next(cell for cell in cells if cell.study == "depth_full")
    rows = choosing.rows_of(packed, question())
    assert rows["train_seconds"].isna().all()
    assert choice_tables.NO_SECONDS in choice_overview.page([(packed, rows)])


def test_a_cell_in_which_nothing_trains_says_so(cells):
    pages = {}
    for cell in cells:
        pages[cell.name] = choice_overview.page([(cell, choosing.rows_of(cell, question()))])
    without = [name for name, page in pages.items() if choice_notes.NONE_TRAINS in page]
    assert "depth_full, mlp, init=zero, depth=20" in without
    assert "example, lm" not in without  # whose chance level is not known
    assert "most are at chance" in pages["depth_full, mlp, init=xavier_normal, depth=50"]
    assert "bag of words, linear is no worse: 88.38 %" in pages["example, cls"]
    assert "Without a network" not in pages["example, vision"]


def test_seeds_to_add_are_counted_as_a_verdict_counts_them():
    """With as many levels, for the margin, whatever difference was seen."""
    noise = np.random.default_rng(3).normal(0, 0.02, 9)
    noise = noise - noise.mean()
    (verdict, *_) = procedure.judge(np.repeat(noise[:, None], 4, axis=1), 0.014)
    assert verdict.verdict == procedure.UNDECIDED
    for shift in (0.0, 0.004, 0.3):
        assert choice.shortfall(noise + shift, 5, 0.014)["more_seeds"] == verdict.more_seeds > 1


def test_the_command_that_sharpens_trains_that_cell_with_other_seeds(cells, monkeypatch):
    monkeypatch.chdir(ROOT)
    lines = 0
    for cell in [cell for cell in cells if cell.study != "depth_full" or "depth=20" in cell.group]:
        rows = choosing.rows_of(cell, question())
        for _, row in rows.iterrows():
            if not (line := choice_steps.command(cell, row)):
                continue
            lines += 1
            words = line.split(" run ")[1].split()
            study = planning.load(words[0], dict(word.split("=") for word in words[2:]))
            specs = [run.spec for run in study.possible]
            seeds = {spec.seed for spec in specs}
            assert not seeds & set(cell.runs["seed"])
            assert len(seeds) == cell.runs["seed"].nunique() + row["more_seeds"]
            words = choice_steps.sharpen(cell, row)
            assert words == f"a new study of {len(seeds)} other seeds (margin): {line}"
            assert {run.task for run in study.possible} == {cell.task}
            assert {run.level for run in study.possible} == {*rows.index, *cell.doubles}
            for name, place in cell.axes.items():
                assert {str(getattr(spec, name)) for spec in specs} == {place}
    assert lines > 3


OUTSIDE = [
    *(f"--family mlp --depth {depth}" for depth in (1, 2, 4, 6, 7, 9, 15, 25, 60)),
    *(f"--family mlp --norm {norm}" for norm in ("batch", "layer")),
    *(f"--family mlp --width {width}" for width in (16, 64, 256)),
    *(f"--family mlp --optimizer {name}" for name in ("adam", "rmsprop")),
    *(f"--family mlp --precision {name}" for name in ("bf16", "fp16")),
    *(f"--family mlp --dataset {name}" for name in ("cifar10", "fashion_mnist_tenth")),
    "--task tabular --dataset mnist1d",
    "--task tabular_regression --dataset mnist1d",
    "--family mlp --engine compiled",
    "--family mlp --dropout 0.5",
    "--family mlp --hidden 256,128",
    "--family mlp --dataset mnist1d --device cuda",
    "--family mlp --dataset mnist --device cpu",
    "--family mlp --dataset mnist --init auto",
    "--family mlp --depth 20 --lr 0.1",
    "--family mlp --depth 20 --schedule cosine",
    *(f"--family cnn --model {name}" for name in ("resnet50", "mobilenetv2", "convnext_tiny")),
    *(f"--family cnn --dataset {name}" for name in ("cifar10", "cifar100", "mnist")),
    "--family cnn --optimizer sgd",
    "--family cnn --precision fp32",
    "--family cnn --device cpu",
    "--family cnn --epochs 100",
    "--family cnn --epochs 200",
    *(f"--family encoder --depth {depth}" for depth in (1, 2, 12)),
    "--family encoder --dataset sotu_eras",
    *(f"--family gpt --depth {depth}" for depth in (3, 12, 24)),
    "--family gpt --context 1024",
    "--family gpt --precision bf16 --device cpu",
]


def test_fifty_questions_are_asked():
    assert len(OUTSIDE) == len(set(OUTSIDE)) == 50


@pytest.mark.parametrize("words", OUTSIDE)
def test_a_question_outside_of_the_evidence_has_no_data(words, cells, tmp_path):
    outside = question(*words.split())
    assert choosing.answers_of(cells, outside) == []
    content = choosing.no_data(cells, outside)
    assert content["no_data"].startswith("no data: ")
    study = tmp_path / "asked.yaml"
    study.write_text(content["study"])
    if content["fault"]:
        with pytest.raises(StudyError):
            planning.load(study)
    else:
        specs = [run.spec for run in planning.load(study).possible]
        for name, value in outside.fields.items():
            assert {getattr(spec, name) for spec in specs} == {value}
        assert len({spec.activation for spec in specs}) == (7 if takes_gated(specs) else 5)


def takes_gated(specs):
    """Whether runs are those of a task with feed-forward parts."""
    return all(spec.task in model_checks.feed_forward_tasks() for spec in specs)


def test_every_kept_cell_is_answered_by_its_own_fields(cells):
    for cell in cells:
        words = ["--task", cell.task]
        for name in ("dataset", "depth", "init", "lr"):
            if cell.fields.get(name):
                words += [f"--{name}", cell.fields[name]]
        answers = choosing.answers_of(cells, question(*words))
        assert cell.name in [answered.name for answered, _ in answers]
        for _, rows in answers:
            assert rows["in_set"].any()


def test_a_study_that_has_not_run_is_answered_from_what_documents_have_of_it(tmp_path, monkeypatch):
    own = tmp_path / "gated.yaml"  # of the same name, but not the project's
    own.write_text((ROOT / "config/gated.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StudyError, match="no table of its runs in results/gated/tables; allowed"):
        stored.folder_of("gated.yaml")
    done = command(tmp_path, "choose", "--config", "config/gated.yaml", "--matters", "memory")
    assert done.returncode == 0, done.stderr
    assert "docs/example/gated/tables.\n" in done.stdout
    assert "ordered by peak memory" in done.stdout
    assert "The ranges of the memory overlap" in done.stdout
    written(tmp_path / "results/gated", runs_of(), study="")
    assert stored.folder_of("config/gated.yaml").resolve() == tmp_path / "results/gated/tables"


def test_an_own_table_that_is_not_read_is_named_once(tmp_path, monkeypatch, capsys):
    place = written(tmp_path / "results/mine", runs_of().drop(columns="device"))
    monkeypatch.chdir(tmp_path)
    choose.report_faults(evidence.cells([place, *stored.kept_folders()])[1])
    line, *others = capsys.readouterr().err.splitlines()
    assert line.startswith("not read: ")
    assert "no column device" in line
    assert others == []


def test_the_command_answers_or_says_that_it_cannot(tmp_path):
    done = command(tmp_path, "choose", "--family", "gpt", "--depth", "6", "--json")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # of tables for documents nothing is said beside an answer
    content = json.loads(done.stdout)
    assert len(content["not_read"]) == 2
    (answer,) = content["answers"]
    assert answer["read_from"].endswith("docs/example/tables")
    assert [row["activation"] for row in answer["activations"] if row["in_set"]] == ["gelu"]
    done = command(tmp_path, "choose", "--family", "gpt", "--depth", "12")
    assert done.returncode == 1
    first, *_, study = done.stdout.partition("\n\n")
    assert first.startswith("# no data: no measured cell compares activations in lm, depth=12")
    assert yaml.safe_load(study)["tasks"] == {"lm": {"depth": 12}}
    assert first.count("# not read") == 1
    assert "do not say what each run was: " in first
    (tmp_path / "choose_this.yaml").write_text(done.stdout)
    study = planning.load(tmp_path / "choose_this.yaml")
    assert {"geglu", "swiglu"} < {run.level for run in study.possible}


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("--family gtp", "did you mean 'gpt'? allowed: mlp, cnn, encoder, gpt"),
        ("--task vision --family gpt", "--task: got 'vision', of another family; allowed: lm"),
        ("--depht 3", "did you mean '--depth'?"),
        ("--depth 0", "depth: got 0; allowed: greater than or equal to 1"),
        ("--budget soon", "got 'soon'; allowed: a number of seconds above 0"),
        ("--config nowhere.yaml", "nowhere.yaml: no such file"),
        (f"--config {EXAMPLES}/gated", "got a folder; allowed: the path of a study file, such as "),
        ("--config config/config.yaml", "docs/example/default, which documents quote, does not"),
        ("--device tpu", "--device: got 'tpu'; did you mean 'cpu'? allowed: cpu, cuda, "),
        ("--activations relu", "choose compares all activations of a cell"),
    ],
)
def test_bad_input_is_one_line(words, line, tmp_path):
    done = command(tmp_path, "choose", *words.split())
    assert done.returncode == 2
    assert done.stdout == ""
    assert line in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("n", "words"),
    [
        (2, "nothing is put out with fewer than 3 pairs of seeds, so it holds"),
        (3, "no verdict (that takes 8 seeds or more): if the noise between seeds is normal, in"),
        (8, "with 95% confidence it holds"),
    ],
)
def test_few_seeds_promise_no_confidence_without_the_noise_that_it_takes(cells, n, words):
    (cell,) = [cell for cell in cells if cell.name == cells[0].name][:1]
    rows = choosing.rows_of(cell, question()).assign(n=n)
    text = choice_tables.in_words(cell, rows, "speed")
    assert words in text
    assert ("with 95% confidence" in text) == (n >= choice.FEW_SEEDS)


def test_where_a_cell_was_measured_is_whole_without_a_device(cells):
    runs = cells[0].runs.assign(device="")
    text = choice_tables.where(dataclasses.replace(cells[0], runs=runs))
    assert "; device not kept. Read from" in text
