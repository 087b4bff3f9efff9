"""The requests of a group of measurements, answered one by one."""

import importlib
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from actstudy.contract import answers, measurements, store
from actstudy.contract.reading import Reading


def write(group: str, requests: Iterable[tuple[str, str]], device: str, out: Path) -> None:
    """Writes the answers to a group's requests (kind, arguments as JSON) as Parquet."""
    rows = []
    for kind, arguments in requests:
        rows += measure(group, kind, arguments, device)
    with store.replacing(out) as draft:
        pq.write_table(pa.Table.from_pylist(rows, answers.ANSWERS), draft)


def measure(group: str, kind: str, arguments: str, device: str) -> list[dict[str, Any]]:
    """The rows of one request, columns of ANSWERS; device: what it is measured on, in words."""

    def measurement(**named: Any) -> list[Reading]:
        module = importlib.import_module(f"actstudy.{measurements.ROOM}.{group}")
        readings: list[Reading] = getattr(module, measurements.TABLE)[kind](**named)
        return readings

    torch.manual_seed(0)  # whatever was measured before
    began = time.monotonic()
    rows = answers.answer(measurement, arguments)
    request = {
        "group": group,
        "kind": kind,
        "arguments": arguments,
        "device": device,
        "versions": f"torch {torch.__version__}",
        "seconds": round(time.monotonic() - began, 3),
    }
    return [{**request, **row} for row in rows]
