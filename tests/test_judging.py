"""Verdicts on anyone's runs: equal to the workflow's, and to references if runs share no seed."""

import itertools
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from judged import runs, summaries, unseeded
from pandas.testing import assert_frame_equal
from plans import plan_of, task_plan
from scipy import stats as reference

import actstudy
from actstudy.analysis import stored
from actstudy.analysis.evidence import NO_PREDICTIONS
from actstudy.analysis.questions import choice, contrasts, procedure
from actstudy.analysis.questions.seed_values import seed_values
from actstudy.contract.errors import StudyError
from actstudy.contract.plan import ANYTIME
from actstudy.judging import judged as judging
from actstudy.judging.ranks import ALL_TASKS
from actstudy.judging.scores import EXACT
from actstudy.judging.statistics import ties, unpaired, welch
from actstudy.judging.statistics.welch import Side

SAME = [name for name in contrasts.COLUMNS if name != "test_se"]
LEVELS = {"relu": 0.0, "tanh": 0.05, "gelu": 0.0, "silu": -0.03}
GROUPS = ("depth=2", "depth=4")
ENDINGS = {  # of runs that did not complete
    ("tanh", 1): "chance",
    ("gelu", 2): "diverged",
    ("gelu", 3): "failed",
    ("silu", 4): "failed",
    ("relu", 11): "diverged",
    ("tanh", 11): "diverged",
}
TASKS = {  # metric, is higher better, chance, scale
    "accuracy": ("accuracy", True, 0.1, 1.0),
    "loss": ("loss", False, math.log(10), -2.0),
}


def study(folder, n, looks, lost=()):
    """The tables of a study of two groups of cells: its plan, and what the workflow compares.

    lost: levels of which all runs failed. The folder gets its plan and its table of runs.
    """
    rng = np.random.default_rng(n)
    rows = []
    for task, (metric, _, chance, scale) in TASKS.items():
        for group, level, seed in itertools.product(GROUPS, LEVELS, range(n)):
            ending = "failed" if level in lost else ENDINGS.get((level, seed), "completed")
            value = 0.6 + scale * (LEVELS[level] + 0.02 * rng.normal())
            row = {
                "run_id": f"{task}-{group}-{level}-{seed}",
                "task": task,
                "group": group,
                "level": level,
                "seed": seed,
                "status": ending.replace("chance", "completed"),
                f"reported_{metric}": chance if ending == "chance" else value,
            }
            rows.append(row | dict.fromkeys(("order_hash", "precision", "engine"), "x"))
    frame = pd.DataFrame(rows).assign(data="x")
    settings = {}
    for task, (metric, higher_is_better, *_) in TASKS.items():
        about = {"metric": metric, "higher_is_better": higher_is_better, "looks": looks}
        settings[task] = task_plan(**about, margin=0.015)
    plan = plan_of(settings, levels=list(LEVELS))
    frame.to_parquet(folder / "runs.parquet")
    (folder / "plan.json").write_text(plan.to_json())
    frames = {"runs": frame, "predictions": frame.head(0).assign(scores=[], weights=[], tokens=[])}
    return plan, contrasts.contrasts(frames, plan, seed_values(frames, plan))


def assert_same(own, of_study):
    """Both frames have the same contrasts, to the last bit."""
    own = own.astype(dict.fromkeys(judging.WHOLE, object))
    again = own[SAME].reset_index(drop=True)
    expected = of_study[SAME].reset_index(drop=True)
    assert len(again)
    for name in SAME:
        if expected[name].dtype.kind in "fiub" or name in judging.WHOLE:
            a = pd.to_numeric(again[name]).astype(float).to_numpy()
            b = pd.to_numeric(expected[name]).astype(float).to_numpy()
            np.testing.assert_array_equal(a, b, err_msg=name)
        else:
            assert list(again[name]) == list(expected[name]), name


def judged_again(values, settings, **more):
    """The contrasts that judge makes of the exported numbers of a task of a study."""
    table = actstudy.verdicts(
        values,
        baseline=settings.baseline,
        margin=settings.margin,
        higher_is_better=settings.higher_is_better,
        paired=True,
        looks=settings.looks,
        **more,
    )
    return table.assign(metric=settings.metric, unit=settings.compared_unit)


@pytest.mark.parametrize(
    ("n", "looks"), [(10, False), (20, False), (20, True), (14, ANYTIME), (20, ANYTIME)]
)
def test_judge_on_exported_numbers_is_the_workflow_bit_for_bit(tmp_path, n, looks):
    """Two groups of cells, collapsed, diverged and failed runs; both families; a CSV."""
    plan, of_study = study(tmp_path, n, looks)
    results = actstudy.load(tmp_path)
    file = tmp_path / "exported.csv"
    for task, settings in plan.tasks.items():
        values = results.values(task).assign(task=task)
        values.to_csv(file, index=False)
        own = of_study[of_study["task"] == task]
        for frame in (values, pd.read_csv(file, **EXACT)):
            table = judged_again(frame, settings, all_pairs=True)
            assert_same(table, own)
        assert {"better", "worse"} <= set(table["verdict"])
        assert table["n_collapsed"].max() > 0
        assert set(table["family"]) == {"primary", "all pairs"}


def test_a_level_without_runs_counts_in_the_family(tmp_path):
    plan, of_study = study(tmp_path, 10, looks=False, lost=["silu"])
    results = actstudy.load(tmp_path)
    settings = plan.tasks["accuracy"]
    values = results.values("accuracy").assign(task="accuracy")
    table = judged_again(values, settings, planned=["silu"])
    primary = contrasts.primary(of_study[of_study["task"] == "accuracy"])
    order = ["group", "level"]
    assert_same(table.sort_values(order), primary.sort_values(order))
    without = judged_again(values, settings)
    assert without["p"].sum() < table.dropna(subset="p")["p"].sum()


@pytest.mark.parametrize("name", ["verdicts", "gated", "learnt"])
def test_kept_tables_of_real_runs_give_the_same_contrasts(name):
    """What the workflow makes of the runs that documents quote, and what judge makes of them."""
    place = Path(__file__).parents[1] / "docs/example" / name / "tables"
    plan = stored.plan_of(place)[0]
    results = actstudy.load(place)
    frames = {"runs": results.runs, "predictions": NO_PREDICTIONS}
    values = seed_values(frames, plan)
    for task, settings in plan.tasks.items():
        looks = procedure.looks_of(settings.looks)
        own = frames["runs"][frames["runs"]["task"] == task]
        pairs = contrasts.families(own, settings.baseline)["primary"]
        verdicts = contrasts.judge(values[task], pairs, settings, looks, contrasts.reached(own))
        table = actstudy.verdicts(
            results.values(task),
            baseline=settings.baseline,
            margin=settings.margin,
            higher_is_better=settings.higher_is_better,
            looks=settings.looks,
            paired=True,
        )
        assert list(table["verdict"]) == [verdict.verdict for verdict in verdicts]
        assert list(table["level"]) == [pair.level for pair in pairs]
        assert list(table["p"].dropna()) == [v.p for v in verdicts if not math.isnan(v.p)]
        assert list(table["low"] + table["high"]) == pytest.approx(
            [settings.sign * (verdict.low + verdict.high) for verdict in verdicts]
        )


def test_two_levels_unpaired_are_scipys_permutation_and_welch():
    rng = np.random.default_rng(0)
    for shift in (0.0, 0.8, 2.0):
        first = rng.normal(size=8)
        second = shift + rng.normal(size=9)
        p = unpaired.difference_p([first, second])[0]
        own = reference.ttest_ind(second, first, equal_var=False)

        def statistic(x, y, axis):
            return -reference.ttest_ind(x, y, equal_var=False, axis=axis).pvalue

        exact = reference.permutation_test(
            (second, first), statistic, vectorized=True, n_resamples=np.inf, alternative="greater"
        )
        assert p == pytest.approx(max(exact.pvalue, own.pvalue), abs=0.012)
        assert p >= own.pvalue - 1e-12


def test_step_down_permutes_what_remains_alone():
    """The last contrast has the p that it has without the others; p rises in the order of p."""
    rng = np.random.default_rng(1)
    samples = [rng.normal(size=6) + shift for shift in (0.0, 30.0, 3.0, 0.5)]
    by_p = np.array([0, 1, 2])
    p = unpaired.step_down_p(samples, by_p, 0, 2_000)
    assert p[0] <= 3 / 2_000
    assert (np.diff(p) >= 0).all()
    alone = unpaired.step_down_p([samples[0], samples[3]], np.array([0]), 0, 2_000)
    assert p[2] == pytest.approx(max(alone[0], p[1]), abs=0.03)
    with_lost = unpaired.step_down_p(samples, by_p, 2, 2_000)
    assert (with_lost >= p).all()
    assert with_lost[2] > p[2]


def test_orders_are_permutations_and_stay_so_without_some():
    every = unpaired.orders(9, 500)
    assert (every[0] == np.arange(9)).all()
    assert (np.sort(every, axis=1) == np.arange(9)).all()
    rest = unpaired.without(every, 3, 5)
    assert (np.sort(rest, axis=1) == np.arange(7)).all()
    first = np.bincount(rest[1:, 0], minlength=7) / 499
    assert first == pytest.approx(1 / 7, abs=0.07)


def test_welch_is_scipys():
    rng = np.random.default_rng(2)
    first = rng.normal(size=7)
    second = 3 * rng.normal(size=12) + 1
    seen = welch.difference(Side.of(second), Side.of(first))
    own = reference.ttest_ind(second, first, equal_var=False)
    ends = own.confidence_interval(0.95)
    half = welch.half_width(seen, 0.95)
    assert float(welch.two_sided(seen)) == pytest.approx(own.pvalue)
    assert float(seen.df) == pytest.approx(own.df)
    assert (seen.mean - half, seen.mean + half) == pytest.approx((ends.low, ends.high))
    for margin in (0.5, 4.0):
        above = reference.ttest_ind(second - margin, first, equal_var=False, alternative="less")
        below = reference.ttest_ind(second + margin, first, equal_var=False, alternative="greater")
        expected = max(above.pvalue, below.pvalue)
        assert float(welch.equivalence(seen, margin)) == pytest.approx(expected)


def test_holm_is_the_textbooks():
    assert welch.holm(np.array([0.01, 0.04, 0.03])) == pytest.approx([0.03, 0.06, 0.06])
    assert list(welch.holm(np.array([0.9, 0.8]))) == [1.0, 1.0]


def test_summaries_give_what_welch_gives_on_the_runs():
    frame = runs({"a": 0.0, "b": 3.0, "c": 0.2}, n=9)
    table = actstudy.verdicts(summaries(frame), baseline="a", margin=1.0)
    by_runs = actstudy.verdicts(unseeded(frame), baseline="a", margin=1.0)
    assert table.attrs["method"] == "from summaries"
    assert by_runs.attrs["method"] == "unpaired"
    for name in ("mean", "sd", "low", "high", "p_equivalent"):
        assert table[name].to_numpy() == pytest.approx(by_runs[name].to_numpy())
    assert list(table["verdict"]) == list(by_runs["verdict"]) == ["better", "equivalent"]
    assert (table["p"] <= by_runs["p"] + 1e-12).all()


@pytest.mark.parametrize("kind", ["paired", "unpaired", "summaries"])
def test_better_is_better_whichever_way_the_metric_goes(kind):
    frame = runs({"a": 0.0, "b": 5.0, "c": -5.0}, n=8)
    if kind == "unpaired":
        frame = unseeded(frame)
    own = {"baseline": "a", "margin": 1.0}
    up, down = (
        actstudy.verdicts(
            summaries(frame) if kind == "summaries" else frame, higher_is_better=flag, **own
        )
        for flag in (True, False)
    )
    assert list(up["verdict"]) == ["better", "worse"]
    assert list(down["verdict"]) == ["worse", "better"]
    assert_frame_equal(up[["mean", "sd", "low", "high"]], down[["mean", "sd", "low", "high"]])
    best = actstudy.ranks(
        summaries(frame) if kind == "summaries" else frame, margin=1.0, higher_is_better=False
    )
    assert list(best["level"]) == ["c", "a", "b"]
    assert list(best["first"]) == list(best["last"]) == [1, 2, 3]


def test_seeds_say_whether_runs_are_pairs():
    frame = runs({"a": 0.0, "b": 1.0}, n=10)
    assert actstudy.verdicts(frame, baseline="a", margin=1).attrs["method"] == "paired by seed"
    other = frame.assign(seed=frame["seed"] + 5 * (frame["level"] == "b"))
    assert actstudy.verdicts(other, baseline="a", margin=1).attrs["method"] == "unpaired"
    as_pairs = actstudy.verdicts(other, baseline="a", margin=1, paired=True)
    assert list(as_pairs["n"]) == [5]
    shuffled = frame.sample(frac=1, random_state=0)
    table = actstudy.verdicts(frame, baseline="a", margin=1)
    assert_frame_equal(actstudy.verdicts(shuffled, baseline="a", margin=1)[["p"]], table[["p"]])


def test_looks_take_other_seeds_in_their_order():
    frame = runs({"a": 0.0, "b": 6.0}, n=12)
    expected = actstudy.verdicts(frame, baseline="a", margin=1, looks=True)
    moved = frame.assign(seed=1_000 + 7 * frame["seed"])
    table = actstudy.verdicts(moved, baseline="a", margin=1, looks=True)
    columns = ["p", "verdict", "decided_at", "low", "n"]
    assert_frame_equal(table[columns], expected[columns])
    assert list(table["decided_at"]) == [8]


def test_a_promise_of_more_runs_is_kept():
    """k runs more find a difference of the margin in at least 8 of 10 studies."""
    rng = np.random.default_rng(5)
    pilot = [Side.of(rng.normal(size=8)) for _ in range(2)]
    k = welch.more_runs(*pilot, 1.0, 0.05)
    assert 5 <= k <= 60
    finds = []
    for _ in range(300):
        level, baseline = rng.normal(size=(2, 8 + k))
        finds.append(reference.ttest_ind(level + 1, baseline, equal_var=False).pvalue <= 0.05)
    assert np.mean(finds) >= 0.8


@pytest.mark.parametrize("margin", [0.0, 0.5, 2.0])
def test_the_tie_group_of_pairs_is_the_set_of_choose(margin):
    rng = np.random.default_rng(3)
    for _ in range(50):
        x = rng.normal(size=(8, 5)) - np.arange(5)
        x[rng.random(x.shape) < 0.2] = np.nan
        comparisons = ties.of_pairs(x)
        assert list(ties.tie_group(comparisons, margin)) == list(choice.members(x, margin))


def test_rank_intervals_hold_the_order_and_narrow_with_runs():
    means = {f"l{place}": -float(place) for place in range(5)}
    widths = []
    for n in (3, 8, 40):
        table = actstudy.ranks(runs(means, n=n, sd=0.7), margin=0.1)
        place = table["level"].str.removeprefix("l").astype(int) + 1
        assert (table["first"] <= place).all()
        assert (table["last"] >= place).all()
        widths.append((table["last"] - table["first"]).sum())
    assert widths[0] > widths[1] > widths[2] == 0


@pytest.mark.parametrize("is_paired", [True, False])
def test_ranks_over_tasks_are_of_gains_in_margins(is_paired):
    """What wins one task by little and loses another by much is not the best over both."""
    first = runs({"a": 0.0, "b": 0.3}, n=12, sd=0.1).assign(task="x")
    second = runs({"a": 0.0, "b": -90.0}, n=12, sd=5, key=1).assign(task="y")
    frame = pd.concat([first, second], ignore_index=True)
    margin = {"x": 0.1, "y": 10.0}
    table = actstudy.ranks(frame, margin=margin, paired=is_paired)
    best = table[table["first"].eq(1) & table["last"].eq(1)].set_index("task")["level"]
    assert dict(best) == {"x": "b", "y": "a", ALL_TASKS: "a"}
    over = table[table["task"] == ALL_TASKS].set_index("level")
    means = frame.groupby(["task", "level"])["value"].mean()
    gain = [(means[task, "a"] - means[task, "b"]) / size for task, size in margin.items()]
    assert over.loc["b", "behind"] == pytest.approx(np.mean(gain))
    assert over.loc["b", "unit"] == "margins"


def test_across_tasks_one_task_is_itself():
    x = np.random.default_rng(4).normal(size=(9, 3))
    own = ties.of_pairs(x)
    same = ties.across([own], [1.0])
    off = ~np.eye(3, dtype=bool)
    assert same.p[off] == pytest.approx(own.p[off])
    twice = ties.across([own, own], [1.0, 1.0])
    assert twice.difference.df[off] == pytest.approx(16)


def test_family_study_shares_the_error_over_tasks():
    first = runs({"a": 0.0, "b": 1.7}, n=10).assign(task="x")
    frame = pd.concat([first, first.assign(task="y")], ignore_index=True)
    own = {"baseline": "a", "margin": 0.1}
    by_task = actstudy.verdicts(frame, **own)
    shared = actstudy.verdicts(frame, family="study", **own)
    assert list(by_task["spend"]) == [0.05] * 2
    assert list(shared["spend"]) == [0.025] * 2
    assert list(by_task["p"]) == list(shared["p"])


@pytest.mark.parametrize("kind", ["paired", "unpaired"])
def test_diverged_runs_stand_at_chance_and_are_counted(kind):
    frame = runs({"a": 10.0, "b": 12.0}, n=10).assign(diverged=False, chance=0.0)
    frame.loc[frame.index[-1], ["diverged", "value"]] = [True, np.nan]
    if kind == "unpaired":
        frame = unseeded(frame)
    table = actstudy.verdicts(frame, baseline="a", margin=0.5)
    row = table.iloc[0]
    assert (row["n_diverged"], row["n_collapsed"], row["n_level"]) == (1, 1, 9)
    assert row["verdict"] == "better"
    assert row["condition"] == "when it trains"
    unknown = actstudy.verdicts(frame.drop(columns="chance"), baseline="a", margin=0.5).iloc[0]
    assert (unknown["n_level"], unknown["condition"]) == (9, "when it trains")
    assert (unknown["n_runs"], unknown["n_diverged"]) == (10, 1)
    turned = frame.drop(columns="chance").assign(value=-frame["value"])
    row = actstudy.verdicts(turned, baseline="a", margin=0.5).iloc[0]
    assert (row["verdict"], row["condition"]) == ("worse", "")


def test_large_families_take_holms_method():
    rng = np.random.default_rng(6)
    samples = [rng.normal(size=20) for _ in range(60)]
    samples[7] = samples[7] + 4
    p = unpaired.difference_p(samples)
    alone = [reference.ttest_ind(own, samples[0], equal_var=False).pvalue for own in samples[1:]]
    assert p == pytest.approx(welch.holm(np.array(alone)))
    assert p[6] < 0.001


def test_verdicts_of_a_constant_difference_are_certain():
    frame = runs({"a": 0.0}, n=8)
    both = pd.concat([frame, frame.assign(level="b", value=frame["value"] + 1)], ignore_index=True)
    table = actstudy.verdicts(both, baseline="a", margin=0.5)
    assert table["verdict"].iloc[0] == "better"
    assert table["sd"].iloc[0] == pytest.approx(0, abs=1e-12)
    within = actstudy.verdicts(both, baseline="a", margin=2.0)
    assert list(within["verdict"]) == ["equivalent (below the margin)"]


def test_runs_that_do_not_depend_on_their_seed_are_no_sample():
    frame = runs({"a": 0.0, "b": 0.0}, n=8)
    exact = frame.assign(value=(frame["level"] == "b").astype(float))
    for paired in (True, False):
        question = {"baseline": "a", "margin": 0.5, "paired": paired}
        with pytest.raises(StudyError, match="got one value in all runs of each level"):
            actstudy.verdicts(exact, **question)
    exact.loc[0, "value"] = 0.1
    assert len(actstudy.verdicts(exact, baseline="a", margin=0.5)) == 1
