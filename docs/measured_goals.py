"""The goals of docs/performance.md: what was aimed at, what was and is measured, what is missed."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pandas as pd
from measured import BENCHMARKS, card, markdown

from actstudy.analysis.scale import rounded

NOT_MEASURED = "not measured"
SIGNS = {">=": "at least", "<=": "at most"}
MET = {True: "yes", False: "**no**"}
OTHER = "H200"  # a card that goals were not set on
BEFORE = {"cls": 15.7, "lm": 15.0}  # of an earlier full study on four H100: medians of 15 runs
# images per second on an H200, if the compiler by itself says what is computed again
IMAGES_BEFORE = {"gelu": 18_972, "silu": 20_100}
DEPTH_BEFORE = (429 - 87) / 60  # minutes to the last run on an H100, packs layer by layer
NO_FILE = "a call without a file"


@dataclass(frozen=True)
class Reading:
    """What was measured: before, with what the goal led to, of n, on a device.

    source: of the rows, if it is not the goal's script.
    """

    before: float | None
    now: float
    n: int
    device: str
    source: str = ""


@dataclass(frozen=True)
class Goal:
    """A value to reach; sign: `>=` or `<=`, what is measured to it.

    digits: decimals of its values. script: of benchmarks, whose rows `read` takes. cause: why it is
    missed, if it is.
    """

    what: str
    sign: str
    value: float
    digits: int
    script: str
    read: Callable[[], Reading | None]
    cause: str

    def is_met(self, now: float) -> bool:
        """Whether a value, as it is printed, reaches the goal."""
        distance = rounded(now, self.digits) - self.value
        return distance == 0 or (distance > 0) == (self.sign == ">=")

    def number(self, value: float | None) -> str:
        """A value as it is printed; empty for None."""
        return "" if value is None else f"{rounded(value, self.digits):,.{self.digits}f}"


# What calls printed that left no file: docs/performance.md has the sentences.
PRINTED = {
    "tokens": Reading(1_872_000, 2_113_000, 7, "NVIDIA H100", NO_FILE),
    "to nanoGPT": Reading(9.1 / 8.75, 9.1 / 7.75, 7, "NVIDIA H100", NO_FILE),
    "depth": Reading(DEPTH_BEFORE, 260 / 60, 1, "NVIDIA H200", NO_FILE),
}


def rows(name: str) -> pd.DataFrame:
    """The rows of a benchmark; none if it has not run."""
    file = BENCHMARKS / f"{name}.parquet"
    return pd.read_parquet(file) if file.exists() else pd.DataFrame()


def starts(task: str) -> Reading | None:
    """Mean seconds of start and compilation of a task's runs that shared processes."""
    frame = rows("series_runs")
    own = frame[frame["task"] == task]
    seconds = (own["start_seconds"] + own["compile_seconds"]).mean()
    return Reading(BEFORE[task], seconds, len(own), own["device"].iloc[0])


cls_starts = partial(starts, "cls")
lm_starts = partial(starts, "lm")


def processes(task: str) -> Reading | None:
    """How many times as long runs take that have a process each."""
    frame = rows("series_gpu")
    if frame.empty or task not in set(frame["task"]):
        return None
    own = frame[frame["task"] == task].set_index("way")
    times = own.loc["alone", "seconds"] / own.loc["together", "seconds"]
    return Reading(1.0, times, int(own["runs"].iloc[0]), own["device"].iloc[0])


cls_processes = partial(processes, "cls")
lm_processes = partial(processes, "lm")


def series() -> Reading:
    """The time of several runs in a process, over that of a process each."""
    frame = rows("series")
    medians = frame.groupby("runs_per_job")["seconds"].median()
    n = int((frame["runs_per_job"] == "auto").sum())
    return Reading(1.0, medians["auto"] / medians["1"], n, frame["device"].iloc[0])


def tables() -> Reading:
    """Processor milliseconds that a run more adds to the tables, from 200 to 2,000 runs."""
    frame = rows("scale")
    own = frame[(frame["step"] == "tables, first") & (frame["rows_per_run"] == 48)]
    seconds = own.set_index(["code", "runs"])["cpu_seconds"]
    before, now = ((seconds[code, 2000] - seconds[code, 200]) / 1.8 for code in ("before", "now"))
    return Reading(before, now, 1, "AMD EPYC, one core")


def loops(workload: str, activation: str, file: str = "throughput") -> pd.DataFrame:
    """Rows of throughput by loop."""
    frame = rows(file)
    own = frame[(frame["workload"] == workload) & (frame["activation"] == activation)]
    return own.set_index("loop")


def tokens() -> Reading:
    """Tokens per second of the GPT, without its kernels and with them."""
    own = loops("gpt", "gelu")
    if "without kernels" not in own.index:
        return PRINTED["tokens"]
    before, now = own.loc[["without kernels", "ours"], "per_second"]
    return Reading(before, now, int(own.loc["ours", "n_windows"]), own.loc["ours", "device"])


def to_nanogpt() -> Reading:
    """Steps of the GPT per step of nanoGPT's train.py, compiled, at the same sizes."""
    return PRINTED["to nanoGPT"]


def images(activation: str) -> Reading:
    """Images per second of ResNet-18, before and with values that are computed again."""
    own = loops("resnet18", activation, "throughput_h200").loc["ours"]
    before = IMAGES_BEFORE[activation]
    return Reading(before, own["per_second"], int(own["n_windows"]), own["device"])


gelu_images = partial(images, "gelu")
silu_images = partial(images, "silu")


def run_epochs(precision: str) -> Reading:
    """Run-epochs per second of 256 packed runs, layer by layer and by the kernel."""
    frame = rows("packs_cuda")
    own = frame[(frame["width"] == 256) & (frame["precision"] == precision)]
    device = own.loc[own["by"] == "kernel", "device"].iloc[0]
    own = own[own["device"] == device].set_index("by")
    rate = own["run_epochs_per_second"]
    return Reading(rate["layers"], rate["kernel"], int(own["pairs"].iloc[0]), device)


tf32_packs = partial(run_epochs, "tf32")
bf16_packs = partial(run_epochs, "bf16")


def depth_minutes() -> Reading:
    """Minutes of the full depth study on one GPU, until its last run has ended."""
    frame = rows("whole_study")
    if len(frame):
        whole = (frame["study"] == "depth_full") & (frame["part"] == "") & (frame["gpus"] == 1)
        frame = frame[whole]
    if frame.empty:
        return PRINTED["depth"]
    own = frame.iloc[0]
    return Reading(DEPTH_BEFORE, own["runs_seconds"] / 60, 1, own["device"])


def two_gpus() -> Reading:
    """How many times as fast the full study is on two GPUs, until its last run has ended."""
    frame = rows("whole_study")
    if len(frame):
        frame = frame[frame["study"] == "full"]
    for _, own in frame.groupby(["part", "cores"]) if len(frame) else []:
        seconds = own.set_index("gpus")["runs_seconds"]
        if {1, 2} <= set(seconds.index):
            return Reading(None, seconds[1] / seconds[2], 1, own["device"].iloc[0])
    frame = rows("two_gpus")  # before runs shared processes
    seconds = frame.groupby("gpus")["study_seconds"].first()
    device = frame["device"].iloc[0]
    return Reading(None, seconds[1] / seconds[2], 1, device, "`two_gpus.parquet`")


STARTS = "each activation is compiled once, 12 to 28 s, which its seeds share"
OF_SERIES = "of 6.3 s per run on one core, starts took 1.6 and take 0.8; what is left is training"
GPT = "the head's three products take 1.5 ms of a step; computing it in parts gained nothing"
DEPTH = "starts of processes, 125 of 457 s of processes, two of which share the GPU"
DEPTH_FULL = "`config/depth_full.yaml`"
TABLES = "reading a run's five files takes 3 ms, `runs` with its 126 columns 2 of them"
# what is aimed at | at least or at most | decimals | script | its reading | why, if it is missed
GOALS = [
    Goal("`cls`: start and compilation, s per run", "<=", 2, 1, "series_runs", cls_starts, STARTS),
    Goal("`lm`: start and compilation, s per run", "<=", 2, 1, "series_runs", lm_starts, STARTS),
    Goal("`cls`: a process each, to shared ones", ">=", 3, 1, "series", cls_processes, STARTS),
    Goal("`lm`: a process each, to shared ones", ">=", 3, 1, "series", lm_processes, STARTS),
    Goal("default study, two cores: time of its runs", "<=", 0.67, 2, "series", series, OF_SERIES),
    Goal("tables: ms of processor per run", "<=", 5, 1, "scale", tables, TABLES),
    Goal("GPT: tokens/s", ">=", 2_250_000, 0, "throughput", tokens, GPT),
    Goal("GPT: to nanoGPT's train.py", ">=", 1.25, 2, "throughput", to_nanogpt, GPT),
    Goal("ResNet-18, gelu: images/s", ">=", 19_500, 0, "throughput", gelu_images, ""),
    Goal("ResNet-18, silu: images/s", ">=", 19_500, 0, "throughput", silu_images, ""),
    Goal("pack of 256, TF32: run-epochs/s", ">=", 200, 0, "packs", tf32_packs, ""),
    Goal("pack of 256, bf16: run-epochs/s", ">=", 400, 0, "packs", bf16_packs, ""),
    Goal(f"{DEPTH_FULL}: minutes to the last run", "<=", 4, 1, "whole_study", depth_minutes, DEPTH),
    Goal("two GPUs, to one", ">=", 1.8, 2, "whole_study", two_gpus, ""),
]


def goals() -> str:
    """What was aimed at, before and now; below, why goals are missed."""
    lines = []
    missed: dict[str, list[str]] = {}
    for goal in GOALS:
        reading = goal.read()
        aim = f"{SIGNS[goal.sign]} {goal.number(goal.value)}"
        script = f"`{goal.script}.py`"
        if reading is None:
            lines.append([goal.what, aim, "", NOT_MEASURED, "", "", "", script])
            continue
        is_met = goal.is_met(reading.now)
        met = MET[is_met] + f", on an {OTHER}" * (is_met and card(reading.device) == OTHER)
        about = [met, str(reading.n), card(reading.device), reading.source or script]
        lines.append(
            [goal.what, aim, goal.number(reading.before), goal.number(reading.now), *about]
        )
        if not is_met:
            missed.setdefault(goal.cause, []).append(goal.what)
    table = markdown(["", "goal", "before", "now", "met", "n", "device", "from"], lines)
    causes = [f"- {'; '.join(names)}: {cause}." for cause, names in missed.items()]
    return "\n".join([table, "What is missed, and why:", "", *causes, ""])
