"""Tables of documents with numbers of benchmarks, each from a file of benchmarks/results."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks/results"
PARITY_MODELS = {
    "parity_net:small": "small net",
    "resnet18": "ResNet-18",
    "resnet50": "ResNet-50",
    "mobilenetv2": "MobileNetV2",
    "convnext_tiny": "ConvNeXt-Tiny",
}
TITLES = {"resnet18": "ResNet-18", "gpt": "GPT", "encoder": "encoder"}
ON_CPU = (
    "tanh sigmoid relu leaky_relu prelu elu gelu gelu_tanh silu mish softplus softsign hardswish "
    "gelu_written_out"
)
ON_GPU = (
    "tanh sigmoid relu leaky_relu prelu elu selu celu gelu gelu_tanh silu mish softplus softsign "
    "hardtanh hardswish relu6 gelu_written_out hard_sigmoid relu_squared leaky_relu_squared rrelu "
    "prelu_channel swish_beta elu_alpha xielu apl glu geglu swiglu reglu bilinear maxout crelu"
)
PUBLISHED = {  # a row of the table -> a pattern of its cases
    "honest, mean and sd at 1 to 4 decimals, n = 3, 10, 23": r"(pooled|Welch), .* [124] decimals",
    "honest, all at 2 decimals": "(pooled|Welch), all at 2 decimals",
    "honest, p at 2 decimals, interval at 1": "(pooled|Welch), p at 2, interval at 1",
    "honest, whole numbers, p at 2": "(pooled|Welch), whole numbers",
    'honest, p printed as "< 0.1"': "(pooled|Welch), p as < 0.1",
    "honest, n = 5 against 23": "(pooled|Welch), n = 5 against 23",
    "sd with n as divisor, n = 3 to 23": "sd by n.*",
    "one-sided p": "one-sided p.*",
    "standard error in the sd column": "standard error.*",
    "1.96 interval": "normal interval.*",
    "Hedges' g as d": "g as d",
    "Glass's delta as d": "Glass as d",
    "n as divisor in d": "n as d",
    "d by the mean of variances, n = 5 against 23": "mean of variances.*",
    "interval of baseline - row": "interval of baseline - row",
    "digits cut": "digits cut",
    "paired t test, n = 5, correlations 0 to 0.9": "paired.*",
    "Mann-Whitney p, n = 10": "Mann-Whitney.*",
    "altered: p halved": "p halved",
    "altered: p a third smaller": "p a third smaller",
    "altered: p between pooled and Welch, n = 3": "p between.*",
    "altered: d a tenth larger": "d a tenth larger",
    "altered: interval a fifth wider": "interval a fifth wider",
    "altered: interval moved by half its half width": "interval moved.*",
    "altered: sd of another row": "sd of another row",
    "altered: mean of another row": "mean of another row",
}


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown that ends in a line break."""
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def card(device: str) -> str:
    """A device as tables name it."""
    return device.removeprefix("NVIDIA ").removesuffix(" 80GB HBM3")


def throughput() -> str:
    """Training throughput of three loops."""
    rates = pd.read_parquet(BENCHMARKS / "throughput.parquet")
    rates = rates.set_index(["workload", "activation", "loop"])
    rows = []
    for workload, title in TITLES.items():
        for activation in rates.loc[workload].index.get_level_values(0).unique():
            first, careful, own = (
                rates.loc[(workload, activation, loop)] for loop in ("first", "careful", "ours")
            )
            speeds = [loop["per_second"] for loop in (first, careful, own)]
            rows.append(
                [title, activation, *(f"{speed:,.0f}" for speed in speeds)]
                + [f"{speeds[2] / speeds[0]:.2f}", f"{speeds[2] / speeds[1]:.2f}"]
                + [f"{own['share_of_matrix_rate']:.0%}"]
                + [f"{own['peak_gib']:.1f} ({first['peak_gib']:.1f})", card(own["device"])]
            )
    head = "workload|activation|first|careful|actstudy|/ first|/ careful|of the matrix rate"
    return markdown([*head.split("|"), "peak GiB (first)", "device"], rows)


def pack_of(row: Mapping[str, Any]) -> str:
    """`pack of 256`, or `pack of 256, bf16, by the kernel`."""
    words = [f"pack of {row['width']}"]
    if row["precision"] != "tf32":
        words.append(row["precision"])
    if row.get("by") == "kernel":
        words.append("by the kernel")
    return ", ".join(words)


def packs() -> str:
    """Run-epochs per second of packs and of two plain loops."""
    frame = pd.read_parquet(BENCHMARKS / "packs_cuda.parquet")
    names = {
        "first": "first loop (DataLoader, `.item()`, fp32)",
        "resident": "data on the device, nothing fetched",
    }
    rows = []
    for row in frame.to_dict("records"):
        rate = row["run_epochs_per_second"]
        entries = [f"{rate:#.3g}" if rate < 100 else f"{rate:.1f}"]
        times = row["to_first"]
        entries.append(f"{times:,.0f}" if times > 100 else f"{times:.3g}")
        if row["what"] == "pack":
            entries += [f"{row['eval_share']:.1%}", f"{row['probe_share']:.1%}"]
            ends = f"{100 * row['low']:.1f} to {100 * row['high']:.1f}"
            entries.append(f"{row['probes_cost']:+.1%} ({ends})")
        else:
            entries += ["", "", ""]
        rows.append([names.get(row["what"]) or pack_of(row), *entries, card(row["device"])])
    head = "|run-epochs per second|to the first loop|evaluation|probes"
    with_probes = "an epoch with probes, to one without (95% interval)"
    return markdown([*head.split("|"), with_probes, "device"], rows)


def activations_cpu() -> str:
    """Activations alone on one CPU thread, 2^20 elements."""
    return activations("cpu", ON_CPU, ("eager", "compiled"), 20)


def activations_cuda() -> str:
    """Activations alone on an H100, 2^28 elements, eager."""
    return activations("cuda", ON_GPU, ("eager",), 28)


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


def watching() -> str:
    """What probes, a Monitor and hooks add to a step."""
    frame = pd.read_parquet(BENCHMARKS / "health.parquet").set_index(["workload", "what"])
    rows = []
    for workload in frame.index.get_level_values(0).unique():
        own = frame.loc[(workload, "ours")]
        rows.append(
            [
                f"{TITLES[workload]}, {own['ms']:.1f} ms per step",
                f"{own['cost']:+.1%} ({100 * own['low']:.1f} to {100 * own['high']:.1f})",
                f"{own['probe_share']:.1%}",
                f"{frame.loc[(workload, 'monitor'), 'cost']:+.1%}",
                f"{frame.loc[(workload, 'hooks with .item()'), 'cost']:+.0%}",
            ]
        )
    head = ["workload", "our runs", "probes' own seconds", "`Monitor`", "hooks with `.item()`"]
    return markdown(head, rows)


def span(values: pd.Series) -> str:
    """A share in percent, or the range of several."""
    low, high = (f"{100 * value:.1f}".removesuffix(".0") for value in (values.min(), values.max()))
    return f"{low}%" if low == high else f"{low}% to {high}%"


def published() -> str:
    """How often the check of published tables alarms, by kind of table."""
    frame = pd.read_parquet(BENCHMARKS / "published.parquet")
    rows = []
    for label, pattern in PUBLISHED.items():
        cases = frame[frame["case"].str.fullmatch(pattern)]
        shares = [span(cases[column]) for column in ("alarm", "named", "unexplained")]
        rows.append([label, *shares])
    return markdown(["tables", "alarms", "of them with a reading named", "cannot be"], rows)


def contrastive_rules() -> str:
    """How often contrastive rules name a planted fault, and speak of what is sound."""
    frame = pd.read_parquet(BENCHMARKS / "contrastive_rules.parquet")
    rows = []
    for rule, cases in frame.groupby("rule", sort=False):
        counts = []
        for is_faulty in (True, False):
            speaks = cases.loc[cases["is_faulty"] == is_faulty, "speaks"]
            counts.append(f"{speaks.sum()} of {len(speaks)}" if len(speaks) else "")
        name = f"`{rule}`" if rule != "any" else "any of them, in trainings that learn"
        rows.append([name, *counts])
    return markdown(["rule", "planted faults named", "alarms of sound ones"], rows)


def contrastive_watching() -> str:
    """What a due step of a Monitor takes with a contrastive loss, and its tracing of that."""
    frame = pd.read_parquet(BENCHMARKS / "health_contrast.parquet")
    rows = []
    for row in frame.to_dict("records"):
        entries = []
        for kind in ("untraced", "whole", "tracing"):
            ends = f"{row[f'{kind}_low']:.2f} to {row[f'{kind}_high']:.2f}"
            entries.append(f"{row[kind]:.2f} ({ends})")
        of_hundred = f"{row['whole'] - 1:+.1f}%"  # a due step among a hundred
        rows.append([row["model"], f"{row['ms']:.1f}", *entries, of_hundred])
    head = "model|ms per step|due step without tracing|due step|tracing alone|every 100 steps"
    return markdown(head.split("|"), rows)


def parity_faults() -> str:
    """Planted faults of Keras twins, and the check that named each."""
    frame = pd.read_parquet(BENCHMARKS / "parity.parquet")
    rows = []
    for row in frame[frame["fault"] != "clean"].to_dict("records"):
        named = row["failed"] if row["failed"] == row["should_fail"] else f"**{row['failed']}**"
        times = f"{row['value'] / row['limit']:.2g}" if row["limit"] else "0 allowed"
        rows.append([row["fault"], named or "**none**", row["where"], times])
    return markdown(["planted", "first check that fails", "at", "times its limit"], rows)


def parity_pairs() -> str:
    """Alarms of clean pairs, and how near to a limit they came."""
    frame = pd.read_parquet(BENCHMARKS / "parity.parquet")
    clean = frame[frame["fault"] == "clean"]
    by = ["model", "depth", "activation", "optimizer"]
    rows = []
    for key, pairs in clean.groupby(by, sort=False, dropna=False):
        name, depth, *rest = key
        size = "" if pd.isna(depth) else f", depth {depth:.0f}"
        model = PARITY_MODELS.get(name, name) + size
        logits = f"{pairs['value of logits'].max():.1e}"
        steps = [f"{pairs[f'value of {check}'].max():.2f}" for check in ("one step", "three steps")]
        alarms = (pairs["failed"] != "").sum()
        rows.append([", ".join([model, *rest]), f"{alarms} of {len(pairs)}", logits, *steps])
    rows.append(["all", f"{(clean['failed'] != '').sum()} of {len(clean)}", "", "", ""])
    return markdown(["pairs", "alarms", "logits", "one step", "three steps"], rows)


def parity_models() -> str:
    """Models as wide and deep as published, per framework: how near each came to its limits."""
    frame = pd.read_parquet(BENCHMARKS / "parity_models.parquet")
    rows = []
    for key, checks in frame.groupby(["framework", "model", "precision"]):
        framework, name, precision = map(str, key)
        values = checks.set_index("name")
        failed = values.index[values["value"] > values["limit"]]
        named = [values["error"].iloc[0] or ", ".join(failed) or "passed"]
        half = "" if precision == "fp32" else f" in {precision}"
        for check in ("logits", "one step", "three steps"):
            shares = values["value"] / values["limit"]
            named.append(f"{shares[check + half]:.2f}" if check + half in shares else "")
        model = f"{PARITY_MODELS.get(name, name)}, {precision}"
        rows.append([framework, model, f"{len(checks)}", *named])
    head = ["framework", "model", "checks", "outcome", "logits", "one step", "three steps"]
    return markdown(head, rows)


def series() -> str:
    """Seconds of the same runs, a process each and several in a process: medians."""
    frame = pd.read_parquet(BENCHMARKS / "series.parquet")
    columns = ["seconds", "cpu_seconds", "start_seconds", "train_seconds"]
    rows = []
    for size, part in frame.groupby("runs_per_job"):
        medians = [f"{seconds:.0f}" for seconds in part[columns].median()]
        rows.append([f"`{size}`", *medians, f"{part['n_runs'].iloc[0]:.0f}", str(len(part))])
    head = "`runs_per_job`|seconds|of processors|starting, of runs|training, of runs|runs|n"
    return markdown(head.split("|"), rows)


def series_runs() -> str:
    """Seconds of runs by their place in the process that trained them: medians, and the mean."""
    frame = pd.read_parquet(BENCHMARKS / "series_runs.parquet")
    frame["beside"] = frame["start_seconds"] + frame["compile_seconds"]
    columns = ["start_seconds", "compile_seconds", "train_seconds", "eval_seconds"]
    rows = []
    for task, of_task in frame.groupby("task", sort=False):
        for place, part in of_task.groupby("place", sort=False):
            medians = [f"{seconds:.1f}" for seconds in part[columns].median()]
            rows.append(
                [f"`{task}`", place, *medians, f"{part['beside'].mean():.1f}", f"{len(part)}"]
            )
        rows.append(
            [f"`{task}`", "all", *[""] * 4, f"{of_task['beside'].mean():.1f}", str(len(of_task))]
        )
    head = "task|place in its process|start|compilation|training|evaluation|both, mean|runs"
    return markdown(head.split("|"), rows)


def study_hours() -> str:
    """GPU hours of a run of each cell of the framework studies, and of the studies."""
    frame = pd.read_parquet(BENCHMARKS / "study_hours.parquet")
    rows = []
    for cell in frame.drop_duplicates("shape").itertuples():
        hours = f"{cell.seconds / 3600:.2f}"
        if cell.reason:
            hours = cell.reason.partition(":")[0].replace("_", " ")
        rows.append([cell.framework, cell.model, cell.data, cell.precision, hours])
    table = markdown(["framework", "model", "data", "precision", "hours per run"], rows)
    seconds = (frame["seconds"] * frame["n_seeds"]).groupby(frame["study"]).sum()
    lines = []
    for study, n_seeds in frame.groupby("study")["n_seeds"].sum().items():
        of_study = frame[frame["study"] == study]
        total = f"{seconds[study] / 3600:.1f} GPU hours"
        n_timed = of_study["seconds"].notna().sum()
        if n_timed < len(of_study):
            total += f" for the {n_timed} of its {len(of_study)} cells that are timed"
        device = frame["device"][0]
        lines.append(f"- `config/{study}.yaml`, {n_seeds} runs on one {device}: {total}.")
    return "\n".join([table, *lines, ""])


def explorer_pages() -> str:
    """Bytes of pages to explore of made-up studies, and milliseconds of a reader's acts."""
    frame = pd.read_parquet(BENCHMARKS / "explorer.parquet")
    rows = []
    for row in frame.itertuples():
        times = [f"{row.drawn_s:.1f}", f"{max(row.sort_number_ms, row.sort_text_ms):.0f}"]
        times += [f"{row.search_ms:.0f}", f"{row.filter_ms:.0f}"]
        size = f"{row.bytes / 1e6:.1f}"
        rows.append([f"{row.runs:,}", size, f"{row.first_paint_ms:.0f}", *times])
    head = "runs|MB|first paint, ms|figure drawn, s|sort, ms|search, ms|hide a level, ms"
    return markdown(head.split("|"), rows)
