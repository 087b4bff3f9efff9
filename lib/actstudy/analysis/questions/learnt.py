"""What activations with weights of their own have learnt, at each site and probed step."""

import pandas as pd

from actstudy.contract.schema import CELL

KEYS = [*CELL, "seed", "run_id", "index", "site", "activation", "parameter", "step"]
VALUES = ["mean", "min", "max"]  # over the units of a site
COLUMNS = [*KEYS, *VALUES]


def learnt(health: pd.DataFrame) -> pd.DataFrame:
    """A row per run, site, parameter and probed step: mean, least and largest over units.

    Columns COLUMNS; health: the frame of that name.
    """
    rows = health[health["kind"] == "learnt"] if "kind" in health else health.head(0)
    if rows.empty:
        return pd.DataFrame(columns=COLUMNS)
    parts = rows["name"].str.split(" ", expand=True)
    named = rows.assign(site=parts[0], activation=parts[1], parameter=parts[2])
    wide = named.pivot(index=KEYS, columns="probe", values="value").reset_index()
    return wide.rename_axis(columns=None)[COLUMNS]
