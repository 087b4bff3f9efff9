"""The tables of documents as Markdown, each from the file with the numbers."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pandas as pd

DOCS = Path(__file__).resolve().parent
BENCHMARKS = DOCS.parent / "benchmarks/results"
DEFAULT = DOCS / "example/default"
METRICS = {"vision": "accuracy", "cls": "accuracy", "lm": "word_perplexity", "mlp": "accuracy"}
ON_CPU = (
    "tanh sigmoid relu leaky_relu prelu elu gelu gelu_tanh silu mish softplus softsign hardswish "
    "gelu_written_out"
)
ON_GPU = (
    "tanh sigmoid relu leaky_relu prelu elu selu celu gelu gelu_tanh silu mish softplus softsign "
    "hardtanh hardswish relu6 gelu_written_out"
)
DEPTHS = {"relu": (5, 20, 50), "tanh": (5, 20, 50), "sigmoid": (5, 10), "gelu": (5, 20, 50)}


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown that ends in a line break."""
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def score(value: float, task: str) -> str:
    """A metric's value: four digits of an accuracy, none of a perplexity."""
    return f"{value:,.0f}" if METRICS[task] == "word_perplexity" else f"{value:.4f}"


def reported(path: Path, task: str) -> pd.DataFrame:
    """The rows of a task's own metric at the best validation checkpoint, by group and level."""
    cells = pd.read_csv(path, keep_default_na=False, na_values={"mean": "", "sd": ""})
    own = cells[(cells["task"] == task) & (cells["metric"] == METRICS[task])]
    return own[own["checkpoint"] == "reported"].set_index(["group", "level"])


def verdict_words(row: pd.Series) -> str:
    """A contrast's verdict as a table's entry, with a dagger if it holds when both train."""
    if row["verdict"] == "too few seeds":
        return ""
    if row["verdict"] == "undecided":
        return " undecided"
    return f" **{row['verdict']}**" + ("†" if row.get("condition") else "")


def default_study() -> str:
    """Means, sds and verdicts of the default study, a column per task."""
    tasks = ("mlp", "vision", "cls", "lm")
    contrasts = pd.read_csv(DEFAULT / "contrasts.csv", keep_default_na=False)
    primary = contrasts[contrasts["family"] == "primary"].set_index(["task", "level"])
    references = pd.read_csv(DEFAULT / "references.csv").set_index("task")
    cells = {task: reported(DEFAULT / "cells.csv", task).loc[""] for task in tasks}
    rows = [["seeds", *(str(cells[task]["n"].min()) for task in tasks)]]
    for level in cells["mlp"].index:
        entries = []
        for task in tasks:
            cell = cells[task].loc[level]
            entry = f"{score(cell['mean'], task)} ({score(cell['sd'], task)})"
            if (task, level) in primary.index:
                entry += verdict_words(primary.loc[(task, level)])
            entries.append(entry)
        rows.append([level, *entries])
    scores = [score(references.loc[task, "test"], task) for task in tasks]
    rows.append(["*reference*", *scores])
    return markdown(["", *(f"`{task}`" for task in tasks)], rows)


def verdicts_of_default() -> str:
    """How many differences are decided per task, and which risk the verdicts leave open."""
    contrasts = pd.read_csv(DEFAULT / "contrasts.csv", keep_default_na=False)
    primary = contrasts[contrasts["family"] == "primary"]
    decided = primary[~primary["verdict"].isin(["undecided", "too few seeds"])]
    clauses = []
    too_few = []
    for task, rows in primary.groupby("task", sort=False):
        n = f"n = {rows['n'].max()} seeds"
        if (rows["verdict"] == "too few seeds").all():
            too_few.append(f"`{task}` ({n})")
        else:
            count = int((decided["task"] == task).sum())
            clauses.append(f"{count} of {len(rows)} in `{task}` ({n})")
    lines = f"Decided against relu: {', '.join(clauses) or 'none'}.\n"
    if too_few:
        lines += f"Too few seeds for a verdict: {', '.join(too_few)}.\n"
    conditional = decided[decided["condition"] != ""]
    if len(conditional):
        risk = conditional["risk"].astype(float).max()
        lines += f"† when it trains: a risk of collapse of up to {risk:.0%} is not excluded.\n"
    return lines


def full_scale() -> str:
    """Means and sds of the study at full scale, on three seeds."""
    tables = DOCS / "example/tables"
    references = pd.read_csv(tables / "references.csv").set_index("task")
    cells = {task: reported(tables / "cells.csv", task).loc[""] for task in ("vision", "cls", "lm")}
    digits = {"vision": 3, "cls": 3, "lm": 1}
    rows = []
    for level in cells["lm"].index:
        pairs = [(cells[task].loc[level], digits[task]) for task in cells]
        rows.append([level, *(f"{cell['mean']:.{d}f} ({cell['sd']:.{d}f})" for cell, d in pairs)])
    scores = [f"{references.loc[task, 'test']:,.{digits[task]}f}" for task in cells]
    rows.append(["*reference*", *scores])
    return markdown(["", "vision, top-1", "cls, accuracy", "lm, word perplexity"], rows)


def adaptive() -> str:
    """Differences from relu at both learning rates of the study with verdicts."""
    contrasts = pd.read_csv(DOCS / "example/verdicts/tables/contrasts.csv", keep_default_na=False)
    primary = contrasts[contrasts["family"] == "primary"].set_index(["group", "level"])
    rows = []
    for level in dict.fromkeys(level for _, level in primary.index):
        entries = []
        for group in ("lr=fixed", "lr=tuned"):
            row = primary.loc[(group, level)]
            entries.append(f"{100 * row['mean']:+.1f}{verdict_words(row)}")
        rows.append([level, *entries])
    return markdown(["points of test accuracy", "fixed rate", "tuned rate"], rows)


def depth_study() -> str:
    """Mean test accuracy by initialisation, activation and depth."""
    cells = reported(DOCS / "example/depth/tables/cells.csv", "mlp")["mean"]
    head = [""]
    for level, depths in DEPTHS.items():
        head += [f"{level}, {depth}" for depth in depths]
    rows = []
    for init in dict.fromkeys(group.split(", depth=")[0] for group, _ in cells.index):
        entries = []
        for level, depths in DEPTHS.items():
            entries += [f"{cells[f'{init}, depth={depth}', level]:.3f}" for depth in depths]
        rows.append([init.removeprefix("init="), *entries])
    return markdown(head, rows)


def throughput() -> str:
    """Training throughput of three loops."""
    rates = pd.read_parquet(BENCHMARKS / "throughput.parquet")
    rates = rates.set_index(["workload", "activation", "loop"])
    titles = {"resnet18": "ResNet-18", "gpt": "GPT", "encoder": "encoder"}
    rows = []
    for workload, title in titles.items():
        for activation in rates.loc[workload].index.get_level_values(0).unique():
            first, careful, own = (
                rates.loc[(workload, activation, loop)] for loop in ("first", "careful", "ours")
            )
            speeds = [loop["per_second"] for loop in (first, careful, own)]
            rows.append(
                [title, activation, *(f"{speed:,.0f}" for speed in speeds)]
                + [f"{speeds[2] / speeds[0]:.2f}", f"{speeds[2] / speeds[1]:.2f}"]
                + [f"{own['share_of_matrix_rate']:.0%}"]
                + [f"{own['peak_gib']:.1f} ({first['peak_gib']:.1f})"]
            )
    head = "workload|activation|first|careful|actstudy|/ first|/ careful|of the matrix rate"
    return markdown([*head.split("|"), "peak GiB (first)"], rows)


def packs() -> str:
    """Run-epochs per second of packs and of two plain loops."""
    frame = pd.read_parquet(BENCHMARKS / "packs_cuda.parquet")
    names = {
        "first": "first loop (DataLoader, `.item()`, fp32)",
        "resident": "data on the device, nothing fetched",
    }
    rows = []
    for row in frame.itertuples():
        rate = row.run_epochs_per_second
        entries = [f"{rate:#.3g}" if rate < 100 else f"{rate:.1f}"]
        entries.append(f"{row.to_first:.3g}" if row.to_first > 10 else f"{row.to_first:.2g}")
        if row.what == "pack":
            entries += [f"{row.eval_share:.1%}", f"{row.probe_share:.1%}"]
            entries.append(f"{row.probes_cost:+.1%} ({100 * row.low:.1f} to {100 * row.high:.1f})")
        else:
            entries += ["", "", ""]
        rows.append([names.get(row.what, f"pack of {row.width}"), *entries])
    head = "|run-epochs per second|to the first loop|evaluation|probes"
    with_probes = "an epoch with probes, to one without (95% interval)"
    return markdown([*head.split("|"), with_probes], rows)


def activations(name: str, listed: str, engines: Sequence[str], log2_elements: int) -> str:
    """Multiples of eager relu's time, forward and with backward, by precision and engine."""
    frame = pd.read_parquet(BENCHMARKS / f"activations_{name}.parquet")
    frame = frame[frame["log2_elements"] == log2_elements]
    seconds = frame.set_index(["activation", "precision", "engine"])
    digits = 1 if name == "cpu" else 2
    columns = []
    head = ["activation"]
    for precision, short in (("float32", "fp32"), ("bfloat16", "bf16")):
        for engine in engines:
            columns += [(precision, engine, what) for what in ("forward_seconds", "both_seconds")]
            head += [f"{short} {engine}", "both"]
    rows = []
    for activation in listed.split():
        entries = []
        for precision, engine, what in columns:
            relu = seconds.loc[("relu", precision, "eager"), what]
            ratio = seconds.loc[(activation, precision, engine), what] / relu
            entries.append(f"{ratio:.{digits}f}")
        rows.append([activation, *entries])
    return markdown(head, rows)


BLOCKS: dict[str, Callable[[], str]] = {
    "default_study": default_study,
    "verdicts_of_default": verdicts_of_default,
    "full_scale": full_scale,
    "adaptive": adaptive,
    "depth_study": depth_study,
    "throughput": throughput,
    "packs": packs,
    "activations_cpu": lambda: activations("cpu", ON_CPU, ("eager", "compiled"), 20),
    "activations_cuda": lambda: activations("cuda", ON_GPU, ("eager",), 28),
}
