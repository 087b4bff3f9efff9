"""The table of throughput, training time and memory on the appendix, as Markdown."""

from typing import Any

import pandas as pd

from actstudy.analysis.markdown import cell_name, markdown
from actstudy.analysis.page.result_tables import steps_of, steps_trained
from actstudy.analysis.tables import Tables

PACKED = (
    "No run has completed by itself: time and memory of a pack are not those of its runs. The "
    "seconds that other parts have for such runs are equal shares of the pack's."
)


def compute(tables: Tables, task: str) -> str:
    """Throughput, training seconds and peak memory, a row per cell."""
    steps = steps_trained(tables, task)
    frame = tables.of("pareto", task)
    if frame.empty:
        return markdown([], PACKED)
    heads = _heads(frame)
    rows = []
    for row in frame.to_dict("records"):
        if row["n_timed"] or pd.notna(row["peak_memory_bytes"]):
            cell = cell_name(row["level"], row["group"])
            measures = dict(zip(heads, _cost(row), strict=True))
            rows.append({"cell": cell, **measures, **steps_of(steps, cell)})
    return markdown(rows, PACKED)


def _heads(frame: pd.DataFrame) -> list[str]:
    """The heads of the measures, with their units as far as a cell of the table has one."""
    units = {"throughput": "throughput_unit", "peak memory": "peak_memory_kind"}
    heads = []
    for name, column in units.items():
        own = ["MB"] if name == "peak memory" else []
        own += [str(unit) for unit in frame[column].dropna().unique() if unit]
        heads.append(f"{name} ({', '.join(own)})" if own else name)
    return [heads[0], "training (s)", heads[1], "timed n"]


def shares_of_packs(tables: Tables, task: str) -> str:
    """A sentence, with a space before it, on the seconds of runs of packs; empty without any."""
    packs = tables.of("runs", task).reindex(columns=["pack"])["pack"]
    if not (packs.notna() & (packs != "")).any():
        return ""
    return (
        " Seconds of runs of a pack are each run's equal share of the pack's, not the time that it "
        "takes by itself."
    )


def gpu_use(tables: Tables, task: str) -> str:
    """How many runs had a GPU that another process used, or may have used, as sentences."""
    runs = tables.of("runs", task).reindex(columns=["slots_per_gpu", "gpu_in_use", "timing_clean"])
    alone = runs[runs["slots_per_gpu"] == 1]
    n_beside = int((alone["gpu_in_use"] == True).sum())  # noqa: E712 - missing is neither
    is_timed = alone["timing_clean"] != False  # noqa: E712 - those of a pack are not
    n_unknown = int((alone["gpu_in_use"].isna() & is_timed).sum())
    sentences = []
    if n_beside:
        sentences.append(
            f"Not timed, because another process used their GPU: {n_beside} of {len(alone)} runs."
        )
    if n_unknown:
        sentences.append(
            f"Timed, though it is not known whether another process used their GPU: "
            f"{n_unknown} of {len(alone)} runs."
        )
    return " ".join(sentences)


def _cost(row: dict[Any, Any]) -> list[Any]:
    """A cell's measures as cells of the table, in the order of `_heads`."""
    throughput = "not timed"
    seconds = "not timed"
    if row["n_timed"]:
        throughput = f"{row['throughput']:,.0f}"
        seconds = f"{row['train_seconds']:.1f}"
    if row["n_timed"] > 1:
        throughput += f" ({row['lowest_throughput']:,.0f} to {row['highest_throughput']:,.0f})"
    memory = "not measured"
    if pd.notna(row["peak_memory_bytes"]):
        memory = f"{row['peak_memory_bytes'] / 1e6:,.0f}"
    return [throughput, seconds, memory, row["n_timed"]]
