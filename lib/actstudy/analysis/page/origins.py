"""What a page says at its head of code that is not as shipped, and of runs on other data."""

import pandas as pd

from actstudy.contract import code
from actstudy.contract.plan import Plan
from actstudy.contract.schema import OTHER_DATA


def sentences(plan: Plan, runs: pd.DataFrame) -> list[str]:
    """A sentence per piece of own or edited code, and per task of which runs are left out.

    runs: the frame `runs`, each run once.
    """
    lines = code.describe(plan.code)
    for task, part in runs.groupby("task", sort=False):
        others = part[part["status"] == OTHER_DATA]
        if len(others):
            reasons = "; ".join(others["reason"].unique())
            lines.append(
                f"{len(others)} of {len(part)} runs of {task} left out of all means and "
                f"comparisons: {reasons}; how to train them again: see those not completed"
            )
    return lines
