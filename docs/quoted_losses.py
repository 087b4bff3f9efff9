"""Tables of docs/losses.md, each from a file that benchmarks/losses.py wrote."""

import pandas as pd
from measured import BENCHMARKS, markdown

from actstudy.analysis.scale import rounded

MARKS = {"ok": ".", "refused": "r", "value": "V", "gradient": "g", "large gradient": "L"}
MARKS |= {"error": "E"}
SHORT = {
    "zero vector": "zero",
    "both zero": "both zero",
    "identical pair": "same",
    "antipodal": "opposite",
    "norm 1e-10": "1e-10",
    "norm 1e4": "1e4",
    "NaN row": "NaN",
    "batch 1": "B = 1",
    "duplicate positives": "twice",
    "runaway scale": "scale",
    "runaway scale, antipodal": "scale, opposite",
}


def faults() -> str:
    """Losses, twins and libraries: what each makes of each fault, by precision."""
    frame = pd.read_parquet(BENCHMARKS / "losses_faults.parquet")
    clean = frame[frame["fault"] == "none"]
    if (clean["kind"] != "ok").any():
        raise ValueError("losses_faults.parquet: a loss without a fault is not finite")
    rows = []
    for name, cells in frame.groupby("loss", sort=False):
        marks = cells.assign(mark=cells["kind"].map(MARKS)).groupby("fault")["mark"].agg("".join)
        entries = [f"`{marks[fault]}`" if fault in marks else "" for fault in SHORT]
        rows.append([str(name), *entries])
    return markdown(["loss", *SHORT.values()], rows)


def gradients() -> str:
    """The loss and its longest gradient to a feature, at a zero vector in float32."""
    frame = pd.read_parquet(BENCHMARKS / "losses_faults.parquet")
    cells = frame[(frame["precision"] == "float32") & (frame["who"] != "twin")]
    cells = cells[cells["fault"].isin(["zero vector", "both zero"])]
    rows = []
    for name, pair in cells.groupby("loss", sort=False):
        by_fault = pair.set_index("fault")
        entries = []
        for fault in ("zero vector", "both zero"):
            value, gradient = by_fault.loc[fault, ["value", "gradient"]]
            entries += [f"{value:.3g}", f"{gradient:.3g}"]
        rows.append([str(name), *entries])
    return markdown(["loss", "zero: nats", "gradient", "both zero: nats", "gradient"], rows)


def size(count: float) -> str:
    """Bytes in MB, to a tenth, which a page of memory is far below."""
    return f"{rounded(count / 1e6, 1):,.1f}" if count >= 1e5 else "< 0.1"


def spread(row: pd.Series) -> str:
    """A median of bytes in MB, with the lowest and highest reading if they differ by a tenth."""
    median = size(row["bytes"])
    if row["bytes_high"] - row["bytes_low"] < max(0.1 * row["bytes"], 1e5):
        return median
    return f"{median} ({size(row['bytes_low'])} to {size(row['bytes_high'])})"


def cost() -> str:
    """Time and memory of einsum, whole and chunked."""
    frame = pd.read_parquet(BENCHMARKS / "losses_cost.parquet")
    rows = []
    for (n, batch), pair in frame.groupby(["n", "batch"]):
        whole, chunked = (pair[pair["whole"] == flag].iloc[0] for flag in (True, False))
        seconds = [f"{rounded(1000 * row['seconds'], 1):,.1f}" for row in (whole, chunked)]
        of_torch = [size(row["held"]) for row in (whole, chunked)]
        added = [spread(row) for row in (whole, chunked)]
        logits = size(whole["logit_bytes"])
        rows.append([str(n), str(batch), logits, *of_torch, *added, *seconds])
    head = "views|B|logits, MB|held, MB|chunked|resident, MB|chunked|ms|chunked"
    return markdown(head.split("|"), rows)


def tf32() -> str:
    """Errors that TF32 makes in a loss and in ranks, beside those of features in half precision."""
    frame = pd.read_parquet(BENCHMARKS / "losses_tf32.parquet")
    steps = frame[frame["scale"].notna()]
    ranks = frame[frame["scale"].isna()].set_index("what")
    rows = []
    for what, cells in steps.groupby("what", sort=False):
        entries = []
        for row in cells.sort_values("scale").to_dict("records"):
            entries += [f"{row['nats']:.1e}", f"{row['gradient']:.1e}"]
        own = ranks.loc[what]
        entries += [
            f"{rounded(own['changed'], 0):.0f} of {rounded(own['n'], 0):,.0f}",
            f"{own['recall']:.2%}",
        ]
        rows.append([str(what), *entries])
    head = []
    for scale in sorted(steps["scale"].unique()):
        head += [f"nats, scale {scale:.3g}", "gradient"]
    return markdown(["", *head, "first answers changed", "recall at 1"], rows)


def memory() -> str:
    """The peak of a step over the bytes of one tensor of its logits, per number of views."""
    frame = pd.read_parquet(BENCHMARKS / "losses_memory.parquet")
    ratios = frame.assign(ratio=frame["bytes"] / frame["logit_bytes"])
    rows = []
    for name, cells in ratios.groupby("loss", sort=False):
        entries = []
        for clamps in (False, True):
            by_views = cells[cells["clamps"] == clamps].set_index("n")["ratio"]
            entries += [f"{rounded(by_views[n], 1):.1f}" for n in (2, 3, 4)]
        rows.append([str(name), *entries])
    head = "loss|2 views|3|4|2 views, clamp|3|4"
    return markdown(head.split("|"), rows)


def speed() -> str:
    """clip's time beside that of others."""
    frame = pd.read_parquet(BENCHMARKS / "losses_speed.parquet")
    rows = []
    for batch, losses in frame.groupby("batch"):
        for row in losses.to_dict("records"):
            ratio = f"{row['ours_to_it']:.2g} ({row['low']:.2g} to {row['high']:.2g})"
            if row["loss"] == "actstudy clip":
                ratio = ""
            rows.append(
                [str(batch), row["loss"], f"{rounded(1000 * row['seconds'], 2):,.2f}", ratio]
            )
    return markdown(["B", "loss", "ms", "ours / it"], rows)
