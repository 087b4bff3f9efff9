"""The procedure that decides between verdicts, against references and simulation."""

import hashlib
import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats as reference

from actstudy.analysis.questions import power as seeds_needed
from actstudy.analysis.questions import procedure, stats
from actstudy.analysis.questions.procedure import judge

LOOKS = procedure.looks_of(True)
LATTICE = arrays(
    float, (9, 3), elements=st.integers(-4, 4).map(lambda value: value / 8)
)  # ties, zeros, constants


def normal(n: int, contrasts: int, key: int = 0) -> np.ndarray:
    """Differences that share the baseline's noise, sd 1."""
    values = np.random.default_rng(key).normal(size=(n, contrasts + 1))
    return (values[:, 1:] - values[:, :1]) / math.sqrt(2)


def verdicts(x: np.ndarray, margin: float = 1.0, looks: procedure.Looks | None = None) -> list[str]:
    return [verdict.verdict for verdict in judge(x, margin, looks)]


def step_down(x: np.ndarray) -> np.ndarray:
    """Westfall and Young (1993), algorithm 2.8, with t statistics of each flipped data set."""
    n, contrasts = x.shape
    flips = [np.array(signs)[:, None] * x for signs in itertools.product((1, -1), repeat=n)]
    t = [np.abs(y.mean(axis=0) / (y.std(axis=0, ddof=1) / math.sqrt(n))) for y in flips]
    order = list(np.argsort(-t[0]))
    p = np.empty(contrasts)
    worst = 0.0
    for rank, j in enumerate(order):
        rest = order[rank:]
        exceeded = [flip[rest].max() >= t[0][j] - 1e-9 for flip in t]
        worst = max(worst, float(np.mean(exceeded)))
        p[j] = worst
    return p


@pytest.mark.parametrize("n", [5, 8, 10, 12])
def test_one_contrast_is_scipys_exact_permutation_test(n):
    for key in range(5):
        x = normal(n, 1, key) + 0.5
        p = procedure.difference_p(x, procedure.sign_flips(n))[0]
        exact = reference.permutation_test(
            (x[:, 0],),
            np.mean,
            permutation_type="samples",
            n_resamples=np.inf,
            alternative="two-sided",
        )
        assert p == pytest.approx(exact.pvalue, abs=1e-12)


@pytest.mark.parametrize("key", range(4))
def test_step_down_is_the_textbooks(key):
    x = normal(7, 4, key) + [0.0, 0.4, 0.8, 1.6]
    p = procedure.difference_p(x, procedure.sign_flips(7))
    assert p == pytest.approx(step_down(x), abs=1e-12)
    alone = [procedure.difference_p(x[:, [j]], procedure.sign_flips(7))[0] for j in range(4)]
    assert (p >= np.array(alone) - 1e-12).all()
    t = np.abs(reference.ttest_1samp(x, 0).statistic)
    assert (np.diff(p[np.argsort(-t)]) >= 0).all()


def test_random_flips_approach_all_flips():
    for key in range(3):
        x = normal(13, 3, key) + 0.5
        bits = np.arange(2**12)[:, None] >> np.arange(13) & 1
        exact = procedure.difference_p(x, 1 - 2 * bits)
        drawn = procedure.difference_p(x, procedure.sign_flips(13))
        assert np.abs(exact - drawn).max() < 4 * math.sqrt(0.25 / 10_000)


def test_shared_signs_gain_on_holm():
    """Four times nearly the same contrast: Holm's first step is the last."""
    x = normal(12, 1) + 0.6 + 0.05 * np.random.default_rng(1).normal(size=(12, 4))
    p = procedure.difference_p(x, procedure.sign_flips(12))
    alone = [procedure.difference_p(x[:, [j]], procedure.sign_flips(12))[0] for j in range(4)]
    assert p.min() < 2 * min(alone) < 4 * min(alone)


def test_equivalence_is_two_one_sided_tests():
    for key in range(5):
        x = 0.2 * normal(10, 3, key)
        p = procedure.equivalence_p(x, np.full(3, 0.25), 3)
        for j in range(3):
            low = reference.ttest_1samp(x[:, j], -0.25, alternative="greater").pvalue
            high = reference.ttest_1samp(x[:, j], 0.25, alternative="less").pvalue
            assert p[j] == pytest.approx(min(1, 3 * max(low, high)), rel=1e-9)


def test_equivalence_is_statsmodels():
    weightstats = pytest.importorskip("statsmodels.stats.weightstats")
    for key in range(5):
        x = 0.2 * normal(10, 1, key)
        expected = weightstats.ttost_paired(x[:, 0], np.zeros(10), -0.25, 0.25)[0]
        assert procedure.equivalence_p(x, np.array([0.25]), 1)[0] == pytest.approx(
            expected, rel=1e-9
        )


def test_interval_is_scipys_at_the_level_of_the_look():
    x = normal(20, 2)
    zero = np.zeros(20)
    for looks, level in ((None, 0.95), (LOOKS, 0.975), (LOOKS[:2], 0.985)):
        n = 12 if looks == LOOKS[:2] else 20
        expected = reference.ttest_rel(x[:n, 0], zero[:n]).confidence_interval(level)
        verdict = judge(x, 1.0, looks)[0]
        assert (verdict.n, verdict.interval_level) == (n, pytest.approx(level))
        assert (verdict.low, verdict.high) == pytest.approx((expected.low, expected.high), rel=1e-9)


def test_detectable_difference_is_statsmodels():
    power = pytest.importorskip("statsmodels.stats.power").TTestPower()
    for n, level in itertools.product((8, 12, 20, 60, 110), (0.05, 0.0125, 0.025 / 9)):
        reached = power.power(seeds_needed.detectable(n, level), n, level, alternative="two-sided")
        assert reached == pytest.approx(0.8, abs=1e-4)


def test_detectable_difference_has_the_power_it_says():
    n = 12
    level = 0.0125
    x = np.random.default_rng(0).normal(size=(n, 40_000)) + seeds_needed.detectable(n, level)
    power = np.mean(reference.ttest_1samp(x, 0).pvalue <= level)
    assert power == pytest.approx(0.8, abs=4 * math.sqrt(0.16 / 40_000))


@pytest.mark.parametrize("looks", [None, LOOKS])
@pytest.mark.parametrize("sd", [0.5, 1.0, 1.5])
def test_k_more_seeds_is_the_smallest_that_suffices(looks, sd):
    n = 8
    contrasts = 4
    schedule = looks or procedure.looks_of(False)
    k = seeds_needed.more_seeds(n, sd, 1.0, contrasts, schedule)
    upper = sd * math.sqrt((n - 1) / reference.chi2.ppf(0.2, n - 1))

    def power(m: int) -> float:
        spend = 0.05
        if looks:
            by_look = ((8, 0.01), (12, 0.015), (math.inf, 0.025))
            spend = next(own for size, own in by_look if m <= size)
        critical = reference.t.ppf(1 - spend / contrasts / 2, m - 1)
        return float(reference.nct.sf(critical, m - 1, math.sqrt(m) / upper))

    assert power(n + k) >= 0.8
    assert k == 1 or power(n + k - 1) < 0.8


def test_k_more_seeds_holds_its_power_where_the_plain_sd_does_not():
    """A pilot of 8, true sd equal to the margin: n + k fresh seeds, one of 4 contrasts' t test."""
    rng = np.random.default_rng(0)
    schedule = procedure.looks_of(False)
    powers = {True: [], False: []}
    for _ in range(600):
        sd = rng.normal(size=8).std(ddof=1)
        plain = sd / seeds_needed.upper_sd(1.0, 8)  # undoes the limit
        for limit, pilot in ((True, sd), (False, plain)):
            m = 8 + seeds_needed.more_seeds(8, pilot, 1.0, 4, schedule)
            critical = reference.t.ppf(1 - 0.0125 / 2, m - 1)
            powers[limit].append(reference.nct.sf(critical, m - 1, math.sqrt(m)))
    assert 0.78 < np.mean(powers[True]) < 0.92
    assert np.mean(powers[False]) < 0.78


def test_huge_noise_is_not_decidable_and_says_what_20_seeds_see():
    x = 50 * normal(8, 2)
    verdict = judge(x, 1.0)[0]
    assert (verdict.verdict, verdict.more_seeds) == ("undecided", None)
    upper = verdict.sd * math.sqrt(7 / reference.chi2.ppf(0.2, 7))
    power = reference.nct.sf(
        reference.t.ppf(1 - 0.025 / 2, 19), 19, verdict.visible * math.sqrt(20) / upper
    )
    assert power == pytest.approx(0.8, abs=1e-6)


@pytest.mark.parametrize("n", [0, 1, 2, 5, 7])
def test_below_eight_seeds_there_is_no_verdict(n):
    verdict = judge(normal(n, 2) + 100.0, 200.0)[0]
    assert verdict.verdict == "too few seeds"
    assert (verdict.n, verdict.spend, verdict.decided_at) == (n, 0.0, None)
    assert verdict.n + verdict.more_seeds >= 8
    assert math.isnan(verdict.p)
    if n > 1:
        assert verdict.low < verdict.mean < verdict.high
    else:
        assert (verdict.low, verdict.high) == (-math.inf, math.inf)


def test_two_spellings_of_one_function_are_equivalent():
    x = np.column_stack([np.zeros(8), np.full(8, 0.1), np.full(8, 2.0), np.full(8, -2.0)])
    with np.errstate(all="raise"):
        judged = judge(x, 1.0)
    words = [verdict.verdict for verdict in judged]
    assert words == ["equivalent", "equivalent (below the margin)", "better", "worse"]
    assert [verdict.p for verdict in judged] == [1.0, 2 / 256, 2 / 256, 2 / 256]
    assert [verdict.p_equivalent for verdict in judged] == pytest.approx(
        [0.0, 0.0, 1.0, 1.0], abs=1e-99
    )


def test_verdicts_in_words():
    x = 0.3 * normal(12, 1)
    assert verdicts(x - x.mean() + 2.0) == ["better"]
    assert verdicts(x - x.mean() - 2.0) == ["worse"]
    assert verdicts(x - x.mean()) == ["equivalent"]
    assert verdicts(x - x.mean() + 0.5) == ["equivalent (below the margin)"]
    assert verdicts(30 * (x - x.mean())) == ["undecided"]


def test_a_margin_per_contrast():
    x = np.repeat(0.3 * normal(12, 1), 2, axis=1)
    x += 0.3 - x.mean()
    judged = judge(x, [0.1, 2.0])
    assert [verdict.verdict for verdict in judged] == ["better", "equivalent (below the margin)"]


def test_the_first_decision_stands():
    x = np.concatenate([0.1 * normal(8, 1) + 5, 0.1 * normal(12, 1) - 50])
    early = judge(x, 1.0, LOOKS)[0]
    late = judge(x, 1.0)[0]
    assert (early.verdict, early.decided_at, early.spend, early.p) == ("better", 8, 0.01, 2 / 256)
    assert (early.n, early.interval_level) == (20, 0.975)
    assert early.mean == pytest.approx(x.mean())
    assert late.verdict == "worse"


def test_looks_wait_for_their_seeds():
    x = np.concatenate([normal(8, 1), np.full((3, 1), 100.0)])
    assert judge(x, 1e-6, LOOKS)[0] == judge(x[:8], 1e-6, LOOKS)[0]


def test_a_task_can_have_a_share_of_the_five_percent():
    assert procedure.looks_of(True, 0.5) == [(8, 0.005), (12, 0.0075), (20, 0.0125)]
    verdict = judge(normal(20, 1), 1.0, procedure.looks_of(False, 0.5))[0]
    assert (verdict.spend, verdict.interval_level) == (0.025, 0.95)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"differences": np.full((8, 1), np.inf)}, "no infinity"),
        ({"differences": np.zeros(8)}, "seeds x contrasts"),
        ({"margin": 0.0}, "margin"),
        ({"margin": [1.0, 1.0]}, "margin"),
        ({"looks": [(8, 0.03), (12, 0.03)]}, "spends"),
        ({"looks": [(8, 0.05), (12, 0.0)]}, "spends"),
        ({"looks": [(12, 0.02), (8, 0.02)]}, "rising"),
        ({"looks": [(5, 0.05)]}, "from 8 on"),
        ({"looks": [(8, 0.02), (None, 0.02)]}, "rising"),
    ],
)
def test_refused(change, word):
    with pytest.raises(ValueError, match=word):
        judge(**{"differences": normal(8, 1), "margin": 1.0, **change})


def same(verdicts: list[procedure.Verdict], expected: list[procedure.Verdict]) -> None:
    for first, second in zip(verdicts, expected, strict=True):
        assert first.verdict == second.verdict
        assert first.p == second.p
        assert first.more_seeds == second.more_seeds
        assert first.p_equivalent == pytest.approx(second.p_equivalent, abs=1e-9)


@settings(max_examples=60)
@given(LATTICE, st.permutations(range(3)))
def test_the_order_of_contrasts_and_seeds_is_nothing(x, order):
    expected = judge(x, 0.3)
    same(judge(x[:, order], 0.3), [expected[j] for j in order])
    same(judge(x[::-1], 0.3), expected)


@settings(max_examples=60)
@given(LATTICE, st.sampled_from([0.1, 4.0, 1000.0]))
def test_units_are_nothing(x, scale):
    """Sums that are equal stay ties where rounding makes them differ: 0.1 + 0.2 and 0.3."""
    same(judge(scale * x, 0.3 * scale), judge(x, 0.3))


@settings(max_examples=60)
@given(LATTICE)
def test_the_mirror_of_better_is_worse(x):
    mirror = {"better": "worse", "worse": "better"}
    for plain, turned in zip(judge(x, 0.3), judge(-x, 0.3), strict=True):
        assert mirror.get(plain.verdict, plain.verdict) == turned.verdict
        assert plain.p == turned.p


def test_flips_are_the_same_in_every_study():
    signs = procedure.sign_flips(20)
    assert signs.shape == (10_000, 20)
    assert (signs[0] == 1).all()
    assert set(np.unique(signs)) == {-1, 1}
    assert abs(signs[1:].mean()) < 0.01
    assert abs(np.corrcoef(signs[1:].T) - np.eye(20)).max() < 0.05
    digest = hashlib.sha256(signs.tobytes()).hexdigest()
    assert digest[:16] == "36ba5db11f29df7d", "other flips change published p-values"


def false_rate(
    shift: float, margin: float, wrong: tuple[str, ...], contrasts: int = 9, studies: int = 300
) -> float:
    """Share of studies with a wrong word on any contrast, at any look."""
    errors = 0
    for key in range(studies):
        words = verdicts(normal(20, contrasts, key) + shift, margin, LOOKS)
        errors += not set(words).isdisjoint(wrong)
    return errors / studies


def test_family_wise_error_over_all_looks():
    assert (
        0.0 < false_rate(0.0, 1e-9, ("better", "worse")) < 0.05 + 2 * math.sqrt(0.05 * 0.95 / 300)
    )


def test_false_equivalence_over_all_looks():
    wrong = ("equivalent", "equivalent (below the margin)")
    assert 0.0 < false_rate(2.0, 2.0, wrong, contrasts=4) < 0.05 + 2 * math.sqrt(0.05 * 0.95 / 300)


def test_repeated_intervals_cover():
    covered = []
    for key in range(300):
        x = normal(20, 1, key)
        each = [judge(x[:n], 1.0, LOOKS)[0] for n in procedure.LOOKS]
        covered.append(all(verdict.low <= 0 <= verdict.high for verdict in each))
    assert 0.95 - 2 * math.sqrt(0.05 * 0.95 / 300) < np.mean(covered) < 1.0


def test_bca_interval():
    x = np.random.default_rng(0).normal(size=60)
    first, second = [stats.bca_interval(x, np.mean, np.random.default_rng(1)) for _ in range(2)]
    plain = stats.mean_interval(x)
    assert first == second
    assert (first.low, first.high) == pytest.approx((plain.low, plain.high), abs=0.03)
    rng = np.random.default_rng(1)
    assert stats.bca_interval(np.ones(20), stats.interquartile_mean, rng).high == 1.0
    with pytest.raises(ValueError, match="at least 20"):
        stats.bca_interval(x[:19], np.median, np.random.default_rng(1))


def test_interquartile_mean_drops_the_outer_quarters():
    assert stats.interquartile_mean(np.array([-1e6, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 1e6])) == 3.5


def test_mcnemar():
    assert stats.mcnemar_exact(1, 9) == pytest.approx(2 * (1 + 10) / 2**10)
    assert stats.mcnemar_exact(0, 0) == 1.0


def test_test_error_of_examples_and_of_documents():
    rng = np.random.default_rng(0)
    d = rng.normal(size=400)
    assert stats.paired_test_error(d) == pytest.approx(reference.sem(d))
    words = rng.integers(20, 400, size=400).astype(float)
    nats = 0.1 * words + rng.normal(size=400) * np.sqrt(words)
    picked = rng.integers(400, size=(4_000, 400))
    bootstrap = np.std(nats[picked].sum(axis=1) / words[picked].sum(axis=1))
    assert stats.paired_test_error(nats, words) == pytest.approx(bootstrap, rel=0.05)
    assert math.isnan(stats.paired_test_error([1.0]))


def test_the_middle_of_twenty_values_is_scipys_trimmed_mean_inside_its_interval():
    values = pd.Series([*np.random.default_rng(0).normal(size=20), np.nan])
    middle = stats.middle(values, np.random.default_rng(1))
    assert middle["iqm"] == pytest.approx(reference.trim_mean(values.dropna(), 0.25))
    assert middle["iqm_low"] < middle["iqm"] < middle["iqm_high"]
    assert np.isnan(list(stats.middle(values[:19], np.random.default_rng(1)).values())).all()


# Pairs that are missing


def new_verdicts(studies: int, is_counted: bool) -> int:
    """How many contrasts are decided only if others of their family have lost all of their seeds.

    is_counted: whether the lost ones count in the family.
    """
    count = 0
    for key in range(studies):
        rng = np.random.default_rng(key)
        x = normal(8, 4, key) + rng.uniform(0, 2, 4)
        lost = rng.choice(4, 2, replace=False)
        whole = np.delete([word in ("better", "worse") for word in verdicts(x, 1e-9)], lost)
        without = x.copy()
        without[:, lost] = np.nan
        words = np.delete(verdicts(without, 1e-9), lost)
        if not is_counted:
            words = np.array(verdicts(np.delete(x, lost, axis=1), 1e-9))
        count += int((np.isin(words, ["better", "worse"]) & ~whole).sum())
    return count


def test_contrasts_without_seeds_do_not_help_others_to_a_verdict():
    assert new_verdicts(150, is_counted=True) == 0
    assert new_verdicts(150, is_counted=False) > 5


def test_a_missing_pair_costs_its_own_contrast_alone():
    x = normal(10, 2)
    whole = judge(x, 0.3)
    x[4, 0] = np.nan
    first, second = judge(x, 0.3)
    assert (first.n, first.seeds, second.n) == (9, 10, 10)
    assert first.mean == pytest.approx(np.delete(x[:, 0], 4).mean())
    assert second.mean == whole[1].mean


def test_too_few_pairs_wait_for_the_next_look():
    x = normal(20, 1) / 100 + 1.0
    x[3] = np.nan
    verdict = judge(x, 0.1, LOOKS)[0]
    assert (verdict.verdict, verdict.decided_at, verdict.n) == ("better", 12, 19)


@pytest.mark.parametrize(
    ("looks", "first"),
    [
        (procedure.looks_of(False), 8),
        (LOOKS, 8),
        (procedure.looks_of(True, 0.5), 12),
        (procedure.looks_of(True, 0.25), 12),
        (procedure.looks_of(False, 1 / 100), 12),
    ],
)
def test_k_waits_for_a_look_that_can_find_a_difference(looks, first):
    assert seeds_needed.first_to_decide(looks) == first
    assert 5 + seeds_needed.more_seeds(5, 1e-9, 1.0, 1, looks) == first
