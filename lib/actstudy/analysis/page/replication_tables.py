"""Replication in words: published claims against the numbers of a study."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from actstudy.analysis.markdown import markdown, metric_name, prose
from actstudy.analysis.questions import replication, stats
from actstudy.study.claims import Claims

REPLICA_DIGITS = 7  # decimals of losses that repeat published ones
SMALL = 1e-4  # differences below it are printed as 1.5e-07


def claim_sentences(table: pd.DataFrame, stated: Mapping[str, Any]) -> list[str]:
    """The source of some claims, how many of them hold, and whether their order agrees.

    table: the table `replication`; stated: `Plan.claims`.
    """
    verdicts = table["verdict"].value_counts()
    counts = [f"{verdicts[name]} {name}" for name in replication.VERDICTS if name in verdicts]
    bound = f"within {stated['tolerance']:g} of {metric_name(stated['metric'])}"
    sentences = [f"Claims of {stated['source']}: {', '.join(counts)}, {bound}."]
    single = int((table["n"] == 1).sum())
    if single:
        sentences.append(
            f"{single} of {len(table)} rest on one run of ours (n = 1), which has no interval."
        )
    if (table["group"] != "").any():
        sentences.append(
            "A level's value is that of its cell with the best mean validation metric; "
            "test values were not used for the choice."
        )
    order = replication.agreement(table)
    if order["n"] > 1 and not np.isnan(order["tau"]):
        sentences.append(
            f"Order: Kendall's tau {order['tau']:+.2f} over {order['n']} values "
            f"(exact p = {order['p']:.4f})."
        )
    return sentences


def claim_rows(table: pd.DataFrame, digits: int = 4) -> list[dict[str, Any]]:
    """The rows of the page's table of claims; cells are named if any has a group.

    digits: decimals of its numbers.
    """
    with_cells = bool((table["group"] != "").any())
    return [claim_row(row, with_cells, digits) for row in table.to_dict("records")]


def claim_row(row: Mapping[str, Any], with_cell: bool, digits: int) -> dict[str, Any]:
    """One claim as a row of the page's table."""
    diverged = f"; {row['n_diverged']} diverged" if row["n_diverged"] else ""
    measured = "none"
    difference = "none"
    if not np.isnan(row["ours"]):
        measured = f"{row['ours']:.{digits}f}"
        difference = difference_text(row["difference"], digits)
    interval = "none"
    if not np.isnan(row["low"]):
        interval = f"{row['low']:.{digits}f} to {row['high']:.{digits}f}"
    cell = {"cell": row["group"]} if with_cell else {}
    return {
        "level": row["level"],
        **cell,
        "claimed": describe_claim(row, digits),
        "ours": measured,
        "n": row["n"],
        f"{stats.LEVEL:.0%} interval": interval,
        "difference": difference,
        "verdict": f"{row['verdict']}{diverged}",
    }


def difference_text(value: float, digits: int) -> str:
    """A difference with its sign; a small one by its first two digits, never as -0.0000."""
    return f"{value:+.1e}" if 0 < abs(value) < SMALL else f"{value + 0.0:+.{digits}f}"


def describe_claim(row: Mapping[str, Any], digits: int) -> str:
    """A claimed number with the sd and the n that were published with it."""
    n = "" if np.isnan(row["claimed_n"]) else f", n = {row['claimed_n']:.0f}"
    if np.isnan(row["claimed_sd"]):
        return f"{row['claimed']:.{digits}f}{n}"
    return f"{row['claimed']:.{digits}f} (sd {row['claimed_sd']:.4g}{n})"


def claim_section(table: pd.DataFrame, stated: Mapping[str, Any] | None, digits: int = 4) -> str:
    """The Markdown of the claims of a study, empty if it makes none; digits: decimals."""
    if not stated:
        return ""
    sentences = [prose(sentence) for sentence in claim_sentences(table, stated)]
    return "\n".join([" ".join(sentences), "", markdown(claim_rows(table, digits))])


def replica_section(losses: Path, task: str, stated: Claims) -> str:
    """The Markdown of a replica's claims, from the Parquet of losses that its training wrote.

    losses: rows with task, group, level, seed, run_id, split, metric, step, value. A run diverged
    if a loss is not finite.
    """
    curves = pd.read_parquet(losses)
    curves["status"] = np.where(np.isfinite(curves["value"]), "completed", "diverged")
    names = ["task", "group", "level", "seed", "run_id"]
    runs = curves.groupby(names, sort=False, as_index=False)["status"].max()
    published_values = stated.model_dump()
    compared = replication.Compared("loss", sign=-1)
    frames = {"runs": runs, "curves": curves}
    table = replication.replication(frames, published_values, {task: compared})
    return claim_section(table, published_values, REPLICA_DIGITS)
