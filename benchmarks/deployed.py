"""What every registered activation costs after export: ONNX Runtime on one CPU thread.

    pip install 'actstudy[study,deploy]'
    python benchmarks/deployed.py

A network of four matrix products with three activations between is exported, optimised by ONNX
Runtime, and quantised to int8 (static, calibrated with N(0, 1)). A row per activation and
precision: nodes before and after optimisation, whether the activation was fused into the matrix
product, the largest difference from torch, and CPU time of a batch, in microseconds and as a
multiple of relu's: means over processes with 95% intervals. In a process all models take turns.
With --names the rows of other activations stay as they are in the file.
"""

import argparse
import itertools
import json
import logging
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import torch
from actstudy.guide.reading import mean_of
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import nn

from actstudy.nets.activations import ACTIVATIONS

WIDTHS = (64, 256, 256, 256, 10)
BATCH = 32
N_CALIBRATION = 32  # batches
N_WINDOWS = 21
WINDOW_SECONDS = 0.004
PRECISIONS = ("fp32", "int8")
PRODUCTS = {"Gemm", "FusedGemm", "QGemm", "QuantizeLinear", "DequantizeLinear"}
FILE = Path(__file__).parent / "results/deployed.parquet"


class Calibration(CalibrationDataReader):
    """Batches from N(0, 1), as ONNX Runtime asks for them."""

    def __init__(self, name: str) -> None:
        generator = torch.Generator().manual_seed(1)
        batches = torch.randn(N_CALIBRATION, BATCH, WIDTHS[0], generator=generator)
        self.batches = iter([{name: batch.numpy()} for batch in batches])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.batches, None)


def network(factory: Callable[[], nn.Module]) -> nn.Sequential:
    """Linear layers with an activation between each two, weights of one seed."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for n_in, n_out in itertools.pairwise(WIDTHS):
        layers += [nn.Linear(n_in, n_out), factory()]
    return nn.Sequential(*layers[:-1]).eval()


def inputs() -> torch.Tensor:
    return torch.randn(BATCH, WIDTHS[0], generator=torch.Generator().manual_seed(2))


def session(model: Path, optimised: Path | None = None) -> onnxruntime.InferenceSession:
    """A session of one thread; optimised: where the graph that runs is written."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if optimised:
        options.optimized_model_filepath = str(optimised)
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def nodes(model: Path) -> Counter[str]:
    """Operation -> its number of nodes in a graph."""
    return Counter(node.op_type for node in onnx.load(model).graph.node)


def exported(name: str, folder: Path) -> list[dict[str, Any]]:
    """Writes the models of an activation; a row per precision, with the reason if it fails."""
    models = {precision: folder / f"{name}.{precision}.onnx" for precision in PRECISIONS}
    try:
        model = network(ACTIVATIONS[name].factory)
        x = inputs()
        expected = model(x).detach()
        torch.onnx.export(
            model, (x,), models["fp32"], dynamo=True, verbose=False, external_data=False
        )
        first = session(models["fp32"]).get_inputs()[0].name
        prepared = folder / f"{name}.prepared.onnx"
        quant_pre_process(models["fp32"], prepared, skip_symbolic_shape=True)
        quantize_static(prepared, models["int8"], Calibration(first), quant_format=QuantFormat.QDQ)
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:160]
        return [{"activation": name, "precision": each, "failure": reason} for each in PRECISIONS]
    return [described(name, each, models[each], x, expected) for each in PRECISIONS]


def described(
    name: str, precision: str, model: Path, x: torch.Tensor, expected: torch.Tensor
) -> dict[str, Any]:
    """The row of a model: its nodes, and how far it is from torch."""
    optimised = model.with_suffix(".optimised.onnx")
    run = session(model, optimised)
    (y,) = run.run(None, {run.get_inputs()[0].name: x.numpy()})
    after = nodes(optimised)
    return {
        "activation": name,
        "precision": precision,
        "failure": "",
        "nodes_exported": nodes(model).total(),
        "nodes_optimised": after.total(),
        "operations": ", ".join(f"{n} {operation}" for operation, n in sorted(after.items())),
        "fused": after.keys() <= PRODUCTS,
        "error": float(np.abs(y - expected.numpy()).max()),
        "error_to_sd": float(np.abs(y - expected.numpy()).max() / expected.std().item()),
    }


def timed(folder: Path, models: list[str]) -> dict[str, float]:
    """Model -> median seconds of CPU time of a batch, windows of all models in turn."""
    x = inputs().numpy()
    calls = {}
    for model in models:
        run = session(folder / f"{model}.onnx")
        feed = {run.get_inputs()[0].name: x}
        calls[model] = lambda run=run, feed=feed: run.run(None, feed)
    n_calls = {model: _calls(call) for model, call in calls.items()}
    windows: dict[str, list[float]] = {model: [] for model in models}
    for _ in range(N_WINDOWS):
        for model, call in calls.items():
            windows[model].append(_window(call, n_calls[model]))
    return {model: statistics.median(values) for model, values in windows.items()}


def _calls(call: Callable[[], object]) -> int:
    _window(call, 3)
    return max(1, round(WINDOW_SECONDS / _window(call, 10)))


def _window(call: Callable[[], object], n: int) -> float:
    """Seconds of a call, as the mean over n: of this process alone, whatever else runs."""
    began = time.process_time()
    for _ in range(n):
        call()
    return (time.process_time() - began) / n


def with_times(frame: pd.DataFrame, processes: list[dict[str, float]]) -> pd.DataFrame:
    """Adds microseconds and multiples of relu's, each a mean over processes with its interval."""
    columns: dict[str, list[float]] = {}
    for row in frame.itertuples():
        model = f"{row.activation}.{row.precision}"
        relu = f"relu.{row.precision}"
        seconds = [each[model] for each in processes if model in each]
        ratios = [each[model] / each[relu] for each in processes if model in each]
        for name, values in (("us", [1e6 * value for value in seconds]), ("to_relu", ratios)):
            mean = mean_of(values)
            for end, value in (("", mean.value), ("_low", mean.low), ("_high", mean.high)):
                columns.setdefault(name + end, []).append(value)
    return frame.assign(**columns, n_processes=len(processes))


def measured(names: list[str], n_processes: int) -> pd.DataFrame:
    """The rows of activations, timed in that many processes."""
    with tempfile.TemporaryDirectory(prefix="actstudy-deployed-") as place:
        folder = Path(place)
        rows = []
        for name in names:
            rows += exported(name, folder)
        models = [f"{row['activation']}.{row['precision']}" for row in rows if not row["failure"]]
        (folder / "models.json").write_text(json.dumps(models))
        command = [sys.executable, __file__, "--time", place]
        processes = []
        for _ in range(n_processes):
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            processes.append(json.loads(done.stdout.splitlines()[-1]))
    frame = with_times(pd.DataFrame(rows), processes)
    return frame.assign(onnxruntime=onnxruntime.__version__, torch=torch.__version__)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--processes", type=int, default=5)
    parser.add_argument("--time", type=Path, metavar="FOLDER", help="time its models, print JSON")
    parser.add_argument("--names", nargs="+", choices=list(ACTIVATIONS), default=[])
    parser.add_argument("--out", type=Path, default=FILE)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.time:
        models = json.loads((arguments.time / "models.json").read_text())
        print(json.dumps(timed(arguments.time, models)))
        return
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    names = list(dict.fromkeys(["relu", *arguments.names])) if arguments.names else ACTIVATIONS
    frame = measured(list(names), arguments.processes)
    if arguments.names and arguments.out.exists():
        before = pd.read_parquet(arguments.out)
        is_other = ~before["activation"].isin(arguments.names)
        added = frame[frame["activation"].isin(arguments.names)]
        frame = pd.concat([before[is_other], added], ignore_index=True)
    frame.to_parquet(arguments.out, index=False)
    print(frame.to_string())


if __name__ == "__main__":
    main()
