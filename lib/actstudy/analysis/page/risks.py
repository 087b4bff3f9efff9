"""How often runs collapsed, and the risk that this does not exclude, in words."""

import pandas as pd

from actstudy.analysis.markdown import cell_name, listed
from actstudy.analysis.questions.contrasts import primary
from actstudy.analysis.tables import Tables

MAX_CELLS_NAMED = 4  # with their collapsed runs


def shared(tables: Tables) -> tuple[list[str], str]:
    """The tasks whose sentences on collapses are the same, and these; nothing if any differ."""
    texts = {}
    for task in tables.plan.tasks:
        text = sentences(primary(tables.of("contrasts", task)))
        if text:
            texts[task] = text
    if len(texts) < 2 or len(set(texts.values())) > 1:
        return [], ""
    return list(texts), next(iter(texts.values()))


def sentences(contrasts: pd.DataFrame) -> str:
    """How often runs of contrasted cells collapsed; empty if no verdict depends on it."""
    sides = []
    for side in ("", "_baseline"):
        columns = {"level" if not side else "baseline": "level"}
        columns |= {f"{name}{side}": name for name in ("n_runs", "n_collapsed", "risk", "trains")}
        sides.append(contrasts[["group", *columns]].rename(columns=columns))
    cells = pd.concat(sides).dropna().drop_duplicates(["group", "level"])
    if cells.empty or not (contrasts["condition"].astype(object).fillna("") != "").any():
        return ""
    idle = cells[~cells["trains"].astype(bool)]
    cells = cells[cells["trains"].astype(bool)]
    texts = []
    if len(idle):
        texts.append(f"At chance level in most runs: {named(idle)}.")
    if len(cells):
        texts.append(f"{collapses(cells)}.")
    return " ".join(texts)


def named(cells: pd.DataFrame) -> str:
    """The first cells by name, and how many more there are."""
    names = [cell_name(row.level, row.group) for row in cells.head(MAX_CELLS_NAMED).itertuples()]
    if len(cells) > MAX_CELLS_NAMED:
        names.append(f"{len(cells) - MAX_CELLS_NAMED} more cells")
    return listed(names)


def collapses(cells: pd.DataFrame) -> str:
    """How often runs of cells that train collapsed, and which risk that does not exclude."""
    fell = cells[cells["n_collapsed"] > 0]
    highest = f"{cells.loc[cells['n_collapsed'] == 0, 'risk'].max():.0%}"
    if fell.empty:
        return f"No run collapsed, which does not exclude a risk of up to {highest}"
    names = []
    for row in fell.head(MAX_CELLS_NAMED).to_dict("records"):
        names.append(
            f"{cell_name(row['level'], row['group'])} in {row['n_collapsed']:.0f} of "
            f"{row['n_runs']:.0f} runs (a risk of up to {row['risk']:.0%} is not excluded)"
        )
    if len(fell) > MAX_CELLS_NAMED:
        names.append(f"{len(fell) - MAX_CELLS_NAMED} more cells")
    text = f"Collapsed: {listed(names)}"
    if len(fell) < len(cells):
        text += f"; of the others no run, which does not exclude a risk of up to {highest}"
    return text
