"""Rows of a timeline: runs of a study and a log of nvidia-smi, and their sums per GPU."""

import itertools
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from actstudy.analysis.figures.timeline import first_of_packs, lanes
from actstudy.contract.schema import BUCKETS

STAMP = "%Y/%m/%d %H:%M:%S.%f"  # of nvidia-smi
LOAD = ["time", "index", "uuid", "busy", "memory_mib"]
SECONDS = [f"{bucket}_seconds" for bucket in BUCKETS]
ON_GPU = [f"{bucket}_seconds" for bucket in BUCKETS if bucket not in ("start", "wasted")]
COLUMNS = ["task", "activation", "slots_per_gpu", "device", *SECONDS]
GAP = 1.5  # seconds; shorter ones are the rounding of times
AT_WORK = 50  # percent: a GPU that is busier after its last run has one that had not ended


def load(file: Path) -> pd.DataFrame:
    """The lines of a log of nvidia-smi, with `time` in seconds since the epoch."""
    frame = pd.read_csv(file, header=None, skipinitialspace=True)
    if frame.shape[1] != len(LOAD):
        fields = "timestamp,index,uuid,utilization.gpu,memory.used"
        raise SystemExit(f"{file}: {frame.shape[1]} columns; allowed: --query-gpu={fields}")
    frame.columns = pd.Index(LOAD)
    stamps = pd.to_datetime(frame["time"], format=STAMP, utc=True, errors="coerce")
    if stamps.isna().any():
        first = frame.loc[stamps.isna(), "time"].iloc[0]
        raise SystemExit(f"{file}: time: got {first!r}; allowed: --format=csv,noheader,nounits")
    return frame.assign(
        time=stamps.map(pd.Timestamp.timestamp),
        uuid=frame["uuid"].str.removeprefix("GPU-"),
        busy=pd.to_numeric(frame["busy"], errors="coerce"),  # some devices do not say
    )


def of_gpus(lines: pd.DataFrame, gpus: list[int] | None) -> pd.DataFrame:
    """The lines of some GPUs, by number; all if None. SystemExit if one is not in the log."""
    there = set(lines["index"])
    if unknown := set(gpus or []) - there:
        raise SystemExit(f"--gpus: got {min(unknown)}; allowed: {sorted(there)}")
    return lines[lines["index"].isin(gpus or there)]


def runs(results: Path) -> pd.DataFrame:
    """A row per run of a folder of results that had a device; times in seconds since the epoch."""
    rows = []
    for file in sorted(results.glob("runs/*/*/runs.parquet")):
        rows += [{**row, "task": file.parts[-3]} for row in pq.read_table(file).to_pylist()]
    if not rows:
        raise SystemExit(f"{results}: no runs; allowed: a folder with runs/TASK/ID/runs.parquet")
    frame = first_of_packs(pd.DataFrame(rows).dropna(subset="leased"))
    for name in ("started", "leased", "ended"):
        frame[name] = pd.to_datetime(frame[name]).map(pd.Timestamp.timestamp)
    if "packed_with" in frame:  # a run of a pack has its share of the seconds
        frame[SECONDS] = frame[SECONDS].mul(frame["packed_with"].astype(float).fillna(1), axis=0)
    return frame


def starts(own: pd.DataFrame) -> pd.Series:
    """Seconds from when runs had their GPU to their first step, the first runs of processes too.

    What a process does before it has a GPU keeps none from work.
    """
    rest = own["ended"] - own["leased"] - own[ON_GPU].sum(axis=1)
    is_later = own["leased"] - own["started"] < GAP
    return own["start_seconds"].where(is_later, rest.clip(lower=0))


def timeline(trained: pd.DataFrame, lines: pd.DataFrame) -> pd.DataFrame:
    """Runs and lines of a log as rows, with seconds since the first run started.

    GPUs have the numbers of nvidia-smi. SystemExit if no run ended within the log.
    """
    within = trained["ended"].between(lines["time"].min(), lines["time"].max())
    numbers = lines.drop_duplicates("uuid").set_index("uuid")["index"]
    own = trained[within & trained["device_id"].isin(numbers.index)]
    if own.empty:
        raise SystemExit("no run on these GPUs ended within the log; are its times UTC?")
    own = own.sort_values(["device_id", "leased"])
    own = own.assign(start_seconds=starts(own))
    first = own["started"].min()
    rows = own[COLUMNS].assign(
        what="run",
        gpu=own["device_id"].map(numbers),
        lane=lanes(own),
        begin=own["started"] - first,
        leased=own["leased"] - first,
        end=own["ended"] - first,
    )
    log = lines.assign(what="load", gpu=lines["index"], begin=lines["time"] - first)
    log = log[log["begin"].between(0, rows["end"].max())]
    return pd.concat([rows, log[["what", "gpu", "begin", "busy", "memory_mib"]]], ignore_index=True)


def spans_with_a_run(own: pd.DataFrame) -> list[tuple[float, float]]:
    """Spans of seconds in which a GPU had at least one of its runs."""
    spans: list[tuple[float, float]] = []
    for begin, end in sorted(zip(own["leased"], own["end"], strict=True)):
        if spans and begin - spans[-1][1] < GAP:
            first, last = spans.pop()
            spans.append((first, max(last, end)))
        else:
            spans.append((begin, end))
    return spans


def known_until(table: pd.DataFrame, gpu: float) -> float:
    """Until when all runs of a GPU are known: to the last run's end on any GPU.

    If the GPU was at work after its own last run, only to the end of that one.
    """
    ran = table[table["what"] == "run"]
    whole = float(ran["end"].max())
    own = ran.loc[ran["gpu"] == gpu, "end"]
    if own.empty:
        return whole
    last = float(own.max())
    log = table[(table["what"] == "load") & (table["gpu"] == gpu) & (table["begin"] > last + GAP)]
    return last if (log["busy"] > AT_WORK).any() else whole


def per_gpu(table: pd.DataFrame) -> pd.DataFrame:
    """A row per GPU: the share of time with a run, the load, what runs' seconds went to, gaps.

    Time is from the first run's start to `known_until`; shares are of it. GPUs are all those of the
    log, also those that no run had.
    """
    ran = table[table["what"] == "run"]
    rows = []
    for gpu in sorted(table["gpu"].unique()):
        own = ran[ran["gpu"] == gpu]
        whole = known_until(table, gpu)
        spans = spans_with_a_run(own)
        edges = [0.0, *itertools.chain(*spans), whole]
        gaps = [later - before for before, later in zip(edges[::2], edges[1::2], strict=True)]
        log = table[(table["what"] == "load") & (table["gpu"] == gpu) & (table["begin"] <= whole)]
        rows.append(
            {
                "gpu": int(gpu),
                "device": ", ".join(own["device"].unique()),
                "runs": len(own),
                "seconds": whole,
                "held": sum(end - begin for begin, end in spans) / whole,
                "busy": log["busy"].mean() / 100,
                "gaps": sum(gap >= GAP for gap in gaps),
                "idle_seconds": sum(gaps),
                "longest_gap": max(gaps),
                **own[SECONDS].sum().to_dict(),
            }
        )
    return pd.DataFrame(rows)
