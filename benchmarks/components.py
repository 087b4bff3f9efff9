"""How often the intervals of `components` and of typical sizes cover what was planted.

    python benchmarks/components.py --studies 2000 --out benchmarks/results

A study has n seeds, each in every framework (torch and one or two Keras back ends) with every
activation. Planted are PLANTED, in units of the seed's standard deviation; `absent` plants nothing
but seed and residual. Residuals are normal, exponential, or `unequal`: those of the last
activation three times as large; `arithmetic` is of two runs that differ in theirs alone. Typical
sizes are of n differences of mean m and sd 1; beside their interval stands a percentile bootstrap
over seeds. `larger` is the share of studies in which one of two equal sources is called larger, as
their intervals do not overlap.
"""

import itertools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import simulations

from actstudy.analysis.questions import spread
from actstudy.analysis.questions.components import Design, estimates
from actstudy.contract.frameworks import TORCH

PLANTED = {
    "framework": 0.5,
    "back end": 0.3,
    "framework x activation": 0.4,
    "activation": 2.0,
    "seed": 1.0,
    "residual": 0.7,
}
SEEDS = (3, 5, 8, 20)
NOISES = ("normal", "exponential", "unequal")
MEANS = (0.0, 1.0, 3.0)  # of differences, in their sd
RESAMPLES = 400
FRAMEWORKS = (TORCH, "keras-jax", "keras-tensorflow")


class Case(NamedTuple):
    """One kind of study."""

    n: int
    n_frameworks: int
    noise: str = "normal"
    is_absent: bool = False

    @property
    def sd(self) -> dict[str, float]:
        """Source -> its planted standard deviation; the residual's is that of all activations."""
        sd = dict(PLANTED)
        if self.is_absent:
            sd |= dict.fromkeys(["framework", "back end", "framework x activation"], 0.0)
        if self.noise == "unequal":
            sd["residual"] *= math.sqrt((1 + 3**2) / 2)
        sd["another seed"] = math.hypot(sd["seed"], sd["residual"])
        return sd


def cases() -> Iterator[Case]:
    """The kinds of studies that are simulated."""
    for n, n_frameworks in itertools.product(SEEDS, (2, 3)):
        yield Case(n, n_frameworks)
        yield Case(n, n_frameworks, is_absent=True)
    for n, noise in itertools.product(SEEDS, NOISES[1:]):
        yield Case(n, 3, noise)


def effects_of(case: Case) -> np.ndarray:
    """True means (frameworks, activations) whose sources have exactly the planted sd."""
    sd = case.sd
    means = np.zeros((case.n_frameworks, 2))
    means[0] -= sd["framework"] / math.sqrt(2)
    means[1:] += sd["framework"] / math.sqrt(2)
    if case.n_frameworks > 2:
        means[1] += sd["back end"] / math.sqrt(2)
        means[2] -= sd["back end"] / math.sqrt(2)
    means[:, 0] -= sd["activation"] / math.sqrt(2)
    means[:, 1] += sd["activation"] / math.sqrt(2)
    both = np.kron(spread.contrasts_of(case.n_frameworks), spread.contrasts_of(2))
    length = sd["framework x activation"] * math.sqrt(case.n_frameworks - 1)
    return means + length * both[:, 0].reshape(means.shape)


def residuals(case: Case, rng: np.random.Generator) -> np.ndarray:
    """Each run's own part, (n, frameworks, activations), of sd PLANTED["residual"]."""
    shape = (case.n, case.n_frameworks, 2)
    if case.noise == "exponential":
        return PLANTED["residual"] * (rng.exponential(size=shape) - 1)
    x = PLANTED["residual"] * rng.normal(size=shape)
    if case.noise == "unequal":
        x[..., 1] *= 3
    return x


def study(case: Case, rng: np.random.Generator) -> dict[str, float]:
    """Per source whether its interval covers what was planted, whether it excludes 0, its width."""
    seeds = PLANTED["seed"] * rng.normal(size=(case.n, 1, 1))
    y = effects_of(case) + seeds + residuals(case, rng)
    design = Design(list(FRAMEWORKS[: case.n_frameworks]), ["relu", "gelu"], y, 0)
    measured: dict[str, float] = {}
    for source, _, estimate, _ in estimates(design):
        if math.isnan(estimate.value):
            continue
        planted = case.sd[source]
        measured[f"covers: {source}"] = float(estimate.low <= planted <= estimate.high)
        measured[f"excludes 0: {source}"] = float(estimate.low > 0)
        measured[f"width: {source}"] = estimate.high - estimate.low
    differences = rerun(case, rng)
    squares = (differences - differences.mean(axis=0)) ** 2
    floor = spread.sd_of_squares(float(squares.sum()) / 2, 2 * (case.n - 1))
    measured["covers: arithmetic"] = float(floor.low <= case.sd["residual"] <= floor.high)
    return measured


def rerun(case: Case, rng: np.random.Generator) -> np.ndarray:
    """Differences of two runs of torch that share all but their residual, (n, activations)."""
    if case.noise == "normal":  # a difference of two is normal as well
        return math.sqrt(2) * PLANTED["residual"] * rng.normal(size=(case.n, 2))
    of_torch = case._replace(n_frameworks=1)
    return (residuals(of_torch, rng) - residuals(of_torch, rng))[:, 0]


def sizes(n: int, mean: float, rng: np.random.Generator) -> dict[str, float]:
    """Whether the interval of a typical size, and a bootstrap's, cover the true one."""
    x = mean + rng.normal(size=n)
    true = math.hypot(mean, 1.0)
    own = spread.typical_size(list(x))
    rows = rng.integers(0, n, (RESAMPLES, n))
    low, high = np.quantile(np.sqrt((x[rows] ** 2).mean(axis=1)), [0.025, 0.975])
    return {
        "covers: size": float(own.low <= true <= own.high),
        "covers: size, bootstrap": float(low <= true <= high),
    }


def equals(n: int, rng: np.random.Generator) -> dict[str, float]:
    """Whether one of two sources of the same standard deviation is called larger.

    The framework, and another seed without a residual of its own.
    """
    seeds = rng.normal(size=(n, 1, 1))
    shift = np.array([-1.0, 1.0]).reshape(1, 2, 1) / math.sqrt(2)
    y = seeds + shift + 0.1 * rng.normal(size=(n, 2, 2))
    by_source = {}
    for source, _, estimate, _ in estimates(Design(list(FRAMEWORKS[:2]), ["relu", "gelu"], y, 0)):
        by_source[source] = estimate
    own = by_source["framework"]
    other = by_source["another seed"]
    return {"larger": float(own.low > other.high or other.low > own.high)}


def rows_of(shares: pd.DataFrame, **case: Any) -> list[dict[str, Any]]:
    """A row per measure: its mean over studies and its Monte Carlo standard error."""
    errors = shares.std(ddof=0) / math.sqrt(len(shares))
    rows = []
    for measure, value in shares.mean().items():
        own = {"measure": measure, "value": value, "error": errors[measure]}
        rows.append({**case, **own, "studies": len(shares)})
    return rows


def main() -> None:
    arguments = simulations.parsed(__doc__)
    rows: list[dict[str, Any]] = []
    for place, case in enumerate(cases()):
        rng = np.random.default_rng([1, place])
        shares = pd.DataFrame([study(case, rng) for _ in range(arguments.studies)])
        rows += rows_of(shares, **case._asdict())
    for n in SEEDS:
        for mean in MEANS:
            rng = np.random.default_rng([2, n, int(mean)])
            shares = pd.DataFrame([sizes(n, mean, rng) for _ in range(arguments.studies)])
            rows += rows_of(shares, n=n, mean=mean)
        rng = np.random.default_rng([3, n])
        shares = pd.DataFrame([equals(n, rng) for _ in range(arguments.studies)])
        rows += rows_of(shares, n=n)
    table = simulations.write(rows, arguments.out, "components")
    print(table.round(3).to_string())


if __name__ == "__main__":
    main()
