"""What `snakemake --report` shows of a study: figures with their captions, tables, how it was made.

Captions go through reStructuredText, in which every mark of theirs stands for itself.
"""

import mimetypes
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from actstudy.contract import registry, store
from actstudy.contract.errors import visible
from actstudy.study.planning import Study

MAX_CSV = 1_000_000  # bytes of a table in the report; of a larger one its Parquet file is shown
MAX_PARQUET = 5_000_000  # bytes of such a file
NAMED = (".html", ".zip")  # how a report's name may end
PARQUET = "application/vnd.apache.parquet"  # the type that IANA lists
MARK = re.compile(r"([^\w\s]|_)")
KINDS = (".png", ".txt")  # what the report takes of a figure: picture and caption
LISTS = ("page.json", "more.json")  # in the folder of a part: the figures that were drawn
TABLES = {  # name -> what a row is
    "runs": "A row per planned run: its settings, how it ended, metrics, seconds, device, commit.",
    "curves": "A row per run, split, metric and evaluation; test stands at best and last step.",
    "calibration": "A row per run, checkpoint and bin of confidence: examples and correct ones.",
    "health": "A row per run, probed step, site or parameter, and probe.",
    "references": "A row per method without a network: its scores on the data of the runs.",
    "boundaries": "A row per activation, toy problem and place in the plane: the probability.",
    "cells": "A row per cell, checkpoint and metric: n, mean, standard deviation, least, largest.",
    "survival": "A row per cell and setting: the share of runs that did not diverge.",
    "targets": "A row per cell and target: when its runs reach that value of the metric.",
    "pareto": "A row per cell: throughput, training seconds and memory beside its metric.",
    "contrasts": "A row per comparison: mean difference, interval, p, verdict, n.",
    "differences": "A row per comparison with the baseline and seed: the difference.",
    "activation_contrasts": "The comparisons of activations in a study that compares other things.",
    "activation_differences": "The differences of those comparisons by seed.",
    "effects": "A row per factor and what it changes, between runs that differ in it alone.",
    "components": "A row per source of variation: its standard deviation with an interval.",
    "speed": "A row per comparison of speed, of runs on one device.",
    "recipe_verdicts": "A row per level: does its verdict hold whatever the recipe?",
    "best_of": "A row per level and number of trials: the test value of the best of them on val.",
    "tuning": "A row per learning rate that was tried, with its value on validation data.",
    "replication": "A row per published number: that number, ours, and whether they agree.",
    "early": "A row per probe: the rank correlation of its early value with the metric.",
    "findings": "A row per run and finding of the rules of health.",
    "learnt": "A row per run, site and probed step: what an activation with weights has learnt.",
    "incomplete": "A row per run that is not completed, with the reason.",
    "parity": "A row per check of Keras against torch.",
    "claims": "A row per claim of guides: claimed, measured, verdict.",
    "readings": "A row per value that was measured for a claim.",
}


def name_fault(path: Path) -> str:
    """What is wrong with the name of a report, else empty: Snakemake sees it after it is made."""
    if path.suffix in NAMED:
        return ""
    example = path.with_name(f"{path.stem or 'report'}{NAMED[0]}")
    return (
        f"--report: got {visible(str(path))}; allowed: a name in {' or '.join(NAMED)}, as {example}"
    )


def know_types() -> None:
    """Tells this process the type of Parquet files, which Python's list does not have."""
    mimetypes.add_type(PARQUET, ".parquet")


def contents(study: Study) -> dict[str, Any]:
    """What the templates in workflow/report/ take: about the study, and all captions."""
    return {"about": about(study), "figures": figures(study), "tables": tables(study)}


def figures(study: Study) -> dict[str, dict[str, str]]:
    """Part (a task, or `study`) -> figure -> caption as reStructuredText, of those drawn."""
    by_part: dict[str, dict[str, str]] = {}
    for part in [*study.tasks, "study"]:
        folder = Path(study.folder) / "figures" / part
        by_part[part] = {}
        for name in drawn(folder):
            caption = (folder / f"{name}.txt").read_text(encoding="utf-8")
            by_part[part][name] = literal(caption)
    return by_part


def drawn(folder: Path) -> list[str]:
    """The figures of a part that are there with picture and caption."""
    names: list[str] = []
    for index in LISTS:
        names += store.read_note(folder / index, [])
    return [name for name in names if is_whole(folder, name)]


def is_whole(folder: Path, name: str) -> bool:
    """Whether a figure is there with all KINDS."""
    return all((folder / f"{name}{kind}").is_file() for kind in KINDS)


def tables(study: Study) -> dict[str, str]:
    """File of a table -> its caption as reStructuredText, of those that are not too large."""
    texts = {}
    for name in registry.literal("analysis/tables.py", "NAMES"):
        for file, limit in ((f"{name}.csv", MAX_CSV), (f"{name}.parquet", MAX_PARQUET)):
            path = Path(study.folder) / "tables" / file
            if path.is_file() and path.stat().st_size <= limit:
                texts[file] = literal(TABLES[name])
                break
    return texts


def about(study: Study) -> dict[str, Any]:
    """What the description of the workflow names, as reStructuredText."""
    left_out = [
        name
        for name in registry.literal("analysis/tables.py", "NAMES")
        if not {f"{name}.csv", f"{name}.parquet"} & set(tables(study))
    ]
    return {
        "study": literal(study.name),
        "file": literal(study.file),
        "note": literal(study.note or ""),
        "compare": literal(study.compare),
        "tasks": [literal(f"{task.title} ({name})") for name, task in study.tasks.items()],
        "n_runs": len({run.id for run in study.runs()}),
        "page": literal(f"{study.folder}/summary.md"),
        "left_out": [literal(name) for name in left_out],
    }


def only(names: Iterable[str]) -> str:
    """A regular expression of some names, as a constraint of a wildcard."""
    return "|".join(map(re.escape, names))


def literal(text: str) -> str:
    """Text on one line as reStructuredText that says it letter by letter."""
    return MARK.sub(r"\\\1", visible(" ".join(text.split())))
