"""How often runs collapsed, and the risk that this does not exclude, in words."""

import pandas as pd

from actstudy.analysis.markdown import cell_name, listed
from actstudy.analysis.questions.contrasts import primary
from actstudy.analysis.questions.reservations import RISKS
from actstudy.analysis.tables import Tables
from actstudy.contract.counting import counted

MAX_CELLS_NAMED = 4  # with their collapsed runs


def shared(tables: Tables) -> tuple[list[str], str]:
    """The tasks whose sentences on collapses are the same, and these; nothing if any differ."""
    texts = {}
    for task in tables.plan.tasks:
        text = sentences(tables, task)
        if text:
            texts[task] = text
    if len(texts) < 2 or len(set(texts.values())) > 1:
        return [], ""
    return list(texts), next(iter(texts.values()))


def sentences(tables: Tables, task: str) -> str:
    """How often runs of contrasted cells diverged or collapsed, of each cell what is true of it.

    What no verdict depends on is left out, but for cells whose diverged runs count.
    """
    contrasts = primary(tables.of("contrasts", task))
    cells = contrasted(contrasts)
    if cells.empty:
        return ""
    trains = cells["trains"].astype(bool)
    fell = cells["n_diverged"] > 0
    texts = (
        diverged(cells[~trains & fell], tables.of("runs", task)) if (~trains & fell).any() else []
    )
    if (contrasts["condition"].astype(object).fillna("") != "").any():
        if (~trains & ~fell).any():
            texts.insert(0, f"At chance level in most runs: {named(cells[~trains & ~fell])}.")
        if trains.any():
            texts.append(f"{collapses(cells[trains], are_all=bool(trains.all()))}.")
    return " ".join(texts)


def contrasted(contrasts: pd.DataFrame) -> pd.DataFrame:
    """A row per cell of either side that has a run, with its counts of runs."""
    sides = []
    for side in ("", "_baseline"):
        columns = {"level" if not side else "baseline": "level"}
        columns |= {f"{name}{side}": name for name in RISKS}
        sides.append(contrasts[["group", *columns]].rename(columns=columns))
    return pd.concat(sides).dropna().drop_duplicates(["group", "level"])


def diverged(cells: pd.DataFrame, runs: pd.DataFrame) -> list[str]:
    """A sentence per cell whose diverged runs count, with why they ended; of more their number."""
    texts = []
    for row in cells.head(MAX_CELLS_NAMED).to_dict("records"):
        own = runs[(runs["level"] == row["level"]) & (runs["group"] == row["group"])]
        texts.append(
            f"{cell_name(row['level'], row['group'])} diverged in {row['n_diverged']:.0f} of "
            f"{row['n_runs']:.0f} seeds{reason(own)}: counted at chance level."
        )
    if len(cells) > MAX_CELLS_NAMED:
        more = counted(len(cells) - MAX_CELLS_NAMED, "more cell")
        texts.append(f"{more} diverged in some or all seeds.")
    return texts


def reason(runs: pd.DataFrame) -> str:
    """Why diverged runs ended, in brackets with a blank before; empty if that is not known."""
    if "reason" not in runs:
        return ""
    reasons = runs.loc[runs["status"] == "diverged", "reason"].dropna()
    short = reasons.str.split(";").str[0].str.replace("loss is nan", "loss is NaN")
    if short.empty:
        return ""
    example = "" if short.nunique() == 1 else "such as: "
    return f" ({example}{short.iloc[0]})"


def named(cells: pd.DataFrame) -> str:
    """The first cells by name, and how many more there are."""
    names = [cell_name(row.level, row.group) for row in cells.head(MAX_CELLS_NAMED).itertuples()]
    if len(cells) > MAX_CELLS_NAMED:
        names.append(counted(len(cells) - MAX_CELLS_NAMED, "more cell"))
    return listed(names)


def collapses(cells: pd.DataFrame, are_all: bool) -> str:
    """How often runs of cells that train collapsed, and which risk that does not exclude.

    are_all: whether there are no other cells; else those without a collapse are named.
    """
    fell = cells[cells["n_collapsed"] > 0]
    highest = f"{cells.loc[cells['n_collapsed'] == 0, 'risk'].max():.0%}"
    others = named(cells[cells["n_collapsed"] == 0])
    if fell.empty:
        start = "No run collapsed" if are_all else f"{others}: no run collapsed"
        return f"{start}, which does not exclude a risk of up to {highest}"
    names = []
    for row in fell.head(MAX_CELLS_NAMED).to_dict("records"):
        names.append(
            f"{cell_name(row['level'], row['group'])} in {row['n_collapsed']:.0f} of "
            f"{row['n_runs']:.0f} runs (a risk of up to {row['risk']:.0%} is not excluded)"
        )
    if len(fell) > MAX_CELLS_NAMED:
        names.append(counted(len(fell) - MAX_CELLS_NAMED, "more cell"))
    text = f"Collapsed: {listed(names)}"
    if len(fell) < len(cells):
        whose = "the others" if are_all else others
        text += f"; of {whose} no run, which does not exclude a risk of up to {highest}"
    return text
