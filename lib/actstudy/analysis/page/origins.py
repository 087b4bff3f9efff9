"""What a page says of where its runs come from: code, data, commits, devices, versions."""

import pandas as pd

from actstudy.contract import code
from actstudy.contract.plan import Plan
from actstudy.contract.schema import OTHER_DATA, UNREAD
from actstudy.study import certified


def sentences(plan: Plan, runs: pd.DataFrame) -> list[str]:
    """A sentence per piece of own or edited code, and per task of which runs are left out.

    runs: the frame `runs`, each run once.
    """
    lines = code.describe(plan.code)
    lines += certified.sentences(plan.code, plan.file, plan.arguments)
    for task, part in runs.groupby("task", sort=False):
        others = part[part["status"] == OTHER_DATA]
        if len(others):
            reasons = "; ".join(others["reason"].unique())
            lines.append(
                f"{len(others)} of {len(part)} runs of {task} left out of all means and "
                f"comparisons: {reasons}; how to train them again: see those not completed"
            )
    return lines


def provenance(runs: pd.DataFrame) -> dict[str, str]:
    """Commits, devices and versions of the runs that left tables, and when the last one ended."""
    read = runs[~runs["status"].isin(UNREAD)]
    if read.empty:
        return {"commits": "none", "devices": "none", "versions": "none", "ended": "never"}
    commits = {
        _commit(commit, dirty)
        for commit, dirty in zip(read["git_commit"], read["git_dirty"], strict=True)
    }
    return {
        "commits": ", ".join(sorted(commits)),
        "devices": ", ".join(sorted(read["device"].dropna().unique())),
        "versions": "; ".join(sorted(read["versions"].dropna().unique())),
        "ended": str(read["ended"].max()),
    }


def _commit(commit: str | None, dirty: object) -> str:
    if not commit or pd.isna(commit):
        return "outside of git"
    name = commit[:12]
    if dirty is True:
        name += " with uncommitted changes"
    return name
