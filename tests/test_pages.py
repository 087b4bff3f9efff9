"""What the summary and the appendix say: over made-up studies of all kinds, and part by part."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_up import ENDINGS, build, study_of
from plans import plan_of, task_plan
from runs import ROOT

from actstudy.analysis import scale
from actstudy.analysis.export import latex
from actstudy.analysis.page import (
    citation,
    links,
    next_steps,
    recommendation,
    summary,
    training_sentences,
    verdict_tables,
)
from actstudy.analysis.questions import contrasts
from actstudy.analysis.retry import study_command
from actstudy.analysis.tables import Tables
from actstudy.contract import store
from actstudy.contract.plan import LooksTaken

BLOCK = {"epochs": 3, "depth": 2, "width": 16, "warmup": 0, "targets": [0.4]}
LEVELS = ["tanh", "relu", "leaky", "gelu", "silu"]
CROWNS = re.compile(r"best mean|winner|Pareto|\brank|tasks won|\bfront\b|first place|best of", re.I)


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    """No waiting for the disk."""
    monkeypatch.setattr(store, "_flush", lambda path: None)


def pages_of(tables, folder):
    """The summary and the appendix."""
    drawn = folder / "figures"
    written = summary.render(tables, drawn, folder / "summary.md")
    return written, summary.render_appendix(tables, drawn, folder / "appendix.md")


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
    assert answer[:40] in " ".join(page.split()).replace("&#42;", "*")
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


def test_a_study_like_the_default_one_fits_its_bounds(tmp_path):
    tasks = {"mlp": {"seeds": 8}, "vision": {"seeds": 3}, "cls": {"seeds": 3}, "lm": {"seeds": 3}}
    content = {"baseline": "relu", "axes": {"activation": LEVELS}, "tasks": tasks}
    tables = build(study_of(tmp_path, content), tmp_path, lambda run: "completed")
    for part, names in (*[(task, ["forest", "metric_curves"]) for task in tasks], ("study", [])):
        (tmp_path / "figures" / part).mkdir(parents=True)
        for name in names:
            (tmp_path / "figures" / part / f"{name}.txt").write_text(f"{part} {name} " * 15)
    written, _ = pages_of(tables, tmp_path)
    assert len(written.splitlines()) < 200
    assert len(written.split()) < 2000
    answer = written.index("## Answer")
    table = written.index("| task ")
    assert answer < table < written.index("## How to read this page") < written.index("## MLP")
    assert written[:table].count("\n") < 15


PAIRS = [
    ("gelu", "relu", "better"),
    ("silu", "relu", "better"),
    ("tanh", "relu", "worse"),
    ("elu", "relu", "undecided"),
]


BETTER = [*PAIRS[:2], ("elu", "relu", "better")]
NO_RISK = {"n_collapsed": 0, "n_collapsed_baseline": 0, "risk": 0, "risk_baseline": 0}
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
    cells = pd.DataFrame(columns=["task", "metric", "checkpoint", "n", "mean"])
    references = pd.DataFrame(columns=["task", "data", "name", "test"])
    frames = {"contrasts": pd.DataFrame(rows), "cells": cells, "references": references}
    return recommendation.answer(Tables(plan_of(), frames), "mlp")


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
            [("silu", "gelu", "worse")],
            "Use gelu rather than relu (+4.00 points, n = 8 seeds). silu is better than relu too "
            "(+3.00 points), but worse than gelu (all pairs).",
        ),
        (
            BETTER,
            [("silu", "gelu", "worse", {"condition": "when gelu trains"})],
            "Use gelu or elu rather than relu (+4.00 and +2.00 points, n = 8 seeds): which of "
            "these is better is not decided. silu is better than relu too (+3.00 points), but "
            "worse than gelu when gelu trains (all pairs).",
        ),
        (
            BETTER,
            [
                ("gelu", "silu", "better"),
                ("silu", "elu", "better", {"condition": "when it trains"}),
            ],
            "Use gelu rather than relu (+4.00 points, n = 8 seeds). silu is better than relu too "
            "(+3.00 points), but worse than gelu (all pairs). elu is better than relu too (+2.00 "
            "points), but worse than silu when silu trains (all pairs).",
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


def steps_of(n, more_seeds=5.0, status="completed", **settings):
    """The next steps of a task of two levels and n seeds with one open comparison."""
    runs = []
    for level in ("relu", "gelu"):
        for seed in range(n):
            runs.append({"run_id": f"{level}-{seed}", "task": "mlp", "seed": seed})
    open_row = {"task": "mlp", "family": "primary", "verdict": "undecided"}
    frames = {
        "runs": pd.DataFrame(runs).assign(status=status),
        "contrasts": pd.DataFrame([{**open_row, "more_seeds": more_seeds}]),
    }
    return next_steps.steps(Tables(plan_of({"mlp": settings}), frames))


def test_the_next_step_names_the_setting_and_the_runs_it_adds():
    assert steps_of(3) == [
        "mlp: `looks: true` instead of `seeds` (8, 12 or 20 seeds, until all is decided); adds at "
        "most 34 runs."
    ]
    assert steps_of(20, looks=True) == [
        "mlp: a new study of 25 other seeds (`seeds: [20, 21, ...]`) sees a difference of the "
        "margin; adds at most 50 runs."
    ]
    assert "over 100 more seeds" in steps_of(20, np.nan, looks=True)[0]
    going_on = steps_of(8, looks=True, looks_runs=LooksTaken(8, 20, ended=False))
    assert going_on == ["mlp: no change: the next look adds seeds."]
    assert steps_of(3, status="missing") == ["mlp: no change: some runs have not ended yet."]


# Numbers, links, files


def test_numbers_have_the_decimals_of_their_unit():
    points = scale.of_differences(task_plan())
    assert points.signed(0.03474) == "+3.47"
    assert points.signed(-0.00001) == "0.00"
    assert points.interval(0.12, 0.12) == "none"
    assert points.interval(-np.inf, np.inf) == "none"
    assert points.interval(-0.0052, 0.0123) == "-0.52 to +1.23"
    assert (points.amount(0.01), points.amount(0.005)) == ("1 point", "0.5 points")
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
    assert links.of_page(page)["statistics"] == "[statistics.md](../../docs/statistics.md)"
    assert links.of_page(page)["metrics"] == "`metrics.md`"
    Path("results/depth/tables").mkdir(parents=True)
    Path("results/depth/tables/means_mlp.tex").touch()
    assert "[means_mlp.tex](tables/means_mlp.tex)" in links.task_tables("mlp", page)


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
    assert study_command(default, "results/appendix.md") == ("snakemake results/appendix.md")
