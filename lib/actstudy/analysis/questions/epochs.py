"""How many optimizer steps an epoch has, read from the learning curves."""

import pandas as pd


def steps_per_epoch(curves: pd.DataFrame) -> pd.Series:
    """run_id -> median of step / epoch over a run's evaluations; no entry for a run without any."""
    points = curves[curves["epoch"] > 0]
    return (points["step"] / points["epoch"]).groupby(points["run_id"]).median()
