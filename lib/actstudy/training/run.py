"""One run, wired: data, model, init, optimizer, loop, final evaluation, tables. It reads like a method section."""

import dataclasses
import importlib
import os
import random
import secrets
import statistics
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from actstudy.data import prepared
from actstudy.nets.activations import Sites
from actstudy.nets.initializers import initialize
from actstudy.study import advice, schema, store
from actstudy.study.registry import StudyError
from actstudy.study.spec import RunSpec
from actstudy.study.streams import order_hash
from actstudy.training import checkpoint, devices
from actstudy.training.job import Diverged, Interrupted, Job, Progress, checked_lengths
from actstudy.training.loop import evaluate, fit
from actstudy.training.optim import make_optimizer, restore
from actstudy.training.provenance import environment, provenance, timestamp
from actstudy.training.report import Report


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a run is told besides its spec: nothing here changes a result."""

    device: str = "auto"
    slots_per_gpu: int = 1
    probe_every: int = 200
    checkpoint_seconds: float = 30.0
    quiet: bool = False
    tensorboard: bool = False
    started: float | None = None  # when the process began, in seconds since the epoch, so that imports count
    stopping: Callable[[], bool] = lambda: False


def run(spec: RunSpec, folder: Path, data_folder: Path, settings: Settings) -> str:
    """Train one spec into its folder, from its newest checkpoint if it has one; seal its tables; returns the status.

    Every ending is sealed as a row with its reason, failures too; only Interrupted, which can go on, is raised.
    """
    started = settings.started or time.time()
    store.write_json(folder / "spec.json", dataclasses.asdict(spec))
    job, progress, row = None, Progress(), {**schema.spec_row(spec), "reason": None}
    results: dict[str, Any] = {"predictions": [], "calibration": []}
    try:
        loading = ThreadPoolExecutor(1).submit(prepared.load, data_folder)  # its checksums, while CUDA starts
        with devices.lease(settings.device, settings.slots_per_gpu, settings.stopping) as device:
            row["leased"], data = timestamp(time.time()), loading.result()
            row |= {"data_sha256": data.sha256, "data_subset": data.manifest.get("subset")}
            row |= {"device": devices.describe(device), "device_id": devices.identity(device)}
            store.write_json(folder / "environment.json", environment(device))
            job = make_job(spec, folder, data, device, settings)
            progress = _resumed(job, folder, device)
            progress.seconds["start"] += time.time() - started
            fit(job, progress)
            row |= {"status": "completed", **_final(job, progress, folder, results)}
            row["peak_memory_bytes"], row["peak_memory_kind"] = devices.peak_memory(device)
    except (Interrupted, StudyError, store.Damaged):
        raise  # nothing that this run's spec is to blame for: the same command may succeed later
    except Diverged as error:
        row |= {"status": "diverged", "reason": str(error)}
    except torch.cuda.OutOfMemoryError as error:
        row |= {"status": "out_of_memory", "reason": f"batch_size {spec.batch_size}: {str(error).splitlines()[0]}"}
    except Exception as error:
        row |= {"status": "failed", "reason": f"{type(error).__name__}: {error}".splitlines()[0]}
        with (folder / "log.txt").open("a", encoding="utf-8") as log:
            log.write(traceback.format_exc())
    if job is not None:
        row |= accounting(job, progress, settings.slots_per_gpu)
    row |= provenance(started)
    rows = {"runs": [row], "curves": progress.curves, "health": progress.health, **results}
    store.seal(folder, {name: schema.table(name, folder.name, part) for name, part in rows.items()})
    checkpoint.drop(folder / "checkpoints")
    if job is not None:
        for finding in advice.advise(progress.health, progress.curves, row):
            if finding.severity != "note":
                job.report.line(f"health: {finding.severity}: {finding.text}")
        job.report.line(f"{row['status']}{': ' + row['reason'] if row['reason'] else ''}")
        job.report.close()
    return str(row["status"])


def make_job(spec: RunSpec, folder: Path, data: prepared.Prepared, device: torch.device, settings: Settings) -> Job:
    """The job of a spec: task, model, init, optimizer and data on the device, nothing trained yet."""
    seed_globals(spec)
    task = importlib.import_module(f"actstudy.tasks.{spec.task}")
    total = checked_lengths(spec, data.n("train"), device)[1]
    model, sites = make_model(spec, data)
    model.to(device, memory_format=torch.channels_last if device.type == "cuda" else torch.preserve_format)
    return Job(
        spec=spec,
        task=task,
        model=model,
        inputs=data.inputs(device),
        sites=sites,
        optimizer=make_optimizer(spec, model.parameters()),
        scaler=torch.amp.GradScaler(device.type, enabled=spec.precision == "fp16"),
        splits={split: data.on(device, split) for split in prepared.SPLITS},
        device=device,
        report=Report(folder, total, settings.quiet, settings.tensorboard),
        probe_every=settings.probe_every,
        save=lambda job, progress: _save(job, progress, folder),
        checkpoint_seconds=settings.checkpoint_seconds,
        stopping=settings.stopping,
    )


def make_model(spec: RunSpec, data: prepared.Prepared) -> tuple[Any, Sites]:
    """The initialised model of a spec, on the CPU, and its activation sites."""
    sites = Sites(spec.activation, spec.activation_args)
    model = importlib.import_module(f"actstudy.tasks.{spec.task}").build(spec, data, sites)
    sites.check()
    initialize(model, sites, spec.init, spec.init_args, spec.seed)
    return model, sites


def seed_globals(spec: RunSpec) -> None:
    """Seed what a user's own code might draw from; the trainer itself draws from streams only."""
    random.seed(spec.seed)
    np.random.seed(spec.seed % 2**32)
    torch.manual_seed(spec.seed)
    torch.backends.cudnn.benchmark = not spec.strict
    if spec.strict:  # the call alone imports torch's compiler, two seconds
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic with it only
        torch.use_deterministic_algorithms(True)
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # slow
    torch.set_float32_matmul_precision("highest" if spec.precision == "fp32" else "high")
    torch.backends.cudnn.allow_tf32 = spec.precision != "fp32"


def _save(job: Job, progress: Progress, folder: Path) -> None:
    state = {
        "progress": dataclasses.asdict(progress),
        "model": job.model.state_dict(),
        "best": job.best_weights,
        "optimizer": job.optimizer.state_dict(),
        "scaler": job.scaler.state_dict(),
    }
    checkpoint.save(folder / "checkpoints", progress.step, state)


def _resumed(job: Job, folder: Path, device: torch.device) -> Progress:
    """Where the newest checkpoint stands, loaded into the job; a new start where there is none."""
    state = checkpoint.newest(folder / "checkpoints", device)
    if state is None:
        return Progress(order_seed=job.spec.seed if job.spec.deterministic_shuffle else secrets.randbits(63))
    progress = Progress(**state["progress"])
    progress.seconds = dict.fromkeys(schema.BUCKETS, 0.0) | progress.seconds
    job.model.load_state_dict(state["model"])
    restore(job.optimizer, state["optimizer"])
    job.scaler.load_state_dict(state["scaler"])
    job.best_weights = state["best"]
    progress.n_resumes += 1
    progress.seconds["wasted"] += max(0.0, job.report.train_seconds_seen() - progress.seconds["train"])
    job.report.line(f"resumed at step {progress.step} of {job.total_steps}")
    return progress


def _final(job: Job, progress: Progress, folder: Path, results: dict[str, Any]) -> dict[str, Any]:
    """Test scores of the last and of the best-val weights, as columns of `runs`; fills the other tables' rows."""
    began, row = time.perf_counter(), {}
    row["weights_sha256"] = checkpoint.weights_sha256(job.model.state_dict())
    places = {"last": (job.model.state_dict(), progress.step), "best": (job.best_weights, progress.best_step)}
    weights = {name: {key: value.clone() for key, value in state.items()} for name, (state, _) in places.items()}
    for name, prefix in (("last", "last"), ("best", "reported")):
        if name == "last" or progress.best_step != progress.step:  # else the same weights, just scored
            job.model.load_state_dict(weights[name])
            test = evaluate(job, "test")
            at = next(point for point in reversed(progress.curves) if point["step"] == places[name][1])
            progress.curves += [{**at, "split": "test", "metric": m, "value": v} for m, v in test.scores.items()]
        row |= {f"{prefix}_{metric}": value for metric, value in test.scores.items()}
        results["calibration"] += [{"checkpoint": name, **part} for part in test.calibration]
        results["predictions"] = test.predictions
    with store.replacing(folder / "checkpoints" / "best.pt") as draft:
        torch.save(weights["best"], draft)
    progress.seconds["eval"] += time.perf_counter() - began
    return row


def accounting(job: Job, progress: Progress, slots_per_gpu: int) -> dict[str, Any]:
    """Columns of `runs` that say how far a run got and what it cost; the first window's throughput is warm-up."""
    rates = progress.rates[1:] or progress.rates
    slots = slots_per_gpu if job.device.type == "cuda" else None
    return {
        "n_params": sum(parameter.numel() for parameter in job.model.parameters()),
        "total_steps": job.total_steps,
        "steps_done": progress.step,
        "best_step": progress.best_step if progress.best_step >= 0 else None,
        "order_hash": order_hash(progress.order_seed, len(job.splits["train"]["y"])),
        **{f"{bucket}_seconds": seconds for bucket, seconds in progress.seconds.items()},
        "n_resumes": progress.n_resumes,
        "throughput": statistics.median(rates) if rates else None,
        "throughput_unit": job.task.TASK["throughput_unit"],
        "slots_per_gpu": slots,
        "timing_clean": progress.n_resumes == 0 and slots in (None, 1),
    }
