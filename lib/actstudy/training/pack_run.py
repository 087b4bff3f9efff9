"""A pack, wired: data, models stacked, loop, final evaluation, tables; every run ends in its own folder as alone."""

import dataclasses
import os
import secrets
import shutil
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import nn

from actstudy.contract import store
from actstudy.contract.errors import StudyError
from actstudy.contract.spec import RunSpec
from actstudy.data import prepared
from actstudy.nets.packed import PackedMLP
from actstudy.study.packs import MEMBERS
from actstudy.training import checkpoint, devices
from actstudy.training.job import Progress, TimedOut, checked_lengths
from actstudy.training.log import Report
from actstudy.training.loop import PROBE_EXAMPLES
from actstudy.training.outcome import MEMORY, NOT_THE_SPECS, memory
from actstudy.training.pack import Pack
from actstudy.training.pack_loop import fit
from actstudy.training.pack_optim import PackOptimizer
from actstudy.training.pack_resume import resume, save
from actstudy.training.pack_tables import Result, final, run_tables, unmade
from actstudy.training.provenance import environment, provenance, timestamp
from actstudy.training.run import Settings, make_model, seed_globals
from actstudy.training.timeout import Limit

PAUSE = 30.0  # seconds between notes on runs other than the first: a pack has many
WRITERS = min(8, os.cpu_count() or 1)  # threads that write tables: most of their time is the disk's


@dataclasses.dataclass
class Attempt:
    """What is known of a pack so far: enough for its runs' tables whenever it ends. about: columns they share."""

    specs: Sequence[RunSpec]
    folders: Sequence[Path]
    settings: Settings
    started: float
    about: dict[str, Any]
    environment: dict[str, Any]
    pack: Pack | None = None


def run_pack(
    runs: Mapping[Path, RunSpec], state: Path, data_folder: Path, settings: Settings
) -> None:
    """Train runs, each into its folder, from the newest checkpoint under `state`; publishes their tables.

    As in `run`, every ending but one that can go on is a row; what goes wrong with the pack goes wrong with all runs.
    """
    started = settings.started or time.time()
    folders, specs = zip(
        *sorted(runs.items(), key=lambda item: str(item[1].activation)), strict=True
    )
    for folder, spec in runs.items():
        store.write_json(folder / "spec.json", dataclasses.asdict(spec))
    store.write_json(state / MEMBERS, [folder.name for folder in folders])
    data = prepared.load(data_folder)
    with devices.lease(settings.device, settings.slots_per_gpu, settings.stopping) as device:
        about: dict[str, Any] = {
            "device": devices.describe(device),
            "device_id": devices.identity(device),
        }
        about |= {"data_sha256": data.sha256, "data_subset": data.manifest.get("subset")}
        about |= {"slots_per_gpu": settings.slots_per_gpu if device.type == "cuda" else None}
        about |= {"leased": timestamp(time.time()), "pack": f"{state.name}-{secrets.token_hex(3)}"}
        attempt = Attempt(specs, folders, settings, started, about, environment(device))
        limit = Limit(
            settings.timeout_minutes,
            folders[0] / "log.txt",
            settings.stopping,
            partial(give_up, attempt),
        )
        try:
            attempt.pack = make_pack(specs, folders, data, device, settings)
            results = _trained(attempt.pack, attempt, state, limit.stopping)
        except MEMORY as error:
            width = f"pack_width: got {specs[0].pack_width}"
            raise StudyError(f"{width}: {memory(error)}; allowed: a smaller one") from None
        except NOT_THE_SPECS:
            raise
        except Exception as error:  # of making it: nothing is half done
            raise StudyError(
                f"pack of {len(specs)} runs: {type(error).__name__}: {error}"
            ) from error
        finally:
            limit.end()
    publish(attempt, results)
    checkpoint.drop(state)  # before the list of runs: whoever finds a checkpoint looks there
    shutil.rmtree(state, ignore_errors=True)


def give_up(attempt: Attempt, reason: str) -> None:
    """Seal and publish what there is of a pack that hangs."""
    if attempt.pack is None:
        attempt.about |= {"status": "timeout", "reason": reason}
    else:
        end_all(attempt.pack, "timeout", reason)
    publish(attempt, [{} for _ in attempt.specs])


def publish(attempt: Attempt, results: Sequence[Result]) -> None:
    """Seal and publish every run's tables."""
    pack, common = attempt.pack, {**attempt.about, **provenance(attempt.started)}

    def one(run: int) -> None:
        folder, spec = attempt.folders[run], attempt.specs[run]
        store.write_json(folder / "environment.json", attempt.environment)
        made = (
            run_tables(pack, run, folder.name, common, results[run])
            if pack
            else unmade(spec, folder.name, common)
        )
        store.seal(folder, made)
        store.publish(folder)
        if pack:
            pack.reports[run].line(": ".join(pack.ended.get(run, ["completed"])))
            pack.reports[run].close()

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(one, range(len(attempt.specs))))


def _trained(
    pack: Pack, attempt: Attempt, state: Path, stopping: Callable[[], bool]
) -> list[Result]:
    """Train from the newest checkpoint and score; where that fails for all, their rows say so."""
    folders = attempt.folders
    try:
        resume(pack, folders, state)
        pack.seconds["start"] += time.time() - attempt.started
        fit(
            pack, stopping, partial(save, pack, folders, state), attempt.settings.checkpoint_seconds
        )
        began = time.perf_counter()
        results = final(pack, folders)
        pack.seconds["eval"] += time.perf_counter() - began
        return results
    except (*NOT_THE_SPECS, *MEMORY):
        raise
    except TimedOut as error:
        end_all(pack, "timeout", str(error))
    except Exception as error:
        end_all(pack, "failed", f"{type(error).__name__}: {error}".splitlines()[0], error)
    return [{} for _ in folders]


def end_all(pack: Pack, status: str, reason: str, error: Exception | None = None) -> None:
    """End the runs that are left, from what the host knows: the device may not answer any more."""
    for run in pack.running:
        pack.ended[run], pack.progress[run].step = (status, reason), pack.step
        if error:
            pack.reports[run].line("".join(traceback.format_exception(error)))


def make_pack(
    specs: Sequence[RunSpec],
    folders: Sequence[Path],
    data: prepared.Prepared,
    device: torch.device,
    settings: Settings,
) -> Pack:
    """The pack of specs sorted by activation, filled to its width with copies of the last, nothing trained yet."""
    spec, rows = specs[0], [*specs, *[specs[-1]] * (specs[0].pack_width - len(specs))]
    quiet = settings.quiet or len(specs) > 1
    seed_globals(spec)
    try:
        steps_per_epoch, total = checked_lengths(spec, data.n("train"), device)
    except ValueError as error:
        raise StudyError(f"pack of {len(specs)} runs: {error}") from None
    members = [make_model(spec, data)]
    check_memory(members[0][0], spec, data, device)
    members += [make_model(one, data) for one in specs[1:]]
    model = PackedMLP([*members, *[members[-1]] * (len(rows) - len(specs))]).to(device)
    return Pack(
        specs=rows,
        n=len(specs),
        model=model,
        optimizer=PackOptimizer(rows, list(model.stacked)),
        inputs=data.inputs(device),
        splits={split: data.on(device, split) for split in prepared.SPLITS},
        device=device,
        reports=[
            Report(f, total, quiet, settings.tensorboard, PAUSE if k else 1.0)
            for k, f in enumerate(folders)
        ],
        probe_every=settings.probe_every,
        total_steps=total,
        steps_per_epoch=steps_per_epoch,
        progress=[Progress(order_seed=one.seed) for one in specs],
        best=[parameter.detach().clone() for parameter in model.stacked],
    )


def check_memory(
    model: nn.Module, spec: RunSpec, data: prepared.Prepared, device: torch.device
) -> None:
    """StudyError, with the width that fits, where a pack of such models is larger than the memory that is free."""
    free = (
        torch.cuda.mem_get_info(device)[0]
        if device.type == "cuda"
        else psutil.virtual_memory().available
    )
    free -= sum(array.nbytes for array in data.arrays.values()) if device.type == "cuda" else 0
    weights = sum(parameter.numel() for parameter in model.parameters())
    units = sum(sum(parameter.shape) for parameter in model.parameters() if parameter.ndim == 2)
    logits = max(data.n("val"), data.n("test")) * data.manifest["classes"]
    # Weights with gradients, moments, best, marked ones, a search's; values at activations; scores; an epoch's indices.
    needed = 4 * (
        13 * weights + 3 * max(spec.batch_size, PROBE_EXAMPLES) * units + 3 * logits
    ) + 8 * data.n("train")
    fits = max(0, int(0.9 * free / needed))
    if spec.pack_width > fits:
        raise StudyError(
            f"pack_width: got {spec.pack_width}, which takes about {spec.pack_width * needed / 1e9:.1f} GB; "
            f"allowed: at most {fits}, as {free / 1e9:.1f} GB are free"
        )
