"""Loops that keep what looks better, for benchmarks/gate_errors.py; no proposal does anything."""

import itertools

import numpy as np

RUNS = 3  # of each side, of the bootstrap loop
RESAMPLES = np.array(list(itertools.product(range(RUNS), repeat=RUNS)))


def single_runs(rng: np.random.Generator, sessions: int, proposals: int) -> dict[str, np.ndarray]:
    """Keep what is better in one run than the run that was kept last, per session.

    kept: how many; gain: by how many sd of a run it ends better than it began, as it believes.
    """
    values = rng.normal(size=(proposals + 1, sessions))
    best = np.maximum.accumulate(values, axis=0)
    keeps = (values[1:] > best[:-1]).sum(axis=0)
    return {"kept": keeps, "gain": best[-1] - values[0]}


def bootstrap_better(candidate: np.ndarray, baseline: np.ndarray) -> np.ndarray:
    """Whether 95% of all resamples have a better candidate: a one-sided percentile interval at 5%.

    Both (RUNS, sessions), each side resampled by itself, all resamples taken.
    """
    means = candidate[RESAMPLES].mean(axis=1)
    others = baseline[RESAMPLES].mean(axis=1)
    differences = (means[:, None] - others[None]).reshape(-1, candidate.shape[1])
    return np.quantile(differences, 0.05, axis=0) > 0


def bootstrap(rng: np.random.Generator, sessions: int, proposals: int) -> dict[str, np.ndarray]:
    """Keep what a bootstrap of three runs against three calls better, per session.

    kept: how many; first: whether the first proposal was.
    """
    baseline = rng.normal(size=(RUNS, sessions))
    keeps = np.zeros((proposals, sessions), dtype=bool)
    for number in range(proposals):
        candidate = rng.normal(size=(RUNS, sessions))
        keeps[number] = bootstrap_better(candidate, baseline)
        baseline = np.where(keeps[number], candidate, baseline)
    return {"kept": keeps.sum(axis=0), "first": keeps[0]}
