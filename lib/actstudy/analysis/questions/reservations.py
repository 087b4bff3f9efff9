"""What a verdict leaves open: the risk of collapse on both sides, and what speaks against it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from actstudy.analysis.questions import anytime, collapse, stats
from actstudy.analysis.questions.collapse import Gains
from actstudy.analysis.questions.procedure import Verdict

Cell = tuple[str, str]  # (group, level)
RISKS = ["n_runs", "n_diverged", "n_collapsed", "risk", "trains"]
COLUMNS = [*RISKS, *[f"{name}_baseline" for name in RISKS], "p_mcnemar"]
WHEN_IT_TRAINS = "when it trains"
WHEN_BOTH_TRAIN = "when both train"


def risks(gains: Gains, cell: Cell, opponent: Cell) -> dict[str, Any]:
    """COLUMNS: per side its runs, how many diverged or collapsed (divergence included), `risk`,
    and whether it `trains` (its median is better than chance).

    `risk` is the largest risk of collapse that these runs do not exclude; p_mcnemar McNemar's
    exact p of the two shares of collapsed runs, over the seeds that both sides have. Nothing if a
    side has no run.
    """
    if not {cell, opponent} <= set(gains.every):
        return {}
    row: dict[str, Any] = {}
    has_run = []
    collapsed = []
    for side, suffix in ((cell, ""), (opponent, "_baseline")):
        has_run.append(gains.every[side].notna().to_numpy())
        collapsed.append(gains.collapsed[side].to_numpy())
        n = int(has_run[-1].sum())
        events = int(collapsed[-1].sum())
        row[f"n_runs{suffix}"] = n
        row[f"n_diverged{suffix}"] = int(gains.diverged[side].sum())
        row[f"n_collapsed{suffix}"] = events
        row[f"risk{suffix}"] = collapse.largest_risk(events, n)
        row[f"trains{suffix}"] = bool(gains.trains[side])
    first, second = (side[has_run[0] & has_run[1]] for side in collapsed)
    only_first = int((first & ~second).sum())
    row["p_mcnemar"] = stats.mcnemar_exact(only_first, int((second & ~first).sum()))
    return row


def counts_diverged(row: Mapping[str, Any], suffix: str = "") -> bool:
    """Whether diverged runs of a side count in its differences, at chance level.

    They do in a cell that does not train, where that is typical (`collapse.gains`). row: of
    `contrasts`; suffix: `_baseline` for the other side.
    """
    trains = row.get(f"trains{suffix}")
    return bool(pd.notna(trains) and not trains and row[f"n_diverged{suffix}"] > 0)


def diverged(row: Mapping[str, Any]) -> str:
    """Which runs of a row of `contrasts` diverged and count none the less; empty if none do."""
    texts = []
    for whose, suffix in (("", ""), (f" of {row.get('baseline')}", "_baseline")):
        if counts_diverged(row, suffix):
            counts = f"{row[f'n_diverged{suffix}']:.0f} of {row[f'n_runs{suffix}']:.0f}"
            texts.append(f"{counts} runs{whose} diverged")
    return f"{' and '.join(texts)}: counted at chance level" if texts else ""


def condition(
    verdict: Verdict,
    gains: Gains,
    cell: Cell,
    opponent: Cell,
    family: int,
    at_any_n: bool = False,
) -> str:
    """What a verdict takes for granted in words, empty if it holds at any risk of collapse.

    family: contrasts that share the verdict's spend. The least difference and the largest risk are
    limits that each fail with probability spend / (2 family), at this n or (at_any_n) at all n.
    """
    if verdict.verdict.startswith("equivalent"):
        trains = gains.trains[cell] or gains.trains[opponent]
        return WHEN_BOTH_TRAIN if trains else ""
    if verdict.verdict not in ("better", "worse"):
        return ""
    winner = cell if verdict.verdict == "better" else opponent
    loser = opponent if verdict.verdict == "better" else cell
    level = 1 - verdict.spend / (2 * family)
    n = int(gains.every[winner].count())
    events = int(gains.collapsed[winner].sum())
    if at_any_n:
        half = anytime.half_width(verdict.n, verdict.sd, -np.log1p(-level))
        risk = collapse.largest_risk_at_any_n(events, n, level)
    else:
        half = float(special.stdtrit(verdict.n - 1, level)) * verdict.sd / np.sqrt(verdict.n)
        risk = collapse.largest_risk(events, n, level)
    smallest = abs(verdict.mean) - half
    loss = float(gains.typical[loser].mean()) - float(gains.chance[winner])
    if collapse.is_better_at_any_risk(smallest, risk, loss):
        return ""
    return WHEN_IT_TRAINS if winner == cell else f"when {opponent[1]} trains"


def contradiction(verdict: Verdict, mean_all: float, margin: float) -> str:
    """What speaks against a verdict, in words; empty if nothing does.

    mean_all: the mean difference with collapsed runs at their own value, positive if better.
    """
    sign = {"better": 1, "worse": -1}.get(verdict.verdict)
    is_early = verdict.decided_at is not None and verdict.decided_at < verdict.seeds
    if sign is None:
        if is_early and abs(verdict.mean) > margin:
            return "with all seeds the mean difference is beyond the margin"
        return ""
    if sign * verdict.mean < 0:
        return "with all seeds the mean difference has the other sign"
    if sign * mean_all < 0:
        return "with collapsed runs the mean difference has the other sign"
    if verdict.low < 0 < verdict.high:
        return "its interval contains 0"
    return ""
