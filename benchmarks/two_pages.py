"""False verdicts if a study of 8 seeds goes on with looks and the verdicts of both are kept.

    python benchmarks/two_pages.py --studies 40000

Contrasts without a true difference share the baseline's normal noise; none can be equivalent.
Shares are of studies with a "better" or "worse" on any contrast.
"""

import argparse
import math

import numpy as np

from actstudy.analysis.questions import procedure
from actstudy.study.looks import LOOKS, SPENDS

SCHEDULE = list(zip(LOOKS, SPENDS, strict=True))
FIRST = LOOKS[0]  # seeds of the first page


def smallest_p(x: np.ndarray, n: int) -> float:
    """The smallest adjusted p of a family's first n seeds, x of shape (seeds, K)."""
    return float(procedure.difference_p(x[:n], procedure.sign_flips(n)).min())


def errors(studies: int, contrasts: int) -> tuple[float, float, float]:
    """Shares of studies with a false verdict: at 8 seeds alone, looks alone, either of them."""
    rng = np.random.default_rng(contrasts)
    wrong = np.zeros((studies, 2), dtype=bool)
    for study in wrong:
        values = rng.normal(size=(SCHEDULE[-1][0], contrasts + 1))
        x = values[:, 1:] - values[:, :1]
        study[0] = smallest_p(x, FIRST) <= procedure.ALPHA
        study[1] = any(smallest_p(x, n) <= spend for n, spend in SCHEDULE)
    first, looks = wrong.mean(axis=0)
    return float(first), float(looks), float(wrong.any(axis=1).mean())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, required=True)
    n_studies = parser.parse_args().studies
    for K in (1, 4):
        shares = errors(n_studies, K)
        error = math.sqrt(max(shares) * (1 - max(shares)) / n_studies)
        print(f"K = {K}: 8 seeds {shares[0]:.4f}, looks {shares[1]:.4f}, both {shares[2]:.4f}")
        print(f"  +- {error:.4f} at most")
