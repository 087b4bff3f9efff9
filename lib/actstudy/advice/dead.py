"""What dead means, for all who count or speak of it: a unit that is zero for every example.

Units that are never above zero without being zero (of tanh, elu, leaky_relu, identity) are alive.
"""

from collections.abc import Iterable, Mapping
from typing import Any

Row = Mapping[str, Any]
PROBES = ("dead_fraction", "zero_fraction")


def is_dead(lowest: Any, highest: Any) -> Any:
    """Which units are dead, by the arrays of their lowest and highest value over all examples."""
    return (lowest == 0) & (highest == 0)


def share(never_positive: float, zero: float) -> float:
    """The largest share of dead units that fits two shares of one site.

    never_positive: of units never above zero; zero: of values that are zero. It is exact for
    activations that are never below zero, such as relu.
    """
    return min(never_positive, zero)


def counted(health: Iterable[Row], step: int, shares: Mapping[str, float]) -> list[Row]:
    """Rows of health that from `step` on rest on a count over all examples, not on a probe batch.

    shares: site -> its share of dead units at that step.
    """
    rows = [row for row in health if row["probe"] not in PROBES or row["step"] < step]
    for site, dead_share in shares.items():
        place = {"step": step, "kind": "site", "name": site}
        rows += [{**place, "probe": probe, "value": dead_share} for probe in PROBES]
    return rows
