"""How often the intervals of `transfer` cover: of the order of levels, and of held-out sizes.

    python benchmarks/transfer.py --studies 200 --out benchmarks/results

**Orders.** Two studies of n seeds compare the same K = 5 levels, whose true means lie `gap` sd of a
run apart (rising in the small study; in the large one in the same order, in one whose tau is 0.4,
or in an order by chance). Runs have noise of sd 1, half of whose variance levels of a seed share.
The truth is tau of the true means; `above 0`: the share of studies whose interval is, `predicts`:
that whose p is at most 5%. **Sizes.** An effect is linear in doublings of width and depth
(four places each), or bends by `bend` times its slope at the last doubling; sd of a seed's effect 1
in all its cells and 1 in each, slope 0.5.
"""

import itertools
import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import simulations
from simulations import Case, Rows

from actstudy.judging.statistics import orders
from actstudy.judging.studies import sizes
from actstudy.judging.studies.sizes import Grid

LEVELS = 5
ALPHA = 0.05
SAME = np.arange(LEVELS, dtype=float)
ORDERS = {"same": SAME, "half": np.array([1.0, 0.0, 3.0, 2.0, 4.0])[[0, 1, 4, 3, 2]]}
CHANCE = "by chance"
PLACES = [1.0, 2.0, 4.0, 8.0]
SLOPE = 0.5


def row(setting: dict[str, Any], measure: str, values: list[float]) -> dict[str, Any]:
    """A row of the result: the mean of one value per study, its Monte Carlo standard error."""
    error = float(np.std(values) / math.sqrt(max(len(values), 1)))
    own = {"measure": measure, "value": float(np.mean(values)), "error": error}
    return {**setting, **own, "studies": len(values)}


def order(name: str, gap: float, n: int, studies: int) -> Rows:
    """Coverage of tau's interval, its bias, and how often it lies above 0."""
    rng = np.random.default_rng([1, n, *f"{name}{gap}".encode()])
    covers = []
    above = []
    errors = []
    called = []
    for _ in range(studies):
        other = rng.permutation(LEVELS).astype(float) if name == CHANCE else ORDERS[name]
        true = orders.tau(SAME, other)
        gains = []
        for means in (SAME, other):
            shared = rng.normal(size=(n, 1)) + rng.normal(size=(n, LEVELS))
            gains.append(gap * means + shared / math.sqrt(2))
        own = orders.agreement(gains[0], gains[1], rng)
        covers.append(float(own.low <= true <= own.high))
        above.append(float(own.low > 0))
        errors.append(own.value - true)
        means = [values.mean(axis=0) for values in gains]
        called.append(float(orders.chance_p(*means, rng) <= ALPHA))
    setting = {"question": "order", "case": name, "gap": gap, "n": n}
    return [
        row(setting, "covers", covers),
        row(setting, "above 0", above),
        row(setting, "predicts", called),
        row(setting, "bias", errors),
    ]


def extrapolation(bend: float, n: int, studies: int) -> Rows:
    """Shares of held-out cells, and of studies' largest cells, inside their intervals."""
    rng = np.random.default_rng([2, n, int(100 * bend)])
    cells = list(itertools.product(PLACES, PLACES))
    grid = Grid("mlp", "", {"width": PLACES, "depth": PLACES}, {cell: str(cell) for cell in cells})
    doublings = np.log2(np.array(cells))
    effect = SLOPE * (doublings - bend * (doublings == len(PLACES) - 1)).sum(axis=1)
    inside = []
    largest = []
    for _ in range(studies):
        y = effect + rng.normal(size=(n, 1)) + rng.normal(size=(n, len(cells)))
        rows = sizes.held_out_rows(sizes.fitted(y, grid), grid)
        inside.append(float(np.mean([own["is_inside"] for own in rows])))
        largest.append(float(rows[-1]["is_inside"]))
    setting = {"question": "sizes", "case": "bend", "gap": bend, "n": n}
    return [row(setting, "covers", inside), row(setting, "covers the largest", largest)]


def cases() -> Iterator[Case]:
    """What is simulated, each with a generator of its own."""
    for n in (3, 8, 20):
        for name, gap in itertools.product((*ORDERS, CHANCE), (0.5, 1.0, 3.0)):
            yield partial(order, name, gap, n)
        yield partial(order, "same", 0.0, n)
        for bend in (0.0, 1.0, 3.0):
            yield partial(extrapolation, bend, n)


def main() -> None:
    arguments = simulations.parsed(__doc__, processes=1)
    rows = simulations.in_processes(cases(), arguments)
    simulations.write(rows, arguments.out, "transfer")


if __name__ == "__main__":
    main()
