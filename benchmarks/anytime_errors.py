"""What verdicts at any number of seeds promise (judging/statistics/anytime), on simulated studies.

    python benchmarks/anytime_errors.py --studies 2000 --out benchmarks/results

A study is N seeds of four levels and a baseline, looked at after each seed. Rates are shares of
studies, or of contrasts for coverage; `error` is their Monte Carlo standard error. Every case has
a generator of its own.
"""

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import simulations
from verdicts import ALL, Draw, normal

from actstudy.judging.statistics.anytime import holm_p, inside
from actstudy.judging.statistics.capital import NOISES, Capital, both

LEVELS = 4
LEVEL = 0.05
LAST = 200  # seeds of a study without a difference
CHUNK = 100  # studies at once


def heavy(rng: np.random.Generator, n: int, K: int) -> np.ndarray:  # noqa: N803
    """Student's t with 2 degrees of freedom: the variance is infinite."""
    return rng.standard_t(2, size=(n, K + 1))


def rounded(rng: np.random.Generator, n: int, K: int) -> np.ndarray:  # noqa: N803
    """Normal values in steps of 1 sd, as of a metric with few values: many differences are 0."""
    return np.round(rng.normal(size=(n, K + 1)))


FAMILIES: dict[str, Draw] = {**ALL, "heavy": heavy, "rounded": rounded}


def studies_of(draw: Draw, n: int, studies: int, key: str) -> Iterator[np.ndarray]:
    """Differences without any true one, (n, CHUNK, LEVELS), in sd of a normal difference."""
    rng = np.random.default_rng([len(key), *key.encode()])
    for _ in range(studies // CHUNK):
        values = draw(rng, n * CHUNK, LEVELS).reshape(n, CHUNK, LEVELS + 1)
        yield (values[..., 1:] - values[..., :1]) / math.sqrt(2)


def holm(best: Capital) -> np.ndarray:
    """`holm_p` of several studies, (n, studies, K)."""
    flat = Capital(*(side.reshape(-1, side.shape[-1]) for side in best))
    return holm_p(flat).reshape(best.above.shape)


def row(setting: dict[str, Any], measure: str, values: np.ndarray) -> dict[str, Any]:
    """A row of the result: the mean of one value per study or contrast, its error."""
    error = float(np.std(values) / math.sqrt(values.size))
    mean = float(np.mean(values))
    return {**setting, "measure": measure, "value": mean, "error": error, "number": values.size}


def without_difference(family: str, noise: str, studies: int) -> list[dict[str, Any]]:
    """False verdicts at any n up to LAST: no difference, and one of exactly the margin."""
    setting = {"family": family, "noise": noise, "n": LAST, "effect": 0.0}
    wrong = []
    covered = []
    equivalent = []
    for x in studies_of(FAMILIES[family], LAST, studies, f"anytime {family}"):
        best = both(x, noise).best
        wrong.append((holm(best)[-1] <= LEVEL).any(axis=-1))
        covered.append((np.maximum(*best)[-1] < math.log(2 / LEVEL)).ravel())
        evidence = inside(x + 1.0, np.ones(LEVELS), noise)[-1]
        equivalent.append((LEVELS * np.exp(-evidence) <= LEVEL).any(axis=-1))
    return [
        row(setting, "false better or worse", np.concatenate(wrong)),
        row(setting, "intervals of all n cover", np.concatenate(covered)),
        row({**setting, "effect": 1.0}, "false equivalent", np.concatenate(equivalent)),
    ]


def seeds_used(effect: float, n_different: int, noise: str, studies: int) -> list[dict[str, Any]]:
    """Seeds until all contrasts are decided, to 20 and to 60, and what is found within 20.

    effect: of the first n_different levels, in sd of a difference, the margin being 1 sd if some
    do not differ; else nothing is equivalent.
    """
    shift = np.where(np.arange(LEVELS) < n_different, effect, 0.0)
    margins = np.full(LEVELS, 1e-9 if n_different == LEVELS else 1.0)
    setting = {"family": "normal", "noise": noise, "effect": effect, "n_different": n_different}
    used = []
    discovered = []
    for x in studies_of(normal, 60, studies, f"seeds {effect} {n_different}"):
        differs = holm(both(x + shift, noise).best) <= LEVEL
        same = LEVELS * np.exp(-inside(x + shift, margins, noise)) <= LEVEL
        decided = (differs | same).all(axis=-1)
        used.append(np.where(decided.any(axis=0), decided.argmax(axis=0) + 1, 60))
        discovered.append(differs[19, :, :n_different].mean(axis=-1))
    seeds = np.concatenate(used)
    return [
        row({**setting, "n": 20}, "seeds until all are decided", np.minimum(seeds, 20)),
        row({**setting, "n": 60}, "seeds until all are decided", seeds),
        row({**setting, "n": 20}, "found", np.concatenate(discovered)),
    ]


def main() -> None:
    arguments = simulations.parsed(__doc__)
    rows: list[dict[str, Any]] = []
    for family, noise in itertools.product(FAMILIES, NOISES):
        rows += without_difference(family, noise, arguments.studies)
        print(*rows[-3:], sep="\n", flush=True)
    for effect, count, noise in itertools.product((1.0, 1.5, 2.0), (4, 2), NOISES):
        rows += seeds_used(effect, count, noise, arguments.studies)
        print(*rows[-3:], sep="\n", flush=True)
    simulations.write(rows, arguments.out, "anytime_errors")


if __name__ == "__main__":
    main()
