"""What the pages say: over made-up studies of all kinds, and part by part."""

import dataclasses
import re
import shlex
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_up import ENDINGS, build, study_of
from plans import plan_of, task_plan
from runs import ROOT

from actstudy.analysis import figures, scale
from actstudy.analysis.export import latex
from actstudy.analysis.page import (
    citation,
    ledger,
    links,
    next_steps,
    recipes,
    recommendation,
    risks,
    summary,
    training_sentences,
    verdict_notes,
    verdict_tables,
)
from actstudy.analysis.questions import contrasts
from actstudy.analysis.retry import rerun_command, study_command
from actstudy.analysis.tables import Tables
from actstudy.contract import registry, store
from actstudy.contract.plan import LooksTaken, Plan
from actstudy.contract.schema import FAILED
from actstudy.study import planning

BLOCK = {"epochs": 3, "depth": 2, "width": 16, "warmup": 0, "targets": [0.4]}
LEVELS = ["tanh", "relu", "leaky", "gelu", "silu"]
CROWNS = re.compile(r"best mean|winner|Pareto|\brank|tasks won|\bfront\b|first place|best of", re.I)


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    """No waiting for the disk."""
    monkeypatch.setattr(store, "flush", lambda path: None)


def pages_of(tables, folder):
    """The summary and the appendix."""
    drawn = folder / "figures"
    written = summary.render(tables, drawn, folder / "summary.md")
    return written, summary.render_appendix(tables, drawn, folder / "appendix.md")


def both_of(tables, folder):
    """The summary and its details as one text."""
    drawn = folder / "figures"
    own = summary.content(tables, drawn, folder / "summary.md")
    written = summary.render(tables, drawn, folder / "summary.md", own=own)
    return written + summary.render_details(tables, drawn, folder / "details.md", own)


def random_study(folder, number):
    """Tables of a study of random size, differences and endings."""
    rng = np.random.default_rng(number)
    n = int(rng.choice([1, 2, 8, 9]))
    axes = {"activation": LEVELS[: rng.integers(2, 6)]}
    if rng.random() < 0.3:
        axes["depth"] = [1, 2]
    study = study_of(
        folder,
        {
            "baseline": "relu",
            "seeds": n,
            "axes": axes,
            "tasks": {"mlp": dict(BLOCK), "lm": {"seeds": 1}},
        },
    )
    step = rng.choice([0.0, 0.01, 0.05])
    steps = dict(
        zip(("tanh", "relu", "leaky_relu", "gelu", "silu"), rng.permutation(5) - 2, strict=True)
    )
    broken = rng.choice([0.0, 0.1])
    endings = {}
    for run in study.runs():
        endings[run.id] = rng.choice(ENDINGS) if rng.random() < broken else "completed"
    return build(
        study,
        folder,
        lambda run: endings.get(run.id, "completed"),
        lambda spec: step * steps[spec.activation],
    )


def named_better(sentence):
    """The levels that a sentence calls better or says to use."""
    levels = set()
    for names in re.findall(r"Use ([\w, ]+?) rather than", sentence):
        levels |= set(re.split(r", | or ", names))
    for names in re.findall(r"([\w, ]+?) (?:is|are) better than", sentence):
        levels |= set(re.split(r", | and ", names.strip()))
    return levels


@pytest.mark.parametrize("number", range(8))
def test_no_page_crowns_what_is_not_decided_or_says_a_thing_twice(tmp_path, number):
    tables = random_study(tmp_path, number)
    written, appendix = pages_of(tables, tmp_path)
    for page in (written, appendix):
        assert not CROWNS.search(page)
        for low, high in re.findall(r"([+-]?\d+\.\d+) to ([+-]?\d+\.\d+)", page):
            assert low != high
    lines = [line for line in written.splitlines() if line.strip() and not line.startswith("|")]
    assert len(set(lines)) == len(lines), sorted(line for line in lines if lines.count(line) > 1)
    tested = (tables.frames["contrasts"]["verdict"] != "too few seeds").any()
    assert ("All pairs of levels" in appendix) == tested
    for task in tables.plan.tasks:
        check_answer(tables, task, written)


def check_answer(tables, task, page):
    """A task's answer names as better only what has that verdict, and one level to use at most."""
    answer = recommendation.answer(tables, task)
    assert answer[:38] in " ".join(page.split()).replace("&#42;", "*")
    rows = contrasts.primary(tables.of("contrasts", task))
    decided = set(rows.loc[rows["verdict"] == "better", "level"])
    assert named_better(answer) <= decided
    for names in re.findall(r"Use ([\w, ]+?) rather than (.*?)(?= Use |$)", answer):
        open_or_equal = "not decided" in names[1] or "equivalent to each other" in names[1]
        assert " or " not in names[0] or open_or_equal


def test_the_check_itself_sees_a_crowned_level():
    assert named_better("Use silu or gelu rather than relu (x).") == {"silu", "gelu"}
    assert named_better("elu and celu are better than relu too.") == {"elu", "celu"}
    assert CROWNS.search("silu has the best mean of 5")


def test_the_page_of_the_default_study_fits_its_bounds(tmp_path):
    study = planning.load(ROOT / "config/config.yaml")
    tables = build(study, tmp_path, lambda run: "completed")
    drawn = tmp_path / "figures" / "study"
    drawn.mkdir(parents=True)
    captions = {
        name: f"Caption of {name}. " * 25
        for name in registry.page_figures("STUDY_FIGURES")
        # those of studies with claims, and of ones that cross activations beside what they compare
        if name not in (*ledger.FIGURES, "activation_forest")
    }
    for name, caption in captions.items():
        (drawn / f"{name}.txt").write_text(caption)
    written, _ = pages_of(tables, tmp_path)
    details = summary.render_details(tables, tmp_path / "figures", tmp_path / "details.md")
    for name, caption in captions.items():
        assert f"![{name}](figures/study/{name}.png)" in details
        assert caption.strip() in " ".join(details.split())
    assert "![forest](figures/study/forest.png)" in written
    assert len(written.splitlines()) < 170
    assert len(written.split()) < 1600
    answer = written.index("## Answer")
    table = written.index("| activation ")
    assert answer < table < written.index("![forest]") < written.index("## MLP")
    assert "## How to read this page" in details
    assert written[:table].count("\n") < 17


# A level whose runs all diverged


@pytest.fixture
def trapped(tmp_path):
    """A study of eight seeds in which every run of tanh diverged and silu is clearly worse."""
    axes = {"activation": ["relu", "gelu", "tanh", "silu"]}
    content = {"baseline": "relu", "seeds": 8, "axes": axes, "tasks": {"mlp": dict(BLOCK)}}
    return build(
        study_of(tmp_path, content),
        tmp_path,
        lambda run: "diverged_at_once" if run.spec.activation == "tanh" else "completed",
        lambda spec: -0.15 if spec.activation == "silu" else 0.0,
    )


def test_each_sentence_on_a_diverged_level_is_true_of_what_it_names(trapped, tmp_path):
    rows = contrasts.primary(trapped.frames["contrasts"]).set_index("level")
    tanh, silu = (f"{100 * rows.loc[level, 'mean']:+.2f}" for level in ("tanh", "silu"))
    answer = recommendation.answer(trapped, "mlp")
    assert (
        f"tanh and silu are worse than relu (tanh {tanh} points; silu {silu} points when relu "
        "trains)." in answer
    )
    assert answer.endswith(
        "tanh diverged in 8 of 8 seeds (diverged: made up): counted at chance level. gelu, silu "
        "and relu: no run collapsed, which does not exclude a risk of up to 31%."
    )
    page = " ".join(both_of(trapped, tmp_path).split())
    assert "all of them count, those that diverged at chance level" in page
    assert "worse; 8 of 8 runs diverged: counted at chance level" in page
    assert "0 of 8, 8 diverged" in page
    assert "the difference is of these runs, at chance level." in page
    assert "with these runs the mean" not in page
    assert page.count("No run collapsed") == 0


def test_the_forest_and_the_curves_say_what_the_row_of_a_diverged_level_is(trapped):
    figure, caption = figures.STUDY_FIGURES["forest"].draw(trapped)
    verdicts = [" ".join(text.get_text().split()) for text in figure.axes[0].texts]
    assert any("8 of 8 runs diverged: counted at chance level" in text for text in verdicts)
    assert not any("collapsed" in text for text in verdicts)
    assert "Runs that collapsed are no part" not in caption
    assert (
        "Half or more of the runs of tanh diverged or are at chance level: all of them are part "
        "of differences, those that diverged at chance level." in caption
    )
    assert (
        "No line, as no value of theirs is finite: tanh."
        in (figures.STUDY_FIGURES["metric_curves"].draw(trapped)[1])
    )
    assert (
        "No line, as no value of theirs is finite: tanh."
        in (figures.TASK_FIGURES["loss_curves"].draw(trapped, "mlp")[1])
    )


def test_few_seeds_of_a_diverged_level_are_named_too(tmp_path):
    axes = {"activation": ["relu", "tanh"]}
    content = {"baseline": "relu", "seeds": 2, "axes": axes, "tasks": {"mlp": dict(BLOCK)}}
    study = study_of(tmp_path, content)
    tables = build(
        study,
        tmp_path,
        lambda run: "diverged_at_once" if run.spec.activation == "tanh" else "completed",
    )
    answer = recommendation.answer(tables, "mlp")
    assert "tanh diverged in 2 of 2 seeds (diverged: made up): counted at chance level" in answer


def test_a_failed_level_has_no_line_and_its_runs_are_counted(tmp_path):
    """Also one that failed after some points of its curves."""
    axes = {"activation": ["relu", "tanh", "gelu"]}
    content = {"baseline": "relu", "seeds": 2, "axes": axes, "tasks": {"mlp": dict(BLOCK)}}
    endings = {"relu": "completed", "tanh": "failed", "gelu": "diverged_at_once"}
    study = study_of(tmp_path, content)
    tables = build(study, tmp_path, lambda run: endings[run.spec.activation])
    curves = tables.frames["curves"]
    assert "tanh" in set(curves.loc[curves["split"] == "val", "level"])
    for figure, caption in (
        figures.STUDY_FIGURES["metric_curves"].draw(tables),
        figures.TASK_FIGURES["loss_curves"].draw(tables, "mlp"),
    ):
        labels = {line.get_label() for line in figure.axes[0].lines}
        assert {"relu", "tanh", "gelu"} & labels == {"relu"}
        assert "No line, as no value of theirs is finite: gelu." in caption
        assert "No line, as all their runs failed: tanh." in caption
    page = pages_of(tables, tmp_path)[0]
    assert "0 of 2, 2 failed" in page
    assert "0 of 2, 2 diverged" in page


def test_the_reason_of_a_divergence_is_short():
    runs = pd.DataFrame({"status": "diverged", "reason": ["loss is nan at step 1; first: x"] * 2})
    assert risks.reason(runs) == " (loss is NaN at step 1)"
    runs.loc[1, "reason"] = "loss is nan at step 9"
    assert risks.reason(runs) == " (such as: loss is NaN at step 1)"
    assert risks.reason(runs.assign(reason=None)) == ""


PAIRS = [
    ("gelu", "relu", "better"),
    ("silu", "relu", "better"),
    ("tanh", "relu", "worse"),
    ("elu", "relu", "undecided"),
]


BETTER = [*PAIRS[:2], ("elu", "relu", "better")]
NO_RISK = {"n_collapsed": 0, "n_collapsed_baseline": 0, "risk": 0, "risk_baseline": 0}
NO_RISK |= {"n_diverged": 0, "n_diverged_baseline": 0}
NO_RISK |= {"trains": True, "trains_baseline": True, "n_runs_baseline": 8}


def answer_of(primary, pairs=()):
    """The answer of a task with contrasts (level, baseline, verdict) of both families."""
    rows = []
    for family, listed in (("primary", primary), ("all pairs", pairs)):
        for place, (level, baseline, verdict, *fields) in enumerate(listed):
            row = {"family": family, "level": level, "baseline": baseline, "verdict": verdict}
            row |= {"task": "mlp", "group": "", "n": 8, "mean": 0.01 * (4 - place)}
            row |= {"condition": "", "contradiction": "", "n_runs": 8, "n_diverged": 0}
            rows.append({**row, **NO_RISK, **dict(*fields)})
    return recommendation.answer(tables_with(rows, plan_of()), "mlp")


def tables_with(rows, plan):
    """Tables of a plan with rows of contrasts, without cells and references."""
    cells = pd.DataFrame(columns=["task", "metric", "checkpoint", "n", "mean"])
    references = pd.DataFrame(columns=["task", "data", "name", "test"])
    frames = {"contrasts": pd.DataFrame(rows), "cells": cells, "references": references}
    return Tables(plan, frames)


@pytest.mark.parametrize(
    ("primary", "pairs", "expected"),
    [
        (
            PAIRS,
            [],
            "Use gelu or silu rather than relu (+4.00 and +3.00 points, n = 8 seeds): which of "
            "these is better is not decided. tanh is worse than relu (+2.00 points). "
            "Not decided: elu.",
        ),
        (
            PAIRS[:2],
            [("silu", "gelu", "worse", {"mean": -0.008, "n": 7})],
            "Use gelu rather than relu (+4.00 points, n = 8 seeds). silu is better than relu too "
            "(+3.00 points), but worse than gelu (all pairs: -0.80 points, n = 7).",
        ),
        (
            BETTER,
            [("silu", "gelu", "worse", {"condition": "when gelu trains", "mean": -0.008})],
            "Use gelu or elu rather than relu (+4.00 and +2.00 points, n = 8 seeds): which of "
            "these is better is not decided. silu is better than relu too (+3.00 points), but "
            "worse than gelu when gelu trains (all pairs: -0.80 points, n = 8).",
        ),
        (
            BETTER,
            [
                ("gelu", "silu", "better"),
                ("silu", "elu", "better", {"condition": "when it trains"}),
            ],
            "Use gelu rather than relu (+4.00 points, n = 8 seeds). silu is better than relu too "
            "(+3.00 points), but worse than gelu (all pairs: -4.00 points, n = 8). elu is better "
            "than relu too (+2.00 points), but worse than silu when silu trains (all pairs: -3.00 "
            "points, n = 8).",
        ),
        (
            BETTER[:2],
            [("silu", "gelu", "equivalent", {"condition": "when both train"})],
            "Use gelu or silu rather than relu (+4.00 and +3.00 points, n = 8 seeds): these are "
            "equivalent to each other, within 1 point when both train (all pairs).",
        ),
        (
            BETTER,
            [("silu", "gelu", "equivalent"), ("elu", "gelu", "undecided")],
            "Use gelu, silu or elu rather than relu (+4.00, +3.00 and +2.00 points, n = 8 seeds): "
            "which of these is better is not decided; equivalent to each other are silu and gelu, "
            "within 1 point (all pairs).",
        ),
        (
            BETTER[:2],
            [("silu", "gelu", "worse", {"contradiction": "it rains"})],
            "Use gelu or silu rather than relu (+4.00 and +3.00 points, n = 8 seeds): which of "
            "these is better is not decided.",
        ),
        (PAIRS[2:3], [], "Keep relu: nothing compared with it is better. tanh is worse than"),
        (PAIRS[2:], [], "Nothing is shown to be better than relu. tanh is worse than relu"),
        (PAIRS[3:], [], "No recommendation from n = 8 seeds. Not decided: elu."),
        (
            [("elu", "relu", "equivalent")],
            [],
            "Keep relu: nothing compared with it is better. elu is equivalent to relu, within 1 "
            "point.",
        ),
        (
            [("gelu", "relu", "better", {"contradiction": "it rains"})],
            [],
            "No recommendation from n = 8 seeds. gelu was found better, but it rains.",
        ),
    ],
)
def test_the_answer_recommends_what_is_decided(primary, pairs, expected):
    assert answer_of(primary, pairs).startswith(expected)


@pytest.mark.parametrize(("risk", "n_answers"), [(0.31, 0), (0.14, 1)])
def test_what_all_tasks_share_of_collapses_is_not_repeated(risk, n_answers):
    rows = []
    for task in ("mlp", "lm"):
        row = {"task": task, "group": "", "family": "primary", "level": "silu", "baseline": "relu"}
        row |= {"verdict": "better", "condition": "when it trains", "contradiction": "", "n": 8}
        row |= {"mean": 0.04, "n_runs": 8, "n_diverged": 0, **NO_RISK}
        rows.append({**row, "risk": 0.31 if task == "mlp" else risk, "risk_baseline": 0.1})
    tables = tables_with(rows, plan_of({"mlp": {}, "lm": {}}))
    texts = [recommendation.answer(tables, task) for task in ("mlp", "lm")]
    assert sum("No run collapsed" in text for text in texts) == 2 * n_answers
    tasks, text = risks.shared(tables)
    assert tasks == ([] if n_answers else ["mlp", "lm"])
    assert bool(text) == bool(tasks)


def test_decided_pairs_are_named_with_their_differences():
    rows = []
    for level, baseline, verdict, mean in [
        ("silu", "gelu", "worse", -0.01),
        ("elu", "gelu", "better", 0.02),
        ("tanh", "gelu", "equivalent (below the margin)", 0.001),
        ("tanh", "elu", "undecided", 0.002),
    ]:
        row = {"task": "mlp", "family": "all pairs", "group": "", "level": level, "mean": mean}
        rows.append({**row, "baseline": baseline, "verdict": verdict, "condition": "", "n": 8})
    assert (
        "4 tested, 1 equivalent, 2 different: gelu better than silu (+1.00 points, n = 8); "
        "elu better than gelu (+2.00 points, n = 8)."
        in verdict_tables.all_pairs(tables_with(rows, plan_of()), "mlp")
    )


def test_an_interval_that_excludes_zero_beside_undecided_is_explained():
    rows = []
    for level, low, verdict in (("silu", 0.01, "undecided"), ("gelu", 0.01, "better")):
        row = {"task": "mlp", "family": "primary", "group": "", "level": level, "low": low}
        rows.append({**row, "high": 0.03, "verdict": verdict})
    tables = Tables(plan_of(), {"contrasts": pd.DataFrame(rows)})
    assert verdict_tables.excluding_zero(tables) == (
        "Undecided although the interval excludes zero: silu (mlp). An interval is of one "
        "comparison alone, a verdict is corrected for all 2 of its task."
    )
    rows[0]["low"] = -0.01
    tables = Tables(plan_of(), {"contrasts": pd.DataFrame(rows)})
    assert verdict_tables.excluding_zero(tables) == ""


# What trains


def training_of(ends, seeds=2):
    """Sentences of a study of init x depth; ends: (level, init, depth) -> runs that train."""
    runs = []
    curves = []
    for (level, init, depth), n_train in ends.items():
        group = f"init={init}, depth={depth}"
        for seed in range(seeds):
            run = {"run_id": f"{level} {group} {seed}", "task": "mlp", "level": level, "data": "x"}
            places = f'{{"init": "{init}", "depth": "{depth}"}}'
            runs.append({**run, "group": group, "places": places, "status": "completed"})
            value = 0.6 if seed < n_train else 0.1
            curves.append({**run, "split": "val", "metric": "accuracy", "value": value})
    frames = {"runs": pd.DataFrame(runs), "curves": pd.DataFrame(curves)}
    return training_sentences.sentences(Tables(plan_of(), frames), "mlp")


def test_what_trains_is_said_in_sentences():
    ends = {}
    for level in ("relu", "gelu", "sigmoid"):
        for init in ("he_normal", "orthogonal", "normal"):
            for depth in (3, 10, 20):
                trains = {"he_normal": True, "orthogonal": depth < 20, "normal": False}[init]
                if level == "sigmoid":
                    trains = depth == 3
                ends[level, init, depth] = 2 if trains else 0
    assert training_of(ends) == [
        "Of 54 runs 26 train and 28 stall: a run stalls if its best validation accuracy stays "
        "below 15%.",
        "relu and gelu train at every depth with he_normal; up to depth 10 with orthogonal; "
        "nowhere with normal.",
        "sigmoid trains at depth 3 only.",
    ]
    ends["sigmoid", "normal", 20] = 1
    assert training_of(ends)[-1] == (
        "sigmoid trains at depth 3 only with he_normal or orthogonal; at depth 3, in 50% of the "
        "runs at depth 20 with normal."
    )


def test_where_every_run_trains_nothing_is_said_of_it():
    assert training_of({("relu", "a", 1): 2, ("relu", "a", 2): 2}) == []


# What would decide the rest


def steps_of(n, more_seeds=5.0, status="completed", first=0, as_seen=np.nan, **settings):
    """The next steps of a task of two levels and n seeds with one open comparison."""
    runs = []
    for level in ("relu", "gelu"):
        for seed in range(first, first + n):
            runs.append({"run_id": f"{level}-{seed}", "task": "mlp", "seed": seed})
    open_row = {"task": "mlp", "family": "primary", "verdict": "undecided"}
    frames = {
        "runs": pd.DataFrame(runs).assign(status=status),
        "contrasts": pd.DataFrame(
            [{**open_row, "more_seeds": more_seeds, "more_seeds_as_seen": as_seen}]
        ),
    }
    return next_steps.steps(Tables(plan_of({"mlp": settings}), frames))


def test_the_next_step_names_the_setting_and_the_runs_it_adds():
    (line,) = steps_of(3)
    assert line.startswith(
        "mlp: in `config/s.yaml`, in the block of the task, `looks: true` instead of `seeds` (8, "
        "12 or 20 seeds, until all is decided); then `snakemake --configfile config/s.yaml`. "
    )
    assert line.endswith("Finished runs of these seeds are kept. Adds at most 34 runs.")
    (line,) = steps_of(8)
    assert (
        "Who keeps the verdicts of both pages has a false one in more than the promised 5%" in line
    )
    assert line.endswith("Adds at most 24 runs.")
    going_on = steps_of(8, looks=True, looks_runs=LooksTaken(8, 20, ended=False))
    assert going_on == ["mlp: no change: the next look adds seeds."]
    assert "have not ended yet" in steps_of(3, status="missing")[0]
    assert "over 100 more seeds" in steps_of(20, np.nan, looks=True)[0]


def test_looks_are_advised_only_where_their_seeds_may_decide():
    assert "`looks: true`" in steps_of(8, more_seeds=12)[0]
    assert steps_of(8, more_seeds=13)[0].startswith("mlp: a new study, ")
    assert "with 21 seeds" in steps_of(8, more_seeds=13)[0]
    assert "`looks: true`" in steps_of(8, more_seeds=40, as_seen=11)[0]
    assert "over 100 more seeds" in steps_of(8, more_seeds=np.nan)[0]
    assert "`looks: true`" in steps_of(3, more_seeds=np.nan)[0]


def test_the_recipe_is_said_and_whether_runs_had_ended_to_learn(tmp_path):
    runs = pd.DataFrame({"task": "mlp", "status": "completed", "best_step": [9, 10, 10, 10]})
    recipe = {"depth": 3, "lr": 0.0030, "optimizer": "adamw", "eps": 1e-8, "task": "mlp"}
    of = partial(Tables, plan_of({"mlp": {"recipe": recipe}}))
    lines = recipes.sentences(of({"runs": runs.assign(steps_done=10)}), "mlp")
    assert lines == [
        "Recipe: depth 3, optimizer `adamw`, lr 0.003; the rest is in the appendix.",
        "3 of 4 runs were best at their last evaluation: longer ones might be better.",
    ]
    assert len(recipes.sentences(of({"runs": runs.assign(steps_done=20)}), "mlp")) == 1
    assert len(recipes.sentences(of({"runs": runs}), "mlp")) == 1


def test_a_step_that_several_tasks_share_is_said_once():
    rows = []
    for task in ("mlp", "lm"):
        row = {"task": task, "family": "primary", "verdict": "undecided", "more_seeds": 5}
        rows += [{**row, "run_id": f"{task}-{seed}", "seed": seed} for seed in range(8)]
    frame = pd.DataFrame(rows).assign(status="completed")
    tables = Tables(plan_of({"mlp": {}, "lm": {}}), {"runs": frame, "contrasts": frame})
    (line,) = next_steps.steps(tables)
    assert line.startswith("mlp and lm: in `config/s.yaml`")
    assert line.endswith("Adds at most 12 runs per task.")


def test_a_new_study_takes_other_seeds_and_leaves_the_page_as_it_is():
    (line,) = steps_of(20, looks=True)
    assert line == (
        "mlp: a new study, in a copy of `config/s.yaml` under another name, with 25 seeds that "
        "this one does not use (`seeds: [20, 21, ..., 44]`). It sees a difference of the margin "
        "and has a page of its own; the verdicts of this page stay. Adds at most 50 runs."
    )
    assert "`seeds: [120, 121, ..., 144]`" in steps_of(20, first=100)[0]


def test_looks_keep_only_runs_of_their_own_seeds():
    assert "Adds at most 40 runs." in steps_of(8, first=100)[0]
    assert "Adds at most 34 runs." in steps_of(8, first=17)[0]


@pytest.mark.parametrize("status", FAILED)
def test_failed_runs_come_before_more_seeds(status):
    for settings in ({}, {"looks": True, "looks_runs": LooksTaken(8, 20, ended=False)}):
        (line,) = steps_of(8, status=status, **settings)
        assert line.startswith("mlp: 16 runs failed. Run again first")


# Numbers, links, files


def test_numbers_have_the_decimals_of_their_unit():
    points = scale.of_differences(task_plan())
    assert points.signed(0.03474) == "+3.47"
    assert points.signed(-0.00001) == "0.00"
    assert points.interval(0.12, 0.12) == "none"
    assert points.interval(-np.inf, np.inf) == "none"
    assert points.interval(-0.0052, 0.0123) == "-0.52 to +1.23"
    assert (points.amount(0.01), points.amount(0.005)) == ("1 point", "0.5 points")
    loss = scale.of_metric("loss")
    assert loss.interval(0.00012, 0.00041) == "+0.0001 to +0.0004"
    assert loss.interval(0.0, 1e-15) == "none"
    perplexity = scale.of_metric("perplexity")
    assert [perplexity.amount(size) for size in (1.55, 99.96, 153, 1e-5)] == [
        "1.6",
        "100",
        "153",
        "0.00001",
    ]
    nats = scale.of_differences(task_plan(metric="word_perplexity", log_unit="nats per word"))
    assert (nats.signed(-0.04952), nats.amount(0.01)) == ("-0.050", "0.01 nats per word")
    assert scale.of_metric("accuracy").spread(0.6753, 0.0154) == "67.53 (1.54)"
    assert scale.of_metric("accuracy").spread(0.6753, np.nan) == "67.53"
    assert scale.of_metric("word_perplexity").number(2479.34) == "2479.3"


def test_links_work_from_the_folder_of_the_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("docs").mkdir()
    Path("docs/statistics.md").touch()
    page = Path("results/depth/summary.md")
    assert links.documents(page) == "[statistics.md](../../docs/statistics.md)"
    assert links.commands(page) == "`python -m actstudy --help`"
    Path("docs/commands.md").touch()
    assert links.commands(page) == "[commands.md](../../docs/commands.md)"
    Path("results/depth/tables").mkdir(parents=True)
    Path("results/depth/tables/means_mlp.tex").touch()
    assert "[means_mlp.tex](tables/means_mlp.tex)" in links.task_tables("mlp", page)


def test_a_page_outside_of_the_project_names_no_document(trapped, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for page in pages_of(trapped, tmp_path):
        assert not re.search(r"(statistics|metrics|health|commands)\.md", page)
    assert "for everything else see `python -m actstudy --help`" in " ".join(
        pages_of(trapped, tmp_path)[0].split()
    )


def test_a_margin_of_other_data_names_its_key(trapped, tmp_path):
    settings = trapped.plan.tasks["mlp"]
    key = "`margin: ...` in the task's block sets another"
    assert key not in pages_of(trapped, tmp_path)[0]
    reason = "the task's own, chosen for X"
    task = dataclasses.replace(settings, margin_reason=reason, margin=1e-6)
    plan = dataclasses.replace(trapped.plan, tasks={"mlp": task})
    assert key in pages_of(Tables(plan, trapped.frames), tmp_path)[0]
    rows = pd.DataFrame([{"test_se": 0.1}])
    assert "The key margin in the task's block" in verdict_notes._margin(rows, task)[0]


def test_a_word_perplexity_is_explained_where_it_is_compared(trapped, tmp_path):
    assert "**Word perplexity**" not in both_of(trapped, tmp_path)
    assert "**Word perplexity**" in both_of(random_study(tmp_path, 3), tmp_path)


def test_a_level_may_have_the_word_when_in_its_name():
    won = [("a when b", "relu", "better"), ("silu", "relu", "better")]
    text = answer_of(won, [("a when b", "silu", "better", {"condition": "when it trains"})])
    assert "but worse than a when b when a when b trains (all pairs: " in text


def test_verdicts_that_are_counted_say_what_speaks_against_them_and_n():
    row = {"verdict": "better", "condition": "", "contradiction": "", "n": 8}
    rows = [row, row, {**row, "contradiction": "the recipe decides"}, {**row, "n": 5}]
    rows.append({**row, "verdict": "worse", "condition": "when it trains"})
    assert recommendation.totals(pd.DataFrame(rows)) == (
        "Of 5 comparisons with the baseline (n = 5 to 8 seeds): 3 better, "
        "1 better (contradicted) and 1 worse when it trains."
    )


def test_equal_differences_are_one_number():
    rows = pd.DataFrame({"n": 2, "group": "", "mean": [0.01231, 0.01229]})
    text = recommendation.too_few(rows, task_plan())
    assert text.endswith("The mean differences from relu that were seen are all +1.23 points.")
    rows.loc[0, "mean"] = 0.02
    assert "lie between +1.23 and +2.00 points" in recommendation.too_few(rows, task_plan())


def test_the_project_can_be_cited(monkeypatch):
    monkeypatch.chdir(ROOT)
    entry = citation.bibtex()
    assert entry.startswith("```bibtex\n@software{actstudy,")
    assert "author = {{the actstudy contributors}}" in entry
    assert citation.author({"family-names": "Noether", "given-names": "E."}) == "Noether, E."


def test_means_are_written_as_latex(tmp_path):
    content = {"axes": {"activation": ["relu", "tanh"]}, "tasks": {"mlp": {**BLOCK, "seeds": 2}}}
    tables = build(study_of(tmp_path, content), tmp_path, lambda run: "completed")
    latex.write(tables, tmp_path)
    lines = (tmp_path / "means_mlp.tex").read_text().splitlines()
    mean = tables.reported("mlp").set_index("level").loc["tanh", "mean"]
    (row,) = [line for line in lines if line.startswith("tanh")]
    assert row.startswith(f"tanh & ${100 * mean:.2f}$ & $")
    assert row.endswith(r"& 2 \\")


def test_a_command_names_its_file_before_the_study():
    """`--configfile` would take a word after it for a second study file."""
    own = plan_of({"mlp": {}}, study="mine", file="config/mine.yaml")
    command = study_command(own, "results/mine/appendix.md")
    assert command == "snakemake results/mine/appendix.md --configfile config/mine.yaml"
    default = plan_of({"mlp": {}}, study="default")
    assert study_command(default, "results/appendix.md") == "snakemake results/appendix.md"


def test_commands_of_a_try_are_of_the_try(tmp_path):
    (tmp_path / "config").mkdir()
    study = study_of(tmp_path / "config", {"axes": {"activation": ["relu"]}, "tasks": {"mlp": {}}})
    pairs = {"device": "cpu", "seeds": "3", "lr": [0.1, 0.01]}
    study = planning.load(study.file, pairs)
    plan = Plan.from_json(study.plan().to_json())
    file = f"{study.folder}/appendix.md"
    words = shlex.split(study_command(plan, file))
    assert words[:4] == ["snakemake", file, "--configfile", study.file]
    assert words[4:] == ["--config", "lr=0.1,0.01", "seeds=3"]
    row = {"task": "mlp", "run_id": "r", "status": "failed"}
    assert rerun_command(plan, row).endswith("--config lr=0.1,0.01 seeds=3")
    assert rerun_command(plan, row).startswith("python -m actstudy retry ")
    of_own_code = {**row, "reason": "acts.py: line 3: ValueError: no"}
    assert rerun_command(plan, of_own_code) == study_command(plan)
    assert f"{study.folder}/appendix.md" in summary.page_command(plan, "appendix.md")
