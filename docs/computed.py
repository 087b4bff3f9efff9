"""Tables of docs/properties.md, from benchmarks/results/properties.parquet and deployed.parquet."""

import json
from typing import Any

import pandas as pd
from measured import BENCHMARKS, markdown

from actstudy.analysis.page import property_tables

PAPERS = (  # what, where it is printed, as printed; activation, property and value beside it
    ("SELU: scale", "Klambauer et al. 2017", "1.0507", "selu", "far right", "right.slope"),
    ("SELU: limit, -scale x alpha", "the same: 1.0507 x 1.6733", "-1.7581", "selu", "range", "low"),
    ("SELU: mean that stays", "the same", "0", "selu", "mean", "mean"),
    ("SiLU: minimum", "Elfwing et al. 2018", "-0.28", "silu", "minima", "minima.0.1"),
    ("SiLU: where", "the same", "-1.28", "silu", "minima", "minima.0.0"),
    ("SiLU: steepest slope", "the same", "1.1", "silu", "Lipschitz constant", "constant"),
    ("SiLU: where", "the same", "2.4", "silu", "gradient", "high_at"),
    ("Mish: minimum", "Misra 2020", "-0.31", "mish", "minima", "minima.0.1"),
    ("ReLU: variance x inputs", "He et al. 2015", "2", "relu", "variance x inputs", "factor"),
    ("ELU: limit", "Clevert et al. 2016", "-1", "elu", "range", "low"),
)  # fmt: skip
TORCH = "torch.nn.init.calculate_gain"
GUIDES = (
    ("gain of tanh", TORCH, "5/3", "tanh", "gain", "gain"),
    ("gain of sigmoid", TORCH, "1", "sigmoid", "gain", "gain"),
    ("gain of SELU", TORCH, "3/4", "selu", "gain", "gain"),
    ("gain of GELU, by He", "guides: He for all of ReLU's kind", "1.4142", "gelu", "gain", "gain"),
    ("gain of SiLU, by He", "the same", "1.4142", "silu", "gain", "gain"),
    ("place of GELU's minimum", "guides (the value is -0.17)", "-0.17", "gelu", "minima",
     "minima.0.0"),
    ("range of GELU, from", "guides", "-inf", "gelu", "range", "low"),
    ("range of SiLU, from", "guides", "-inf", "silu", "range", "low"),
    ("range of Mish, from", "guides", "-inf", "mish", "range", "low"),
    ("largest slope of SiLU", "guides: between 0 and 1", "1", "silu", "gradient", "high"),
    ("smallest slope of GELU", "the same", "0", "gelu", "gradient", "low"),
    ("mean of LeakyReLU", "guides: zero-centred", "0", "leaky_relu", "mean", "mean"),
    ("mean of ELU", "guides: zero-centred", "0", "elu", "mean", "mean"),
    ("mean of GELU", "guides: zero-centred", "0", "gelu", "mean", "mean"),
    ("fp16: GELU finite up to", "guides: it overflows", "below 65504", "gelu", "fp16 finite",
     "finite.1"),
)  # fmt: skip


def stored() -> pd.DataFrame:
    """A row per activation and property."""
    return pd.read_parquet(BENCHMARKS / "properties.parquet")


def table(title: str) -> str:
    """A table of the page, all activations, and what its columns mean."""
    rows = stored().to_dict("records")
    return f"{property_tables.table(rows, title)}\n\n{property_tables.notes(title)}\n"


def curve() -> str:
    """Range, turns, zeros, ends and smoothness."""
    return table("Curve")


def slopes() -> str:
    """Lipschitz constants, gradients, flat parts and sparsity."""
    return table("Slopes and zeros")


def signal() -> str:
    """Moments for normal inputs, gains and what becomes of them over depth."""
    return table("Signal")


def halves() -> str:
    """Safe ranges of fp16 and bf16."""
    return table("Halves")


def cost() -> str:
    """Kernels, bytes and times."""
    return table("Cost")


def value_of(values: Any, path: str) -> float:
    """The number at a path (`minima.0.1`) of a measure's values."""
    for key in path.split("."):
        values = values[int(key)] if isinstance(values, list) else values[key]
    return float(values)


def constants(listed: tuple[tuple[str, ...], ...]) -> str:
    """Printed constants, each beside the computed one."""
    values = stored().set_index(["activation", "property"])["values"]
    rows = []
    for what, source, printed, activation, name, path in listed:
        computed = value_of(json.loads(values[activation, name]), path)
        rows.append([what, source, printed, f"{round(computed, 9) + 0.0:.6g}"])
    return markdown(["constant", "printed in", "printed", "computed"], rows)


def papers() -> str:
    """Constants of papers."""
    return constants(PAPERS)


def guides() -> str:
    """Constants of guides that are others."""
    return constants(GUIDES)


def deployed() -> str:
    """Activations after export to ONNX Runtime: nodes, errors, time."""
    frame = pd.read_parquet(BENCHMARKS / "deployed.parquet")
    rows = []
    for name, both in frame.groupby("activation", sort=False):
        fp32, int8 = (both[both["precision"] == each].iloc[0] for each in ("fp32", "int8"))
        row = f"not exported: {fp32['failure']}|||||||" if fp32["failure"] else _row(fp32, int8)
        rows.append([str(name), *row.split("|")])
    head = "activation|nodes|fused|error|fp32, to relu|int8: nodes|error, of an sd|int8, to relu"
    n = " and ".join(f"{n:.0f}" for n in frame["n_processes"].unique())
    versions = ", ".join(f"{key} {frame[key].iloc[-1]}" for key in ("onnxruntime", "torch"))
    text = markdown([*head.split("|"), "int8, to its fp32"], rows)
    return f"{text}\nn = {n} processes; {versions}.\n"


def _row(fp32: pd.Series, int8: pd.Series) -> str:
    """The cells of an activation after its name."""
    cells = [
        f"{fp32['nodes_exported']:.0f} to {fp32['nodes_optimised']:.0f}",
        "yes" if fp32["fused"] else "no",
        f"{fp32['error']:.1e}",
        _times(fp32),
        f"{int8['nodes_optimised']:.0f}",
        f"{int8['error_to_sd']:.1%}",
        _times(int8),
        f"{int8['us'] / fp32['us']:.2f}",
    ]
    return "|".join(cells)


def _times(row: pd.Series) -> str:
    """`1.14 (1.08 to 1.21)`: of relu's time, with its interval."""
    return f"{row['to_relu']:.2f} ({row['to_relu_low']:.2f} to {row['to_relu_high']:.2f})"
