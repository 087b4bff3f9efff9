"""What the section on frameworks rests on: parity, the runs left out, and what stands for what."""

from collections.abc import Iterator

import pandas as pd

from actstudy.analysis.markdown import cell_name, listed
from actstudy.analysis.questions import factors
from actstudy.analysis.questions.effects import SEED
from actstudy.analysis.questions.verified import cell_names, words
from actstudy.analysis.tables import Tables
from actstudy.contract.counting import counted

MAX_NAMED = 6  # cells in a sentence
WIDTHS = {"resnet18": 64, "resnet50": 64, "mobilenetv2": 32, "convnext_tiny": 96}  # of the papers
PUBLISHED = ("cifar10", "cifar100", "tiny_imagenet")  # data of comparisons of these models


def parity(tables: Tables, task: str) -> Iterator[str]:
    """What the checks before training say of every cell of Keras runs."""
    table = tables.frames.get("parity", pd.DataFrame(columns=["cell"]))
    passed = []
    failed = []
    unknown = []
    for cell, name in cell_names(tables.of("runs", task)).items():
        checks = table[table["cell"] == cell]
        if checks.empty:
            unknown.append(name)
        elif checks["passed"].astype(bool).all():
            passed.append(f"{name} ({nearest(checks)})")
        else:
            wrong = checks[~checks["passed"].astype(bool)]
            failed.append(f"{name}: {words(wrong.iloc[0])}")
    if passed:
        how = "checked in a few steps on a CPU before training"
        yield f"Parity with torch, {how}, holds for {named(passed)}."
    if failed:
        yield (
            f"Parity does not hold for {named(failed)}. These cells are in no mean, no difference "
            "and no verdict."
        )
    if unknown:
        yield (
            f"Parity is not known of {named(unknown)}: read what is said of them with that in mind."
        )


def nearest(checks: pd.DataFrame) -> str:
    """How many checks a cell passed, and the value that came nearest to its limit."""
    n = counted(len(checks), "check")
    bounded = checks[checks["limit"] > 0]
    if bounded.empty:
        return n
    worst = bounded.loc[(bounded["value"] / bounded["limit"]).idxmax()]
    value = f"{worst['value']:.3g} of {worst['limit']:.3g} allowed"
    return f"{n}; nearest to its limit: {worst['check']} at {worst['where']} with {value}"


def left_out(tables: Tables, task: str) -> Iterator[str]:
    """Runs that are in no difference, as they collapsed or saw other batches, or have no result."""
    table = tables.of("effects", task)
    cells = table[table["factor"] == SEED]
    fallen = cells[cells["seeds"] > cells["n"]]
    if len(fallen):
        n = int((fallen["seeds"] - fallen["n"]).sum())
        names = [cell_name(row.level, row.group) for row in fallen.itertuples()]
        total = int(cells["seeds"].sum())
        yield (
            f"{n} of {total} runs collapsed or diverged and are in no difference: {named(names)}. "
            "Means over the rest are of runs that train."
        )
    n_others = of_other_batches(tables, task)
    if n_others:
        runs = counted(n_others, "run")
        yield (
            f"{runs} saw other batches than the run of torch of the same seed and are in no "
            "difference (column order_hash of tables/runs.csv)."
        )
    incomplete = tables.of("incomplete", task)
    others = incomplete[incomplete["status"] != "diverged"]
    if len(others):
        yield f"{len(others)} planned runs have no result yet or failed; they are listed below."


def of_other_batches(tables: Tables, task: str) -> int:
    """How many runs have ended, but are no pair of any, as their batches are others."""
    no_predictions = pd.DataFrame(columns=["task"])  # values are not needed here
    frames = {"runs": tables.frames["runs"], "predictions": no_predictions}
    runs = factors.with_batches(frames, tables.plan, task)
    return 0 if runs.empty else int((~runs["has_batches"].astype(bool)).sum())


def stand_ins(tables: Tables, task: str) -> Iterator[str]:
    """What models and data of the study stand for others: narrow ones, and other images."""
    runs = tables.of("runs", task)
    if not {"model", "width", "dataset", "n_params"} <= set(runs):
        return
    runs = runs[runs["n_params"].notna()]
    texts = []
    for (model, width), part in runs.groupby(["model", "width"], sort=False):
        paper = WIDTHS.get(model)
        if paper and width != paper:
            sizes = sorted(part["n_params"].astype(int).unique())
            counts = " to ".join(f"{size:,}" for size in sorted({sizes[0], sizes[-1]}))
            texts.append(f"{model} of width {width:g} ({counts} parameters) for width {paper}")
    if texts:
        yield f"Stand-ins: {named(texts)}. What holds for them need not hold at full width."
    data = list(runs["dataset"].dropna().unique())
    others = [name for name in data if name not in PUBLISHED]
    if "model" in runs and runs["model"].isin(WIDTHS).any() and others:
        absent = [name for name in PUBLISHED if name not in data]
        yield f"Stand-ins: {listed(others)} for {listed(absent)}, of which this page says nothing."


def named(names: list[str]) -> str:
    """At most MAX_NAMED names with semicolons, and how many more there are."""
    text = "; ".join(names[:MAX_NAMED])
    n_more = len(names) - MAX_NAMED
    return f"{text}; and {n_more} more" if n_more > 0 else text
