"""Claims that a study's own runs answer: gains, their intervals, orders, and what is absent."""

import made_up
import numpy as np
import pytest
from scipy import stats

from actstudy.analysis.questions import ledger_gains, ledger_runs
from actstudy.contract.reading import Absent

SHIFTS = {"gelu": 0.1, "relu": 0.0, "tanh": -0.1}
BF16_SHIFT = 0.05
STUDY = {
    "seeds": 8,
    "axes": {"activation": ["relu", "gelu", "tanh"]},
    "tasks": {
        "mlp": {"axes": {"lr": [0.01, {"lr": 0.01, "precision": "bf16"}]}},
        "cls": None,
        "lm": None,
    },
}
BF16 = "lr=0.01 (precision=bf16)"


def shift(spec):
    if spec.task == "cls":
        return 0.0
    return SHIFTS[spec.activation] + (BF16_SHIFT if spec.precision == "bf16" else 0)


def ending(run):
    is_first = run.group == "lr=0.01"
    if is_first and run.level == "tanh" and run.spec.seed == 7:
        return "diverged"
    return "completed"


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ledger")
    study = made_up.study_of(folder, STUDY)
    return made_up.build(study, folder, ending, shift)


def ask(tables, kind, **arguments):
    return ledger_runs.MEASUREMENTS[kind](tables.frames, tables.plan, **arguments)


def values(tables, kind, **arguments):
    (reading,) = ask(tables, kind, **arguments)
    return reading.values


def accuracies(tables, level, group="lr=0.01", task="mlp"):
    runs = tables.of("runs", task)
    own = runs[(runs["level"] == level) & (runs["group"] == group)]
    return own.sort_values("seed")["reported_accuracy"].to_numpy(float)


def test_a_cell_is_the_mean_of_completed_runs_in_percent(tables):
    cell = values(tables, "cell", task="mlp", level="tanh")
    own = accuracies(tables, "tanh")
    assert cell["mean"].value == pytest.approx(100 * np.nanmean(own))
    assert (cell["mean"].n, cell["mean"].unit) == (7, "%")
    assert cell["diverged"].value == 1 / 8
    at_bf16 = values(tables, "cell", task="mlp", level="relu", group=BF16)
    assert at_bf16["mean"].value == pytest.approx(
        values(tables, "cell", task="mlp", level="relu")["mean"].value + 100 * BF16_SHIFT
    )


def test_a_gain_is_paired_and_its_interval_that_of_its_family(tables):
    gain = values(tables, "contrast", task="mlp", level="gelu")["gain"]
    differences = 100 * (accuracies(tables, "gelu") - accuracies(tables, "relu"))
    assert gain.value == pytest.approx(differences.mean())
    family = 2 * 2  # two levels beside relu, two groups
    half = stats.t.ppf(1 - 0.025 / family, 7) * differences.std(ddof=1) / np.sqrt(8)
    assert (gain.high - gain.low) / 2 == pytest.approx(half)
    assert (gain.n, gain.unit) == (8, "points")


def test_a_gain_turned_round_is_its_negative(tables):
    forth = values(tables, "contrast", task="mlp", level="gelu", against="tanh", group=BF16)
    back = values(tables, "contrast", task="mlp", level="tanh", against="gelu", group=BF16)
    for name, value in forth.items():
        assert back[name].value == pytest.approx(-value.value)
        assert back[name].low == pytest.approx(-value.high)
    assert forth["gain"].low > 0


def test_seven_pairs_of_seeds_decide_nothing(tables):
    with pytest.raises(ValueError, match="7 seeds of task mlp have both tanh and relu; it takes 8"):
        ask(tables, "contrast", task="mlp", level="tanh")  # its run of seed 7 diverged


def test_margins_are_gains_in_units_of_the_margin_of_the_task(tables):
    pair = values(tables, "contrast", task="mlp", level="gelu")
    margin = 100 * tables.plan.tasks["mlp"].margin
    assert pair["margins"].high == pytest.approx(pair["gain"].high / margin)


def test_a_lower_perplexity_is_a_gain_in_percent(tables):
    runs = tables.of("runs", "lm").pivot(
        index="seed", columns="level", values="reported_word_perplexity"
    )
    logs = np.log(runs.astype(float))
    gain = values(tables, "contrast", task="lm", level="gelu")["gain"]
    drop = 1 - np.exp((logs["gelu"] - logs["relu"]).mean())
    assert gain.value == pytest.approx(100 * drop)
    assert gain.unit == "% of the perplexity"


def test_no_gain_decides_what_a_verdict_of_the_study_leaves_open(tables):
    verdicts = tables.frames["contrasts"]
    n_decided = 0
    for row in verdicts[verdicts["family"] == "primary"].to_dict("records"):
        if row["verdict"] == "too few seeds":
            continue
        pair = {"level": row["level"], "against": row["baseline"], "group": row["group"]}
        gain = values(tables, "contrast", task=row["task"], **pair)
        if gain["gain"].low > 0:
            n_decided += 1
            assert row["verdict"].startswith(("better", "equivalent (below"))
        if gain["gain"].high < 0:
            n_decided += 1
            assert row["verdict"].startswith(("worse", "equivalent (below"))
        if gain["margins"].low > -1 and gain["margins"].high < 1:
            assert row["verdict"].startswith("equivalent")
    assert n_decided == 3  # gelu in both groups, tanh in one


def test_tasks_are_conditions(tables):
    readings = ask(tables, "contrasts_of_tasks", tasks=["mlp", "lm"], level="gelu")
    titles = [tables.plan.tasks[task].title for task in ("mlp", "lm")]
    assert [reading.condition for reading in readings] == titles
    assert readings[0].values == values(tables, "contrast", task="mlp", level="gelu")


def test_an_order_is_as_good_as_its_smallest_gain(tables):
    question = {"kind": "order", "task": "mlp", "group": BF16}
    right = values(tables, levels=["gelu", "relu", "tanh"], **question)
    assert right["smallest"].low > 0
    assert right["in_order"].value == 1
    wrong = values(tables, levels=[["gelu", "relu"], ["tanh"]], **question)
    assert wrong["smallest"].value == pytest.approx(
        -values(tables, "contrast", task="mlp", level="tanh", group=BF16)["gain"].value
    )
    turned = values(tables, levels=["relu", ["gelu", "tanh"]], **question)
    assert turned["smallest"].high < 0
    assert turned["in_order"].value == 0.5


def share_near_best(tables, task, level):
    """The share of seeds in which no level is better than a level by more than the margin."""
    group = tables.of("runs", task)["group"].iloc[0]
    own = accuracies(tables, level, group, task)
    others = [accuracies(tables, other, group, task) for other in SHIFTS]
    return np.mean(np.nanmax(others, axis=0) - own <= tables.plan.tasks[task].margin)


def test_cells_near_the_best_are_counted_seed_by_seed_and_their_tasks_are_the_sample(tables):
    share = values(tables, "share_near_best", tasks=["mlp", "cls"])["share"]
    shares = [share_near_best(tables, task, "relu") for task in ("mlp", "cls")]
    assert shares[0] == 0  # gelu is better in each seed
    assert 0 < shares[1] < 1
    assert (share.value, share.n) == (pytest.approx(np.mean(shares)), 2)
    assert 0 < share.low < share.value < share.high < 1


def test_the_interval_of_a_mean_of_shares_stays_within_0_and_1():
    share = ledger_gains.mean_share([0.0, 0.1, 1.0, 0.9])
    error = np.std([0.0, 0.1, 1.0, 0.9], ddof=1) / 2
    assert share.value == pytest.approx(0.5)
    half = stats.t.ppf(0.975, 3) * error / 0.25  # of the log of the odds, 0
    assert share.low == pytest.approx(1 / (1 + np.exp(half)))
    assert share.high == pytest.approx(1 - share.low)
    assert stats.t.ppf(0.975, 3) * error > 0.5  # where the t interval of the mean is not


@pytest.mark.parametrize(("a", "b"), [(0.5, 0.5), (2, 1), (9, 1)])
def test_the_interval_of_four_shares_holds_their_mean(a, b):
    """Shares of eight seeds in tasks from a beta distribution; the plain t interval: 88 to 94%."""
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(2000):
        shares = rng.binomial(8, rng.beta(a, b, 4)) / 8
        interval = ledger_gains.mean_share(shares.tolist())
        covered.append(interval.low <= a / (a + b) <= interval.high)
    assert np.mean(covered) > 0.945


def test_tasks_that_agree_have_no_narrow_interval():
    assert ledger_gains.mean_share([1.0, 1.0, 1.0]).low < 0.5
    same = ledger_gains.mean_share([0.5, 0.5, 0.5])
    assert (same.value, same.low, same.high, same.n) == (0.5, 0, 1, 3)
    assert (ledger_gains.mean_share([0.5]).low, ledger_gains.mean_share([0.5]).n) == (0, 1)


def test_a_single_task_that_agrees_with_itself_decides_nothing(tables):
    share = values(tables, "share_near_best", tasks=["mlp"], level="gelu")["share"]
    assert (share.value, share.n) == (1, 1)
    assert share.low < 0.9


def test_a_precision_is_compared_level_by_level(tables):
    readings = ask(tables, "precision_change", task="mlp")
    gains = {reading.condition: reading.values["gain"] for reading in readings}
    assert list(gains) == ["relu", "gelu", "tanh"]
    for level in ("relu", "gelu"):
        assert gains[level].value == pytest.approx(100 * BF16_SHIFT)
        assert gains[level].n == 8
    with pytest.raises(Absent, match="precision fp16"):
        ask(tables, "precision_change", task="mlp", precision="fp16")


def with_dead(tables, share, seeds):
    """The frames, with a share of dead units in runs of relu of some seeds, in the first group."""
    health = tables.frames["health"].copy()
    own = (health["level"] == "relu") & (health["group"] == "lr=0.01") & (health["kind"] == "site")
    own &= health["seed"].isin(seeds) & (health["task"] == "mlp")
    health.loc[own & (health["probe"] == "dead_fraction"), "value"] = share
    return tables.frames | {"health": health}


def test_runs_with_many_dead_units_are_compared_apart(tables):
    frames = with_dead(tables, 0.4, [0, 1, 2, 3])
    question = {"task": "mlp", "level": "gelu"}
    (reading,) = ledger_runs.contrast_if_dead(frames, tables.plan, **question)
    differences = 100 * (accuracies(tables, "gelu") - accuracies(tables, "relu"))
    assert reading.values["gain"].value == pytest.approx(differences[:4].mean())
    assert reading.values["gain"].n == 4
    assert reading.values["gain_below"].n == 8  # those of the other group too
    assert reading.values["dead"].value == pytest.approx(40)
    with pytest.raises(Absent, match="dead units than"):
        ledger_runs.contrast_if_dead(tables.frames, tables.plan, **question)


def test_a_share_of_dead_units_is_a_mean_over_sites(tables):
    frames = with_dead(tables, 0.4, [0])
    runs = tables.of("runs", "mlp")
    relu = runs[(runs["level"] == "relu") & (runs["group"] == "lr=0.01") & (runs["seed"] == 0)]
    shares = ledger_gains.dead_shares(frames["health"])
    assert shares[relu["run_id"].iloc[0]] == pytest.approx(0.4)
    assert sorted(shares.values())[:-1] == [0.0] * (len(shares) - 1)


def test_a_share_of_dead_units_is_of_all_units_if_sites_say_theirs(tables):
    health = with_dead(tables, 0.4, [0])["health"]
    health = health[(health["task"] == "mlp") & (health["level"] == "relu") & (health["seed"] == 0)]
    sites = sorted(health.loc[health["kind"] == "site", "name"].unique())
    is_first = (health["name"] == sites[0]) & (health["probe"] == "dead_fraction")
    health.loc[is_first & (health["group"] == "lr=0.01"), "value"] = 0.0
    units = {sites[0]: 300, "*": 100}
    n_later = 100 * (len(sites) - 1)
    expected = 0.4 * n_later / (300 + n_later)
    assert max(ledger_gains.dead_shares(health, "dead", units).values()) == pytest.approx(expected)
    with pytest.raises(ValueError, match=f"units: got x; allowed: .*such as {sites[0]}"):
        ledger_gains.dead_shares(health, "dead", {"x": 3})


def test_units_that_are_never_positive_count_by_their_own_rule(tables):
    frames = with_dead(tables, 0.7, range(8))
    health = frames["health"]
    health.loc[health["probe"] == "zero_fraction", "value"] = 0.5  # so no more units are dead
    question = {"task": "mlp", "level": "relu"}
    (dead,) = ledger_runs.dead_units(frames, tables.plan, **question)
    (never,) = ledger_runs.dead_units(frames, tables.plan, **question, rule="never_positive")
    assert dead.values["dead"].value == pytest.approx(50)
    assert never.values["dead"].value == pytest.approx(70)
    with pytest.raises(ValueError, match="rule"):
        ledger_runs.dead_units(frames, tables.plan, **question, rule="never")


def test_dead_units_are_a_mean_over_seeds_in_percent(tables):
    frames = with_dead(tables, 0.4, [0, 1])
    question = {"task": "mlp", "level": "relu"}
    (reading,) = ledger_runs.dead_units(frames, tables.plan, **question)
    assert reading.values["dead"].value == pytest.approx(40 * 2 / 8)
    assert (reading.values["dead"].n, reading.values["dead"].unit) == (8, "%")
    with pytest.raises(ValueError, match="no run of relu in task mlp has probes"):
        ledger_runs.dead_units(
            frames | {"health": frames["health"].head(0)}, tables.plan, **question
        )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"data": "mnist"}, "needs task mlp on mnist of config/guide_full.yaml"),
        ({"level": "selu"}, "needs task mlp with level selu at lr=0.01"),
        ({"group": "lr=7"}, "needs task mlp with level gelu at lr=7"),
    ],
)
def test_what_a_study_lacks_is_said_in_one_line(tables, arguments, words):
    with pytest.raises(Absent) as fault:
        ask(tables, "contrast", **{"task": "mlp", "level": "gelu", **arguments})
    assert str(fault.value) == words


def test_runs_that_never_ended_have_no_mean(tmp_path):
    study = made_up.study_of(tmp_path, STUDY | {"seeds": 1, "tasks": {"cls": None}})
    failed = made_up.build(study, tmp_path, lambda run: "failed")
    with pytest.raises(ValueError, match="no run of relu in task cls has ended"):
        ask(failed, "cell", task="cls", level="relu")
