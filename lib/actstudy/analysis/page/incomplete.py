"""The runs that did not complete, with their reason and the command that runs them again."""

from collections.abc import Hashable
from typing import Any

from actstudy.analysis.markdown import cell_name, code
from actstudy.analysis.retry import rerun_command
from actstudy.analysis.tables import Tables
from actstudy.contract import own_import

MAX_ROWS = 40


def rows(tables: Tables) -> list[dict[str, Any]]:
    """A row per run; runs of a task that are only missing share one row, which counts them."""
    frame = tables.frames["incomplete"].astype(object).fillna("")
    listed = []
    missing: dict[Hashable, dict[str, Any]] = {}
    for row in frame.to_dict("records"):
        cell = cell_name(row["level"], row["group"])
        entry = {"task": row["task"], "status": row["status"], "reason": row["reason"]}
        entry["command"] = code(rerun_command(tables.plan, row))
        if place := own_import.place_in(row["reason"]):
            entry["command"] = f"edit {code(place)}, then {entry['command']}"
        if row["status"] != "missing":
            listed.append({**entry, "cell": cell, "seed": row["seed"]})
            continue
        shared = missing.setdefault(row["task"], {**entry, "cells": set(), "n": 0})
        shared["cells"].add(cell)
        shared["n"] += 1
    for entry in missing.values():
        n_cells = len(entry["cells"])
        cells = next(iter(entry["cells"])) if n_cells == 1 else f"{n_cells} cells"
        listed.append({**entry, "cell": cells, "seed": f"{entry['n']} runs"})
    return listed
