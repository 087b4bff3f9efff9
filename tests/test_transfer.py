"""Do small studies predict large ones: orders by reference, a fit by hand, refusals."""

import copy
import itertools
import json

import bundled
import numpy as np
import pandas as pd
import pytest
import scipy.stats
from commands import command

from actstudy.contract.errors import StudyError
from actstudy.judging.statistics import orders
from actstudy.judging.studies import beside, sizes, transfer, transfer_page
from actstudy.judging.studies.sizes import Grid

LEVELS = {"tanh": 0.1, "relu": 0.2, "gelu": 0.3, "silu": 0.25}


def content(**task):
    """A study of eight seeds and four activations."""
    study = copy.deepcopy(bundled.CONTENT)
    study["axes"] = {"activation": list(LEVELS)}
    study["tasks"]["mlp"] |= {"seeds": 8, **task}
    return study


def alike(spec):
    return LEVELS[spec.activation]


def turned(spec):
    return -LEVELS[spec.activation]


def growing(spec):
    """gelu gains 0.01 per doubling of width, and loses 0.02 per doubling of depth."""
    if spec.activation != "gelu":
        return 0.0
    return 0.1 + 0.01 * np.log2(spec.width / 16) - 0.02 * np.log2(spec.depth / 2)


@pytest.fixture(scope="module")
def origin(tmp_path_factory):
    """Folders of studies of one order, of its reverse, and of a grid of sizes."""
    folder = tmp_path_factory.mktemp("origin")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        bundled.study(name="small", content=content(), shift=alike)
        bundled.study(name="large", content=content(width=64), shift=alike)
        bundled.study(name="reverse", content=content(width=48), shift=turned)
        two = content() | {"axes": {"activation": ["tanh", "relu"]}}
        bundled.study(name="two", content=two, shift=alike)
        tuned = content() | {"axes": {"activation": list(LEVELS), "lr": [0.001, 0.01]}}
        bundled.study(name="rates", content=tuned, shift=alike)
        lm = {"axes": bundled.CONTENT["axes"], "tasks": {"lm": {"seeds": 2}}}
        bundled.study(name="text", content=lm)
        grid = content(lr=0.02) | {
            "axes": {"activation": ["relu", "gelu"], "width": [16, 32, 64], "depth": [2, 4, 8]}
        }
        bundled.study(name="sizes", content=grid, shift=growing)
    return folder


@pytest.fixture
def studies(origin, monkeypatch):
    monkeypatch.chdir(origin)

    def opened(*names):
        return beside.opened([f"results/{name}" for name in names], "transfer")

    return opened


# Orders


@pytest.mark.parametrize("number", range(5))
def test_tau_is_scipys(number):
    rng = np.random.default_rng(number)
    a = rng.integers(0, 4, 6).astype(float)
    b = rng.integers(0, 4, 6).astype(float)
    expected = scipy.stats.kendalltau(a, b, variant="b").statistic
    assert orders.tau(a, b) == pytest.approx(expected)


def test_tau_of_four_levels_by_hand():
    """Of six pairs one is turned: (5 - 1) / 6."""
    own = orders.tau(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 2.0, 4.0, 3.0]))
    assert own == pytest.approx(4 / 6)


@pytest.mark.parametrize("other", [[1, 2, 3, 4, 5], [2, 1, 3, 5, 4], [5, 4, 3, 2, 1]])
def test_p_is_that_of_kendalls_exact_test(other):
    own = orders.chance_p(np.arange(5.0), np.array(other, dtype=float), np.random.default_rng(0))
    expected = scipy.stats.kendalltau(range(5), other, method="exact", alternative="greater")
    assert own == pytest.approx(expected.pvalue)


def test_p_of_many_levels_is_near_kendalls():
    other = np.random.default_rng(4).permutation(9).astype(float)
    own = orders.chance_p(np.arange(9.0), other, np.random.default_rng(0))
    expected = scipy.stats.kendalltau(range(9), other, method="exact", alternative="greater")
    assert own == pytest.approx(expected.pvalue, abs=0.04)


def test_three_levels_never_predict():
    assert orders.chance_p(np.arange(3.0), np.arange(3.0), np.random.default_rng(0)) == 1 / 6


def test_levels_without_any_order_have_no_tau():
    assert np.isnan(orders.tau(np.ones(4), np.arange(4.0)))


def test_a_clear_order_has_an_interval_above_chance_and_noise_has_not():
    rng = np.random.default_rng(1)
    levels = np.arange(6.0)
    clear = [levels + 0.01 * rng.normal(size=(8, 6)) for _ in range(2)]
    own = orders.agreement(*clear, rng)
    assert (own.value, own.low, own.high, own.n) == (1.0, 1.0, 1.0, 8)
    noise = orders.agreement(rng.normal(size=(8, 6)), rng.normal(size=(8, 6)), rng)
    assert noise.low < 0 < noise.high


def test_a_missing_run_counts_for_nothing():
    rng = np.random.default_rng(2)
    gains = np.arange(4.0) + 0.01 * rng.normal(size=(8, 4))
    gains[0, 0] = np.nan
    own = orders.agreement(gains, gains, rng)
    assert own.value == own.low == 1.0


def test_one_seed_has_an_order_and_no_interval():
    own = orders.agreement(np.arange(4.0)[None], np.arange(4.0)[None], np.random.default_rng(0))
    assert own.value == 1.0
    assert np.isnan(own.low)


def test_shares_have_wilsons_interval():
    own = orders.share(3, 3)
    assert own.low == pytest.approx(3 / (3 + 1.959964**2), rel=1e-6)
    assert orders.share(0, 0).n == 0


# Studies


def test_one_order_is_predicted_and_its_reverse_is_not(studies):
    table, notes = transfer.transfers(studies("small", "reverse", "large"))
    assert not notes
    first, other = table.to_dict("records")
    assert (first["tau"], other["tau"]) == (1.0, -1.0)
    assert first["tau_low"] > 0 > other["tau_high"]
    assert (first["p"], other["p"]) == (1 / 24, 1.0)
    assert first["best_small"] == first["best_large"] == "gelu"
    assert other["best_small"] == "tanh"
    assert first["n_agree"] == first["n_decided"] == 3
    assert other["n_agree"] == 0
    assert other["n_decided"] == 3
    words = transfer_page.answer(table)
    assert words.startswith("results/small orders the levels as results/large does in mlp")
    assert "results/reverse is not shown to order the levels as results/large does; 0 of 3" in words


def test_the_only_group_of_one_study_stands_beside_each_of_the_other(studies):
    table, _ = transfer.transfers(studies("rates", "large"))
    assert table["group"].tolist() == ["lr=0.001", "lr=0.01"]
    assert table["group_large"].tolist() == ["", ""]
    assert (table["tau"] == 1.0).all()


def test_the_command_prints_the_answer_first(origin, tmp_path):
    done = command(
        origin, "transfer", "results/small", "results/large", "--csv", str(tmp_path / "t.csv")
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "# Do small studies predict results/large?"
    assert lines[2].startswith("**results/small orders the levels as")
    assert "| width  |" in done.stdout or " width " in done.stdout
    assert pd.read_csv(tmp_path / "t.csv")["tau"].tolist() == [1.0]
    as_json = command(origin, "transfer", "results/small", "results/large", "--json")
    assert json.loads(as_json.stdout)[0]["n_agree"] == 3


@pytest.mark.parametrize(
    ("names", "fault"),
    [
        (["two", "large"], "transfer: mlp: got 2 levels with runs in both results/two and "),
        (["text", "large"], "transfer: no common task: results/text has lm; results/large has mlp"),
        (["small", "small"], "transfer: got results/small twice"),
        (["small"], "results/small: it crosses no size; allowed: one that crosses width"),
        (["nowhere", "small"], "results/nowhere: no such folder"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_line(origin, names, fault):
    done = command(origin, "transfer", *(f"results/{name}" for name in names))
    assert done.returncode == 2
    assert done.stderr.startswith(f"actstudy: {fault}")
    assert done.stderr.count("\n") == 1
    assert "allowed:" in done.stderr
    assert done.stdout == ""


# Sizes


def test_a_fit_by_hand():
    """One axis: effects 1 and 3 at sizes 1 and 2 go on to 5 at 4, where 4.5 is seen."""
    grid = Grid("mlp", "", {"width": [1.0, 2.0, 4.0]}, {(1.0,): "a", (2.0,): "b", (4.0,): "c"})
    fit = sizes.fitted(np.array([[1.0, 3.0, 4.5], [1.0, 3.0, 5.5]]), grid)
    np.testing.assert_allclose(fit.slopes, [[2.0], [2.0]])
    np.testing.assert_allclose(fit.predicted, [[5.0], [5.0]])
    np.testing.assert_allclose(fit.before, [[3.0], [3.0]])
    (row,) = sizes.held_out_rows(fit, grid)
    assert row["error"] == pytest.approx(0.0)
    half = scipy.stats.t.ppf(0.975, 1) * np.std([-0.5, 0.5], ddof=1) / np.sqrt(2)
    assert row["low"] == pytest.approx(5 - half)
    assert row["is_inside"]


def test_the_fit_is_least_squares():
    rng = np.random.default_rng(3)
    axes = {"width": [16.0, 32.0, 64.0], "depth": [2.0, 4.0, 8.0, 16.0]}
    cells = list(itertools.product(*axes.values()))
    grid = Grid("mlp", "", axes, {cell: str(cell) for cell in cells})
    y = rng.normal(size=(4, len(cells)))
    small = [place for place, (w, d) in enumerate(cells) if w < 64 and d < 16]
    x = np.array([[1, np.log2(w / 16), np.log2(d / 2)] for w, d in cells])
    fit = sizes.fitted(y, grid)
    for seed in range(4):
        own, *_ = np.linalg.lstsq(x[small], y[seed, small], rcond=None)
        np.testing.assert_allclose(fit.slopes[seed], own[1:])
        others = np.delete(np.arange(len(cells)), small)
        np.testing.assert_allclose(fit.predicted[seed], x[others] @ own)


def test_planted_slopes_come_back_and_held_out_sizes_are_inside(studies):
    (study,) = studies("sizes")
    slopes, cells = sizes.extrapolations(study)
    own = slopes.set_index("axis")["slope"]
    assert own["width"] == pytest.approx(0.01)
    assert own["depth"] == pytest.approx(-0.02)
    assert len(cells) == 5
    np.testing.assert_allclose(cells["error"], 0, atol=1e-12)
    assert cells["is_inside"].all()
    assert set(cells["n"]) == {8}
    text = transfer_page.sizes_page(study, slopes, cells)
    assert "of 5 held-out effects lie within their interval" in text
    assert "| mlp    | gelu" in text


def test_a_grid_with_a_gap_is_none(studies):
    (study,) = studies("sizes")
    runs = study.runs
    first = runs["group"].iloc[0]
    gap = runs[runs["group"] != first]
    object.__setattr__(study, "runs", gap)
    with pytest.raises(StudyError, match="it crosses no size"):
        sizes.extrapolations(study)


def test_a_size_of_zero_is_refused_in_one_line(studies):
    (study,) = studies("sizes")
    places = [text.replace('"16"', '"0"') for text in study.runs["places"]]
    object.__setattr__(study, "runs", study.runs.assign(places=places))
    with pytest.raises(StudyError, match="mlp: width: got 0; allowed: sizes above 0"):
        sizes.extrapolations(study)


def test_the_page_counts_held_out_effects_without_a_judgement(studies):
    (study,) = studies("sizes")
    _, cells = sizes.extrapolations(study)
    outside = cells.assign(is_inside=[True, *[False] * (len(cells) - 1)])
    text = transfer_page.check(study, outside)
    assert "1 of 5 held-out effects lie within their interval; " in text
    assert "promised" not in text


def test_two_seeds_are_too_few(studies):
    (study,) = studies("sizes")
    object.__setattr__(study, "runs", study.runs[study.runs["seed"] < 2])
    with pytest.raises(StudyError, match="2 seeds have every size of gelu, it takes 3"):
        sizes.extrapolations(study)


def test_a_contradicted_verdict_is_not_decided():
    row = pd.Series({"verdict": "better", "contradiction": "the recipe decides"})
    assert beside.verdict_of(row) not in transfer.SIGNS
    assert beside.verdict_of(pd.Series({"verdict": "better", "contradiction": ""})) == "better"
    assert beside.verdict_of(pd.Series({"verdict": "better"})) == "better"
