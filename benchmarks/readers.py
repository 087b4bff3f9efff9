"""How long a file of many rows takes to read, as docs/judge.md quotes it.

    python benchmarks/readers.py [ROWS ...]        default: 100000 1000000

Writes benchmarks/results/readers.parquet: a row per kind and number of rows. Files are made here
with the columns, records and tables of their tools: curves of 1,000 steps, of which the last value
is taken. Kinds whose files are small and many (MLflow) or whose tools write slowly have the first
number of rows alone.
"""

import json
import platform
import sqlite3
import struct
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from actstudy.judging import readers
from actstudy.judging.reading.options import Options

FILE = Path(__file__).parent / "results/readers.parquet"
STEPS = 1000  # of a run
LEVELS = ("relu", "gelu")
OPTIONS = Options(value="accuracy", pick="last")


def frame_of(rows: int) -> pd.DataFrame:
    """A row per step of runs of two levels."""
    runs = rows // STEPS
    run = np.repeat(np.arange(runs), STEPS)
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "level": np.array(LEVELS)[run % 2],
            "seed": run // 2,
            "step": np.tile(np.arange(STEPS), runs),
            "accuracy": rng.random(len(run)),
            "loss": rng.random(len(run)),
        }
    )


def write_csv(frame: pd.DataFrame, folder: Path) -> Path:
    frame.to_csv(folder / "runs.csv", index=False)
    return folder / "runs.csv"


def write_parquet(frame: pd.DataFrame, folder: Path) -> Path:
    frame.to_parquet(folder / "runs.parquet")
    return folder / "runs.parquet"


def write_json(frame: pd.DataFrame, folder: Path) -> Path:
    frame.to_json(folder / "runs.jsonl", orient="records", lines=True)
    return folder / "runs.jsonl"


def write_mlflow(frame: pd.DataFrame, folder: Path) -> Path:
    store = folder / "mlruns"
    for (level, seed), rows in frame.groupby(["level", "seed"]):
        run = store / "1" / f"{level}{seed}"
        for name, text in (("params/activation", level), ("params/seed", str(seed))):
            (run / name).parent.mkdir(parents=True, exist_ok=True)
            (run / name).write_text(text)
        (run / "meta.yaml").write_text(f"run_name: {level}-{seed}\nlifecycle_stage: active\n")
        (run / "metrics").mkdir()
        lines = zip(rows["accuracy"], rows["step"], strict=True)
        text = "".join(f"1795808983645 {value!r} {step}\n" for value, step in lines)
        (run / "metrics/accuracy").write_text(text)
    return store


def write_trackio(frame: pd.DataFrame, folder: Path) -> Path:
    path = folder / "judged.db"
    with sqlite3.connect(path) as store:
        store.execute("CREATE TABLE configs (id INTEGER, run_id, run_name, config)")
        store.execute("CREATE TABLE metrics (id INTEGER, run_id, run_name, step, metrics)")
        for (level, seed), rows in frame.groupby(["level", "seed"]):
            name = f"{level}-{seed}"
            config = json.dumps({"activation": level, "seed": int(seed)})
            store.execute("INSERT INTO configs VALUES (0, ?, ?, ?)", (name, name, config))
            pairs = zip(rows["step"].tolist(), rows["accuracy"].tolist(), strict=True)
            points = [(name, name, step, json.dumps({"accuracy": value})) for step, value in pairs]
            store.executemany("INSERT INTO metrics VALUES (0, ?, ?, ?, ?)", points)
    store.close()
    return path


def field(number: int, content: bytes) -> bytes:
    """A field of bytes in protobuf."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(value: int) -> bytes:
    encoded = b""
    while value > 127:
        encoded += bytes([value & 127 | 128])
        value >>= 7
    return encoded + bytes([value])


def item(name: str, value: object) -> bytes:
    """An item of wandb's settings and histories."""
    return field(2, name.encode()) + field(16, json.dumps(value).encode())


def log_of(records: list[bytes]) -> bytes:
    """A .wandb file of records that fit into a block."""
    log = bytearray(struct.pack("<4sHB", b":W&B", 0xBEE1, 0))
    for record in records:
        room = 32768 - len(log) % 32768
        if room < 7 + len(record):
            log += bytes(room)
        checksum = zlib.crc32(record, zlib.crc32(b"\x01"))
        log += struct.pack("<IHB", checksum, len(record), 1) + record
    return bytes(log)


def write_wandb(frame: pd.DataFrame, folder: Path) -> Path:
    for (level, seed), rows in frame.groupby(["level", "seed"]):
        config = field(1, item("activation", level)) + field(1, item("seed", int(seed)))
        records = [field(17, field(8, f"{level}-{seed}".encode()) + field(4, config))]
        for step, value in zip(rows["step"].tolist(), rows["accuracy"].tolist(), strict=True):
            history = field(1, item("_step", step)) + field(1, item("accuracy", value))
            records.append(field(2, history))
        path = folder / f"wandb/offline-run-{level}{seed}/run-{level}{seed}.wandb"
        path.parent.mkdir(parents=True)
        path.write_bytes(log_of(records))
    return folder / "wandb"


def write_events(frame: pd.DataFrame, folder: Path) -> Path:
    from torch.utils.tensorboard import SummaryWriter

    for (level, seed), rows in frame.groupby(["level", "seed"]):
        with SummaryWriter(str(folder / f"events/{level}-{seed}")) as writer:
            for step, value in zip(rows["step"].tolist(), rows["accuracy"].tolist(), strict=True):
                writer.add_scalar("accuracy", value, step)
    return folder / "events"


WRITERS: dict[str, Callable[[pd.DataFrame, Path], Path]] = {
    "CSV": write_csv,
    "Parquet": write_parquet,
    "JSON lines": write_json,
    "W&B, offline": write_wandb,
    "TensorBoard": write_events,
    "MLflow": write_mlflow,
    "trackio": write_trackio,
}
LARGE = ("CSV", "Parquet", "JSON lines", "trackio")  # kinds that are also measured at more rows


def main() -> None:
    sizes = [int(text) for text in sys.argv[1:]] or [100_000, 1_000_000]
    measured = []
    for rows in sizes:
        frame = frame_of(rows)
        expected = frame[frame["step"] == STEPS - 1]["accuracy"]
        for kind, write in WRITERS.items():
            if rows > sizes[0] and kind not in LARGE:
                continue
            with tempfile.TemporaryDirectory() as folder:
                path = write(frame, Path(folder))
                readers.read(path, OPTIONS)  # imports, and the file in memory
                start = time.process_time()
                scores = readers.read(path, OPTIONS)
                seconds = time.process_time() - start
            apart = np.sort(scores.frame["value"]) - np.sort(expected)
            if np.abs(apart).max() > 1e-6:  # event files hold float32
                raise SystemExit(f"{kind}: read other values than were written")
            measured.append({"kind": kind, "rows": rows, "seconds": seconds})
            print(measured[-1], flush=True)
    table = pd.DataFrame(measured).assign(python=platform.python_version(), pandas=pd.__version__)
    table.to_parquet(FILE, index=False)


if __name__ == "__main__":
    main()
