"""One run, wired: data, model, init, optimizer, loop, final evaluation, tables. It reads like a method section."""

import dataclasses
import importlib
import os
import random
import statistics
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from actstudy.advice import rules
from actstudy.contract import schema, store
from actstudy.contract.spec import RunSpec
from actstudy.contract.streams import order_hash
from actstudy.data import prepared
from actstudy.nets.activations import Sites
from actstudy.nets.initializers import initialize
from actstudy.training import checkpoint, devices
from actstudy.training.blame import first_nonfinite
from actstudy.training.job import Diverged, Job, Progress, checked_lengths
from actstudy.training.log import Report
from actstudy.training.loop import fit
from actstudy.training.optim import make_optimizer
from actstudy.training.outcome import NOT_THE_SPECS, ending
from actstudy.training.provenance import environment, provenance, timestamp
from actstudy.training.resume import resumed, save
from actstudy.training.score import final
from actstudy.training.timeout import Limit, unlimited


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a run is told besides its spec: nothing here changes a result."""

    device: str = "auto"
    slots_per_gpu: int = 1
    probe_every: int = 200
    checkpoint_seconds: float = 30.0
    timeout_minutes: float | None = None
    quiet: bool = False
    tensorboard: bool = False
    started: float | None = (
        None  # when the process began, in seconds since the epoch, so that imports count
    )
    stopping: Callable[[], bool] = lambda: False


@dataclasses.dataclass
class Attempt:
    """What is known of a run so far: enough for its tables whenever it ends."""

    spec: RunSpec
    folder: Path
    settings: Settings
    started: float
    row: dict[str, Any]
    results: dict[str, Any] = dataclasses.field(
        default_factory=lambda: {"predictions": [], "calibration": []}
    )
    limit: Limit = dataclasses.field(default_factory=unlimited)
    job: Job | None = None
    progress: Progress = dataclasses.field(default_factory=Progress)


def run(spec: RunSpec, folder: Path, data_folder: Path, settings: Settings) -> str:
    """Train one spec into its folder, from its newest checkpoint if it has one; seal its tables; returns the status.

    Every ending is sealed as a row with its reason, failures too; only what can go on or succeed later is raised.
    """
    store.write_json(folder / "spec.json", dataclasses.asdict(spec))
    status, reason = "completed", None
    attempt = Attempt(
        spec, folder, settings, settings.started or time.time(), schema.spec_row(spec)
    )
    try:
        _train(attempt, data_folder)
    except NOT_THE_SPECS:
        raise
    except Exception as error:
        status, reason = ending(error, spec)
        if status == "failed":
            with (folder / "log.txt").open("a", encoding="utf-8") as log:
                log.write(traceback.format_exc())
    finally:
        attempt.limit.end()
    _close(attempt, status, reason)
    return status


def _train(attempt: Attempt, data_folder: Path) -> None:
    """Train to the end and score; what comes to be known on the way is the attempt's."""
    spec, folder, settings, row = attempt.spec, attempt.folder, attempt.settings, attempt.row
    loading = ThreadPoolExecutor(1).submit(
        prepared.load, data_folder
    )  # its checksums, while CUDA starts
    with devices.lease(settings.device, settings.slots_per_gpu, settings.stopping) as device:
        row["leased"], data = timestamp(time.time()), loading.result()
        row |= {"data_sha256": data.sha256, "data_subset": data.manifest.get("subset")}
        row |= {"device": devices.describe(device), "device_id": devices.identity(device)}
        store.write_json(folder / "environment.json", environment(device))
        limit = Limit(
            settings.timeout_minutes,
            folder / "log.txt",
            settings.stopping,
            partial(_give_up, attempt),
        )
        attempt.limit, settings = limit, dataclasses.replace(settings, stopping=limit.stopping)
        attempt.job = job = make_job(spec, folder, data, device, settings)
        attempt.progress = progress = resumed(job, folder, device)
        progress.seconds["start"] += time.time() - attempt.started
        try:
            fit(job, progress)
        except Diverged as error:
            again = partial(
                make_job, spec, folder, data, device, dataclasses.replace(settings, quiet=True)
            )
            raise Diverged(
                f"{error}{first_nonfinite(job, progress, error, again, folder)}", error.step
            ) from None
        row |= final(job, progress, folder, attempt.results)
        row["peak_memory_bytes"], row["peak_memory_kind"] = devices.peak_memory(device)


def _give_up(attempt: Attempt, reason: str) -> None:
    """Seal and publish what there is of a run that hangs."""
    attempt.results = {"predictions": [], "calibration": []}
    _close(attempt, "timeout", reason)
    store.publish(attempt.folder)


def _close(attempt: Attempt, status: str, reason: str | None) -> None:
    """Seal the tables of a run that has ended, and say so in its log."""
    job, progress, folder = attempt.job, attempt.progress, attempt.folder
    row = {**attempt.row, "status": status, "reason": reason}
    if job is not None:
        row |= accounting(job, progress, attempt.settings.slots_per_gpu)
    row |= provenance(attempt.started)
    rows = {"runs": [row], "curves": progress.curves, "health": progress.health, **attempt.results}
    store.seal(folder, {name: schema.table(name, folder.name, part) for name, part in rows.items()})
    checkpoint.drop(folder / "checkpoints")
    if job is not None:
        for finding in rules.advise(progress.health, progress.curves, row):
            if finding.severity != "note":
                job.report.line(f"health: {finding.severity}: {finding.text}")
        job.report.line(f"{status}{': ' + reason if reason else ''}")
        job.report.close()


def make_job(
    spec: RunSpec, folder: Path, data: prepared.Prepared, device: torch.device, settings: Settings
) -> Job:
    """The job of a spec: task, model, init, optimizer and data on the device, nothing trained yet."""
    seed_globals(spec)
    task = importlib.import_module(f"actstudy.tasks.{spec.task}")
    total = checked_lengths(spec, data.n("train"), device)[1]
    model, sites = make_model(spec, data)
    model.to(
        device,
        memory_format=torch.channels_last if device.type == "cuda" else torch.preserve_format,
    )
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
        save=lambda job, progress: save(job, progress, folder),
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
    if (
        spec.strict or torch.are_deterministic_algorithms_enabled()
    ):  # the call imports torch's compiler, two seconds
        os.environ.setdefault(
            "CUBLAS_WORKSPACE_CONFIG", ":4096:8"
        )  # cuBLAS is deterministic with it only
        torch.use_deterministic_algorithms(spec.strict)
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # slow
    torch.backends.cuda.enable_cudnn_sdp(
        not spec.strict
    )  # attention: its choice among its own plans is not fixed
    torch.set_float32_matmul_precision("highest" if spec.precision == "fp32" else "high")
    torch.backends.cudnn.allow_tf32 = spec.precision != "fp32"


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
