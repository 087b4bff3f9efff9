"""Runs of anyone, for tests of what judges them."""

from collections.abc import Mapping

import numpy as np
import pandas as pd


def runs(
    shifts: Mapping[str, float], n: int = 10, key: int = 0, sd: float = 1.0, first_seed: int = 0
) -> pd.DataFrame:
    """A frame of n seeds per level, normal around its shift."""
    rng = np.random.default_rng(key)
    parts = []
    for level, shift in shifts.items():
        seeds = np.arange(first_seed, first_seed + n)
        values = shift + sd * rng.normal(size=n)
        parts.append(pd.DataFrame({"level": level, "seed": seeds, "value": values}))
    return pd.concat(parts, ignore_index=True)


def unseeded(frame: pd.DataFrame) -> pd.DataFrame:
    """The same runs with names of their own in place of seeds."""
    return frame.assign(seed=[f"run-{place}" for place in range(len(frame))])


def summaries(frame: pd.DataFrame) -> pd.DataFrame:
    """Mean, sd and n per level of a frame of runs, in the order of the levels."""
    table = frame.groupby("level", sort=False)["value"].agg(["mean", "std", "size"])
    return table.rename(columns={"std": "sd", "size": "n"}).reset_index()
