"""The frames behind the figures of health: probes of the groups of cells that fit on a figure, seeds together."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from actstudy.analysis.tables import Tables

MOST = 6  # groups of cells on one figure
COLUMNS = ["run_id", "group", "level", "seed", "step", "kind", "name", "index", "probe", "value"]


def groups_shown(tables: Tables, task: str) -> list[str]:
    """The groups of cells on a figure: of those that have health the deepest networks', the first MOST."""
    health, runs = tables.of("health", task), tables.of("runs", task)
    probed = runs[runs["run_id"].isin(health["run_id"].unique())]
    deepest = probed[probed["depth"].isna() | (probed["depth"] == probed["depth"].max())]
    return list(deepest["group"].unique()[:MOST])


def probed(tables: Tables, task: str, kind: str, probe: str, groups: Sequence[str]) -> pd.DataFrame:
    """The finite values of a probe in some groups of cells: columns COLUMNS."""
    health = tables.of("health", task)
    if "probe" not in health:  # no run left any
        return pd.DataFrame(columns=COLUMNS)
    wanted = (health["kind"] == kind) & (health["probe"] == probe) & health["group"].isin(groups)
    return health.loc[wanted & np.isfinite(health["value"]), COLUMNS]


def site_medians(found: pd.DataFrame) -> pd.Series:
    """Medians over seeds, indexed by group, level, site index and step."""
    return found.groupby(["group", "level", "index", "step"])["value"].median()


def at_ends(found: pd.DataFrame) -> dict[str, pd.Series]:
    """`first` and `last` -> medians over seeds at each run's own first and last probed step, by group, level, index."""
    steps = found.groupby("run_id")["step"]
    rows = {"first": found[found["step"] == steps.transform("min")]}
    rows["last"] = found[
        (found["step"] == steps.transform("max")) & (found["step"] > steps.transform("min"))
    ]
    return {
        end: part.groupby(["group", "level", "index"])["value"].median()
        for end, part in rows.items()
    }


def quantiles(found: pd.DataFrame, by: Sequence[str], shares: Sequence[float]) -> pd.DataFrame:
    """Quantiles of all rows of each group and level (and more in `by`): a column a share."""
    return found.groupby(["group", "level", *by])["value"].quantile(list(shares)).unstack()


def seed_bands(found: pd.DataFrame) -> pd.DataFrame:
    """Mean, min and max over seeds of each run's mean over sites, indexed by group, level and step."""
    runs = found.groupby(["group", "level", "run_id", "step"])["value"].mean()
    return runs.groupby(["group", "level", "step"]).agg(["mean", "min", "max"])


def weights_alone(found: pd.DataFrame) -> pd.DataFrame:
    """The rows of parameters named *.weight."""
    return found[found["name"].astype(str).str.endswith(".weight")]


def site_names(found: pd.DataFrame) -> dict[int, str]:
    """Site index -> name, in the order of the sites; a hybrid's names are those of its first run."""
    return found.drop_duplicates("index").sort_values("index").set_index("index")["name"].to_dict()


def cell_of(values: pd.Series, group: str, level: str) -> pd.Series:
    """What belongs to one cell, possibly nothing, of a series indexed by group, level and more."""
    mine = (values.index.get_level_values("group") == group) & (
        values.index.get_level_values("level") == level
    )
    return values[mine].droplevel(["group", "level"])


def before_the_end(bands: pd.DataFrame) -> pd.DataFrame:
    """Rows of the steps before the last, where a schedule may have come to zero; all rows of a single step."""
    steps = bands.index.get_level_values("step")
    return bands[steps < steps.max()] if len(set(steps)) > 1 else bands
