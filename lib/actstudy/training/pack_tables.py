"""What the runs of a pack leave, each as if alone: test scores, weights and the five tables."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from actstudy.contract import schema
from actstudy.contract.spec import RunSpec
from actstudy.contract.streams import order_hash
from actstudy.nets.activations import ACTIVATIONS
from actstudy.tasks import classification
from actstudy.training import checkpoint
from actstudy.training.pack import Pack

Result = dict[str, Any]  # columns of `runs`, rows of `calibration`, columns of `predictions`


def final(pack: Pack, folders: Sequence[Path]) -> list[Result]:
    """Test scores of every run's last and best weights, the best saved; runs that ended early have none."""
    results: list[Result] = [
        {"row": {}, "calibration": [], "predictions": []} for _ in range(pack.n)
    ]
    running, tests, weights = pack.running, {}, {}
    for name in ("last", "best"):
        if name == "best":
            with torch.no_grad():
                for parameter, best in zip(pack.parameters, pack.best, strict=True):
                    parameter.copy_(best)
        weights[name] = _weights(pack)
        evaluations = classification.evaluate_runs(
            pack.logits("test"), pack.splits["test"]["y"], running
        )
        tests[name] = dict(zip(running, evaluations, strict=True))
    for run in running:
        progress, result = pack.progress[run], results[run]
        result["row"]["weights_sha256"] = checkpoint.weights_sha256(weights["last"][run])
        for name, prefix, step in (
            ("last", "last", pack.step),
            ("best", "reported", progress.best_step),
        ):
            test = tests[name][run]
            if name == "last" or step != pack.step:
                at = next(point for point in reversed(progress.curves) if point["step"] == step)
                progress.curves += [
                    {**at, "split": "test", "metric": m, "value": v} for m, v in test.scores.items()
                ]
            result["row"] |= {f"{prefix}_{metric}": value for metric, value in test.scores.items()}
            result["calibration"] += [{"checkpoint": name, **part} for part in test.calibration]
            result["predictions"] = test.predictions
        checkpoint.write(folders[run] / "checkpoints" / "best.pt", weights["best"][run])
    return results


def _weights(pack: Pack) -> list[dict[str, Tensor]]:
    """Every run's weights under the names of its model alone, on the host."""
    stacked = {
        name: part.detach().cpu()
        for name, part in zip(pack.model.names, pack.parameters, strict=True)
    }
    return [{name: part[run].clone() for name, part in stacked.items()} for run in range(pack.n)]


def run_tables(
    pack: Pack, run: int, run_id: str, common: dict[str, Any], result: Result
) -> dict[str, pa.Table]:
    """The tables of one run; seconds are its share of the pack's, so that the runs' seconds add up to the pack's."""
    spec, progress, (status, reason) = (
        pack.specs[run],
        pack.progress[run],
        pack.ended.get(run, ("completed", None)),
    )
    seconds = {bucket: pack.share(run, bucket) for bucket in schema.BUCKETS}
    row = {
        **schema.spec_row(spec),
        "status": status,
        "reason": reason,
        "n_params": sum(parameter[0].numel() for parameter in pack.parameters),
        "total_steps": pack.total_steps,
        "steps_done": progress.step,
        "best_step": progress.best_step if progress.best_step >= 0 else None,
        "order_hash": order_hash(progress.order_seed, len(pack.splits["train"]["y"])),
        **{f"{bucket}_seconds": value for bucket, value in seconds.items()},
        "n_resumes": progress.n_resumes,
        "throughput_unit": "examples/s",
        "packed_with": pack.n,
        "timing_clean": False,
        **common,
        **result.get("row", {}),
    }
    parts: dict[str, Any] = {"runs": [row], "curves": progress.curves, "health": _health(pack, run)}
    parts |= {name: result.get(name, []) for name in ("calibration", "predictions")}
    return {name: schema.table(name, run_id, part) for name, part in parts.items()}


def unmade(spec: RunSpec, run_id: str, common: dict[str, Any]) -> dict[str, pa.Table]:
    """The tables of a run whose pack was never made: a row that says so, the others empty."""
    rows = {"runs": [{**schema.spec_row(spec), **common}]}
    return {name: schema.table(name, run_id, rows.get(name, [])) for name in schema.SCHEMAS}


def _health(pack: Pack, run: int) -> dict[str, Any]:
    """A run's columns of `health`: the steps that it took part in, the probes that its activations have."""
    mine = {
        site: ACTIVATIONS[names[run]].saturated is not None
        for site, names in pack.model.sites.items()
    }
    every = [key for part in ("probe", "watched") for key in pack.health_keys.get(part, [])]
    kept = [k for k, key in enumerate(every) if key[3] != "saturated_fraction" or mine[key[1]]]
    taken = [
        (step, values[:, run].numpy())
        for step, values in pack.health
        if step < pack.progress[run].step
    ]
    if not taken:
        return {}
    keys = [every[k] for k in kept]
    columns = {
        name: [key[i] for key in keys] * len(taken)
        for i, name in enumerate(("kind", "name", "index", "probe"))
    }
    steps = np.repeat([step for step, _ in taken], len(kept))
    return {
        "step": steps,
        **columns,
        "value": np.concatenate([values[kept] for _, values in taken]),
    }
