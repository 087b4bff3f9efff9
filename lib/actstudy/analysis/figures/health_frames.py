"""The frames behind figures of health: probes of the groups of cells that fit, seeds together."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from actstudy.analysis.questions.early_health import steps_per_epoch
from actstudy.analysis.tables import Tables

MAX_GROUPS_SHOWN = 6  # groups of cells on one figure
MAX_SHARE_GAP = 0.125  # a probe farther from a share of the run is not drawn for it
COLUMNS = ["run_id", "group", "level", "seed", "step", "kind", "name", "index", "probe", "value"]


def groups_shown(tables: Tables, task: str) -> list[str]:
    """The groups of cells on a figure: the first MAX_GROUPS_SHOWN of the deepest with health."""
    health = tables.of("health", task)
    runs = tables.of("runs", task)
    probed = runs[runs["run_id"].isin(health["run_id"].unique())]
    deepest = probed[probed["depth"].isna() | (probed["depth"] == probed["depth"].max())]
    return list(deepest["group"].unique()[:MAX_GROUPS_SHOWN])


def probed(tables: Tables, task: str, kind: str, probe: str, groups: Sequence[str]) -> pd.DataFrame:
    """The finite values of a probe in some groups of cells: columns COLUMNS."""
    health = tables.of("health", task)
    if "probe" not in health:  # no run has any health
        return pd.DataFrame(columns=COLUMNS)
    matches = (health["kind"] == kind) & (health["probe"] == probe) & health["group"].isin(groups)
    return health.loc[matches & np.isfinite(health["value"]), COLUMNS]


def site_medians(rows: pd.DataFrame) -> pd.Series:
    """Medians over seeds, indexed by group, level, site index and step."""
    return rows.groupby(["group", "level", "index", "step"])["value"].median()


def at_ends(rows: pd.DataFrame) -> dict[str, pd.Series]:
    """Medians over seeds at each run's own `first` and `last` probed step.

    They are indexed by group, level and site index. A run of one probed step has no `last`.
    """
    steps = rows.groupby("run_id")["step"]
    first = steps.transform("min")
    last = steps.transform("max")
    parts = {
        "first": rows[rows["step"] == first],
        "last": rows[(rows["step"] == last) & (rows["step"] > first)],
    }
    medians = {}
    for end, part in parts.items():
        medians[end] = part.groupby(["group", "level", "index"])["value"].median()
    return medians


def quantiles(rows: pd.DataFrame, by: Sequence[str], shares: Sequence[float]) -> pd.DataFrame:
    """Quantiles of all rows of each group and level (and more in `by`): a column per share."""
    return rows.groupby(["group", "level", *by])["value"].quantile(list(shares)).unstack()


def seed_bands(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean, min and max over seeds of each run's mean over sites, by group, level and step."""
    runs = rows.groupby(["group", "level", "run_id", "step"])["value"].mean()
    return runs.groupby(["group", "level", "step"]).agg(["mean", "min", "max"])


def site_names(rows: pd.DataFrame) -> dict[int, str]:
    """Site index -> name, in the order of the sites, as the first run with it names it."""
    sites = rows.drop_duplicates("index").sort_values("index")
    return sites.set_index("index")["name"].to_dict()


def of_group(frame: pd.DataFrame, group: str) -> pd.DataFrame:
    """The rows of a group, possibly none, of a frame indexed by group, level and more."""
    return frame.loc[group] if group in frame.index else frame.head(0)


def of_cell(values: pd.Series, group: str, level: str) -> pd.Series:
    """The values of a cell, possibly none, of a series indexed by group, level and more."""
    groups = values.index.get_level_values("group")
    levels = values.index.get_level_values("level")
    return values[(groups == group) & (levels == level)].droplevel(["group", "level"])


def epochs(rows: pd.DataFrame, curves: pd.DataFrame) -> pd.Series:
    """Each probe's step in epochs: its step over the steps per epoch of the run's curves.

    A run without any evaluation takes the steps per epoch of its cell, or of the task if all its
    runs have the same; a step after the first is missing if those are not known either.
    rows: with run_id, level, line and step.
    """
    own = rows["run_id"].map(steps_per_epoch(curves).round(6))
    of_its_cell = own.groupby([rows["level"], rows["line"]]).transform("median")
    per_epoch = own.fillna(of_its_cell)
    if own.nunique() == 1:
        per_epoch = per_epoch.fillna(own.median())
    return (rows["step"] / per_epoch).where(rows["step"] > 0, 0.0)


def nearest_to_shares(rows: pd.DataFrame, shares: dict[str, float]) -> pd.DataFrame:
    """Each run's probes nearest to each share of its planned steps, with a column `share`.

    rows: with run_id, step and total_steps; shares: name -> share.
    """
    last_step = (rows["total_steps"] - 1).clip(lower=1)
    reached = (rows["step"] / last_step).astype(float)
    parts = []
    for name, share in shares.items():
        gap = (reached - share).abs()
        nearest = gap == gap.groupby(rows["run_id"]).transform("min")
        parts.append(rows[nearest & (gap < MAX_SHARE_GAP)].assign(share=name))
    return pd.concat(parts)
