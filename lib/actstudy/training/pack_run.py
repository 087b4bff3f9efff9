"""A pack, wired: data, models stacked, loop, final evaluation, tables; every run ends in its own folder as alone."""

import dataclasses
import os
import secrets
import shutil
import time
import traceback
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import Tensor, nn

from actstudy.data import prepared
from actstudy.nets.packed import PackedMLP
from actstudy.study import schema, store
from actstudy.study.packs import MEMBERS
from actstudy.study.registry import StudyError
from actstudy.study.spec import RunSpec
from actstudy.training import checkpoint, devices
from actstudy.training.job import Interrupted, Progress, checked_lengths
from actstudy.training.loop import PROBE_EXAMPLES
from actstudy.training.pack import Pack
from actstudy.training.pack_loop import fit
from actstudy.training.pack_optim import PackOptimizer
from actstudy.training.pack_tables import Result, final, run_tables
from actstudy.training.provenance import environment, provenance, timestamp
from actstudy.training.report import Report
from actstudy.training.run import Settings, make_model, seed_globals

PAUSE = 30.0  # seconds between notes on runs other than the first: a pack has many
WRITERS = min(8, os.cpu_count() or 1)  # threads that write tables: most of their time is the disk's


def run_pack(runs: Mapping[Path, RunSpec], state: Path, data_folder: Path, settings: Settings) -> None:
    """Train runs, each into its folder, from the newest checkpoint under `state`; publishes their tables.

    As in `run`, every ending but Interrupted is a row; what goes wrong with the pack goes wrong with all of its runs.
    """
    started = settings.started or time.time()
    folders, specs = zip(*sorted(runs.items(), key=lambda item: str(item[1].activation)), strict=True)
    for folder, spec in runs.items():
        store.write_json(folder / "spec.json", dataclasses.asdict(spec))
    store.write_json(state / MEMBERS, [folder.name for folder in folders])
    data = prepared.load(data_folder)
    with devices.lease(settings.device, settings.slots_per_gpu, settings.stopping) as device:
        leased, made = time.time(), environment(device)
        about: dict[str, Any] = {"device": devices.describe(device), "device_id": devices.identity(device)}
        try:
            pack = make_pack(specs, folders, data, device, settings)
            results = _trained(pack, folders, state, settings, started)
        except torch.cuda.OutOfMemoryError as error:
            reason = str(error).splitlines()[0]
            raise StudyError(f"pack_width: got {specs[0].pack_width}: {reason}; allowed: a smaller one") from None
        except (Interrupted, StudyError):
            raise
        except Exception as error:  # of making it: nothing is half done
            raise StudyError(f"pack of {len(specs)} runs: {type(error).__name__}: {error}") from error
    about |= {"data_sha256": data.sha256, "data_subset": data.manifest.get("subset"), "leased": timestamp(leased)}
    about |= {"slots_per_gpu": settings.slots_per_gpu if device.type == "cuda" else None, **provenance(started)}
    about |= {"pack": f"{state.name}-{secrets.token_hex(3)}"}

    def publish(run: int) -> None:
        store.write_json(folders[run] / "environment.json", made)
        store.seal(folders[run], run_tables(pack, run, folders[run].name, about, results[run]))
        store.publish(folders[run])
        pack.reports[run].line(": ".join(pack.ended.get(run, ["completed"])))
        pack.reports[run].close()

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(publish, range(pack.n)))
    shutil.rmtree(state, ignore_errors=True)


def _trained(pack: Pack, folders: Sequence[Path], state: Path, settings: Settings, started: float) -> list[Result]:
    """Train from the newest checkpoint and score; where that fails for all, their rows say so."""
    try:
        _resume(pack, folders, state)
        pack.seconds["start"] += time.time() - started
        fit(pack, settings.stopping, partial(_save, pack, folders, state), settings.checkpoint_seconds)
        began = time.perf_counter()
        results = final(pack, folders)
        pack.seconds["eval"] += time.perf_counter() - began
        return results
    except (Interrupted, StudyError, torch.cuda.OutOfMemoryError):
        raise
    except Exception as error:
        fail(pack, error)
        return [{} for _ in folders]


def fail(pack: Pack, error: Exception) -> None:
    """End the runs that are left as failed, from what the host knows: the device may not answer any more."""
    for run in pack.running:
        pack.ended[run] = ("failed", f"{type(error).__name__}: {error}".splitlines()[0])
        pack.progress[run].step = pack.step
        pack.reports[run].line("".join(traceback.format_exception(error)))


def make_pack(
    specs: Sequence[RunSpec], folders: Sequence[Path], data: prepared.Prepared, device: torch.device, settings: Settings
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
        reports=[Report(f, total, quiet, settings.tensorboard, PAUSE if k else 1.0) for k, f in enumerate(folders)],
        probe_every=settings.probe_every,
        total_steps=total,
        steps_per_epoch=steps_per_epoch,
        progress=[Progress(order_seed=one.seed) for one in specs],
        best=[parameter.detach().clone() for parameter in model.stacked],
    )


def check_memory(model: nn.Module, spec: RunSpec, data: prepared.Prepared, device: torch.device) -> None:
    """StudyError, with the width that fits, where a pack of such models is larger than the memory that is free."""
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available
    free -= sum(array.nbytes for array in data.arrays.values()) if device.type == "cuda" else 0
    weights = sum(parameter.numel() for parameter in model.parameters())
    units = sum(sum(parameter.shape) for parameter in model.parameters() if parameter.ndim == 2)
    logits = max(data.n("val"), data.n("test")) * data.manifest["classes"]
    # Weights with gradients, moments, best ones; values before and after each activation; scores; an epoch's indices.
    needed = 4 * (7 * weights + 3 * max(spec.batch_size, PROBE_EXAMPLES) * units + 3 * logits) + 8 * data.n("train")
    fits = max(0, int(0.9 * free / needed))
    if spec.pack_width > fits:
        raise StudyError(
            f"pack_width: got {spec.pack_width}, which takes about {spec.pack_width * needed / 1e9:.1f} GB; "
            f"allowed: at most {fits}, as {free / 1e9:.1f} GB are free"
        )


def stacks(pack: Pack) -> dict[str, Sequence[Tensor]]:
    """What a checkpoint holds of every run: tensors of which row r is run r's."""
    moments = {f"state{k}": part for k, part in enumerate(pack.optimizer.state)}
    return {"parameters": pack.parameters, "best": pack.best, **moments}


def _save(pack: Pack, folders: Sequence[Path], state: Path) -> None:
    progress = [dataclasses.asdict(one) for one in pack.progress]
    for run, saved in enumerate(progress):
        saved["seconds"] = {bucket: pack.share(run, bucket) for bucket in schema.BUCKETS}
    content = {
        "ids": [folder.name for folder in folders],
        "step": pack.step,
        "ended": pack.ended,
        "progress": progress,
        "health_keys": pack.health_keys,
        "health": pack.health,
        "rows": {name: [tensor.detach()[: pack.n] for tensor in part] for name, part in stacks(pack).items()},
    }
    checkpoint.save(state, pack.step, content)


def _resume(pack: Pack, folders: Sequence[Path], state: Path) -> None:
    """Load the newest checkpoint where it holds all of these runs, in whatever order and company they were then."""
    loaded = checkpoint.newest(state, torch.device("cpu"))
    if loaded is None or not {folder.name for folder in folders} <= set(loaded["ids"]):
        checkpoint.drop(state)  # of other runs, and of later steps than those to come
        return
    mine = [loaded["ids"].index(folder.name) for folder in folders]
    filled = [*mine, *[mine[-1]] * (len(pack.specs) - pack.n)]
    with torch.no_grad():
        for name, tensors in stacks(pack).items():
            for tensor, saved in zip(tensors, loaded["rows"][name], strict=True):
                tensor.copy_(saved[filled])
    wasted = max(0.0, pack.reports[0].train_seconds_seen() - loaded["progress"][mine[0]]["seconds"]["train"])
    pack.step, pack.health_keys = loaded["step"], loaded["health_keys"]
    pack.health = [(step, values[:, mine]) for step, values in loaded["health"]]
    pack.ended = {run: loaded["ended"][row] for run, row in enumerate(mine) if row in loaded["ended"]}
    for run, row in enumerate(mine):
        pack.progress[run] = progress = Progress(**loaded["progress"][row])
        progress.n_resumes += 1
        progress.seconds["wasted"] += wasted
        pack.reports[run].line(f"resumed at step {pack.step} of {pack.total_steps}")
