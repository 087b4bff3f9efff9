"""How often `recipe_verdicts` errs and finds; how often intervals over recipes and trials cover.

    python benchmarks/sensitivity.py --studies 600 --out benchmarks/results

**Readings.** A study is n seeds of K = 4 levels and a baseline with C = 18 recipes; a level's
difference from the baseline has a part that all recipes of a seed share and one of its own, equally
large, and contrasts share the baseline's noise. Effects are in sd of a difference. Nothing can be
equivalent. Patterns: `none`; `some`, better with half of the recipes; `all but one`, better with
all others; `sizes`, better with each, by 1/4 to all of the effect; `every`, better with each by the
effect; `crossing`, better with half and worse with half, `one`, better with all but one, and worse
with that. With 20 seeds a quarter of the studies is simulated.

**Components.** Three levels, three rates, two initialisations; PLANTED are standard deviations.

**Best of k.** Trials are drawn from a population of normal quality (sd 1), with noise of sd 0.3 of
val and of test in each seed. The truth is that of the population, or of these very trials; a
quarter of the studies is simulated.
"""

import itertools
import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import simulations
from simulations import Case, Rows

from actstudy.analysis.questions import recipe_verdicts, subsets
from actstudy.analysis.questions.components import crossed_estimates
from actstudy.analysis.questions.crossed import Crossing
from actstudy.analysis.questions.procedure import ALPHA
from actstudy.analysis.questions.recipe_verdicts import DEPENDENT, IN_EVERY

LEVELS = 4
RECIPES = 18
NEVER = 1e-9  # a margin that nothing is within
PATTERNS = {  # name -> the part of the effect that each recipe has
    "none": np.zeros(RECIPES),
    "some": np.repeat([1.0, 0.0], RECIPES // 2),
    "all but one": np.append(np.ones(RECIPES - 1), 0.0),
    "sizes": np.linspace(0.25, 1.0, RECIPES),
    "every": np.ones(RECIPES),
    "crossing": np.repeat([1.0, -1.0], RECIPES // 2),
    "one": np.append(np.ones(RECIPES - 1), -1.0),
}
TRUE = {"crossing", "one"}  # patterns whose sign the recipe decides
ALWAYS = {"sizes", "every"}  # patterns that hold in every recipe
NOISES = ("normal", "exponential", "unequal", "quiet exponential")
PLANTED = {
    "activation": 0.5,
    "lr": 2.0,
    "init": 0.4,
    "activation x lr": 0.6,
    "activation x init": 0.0,
    "seed": 1.0,
    "residual": 0.7,
}
AXES = {"activation": ["a", "b", "c"], "lr": ["1", "2", "3"], "init": ["x", "y"]}
NOISE_OF_TRIALS = 0.3
POPULATION = 40_000  # draws behind a true mean


def draw(noise: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Centred values of sd 1, of one kind of noise."""
    if "exponential" in noise:
        return rng.exponential(size=shape) - 1
    return rng.normal(size=shape)


def differences(noise: str, n: int, effect: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gains over the baseline (n, LEVELS, RECIPES), of sd 1 without the effect (RECIPES,)."""
    parts = []
    for size in (1, RECIPES):  # what all recipes of a seed share, then what is a run's own
        values = draw(noise, (n, LEVELS + 1, size), rng)
        if noise == "quiet exponential":
            values[:, 0] = 0.0
        parts.append(np.broadcast_to(values, (n, LEVELS + 1, RECIPES)))
    y = (parts[0] + parts[1]) / 2  # sd of a difference: sqrt(2 (1/4 + 1/4)) = 1
    if noise == "quiet exponential":
        y = math.sqrt(2) * y
    if noise == "unequal":
        y = y * np.geomspace(0.25, 4, RECIPES)
    return y[:, 1:] - y[:, :1] + effect


def readings(pattern: str, effect: float, noise: str, n: int, studies: int) -> Rows:
    """Shares of studies in which some level is called recipe-dependent, or better in every recipe.

    `found` is the share of levels of which the true one of both is said.
    """
    studies = studies // 4 if n > 12 else studies
    rng = np.random.default_rng([1, n, *f"{pattern}{effect}{noise}".encode()])
    setting = {"pattern": pattern, "effect": effect, "noise": noise, "n": n}
    dependent = []
    every = []
    for _ in range(studies):
        x = differences(noise, n, effect * PATTERNS[pattern], rng)
        own = []
        for level in range(LEVELS):
            signs = recipe_verdicts.signs_of(x[:, level], NEVER, ALPHA / LEVELS)
            side = "better" if x[:, level].mean() > 0 else "worse"
            own.append(recipe_verdicts.reading(side, signs))
        dependent.append(own.count(DEPENDENT) / LEVELS)
        every.append(sum(words.endswith(IN_EVERY) for words in own) / LEVELS)
    rows = []
    for name, values, is_true in (
        ("recipe-dependent", dependent, pattern in TRUE),
        ("in every recipe", every, pattern in ALWAYS),
    ):
        shares = values if is_true else [float(value > 0) for value in values]
        rows.append(row(setting, f"{'found' if is_true else 'false'} {name}", shares))
    return rows


def row(setting: dict[str, Any], measure: str, values: list[float]) -> dict[str, Any]:
    """A row of the result: the mean of one value per study, its Monte Carlo standard error."""
    error = float(np.std(values) / math.sqrt(max(len(values), 1)))
    own = {"measure": measure, "value": float(np.mean(values)), "error": error}
    return {**setting, **own, "studies": len(values)}


def planted() -> np.ndarray:
    """True means (levels, rates, initialisations) whose sources have exactly the sd of PLANTED."""
    shape = [len(levels) for levels in AXES.values()]
    means = np.zeros(shape)
    profiles = [np.linspace(-1, 1, size) for size in shape]
    for place, axis in enumerate(AXES):
        own = profiles[place] * PLANTED[axis] / profiles[place].std(ddof=1)
        means += own.reshape([-1 if place == other else 1 for other in range(3)])
    effects = np.outer(profiles[0], profiles[1])
    effects *= PLANTED["activation x lr"] * math.sqrt(4 / (effects**2).sum())
    return means + effects[:, :, None]


def components(noise: str, n: int, studies: int) -> Rows:
    """Shares of studies whose intervals cover what was planted, and exclude 0."""
    rng = np.random.default_rng([2, n, *noise.encode()])
    truth = {**PLANTED, "another seed": math.hypot(PLANTED["seed"], PLANTED["residual"])}
    means = planted()
    covers: dict[str, list[float]] = {name: [] for name in truth}
    excludes: dict[str, list[float]] = {name: [] for name in truth}
    for _ in range(studies):
        y = means + PLANTED["seed"] * rng.normal(size=(n, 1, 1, 1))
        y = y + PLANTED["residual"] * draw(noise, (n, *means.shape), rng)
        for source, _, estimate, _ in crossed_estimates(Crossing(AXES, y, 0, [])):
            if source in truth:
                is_inside = estimate.low <= truth[source] <= estimate.high
                covers[source].append(float(is_inside))
                excludes[source].append(float(estimate.low > 0))
    rows = []
    for source in truth:
        setting = {"pattern": source, "noise": noise, "n": n}
        rows.append(row(setting, "covers", covers[source]))
        rows.append(row(setting, "excludes 0", excludes[source]))
    return rows


def best_of(n_trials: int, seeds: int, studies: int) -> Rows:
    """Shares of studies whose interval of the best of k covers the mean of the population.

    And that of these trials over all seeds; k = 1, half of the trials, all but one, all.
    """
    rng = np.random.default_rng([3, n_trials, seeds])
    of_all = drawn(np.array(rng.normal(size=(POPULATION, n_trials))), rng)
    true = subsets.expected_best(*of_all).mean(axis=0)
    places = sorted({1, n_trials // 2, n_trials - 1, n_trials})
    shares: dict[tuple[str, int], list[float]] = {}
    errors: dict[int, list[float]] = {}
    for _ in range(studies // 4):
        quality = rng.normal(size=n_trials)
        val, test = drawn(np.broadcast_to(quality, (seeds, n_trials)), rng)
        low, high = subsets.resampled_interval(val, test, rng)
        seen = subsets.expected_best(val, test).mean(axis=0)
        many = drawn(np.broadcast_to(quality, (400, n_trials)), rng)
        own = subsets.expected_best(*many).mean(axis=0)
        for k in places:
            for what, target in (("population", true), ("these trials", own)):
                is_inside = low[k - 1] <= target[k - 1] <= high[k - 1]
                shares.setdefault((what, k), []).append(float(is_inside))
            errors.setdefault(k, []).append(float(seen[k - 1] - true[k - 1]))
    rows = []
    for (what, k), values in shares.items():
        setting = {"pattern": what, "trials": n_trials, "k": k, "n": seeds}
        rows.append(row(setting, "covers the best of k", values))
    for k, own_errors in errors.items():
        setting = {"pattern": "population", "trials": n_trials, "k": k, "n": seeds}
        rows.append(row(setting, "bias of the best of k", own_errors))
    return rows


def drawn(quality: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Values of trials on val and on test."""
    val = quality + NOISE_OF_TRIALS * rng.normal(size=quality.shape)
    return val, quality + NOISE_OF_TRIALS * rng.normal(size=quality.shape)


def cases() -> Iterator[Case]:
    """What is simulated, each with a generator of its own."""
    for n in (8, 12):
        yield partial(readings, "none", 0.0, "normal", n)
        for pattern in ("some", "all but one"):
            yield partial(readings, pattern, 3.0, "normal", n)
        for pattern, effect in itertools.product(("crossing", "one", "every"), (1.0, 2.0, 3.0)):
            yield partial(readings, pattern, effect, "normal", n)
        yield partial(readings, "sizes", 4.0, "normal", n)
    yield partial(readings, "some", 3.0, "normal", 20)
    for pattern in ("crossing", "every"):
        yield partial(readings, pattern, 1.0, "normal", 20)
    for noise in NOISES[1:]:
        yield partial(readings, "none", 0.0, noise, 8)
        for pattern in ("some", "all but one"):
            yield partial(readings, pattern, 3.0, noise, 8)
    for noise, n in itertools.product(NOISES[:2], (3, 5, 8, 20)):
        yield partial(components, noise, n)
    for n_trials, seeds in itertools.product((5, 10, 18), (3, 8)):
        yield partial(best_of, n_trials, seeds)


def main() -> None:
    arguments = simulations.parsed(__doc__, processes=1)
    rows = simulations.in_processes(cases(), arguments)
    simulations.write(rows, arguments.out, "sensitivity")


if __name__ == "__main__":
    main()
