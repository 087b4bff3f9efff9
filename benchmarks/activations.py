"""What every registered activation costs by itself: time and bytes per element, eager and compiled.

    python benchmarks/activations.py --device cuda --out benchmarks/results
    python benchmarks/activations.py --device cpu --names xielu apl --engines eager --sizes 20 ...

Each row: one activation, engine, precision and size; seconds of a forward pass and of forward and
backward together (median over windows), bytes saved for the backward pass, ratios to relu and to a
copy of as many elements. Any activation at least reads x and writes y, which is what the copy does.
`gelu_written_out` is GELU's formula as five eager operations, for comparison with the one kernel.
On a CPU seconds are those of the process, whatever else runs there. With --names rows of other
activations stay as they are in the file, and relu is timed anew for the ratios.
"""

import argparse
import math
import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from actstudy.nets.activations import ACTIVATIONS
from actstudy.nets.feed_forward import FEED_FORWARD

COLUMNS = 1024  # of each input: feed-forward parts halve or double the last axis
ENGINES = ("eager", "compiled")
WINDOWS = 15
WINDOW_SECONDS = 0.003
MAX_CALLS = 200  # per window


class GELUWrittenOut(nn.Module):
    """GELU as the formula of its paper, one operation after another."""

    def forward(self, x: Tensor) -> Tensor:
        return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))


FACTORIES: dict[str, Callable[[], nn.Module]] = {
    **{name: entry.factory for name, entry in (ACTIVATIONS | FEED_FORWARD).items()},
    "gelu_written_out": GELUWrittenOut,
}


def seconds(call: Callable[[], object], device: str) -> float:
    """Median seconds of a call over windows long enough for a clock to resolve them."""

    def window(calls: int) -> float:
        wait()
        began = clock()
        for _ in range(calls):
            call()
        wait()
        return (clock() - began) / calls

    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    clock = time.perf_counter if device == "cuda" else time.process_time
    window(3)
    calls = max(1, min(MAX_CALLS, math.ceil(WINDOW_SECONDS / window(3))))
    return statistics.median(window(calls) for _ in range(WINDOWS))


def saved_bytes(module: nn.Module, x: Tensor) -> int:
    """Bytes that autograd keeps of one forward pass, parameters left out."""
    parameters = {parameter.data_ptr() for parameter in module.parameters()}
    bytes_by_address = {}

    def keep(tensor: Tensor) -> Tensor:
        if tensor.data_ptr() not in parameters:
            bytes_by_address[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        y = module(x)
    del y
    return sum(bytes_by_address.values())


def rows_of(
    name: str, engine: str, dtype: torch.dtype, sizes: list[int], device: str
) -> Iterator[dict[str, Any]]:
    """A row per size of one activation; all sizes share one compilation."""
    torch._dynamo.reset()
    module = FACTORIES[name]().to(device, dtype)
    run = torch.compile(module, dynamic=True) if engine == "compiled" else module
    for size in sizes:
        x = torch.randn(2**size // COLUMNS, COLUMNS, device=device, dtype=dtype).requires_grad_()
        gradient = torch.randn_like(module(x))

        def both(x: Tensor = x, gradient: Tensor = gradient) -> object:
            return torch.autograd.grad(run(x), [x, *module.parameters()], gradient)

        with torch.no_grad():
            forward = seconds(lambda x=x: run(x), device)  # type: ignore[misc]
        yield {
            "activation": name,
            "engine": engine,
            "precision": str(dtype).removeprefix("torch."),
            "log2_elements": size,
            "forward_seconds": forward,
            "both_seconds": seconds(both, device),
            "saved_bytes_per_element": saved_bytes(run, x) / 2**size,
        }


def copies(dtype: torch.dtype, sizes: list[int], device: str) -> dict[int, float]:
    """log2 of a number of elements -> seconds of the device to read and write each once."""
    seconds_by_size = {}
    for size in sizes:
        x = torch.randn(2**size, device=device, dtype=dtype)
        y = torch.empty_like(x)
        seconds_by_size[size] = seconds(lambda x=x, y=y: y.copy_(x), device)  # type: ignore[misc]
    return seconds_by_size


def with_ratios(frame: pd.DataFrame) -> pd.DataFrame:
    """Adds picoseconds per element and times as multiples of relu's and of the copy's.

    relu's are those of the same engine, precision and size.
    """
    keys = ["engine", "precision", "log2_elements"]
    relu = frame[frame["activation"] == "relu"].set_index(keys)
    index = pd.MultiIndex.from_frame(frame[keys])
    elements = 2.0 ** frame["log2_elements"]
    for part in ("forward", "both"):
        times = frame[f"{part}_seconds"]
        frame[f"{part}_ps_per_element"] = times / elements * 1e12
        frame[f"{part}_to_relu"] = times / relu.loc[index, f"{part}_seconds"].to_numpy()
        frame[f"{part}_to_copy"] = times / frame["copy_seconds"]
    return frame


def measured(names: list[str], engines: list[str], sizes: list[int], device: str) -> pd.DataFrame:
    """A row per activation, engine, precision and size."""
    rows = []
    for dtype in (torch.float32, torch.bfloat16):
        copy_seconds = copies(dtype, sizes, device)
        for engine in engines:
            for name in names:
                for row in rows_of(name, engine, dtype, sizes, device):
                    rows.append({**row, "copy_seconds": copy_seconds[row["log2_elements"]]})
    device_name = f"CPU, 1 thread of {os.cpu_count()}"
    if device == "cuda":
        device_name = torch.cuda.get_device_name()
    frame = with_ratios(pd.DataFrame(rows))
    return frame.assign(n_windows=WINDOWS, device=device_name, torch=torch.__version__)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("cuda", "cpu"), required=True)
    parser.add_argument(
        "--sizes", nargs="+", type=int, default=[20, 22, 24, 26, 28], help="log2 of the elements"
    )
    parser.add_argument("--names", nargs="+", choices=list(FACTORIES), default=list(FACTORIES))
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.out.mkdir(parents=True, exist_ok=True)
    device = arguments.device
    names = list(dict.fromkeys(["relu", *arguments.names]))
    frame = measured(names, arguments.engines, arguments.sizes, device)
    file = arguments.out / f"activations_{device}.parquet"
    if set(names) != set(FACTORIES) and file.exists():
        before = pd.read_parquet(file)
        added = frame[frame["activation"].isin(arguments.names)]
        is_other = ~before["activation"].isin(arguments.names)
        frame = pd.concat([before[is_other], added], ignore_index=True)
    frame.to_parquet(file)
    sizes = arguments.sizes
    largest = frame[frame["log2_elements"] == max(sizes)]
    columns = ["activation", "engine", "precision", "forward_ps_per_element"]
    columns += ["both_ps_per_element", "saved_bytes_per_element"]
    columns += ["forward_to_relu", "both_to_relu", "forward_to_copy"]
    table = largest[columns]
    table.to_markdown(arguments.out / f"activations_{device}.md", index=False, floatfmt=".3g")
    print(table.to_string(index=False, float_format=lambda value: f"{value:.3g}"))


if __name__ == "__main__":
    main()
