"""The seeds behind contrasts: the difference of each one, with whether it counts."""

import pandas as pd

from actstudy.analysis.questions import collapse
from actstudy.analysis.questions.contrasts import Pair, primary, typical_seeds
from actstudy.analysis.questions.seed_values import Values
from actstudy.contract.plan import Plan

CONTRAST = ["task", "group", "level", "baseline", "family", "unit"]  # names a contrast
DIFFERENCES = [*CONTRAST, "seed", "difference", "is_typical"]


def seed_differences(contrasts: pd.DataFrame, plan: Plan, values: Values) -> pd.DataFrame:
    """The differences of the primary contrasts: a row per contrast and seed of its last look.

    contrasts: the table; values: what it was made of. Columns DIFFERENCES; `difference` is level
    minus baseline in `unit`. A contrast rests on its rows that are typical, n of them.
    """
    parts = []
    for task, rows in primary(contrasts).groupby("task", sort=False):
        settings = plan.tasks[str(task)]
        seeds = slice(int(rows["seeds"].max()))
        gains = collapse.gains(values[str(task)].of_rows(seeds), settings)
        for row in rows.to_dict("records"):
            pair = Pair(row["group"], row["level"], row["baseline"])
            level, opponent = pair.cells
            if not {level, opponent} <= set(gains.every):
                continue
            used = gains.every
            part = {
                **{name: row[name] for name in CONTRAST},
                "seed": used.index,
                "difference": settings.sign * (used[level] - used[opponent]).to_numpy(),
                "is_typical": used.index.isin(typical_seeds(gains, pair)),
            }
            parts.append(pd.DataFrame(part).dropna(subset="difference"))
    if not parts:
        return pd.DataFrame(columns=DIFFERENCES)
    return pd.concat(parts, ignore_index=True)
