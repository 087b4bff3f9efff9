"""What `judge` promises of anyone's runs, measured on simulated studies.

    python benchmarks/judge_errors.py --studies 2000 --out benchmarks/results

Runs come as they come to `judge`: paired by seed, paired with a fifth of the levels' runs missing,
independent with equal or unequal numbers, or as mean, sd and n alone. Noise is of the six families
NOISES, those of benchmarks/verdicts.py in which every run is drawn by itself. K = 4 levels and a
baseline. Rates are shares of studies; `error` is their Monte Carlo standard error. Independent runs
are permuted PERMUTATIONS times, a twentieth of what `judge` takes, which is as valid. Every case
has a generator of its own: no number depends on `--processes`.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import simulations
from simulations import Case, Rows
from verdicts import ALL, row

from actstudy.analysis.questions import procedure
from actstudy.judging.statistics import ties, unpaired, welch
from actstudy.judging.statistics.ties import Comparisons
from actstudy.judging.statistics.welch import Side

NOISES = (
    "normal",
    "exponential",
    "collapsed",
    "unequal",
    "unequal_exponential",
    "collapsed_levels",
)
LEVELS = 4
PERMUTATIONS = 500
ALPHA = procedure.ALPHA
MISSING = 0.2  # of the levels' runs, in the case of missing seeds
FAR = 5.0  # by which levels differ that do differ, in sd of a run
SIZES = {  # runs of the baseline, then of each level
    "5": (5, 5, 5, 5, 5),
    "8": (8, 8, 8, 8, 8),
    "20": (20, 20, 20, 20, 20),
    "20 against 5 to 20": (20, 5, 8, 12, 20),
    "5 against 20": (5, 20, 20, 20, 20),
}
MARGIN_SIZES = {  # likewise, from the runs on that an equivalence takes
    "8": (8, 8, 8, 8, 8),
    "20": (20, 20, 20, 20, 20),
    "20 against 8 to 20": (20, 8, 12, 16, 20),
    "8 against 20": (8, 20, 20, 20, 20),
}
PATTERNS = {  # true means of five levels in sd of a run; the first is the best
    "equal": (0.0, 0.0, 0.0, 0.0, 0.0),
    "spread": (0.0, -0.5, -1.0, -1.5, -2.0),
    "two": (0.0, 0.0, -2.0, -2.0, -2.0),
}
TASKS = 3
Samples = list[np.ndarray]


def generator(*key: object) -> np.random.Generator:
    """A case's own random numbers."""
    text = " ".join(map(str, key))
    return np.random.default_rng([len(text), *text.encode()])


def samples_of(rng: np.random.Generator, noise: str, sizes: Sequence[int]) -> Samples:
    """Runs of the baseline, then of each level, all of true mean 0."""
    values = ALL[noise](rng, max(sizes), len(sizes) - 1)
    return [values[:n, place] for place, n in enumerate(sizes)]


def paired_errors(noise: str, n: int, missing: float, studies: int) -> Rows:
    """Share of studies without any difference in which a level is better or worse."""
    rng = generator("paired", noise, n, missing)
    wrong = []
    for _ in range(studies):
        values = ALL[noise](rng, n, LEVELS)
        x = values[:, 1:] - values[:, :1]
        x[rng.random(x.shape) < missing] = np.nan
        verdicts = procedure.take_look(x, np.full(LEVELS, 1e-9), ALPHA).verdicts
        wrong.append(float(not {"better", "worse"}.isdisjoint(verdicts)))
    words = f"{n}, a fifth missing" if missing else f"{n}"
    return [row("no difference", setting("paired", noise, words), "false", wrong)]


def setting(runs: str, noise: str, n: str) -> dict[str, Any]:
    """The columns that say what was simulated."""
    return {"runs": runs, "noise": noise, "n": n}


def independent_errors(noise: str, size: str, different: int, studies: int) -> Rows:
    """The same of independent runs, and of their means, sd and n, on the same studies.

    different: so many levels do differ, by FAR; errors are counted of the others. `permutations
    alone`: without the second of the two tests.
    """
    rng = generator("independent", noise, size, different)
    wrong: dict[str, list[float]] = {}
    for _ in range(studies):
        samples = samples_of(rng, noise, SIZES[size])
        for place in range(1, 1 + different):
            samples[place] = samples[place] + FAR
        for kind, p in p_of_kinds(samples).items():
            wrong.setdefault(kind, []).append(float((p[different:] <= ALPHA).any()))
    case = f"{different} levels differ" if different else "no difference"
    return [row(case, setting(kind, noise, size), "false", own) for kind, own in wrong.items()]


def p_of_kinds(samples: Samples) -> dict[str, np.ndarray]:
    """Adjusted p per level of each kind of test on independent runs."""
    seen = [welch.difference(Side.of(own), Side.of(samples[0])) for own in samples[1:]]
    alone = np.array([welch.two_sided(difference) for difference in seen])
    by_means = welch.holm(alone)
    by_p = np.argsort(alone, kind="stable")
    permuted = np.full(LEVELS, smallest_p(samples, int(by_p[0])))
    if permuted[0] <= ALPHA:  # otherwise no p is below
        permuted = unpaired.step_down_p(samples, by_p, 0, PERMUTATIONS)
    both = np.maximum(by_means, permuted)
    return {"independent": both, "permutations alone": permuted, "summaries": by_means}


def smallest_p(samples: Samples, first: int) -> float:
    """The p of the level of the smallest Welch p, the first step of `unpaired.step_down_p`."""
    n = sum(len(own) for own in samples)
    ordered = [samples[0], samples[1 + first]]
    ordered += [own for place, own in enumerate(samples[1:]) if place != first]
    permuted = unpaired.permuted_p(ordered, unpaired.orders(n, PERMUTATIONS))
    return float((permuted.min(axis=1) <= permuted[0, 0] * (1 + 1e-9)).mean())


def power(effect: float, n: int, studies: int) -> Rows:
    """Share of four levels found that all differ by `effect` sd of a run; normal noise."""
    rng = generator("found", effect, n)
    shares: dict[str, list[float]] = {}
    for _ in range(studies):
        samples = samples_of(rng, "normal", (n,) * (1 + LEVELS))
        samples[0] = samples[0] - effect
        kinds = p_of_kinds(samples)
        x = np.stack(samples[1:], axis=1) - samples[0][:, None]
        kinds["paired"] = procedure.difference_p(x, procedure.sign_flips(n))
        for kind, p in kinds.items():
            shares.setdefault(kind, []).append(float((p <= ALPHA).mean()))
    rows = []
    for kind, own in shares.items():
        of_case = setting(kind, "normal", f"{n}") | {"effect": effect}
        rows.append(row("all levels differ", of_case, "found", own))
    return rows


def false_equivalences(noise: str, size: str, studies: int) -> Rows:
    """Share of studies, every true difference exactly the margin, with an "equivalent".

    And the share of contrasts whose 95% interval holds the true difference. Independent runs.
    """
    rng = generator("margin", noise, size)
    wrong = []
    covered = []
    for _ in range(studies):
        samples = [own / 4 for own in samples_of(rng, noise, MARGIN_SIZES[size])]
        baseline = Side.of(samples[0])
        inside = []
        holds = []
        for own in samples[1:]:
            seen = welch.difference(Side.of(own + 1.0), baseline)
            inside.append(float(welch.equivalence(seen, 1.0)) * LEVELS <= ALPHA)
            holds.append(abs(float(seen.mean) - 1.0) <= float(welch.half_width(seen, 1 - ALPHA)))
        wrong.append(float(any(inside)))
        covered.append(float(np.mean(holds)))
    of_case = setting("independent", noise, size)
    rows = [row("a difference of the margin", of_case, "false equivalent", wrong)]
    return [*rows, row("a difference of the margin", of_case, "interval covers", covered)]


def best_and_ranks(noise: str, pattern: str, n: int, studies: int) -> Rows:
    """Share of studies whose tie group holds the best level, and whose rank intervals all hold.

    Of equal levels the first counts as the best. A rank interval is false if a level is taken to be
    above one that is as good or better. `tasks`: over TASKS tasks, each with runs of its own.
    """
    rng = generator("best", noise, pattern, n)
    means = np.array(PATTERNS[pattern])
    outcomes: dict[str, list[np.ndarray]] = {}
    for _ in range(studies):
        several = [ALL[noise](rng, n, LEVELS) + means for _ in range(TASKS)]
        pairs = [ties.of_pairs(x) for x in several]
        sides = [ties.of_sides(sides_of(x)) for x in several]
        kinds = {
            "paired": pairs[0],
            "independent": sides[0],
            "paired, tasks": ties.across(pairs, [1.0] * TASKS),
            "independent, tasks": ties.across(sides, [1.0] * TASKS),
        }
        for kind, comparisons in kinds.items():
            outcomes.setdefault(kind, []).append(outcome(comparisons, means))
    rows = []
    for kind, several in outcomes.items():
        of_case = setting(kind, noise, f"{n}") | {"pattern": pattern}
        columns = np.array(several).T
        names = ("best in the set", "size of the set", "all ranks hold", "width of a rank")
        for name, values in zip(names, columns, strict=True):
            rows.append(row("best and ranks", of_case, name, list(values)))
    return rows


def sides_of(x: np.ndarray) -> list[Side]:
    """Each column as a side."""
    return [Side.of(column) for column in x.T]


def outcome(comparisons: Comparisons, means: np.ndarray) -> np.ndarray:
    """Whether the set holds the best, its size, whether all ranks hold, their mean width."""
    in_set = ties.tie_group(comparisons, 0.0)
    ends = ties.rank_intervals(comparisons)
    lowest = 1 + (means[:, None] > means).sum(axis=0)
    highest = len(means) - (means[:, None] < means).sum(axis=0)
    holds = (ends[:, 0] <= lowest) & (ends[:, 1] >= highest)
    width = float((ends[:, 1] - ends[:, 0] + 1).mean())
    return np.array([in_set[0], in_set.sum(), holds.all(), width], dtype=float)


def realised_power(ratio: float, n: int, studies: int) -> Rows:
    """Power of n + k fresh runs on both sides for a difference of the margin; K = 4, normal.

    ratio: sd of a run over the margin. k: as promised by a pilot of n runs.
    """
    rng = generator("power", ratio, n)
    more = []
    decided = []
    for _ in range(studies):
        pilot = Side.of(ratio * rng.normal(size=n))
        k = welch.more_runs(pilot, Side.of(ratio * rng.normal(size=n)), 1.0, ALPHA / LEVELS)
        more.append(math.nan if k is None else float(k))
        if k is not None:
            level, baseline = ratio * rng.normal(size=(2, n + k))
            seen = welch.difference(Side.of(level + 1.0), Side.of(baseline))
            decided.append(float(welch.two_sided(seen) <= ALPHA / LEVELS))
    of_case = setting("independent", "normal", f"{n}") | {"sd_margin": ratio}
    values = {
        "k, mean where given": [k for k in more if not math.isnan(k)],
        "not decidable": [float(math.isnan(k)) for k in more],
        "power of n + k fresh runs": decided,
    }
    return [row("power", of_case, measure, own) for measure, own in values.items()]


def cases() -> Iterator[Case]:
    """What is simulated."""
    for noise in NOISES:
        for n, missing in ((8, 0.0), (20, 0.0), (20, MISSING)):
            yield partial(paired_errors, noise, n, missing)
        for size in SIZES:
            yield partial(independent_errors, noise, size, 0)
        for size in MARGIN_SIZES:
            yield partial(false_equivalences, noise, size)
        yield partial(independent_errors, noise, "8", 2)
        for pattern, n in (("equal", 5), ("equal", 8), ("equal", 20), ("spread", 8), ("two", 8)):
            yield partial(best_and_ranks, noise, pattern, n)
    for effect, n in itertools.product((1.0, 1.5, 2.0), (5, 8, 20)):
        yield partial(power, effect, n)
    for ratio, n in itertools.product((0.75, 1.0, 1.5), (5, 8)):
        yield partial(realised_power, ratio, n)


def main() -> None:
    arguments = simulations.parsed(__doc__, processes=1)
    rows = simulations.in_processes(cases(), arguments)
    simulations.write(rows, arguments.out, "judge_errors")


if __name__ == "__main__":
    main()
