"""Replication in words: published claims against the numbers of a study."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from actstudy.analysis.markdown import markdown, metric_name, prose
from actstudy.analysis.questions import claims, stats
from actstudy.study.claims import Claims


def claim_sentences(table: pd.DataFrame, stated: Mapping[str, Any]) -> list[str]:
    """The source of some claims, how many of them hold, and whether their order agrees.

    table: the table `claims`; stated: `Plan.claims`.
    """
    verdicts = table["verdict"].value_counts()
    counts = [f"{verdicts[name]} {name}" for name in claims.VERDICTS if name in verdicts]
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
    order = claims.agreement(table)
    if order["n"] > 1 and not np.isnan(order["tau"]):
        sentences.append(
            f"Order: Kendall's tau {order['tau']:+.2f} over {order['n']} values "
            f"(exact p = {order['p']:.4f})."
        )
    return sentences


def claim_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of the page's table of claims; cells are named if any has a group."""
    with_cells = bool((table["group"] != "").any())
    return [claim_row(row, with_cells) for row in table.to_dict("records")]


def claim_row(row: Mapping[str, Any], with_cell: bool) -> dict[str, Any]:
    """One claim as a row of the page's table."""
    diverged = f"; {row['n_diverged']} diverged" if row["n_diverged"] else ""
    measured = "none"
    difference = "none"
    if not np.isnan(row["ours"]):
        measured = f"{row['ours']:.4f}"
        difference = f"{row['difference']:+.4f}"
    interval = "none"
    if not np.isnan(row["low"]):
        interval = f"{row['low']:.4f} to {row['high']:.4f}"
    cell = {"cell": row["group"]} if with_cell else {}
    return {
        "level": row["level"],
        **cell,
        "claimed": describe_claim(row),
        "ours": measured,
        "n": row["n"],
        f"{stats.LEVEL:.0%} interval": interval,
        "difference": difference,
        "verdict": f"{row['verdict']}{diverged}",
    }


def describe_claim(row: Mapping[str, Any]) -> str:
    """A claimed number with the sd and the n that were published with it."""
    n = "" if np.isnan(row["claimed_n"]) else f", n = {row['claimed_n']:.0f}"
    if np.isnan(row["claimed_sd"]):
        return f"{row['claimed']:.4f}{n}"
    return f"{row['claimed']:.4f} (sd {row['claimed_sd']:.4g}{n})"


def claim_section(table: pd.DataFrame, stated: Mapping[str, Any] | None) -> str:
    """The Markdown of the claims of a study, empty if it makes none."""
    if not stated:
        return ""
    sentences = [prose(sentence) for sentence in claim_sentences(table, stated)]
    return "\n".join([" ".join(sentences), "", markdown(claim_rows(table))])


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
    compared = claims.Compared("loss", sign=-1)
    frames = {"runs": runs, "curves": curves}
    table = claims.claims(frames, published_values, {task: compared})
    return claim_section(table, published_values)
