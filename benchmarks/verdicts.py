"""What the procedure of docs/statistics.md promises, measured on simulated studies.

    python benchmarks/verdicts.py --studies 2000 --processes 8 --out benchmarks/results

A study is n seeds of K levels and a baseline; all contrasts share the baseline's noise, so that
they correlate by 0.5. Rates are shares of studies; `error` is their Monte Carlo standard error.
Every case has a generator of its own: no number depends on `--processes`.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import simulations
from simulations import Case, Rows

from actstudy.analysis.questions import power, procedure

Draw = Callable[[np.random.Generator, int, int], np.ndarray]
SCHEDULE = procedure.looks_of(True)
WRONG = ("better", "worse")


def normal(rng: np.random.Generator, n: int, K: int) -> np.ndarray:  # noqa: N803
    """Values of K levels and, first, the baseline: standard normal, (n, K + 1)."""
    return rng.normal(size=(n, K + 1))


def exponential(rng: np.random.Generator, n: int, K: int) -> np.ndarray:  # noqa: N803
    """Exponential values, centred."""
    return rng.exponential(size=(n, K + 1)) - 1


def collapsed(rng: np.random.Generator, n: int, K: int) -> np.ndarray:  # noqa: N803
    """Normal values, one in ten 10 sd lower."""
    return rng.normal(size=(n, K + 1)) - 10 * (rng.random((n, K + 1)) < 0.1)


def unequal(rng: np.random.Generator, n: int, K: int) -> np.ndarray:  # noqa: N803
    """Normal values with an sd from 1/4 to 4 over the levels; the baseline's is 1."""
    return rng.normal(size=(n, K + 1)) * np.concatenate([[1.0], np.geomspace(0.25, 4, K)])


def quiet_exponential(rng: np.random.Generator, n: int, K: int) -> np.ndarray:  # noqa: N803
    """Exponential levels against a baseline without noise: differences as skewed as the values."""
    return exponential(rng, n, K) * np.concatenate([[0.0], np.ones(K)])


def collapsed_levels(rng: np.random.Generator, n: int, K: int) -> np.ndarray:  # noqa: N803
    """Levels that collapse in one run of ten, the baseline never.

    Means are equal, as the other runs are lifted.
    """
    falls = (rng.random((n, K + 1)) < 0.1) & (np.arange(K + 1) > 0)
    return rng.normal(size=(n, K + 1)) - 10 * falls + 1.0 * (np.arange(K + 1) > 0)


def unequal_exponential(rng: np.random.Generator, n: int, K: int) -> np.ndarray:  # noqa: N803
    """Exponential values, centred, with an sd from 1/4 to 4 over the levels."""
    return exponential(rng, n, K) * np.concatenate([[1.0], np.geomspace(0.25, 4, K)])


def skewed_slopes(rng: np.random.Generator, n: int, K: int) -> np.ndarray:  # noqa: N803
    """A skewed effect of the seed (sd 3) to which levels respond by 1/2 to 2, the baseline by 1."""
    effect = 3 * (rng.exponential(size=(n, 1)) - 1)
    return rng.normal(size=(n, K + 1)) + effect * np.concatenate([[1.0], np.geomspace(0.5, 2, K)])


NOISES: dict[str, Draw] = {f.__name__: f for f in (normal, exponential, collapsed, unequal)}
STRESSES = (quiet_exponential, collapsed_levels, unequal_exponential, skewed_slopes)
STRESS: dict[str, Draw] = {f.__name__: f for f in STRESSES}
ALL = NOISES | STRESS


def differences(draw: Draw, n: int, K: int, studies: int, key: str) -> Iterator[np.ndarray]:  # noqa: N803
    """Studies of true difference 0, each (n, K): level minus baseline."""
    rng = np.random.default_rng([len(key), *key.encode()])
    for _ in range(studies):
        values = draw(rng, n, K)
        yield values[:, 1:] - values[:, :1]


def row(case: str, setting: dict[str, Any], measure: str, values: list[float]) -> dict[str, Any]:
    """A row of the result: the mean of one value per study, its error."""
    return {
        "case": case,
        **setting,
        "measure": measure,
        "value": float(np.mean(values)),
        "error": float(np.std(values) / math.sqrt(max(len(values), 1))),
        "studies": len(values),
    }


def words(verdicts: list[procedure.Verdict]) -> list[str]:
    return [verdict.verdict for verdict in verdicts]


def false_differences(noise: str, K: int, n: int | None, studies: int) -> Rows:  # noqa: N803
    """Share of studies without any true difference in which a contrast reads better or worse.

    n: seeds, or None for looks.
    """
    setting = {"noise": noise, "K": K, "n": n or 20, "looks": n is None}
    schedule = None if n else SCHEDULE
    wrong = []
    for x in differences(ALL[noise], n or 20, K, studies, f"null {noise} {K}"):
        verdicts = words(procedure.judge(x, 1e-9, schedule))
        wrong.append(float(not set(verdicts).isdisjoint(WRONG)))
    return [row("no difference", setting, "false better or worse", wrong)]


def false_equivalences(noise: str, looks: bool, side: int, studies: int) -> Rows:
    """Share of studies, every true difference exactly the margin, that read equivalent.

    One contrast that does is enough. side: the difference's sign.
    """
    setting = {"noise": noise, "K": 4, "n": 20, "looks": looks, "side": side}
    schedule = SCHEDULE if looks else None
    wrong = []
    for x in differences(ALL[noise], 20, 4, studies, f"margin {noise}"):
        verdicts = words(procedure.judge(x / 4 + side, 1.0, schedule))
        wrong.append(float(any(word.startswith("equivalent") for word in verdicts)))
    return [row("a difference of the margin", setting, "false equivalent", wrong)]


def coverage(noise: str, studies: int) -> Rows:
    """Share of contrasts whose intervals of all looks contain the true difference at once."""
    shares: dict[bool, list[float]] = {True: [], False: []}
    for x in differences(ALL[noise], 20, 4, studies, f"coverage {noise}"):
        shares[True].append(share_covered(x, procedure.LOOKS, SCHEDULE))
        shares[False].append(share_covered(x, (20,), None))
    rows = []
    for looks, values in shares.items():
        setting = {"noise": noise, "K": 4, "n": 20, "looks": looks}
        rows.append(row("no difference", setting, "intervals of all looks cover", values))
    return rows


def share_covered(x: np.ndarray, sizes: tuple[int, ...], looks: procedure.Looks | None) -> float:
    """Share of contrasts whose intervals of the first n seeds, for all sizes n, contain 0."""
    inside = []
    for n in sizes:
        verdicts = procedure.judge(x[:n], 1.0, looks)
        inside.append([verdict.low <= 0 <= verdict.high for verdict in verdicts])
    return float(np.mean(np.all(inside, axis=0)))


def realised_power(K: int, looks: bool, n: int, ratio: float, studies: int) -> Rows:  # noqa: N803
    """Share of studies that find a true difference of the margin with the k seeds of a pilot.

    n: seeds of the pilot; ratio: sd of a difference over margin. fresh: n + k new seeds. extended:
    the pilot and k more, of pilots that had left the contrast undecided.
    """
    schedule = procedure.looks_of(looks)
    setting = {"noise": "normal", "K": K, "n": n, "looks": looks, "sd_margin": ratio}
    more = []
    fresh = []
    extended = []
    for x in differences(normal, 2 * (n + 100), K, studies, f"power {n} {ratio}"):
        margin = math.sqrt(2) / ratio  # sqrt(2) is the sd of a difference
        x[:, 0] += margin
        k = power.more_seeds(n, float(x[:n, 0].std(ddof=1)), margin, K, schedule)
        more.append(math.nan if k is None else float(k))
        if k is None:
            continue
        spend = K * power.contrast_level(n + k, K, schedule)
        fresh.append(finds(x[-n - k :], spend))
        if procedure.judge(x[:n], margin, schedule)[0].verdict == "undecided":
            extended.append(finds(x[: n + k], spend))
    values = {
        "k, mean where given": [k for k in more if not math.isnan(k)],
        "not decidable": [float(math.isnan(k)) for k in more],
        "power of n + k fresh seeds": fresh,
        "power of an undecided pilot and k more": extended,
    }
    return [row("power", setting, measure, own) for measure, own in values.items()]


def finds(x: np.ndarray, spend: float) -> float:
    """1 if the first contrast differs on these seeds, else 0."""
    signs = procedure.sign_flips(len(x))
    return float(procedure.difference_p(x, signs)[0] <= spend)


def savings(effect: float, n_different: int, studies: int) -> Rows:
    """Seeds until every contrast is decided, and the share of true differences that are found.

    With looks, against 20 seeds at once. Either all four levels differ from the baseline (and
    nothing can be equivalent) or two do, the margin being 1 sd.
    """
    # in sd of a difference
    shift = np.where(np.arange(4) < n_different, effect * math.sqrt(2), 0.0)
    margin = 1e-9 if n_different == 4 else math.sqrt(2)
    setting = {
        "noise": "normal",
        "K": 4,
        "n": 20,
        "effect": effect,
        "levels_that_differ": n_different,
    }
    used = []
    adaptive = []
    fixed = []
    for x in differences(normal, 20, 4, studies, f"savings {effect}"):
        verdicts = procedure.judge(x + shift, margin, SCHEDULE)
        used.append(float(max(verdict.decided_at or 20 for verdict in verdicts)))
        adaptive.append(share_better(verdicts[:n_different]))
        at_once = procedure.judge(x + shift, margin)
        fixed.append(share_better(at_once[:n_different]))
    with_looks = {**setting, "looks": True}
    return [
        row("a difference", with_looks, "seeds until all are decided", used),
        row("a difference", with_looks, "found", adaptive),
        row("a difference", {**setting, "looks": False}, "found", fixed),
    ]


def share_better(verdicts: list[procedure.Verdict]) -> float:
    return words(verdicts).count("better") / len(verdicts)


def cases() -> Iterator[Case]:
    """What is simulated, each with a generator of its own."""
    for noise, K, n in itertools.product(ALL, (4, 9), (8, 20, None)):  # noqa: N806
        yield partial(false_differences, noise, K, n)
    for noise, looks, side in itertools.product(ALL, (False, True), (1, -1)):
        if side > 0 or noise in STRESS:  # the others are symmetric
            yield partial(false_equivalences, noise, looks, side)
    for noise in ALL:
        yield partial(coverage, noise)
    for K, looks, n in itertools.product((1, 4), (False, True), (8, 12)):  # noqa: N806
        if looks and K == 1:
            continue
        for ratio in (0.75, 1.0, 1.5, 2.0):
            yield partial(realised_power, K, looks, n, ratio)
    for effect, n_different in itertools.product((1.0, 1.5, 2.0), (4, 2)):
        yield partial(savings, effect, n_different)


def main() -> None:
    arguments = simulations.parsed(__doc__, processes=2)
    rows = simulations.in_processes(cases(), arguments)
    simulations.write(rows, arguments.out, "verdicts")


if __name__ == "__main__":
    main()
