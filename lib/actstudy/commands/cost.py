"""What the missing runs of a study take, from a few timed steps of some of them."""

import dataclasses
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow.compute as pc

from actstudy.analysis import forecast
from actstudy.contract import host, store
from actstudy.contract.counting import counted
from actstudy.contract.errors import StudyError
from actstudy.contract.spec import RunSpec, canonical, data_name, run_id
from actstudy.study import disk, packs
from actstudy.study.jobs import modules_flag
from actstudy.study.planning import Study

WINDOW = 4  # steps between evaluations; the first window, of setting up, is not timed
STEPS = 3 * WINDOW
WARMING = 1e-3  # of the rate: what a run with warm-up begins with; the whole at once may diverge
MAX_SHAPES = 3  # networks that are timed per task, evenly spaced over those that it asks for


@dataclasses.dataclass(frozen=True)
class Cost:
    """What one run takes."""

    seconds: float  # of its process; of a pack its share
    disk: int  # bytes
    memory: int  # bytes at the peak; of a pack 0, as it has none of its own


def describe(study: Study) -> Iterator[str]:
    """A line per task on what its runs still to train take, and one on all: time, disk, memory."""
    job_of = forecast.jobs_of(study)
    jobs = set[str]()
    seconds = 0.0
    size = 0.0
    peaks = [0]
    for task in study.tasks:
        runs = _missing(study, task)
        shapes: dict[str, RunSpec] = {}
        for run in runs:
            shapes.setdefault(packs.shared(run), run)
        timings = [measured(spec, study) for spec in spread(list(shapes.values()))]
        costs = [cost for cost in timings if cost is not None]
        if not costs:
            fault = f"{counted(len(runs), 'run')}, not timed: those that were tried diverged"
            yield f"{task}: {fault if runs else 'nothing left to train'}"
            continue
        each = statistics.fmean(cost.seconds for cost in costs)
        timed = f"{STEPS} steps of {len(costs)} of {len(shapes)} networks"
        yield f"{task}: {counted(len(runs), 'run')}, about {each:.1f} s each (timed: {timed})"
        seconds += each * len(runs)
        size += statistics.fmean(cost.disk for cost in costs) * len(runs)
        peaks += [cost.memory for cost in costs]
        jobs.update(job_of[run_id(run)] for run in runs)
    comparisons = forecast.comparisons(study)
    if comparisons.todo:
        yield f"parity: {comparisons}"
        seconds += comparisons.seconds
    n_processes = min(forecast.room(study), max(len(jobs), 1))
    yield f"all: about {forecast.duration(seconds / n_processes)} with {n_processes} processes"
    free = shutil.disk_usage(".").free
    yield f"disk: about {size / 1e6:,.0f} MB; {free / 1e6:,.0f} MB are free"
    if max(peaks):
        yield f"memory: about {max(peaks) * n_processes / 1e6:,.0f} MB"
    if 0 in peaks[1:]:
        yield "memory of packs: not measured"


def _missing(study: Study, task: str) -> list[RunSpec]:
    """The runs of a task that have not been published, each once."""
    specs = {run.id: run.spec for run in study.tuning + study.runs() if run.task == task}
    return [
        spec for spec in specs.values() if not (store.run_folder(spec) / store.MANIFEST).is_file()
    ]


def spread(specs: Sequence[RunSpec]) -> list[RunSpec]:
    """At most MAX_SHAPES specs, evenly spaced from the first to the last."""
    n = min(len(specs), MAX_SHAPES)
    return [specs[round(place * (len(specs) - 1) / max(n - 1, 1))] for place in range(n)]


def measured(spec: RunSpec, study: Study) -> Cost | None:
    """What a run takes, from a training of STEPS steps in a folder that is removed.

    Time grows with its steps and evaluations; to start takes the same. None if it diverged, as a
    study of what diverges expects.
    """
    from actstudy.data import prepared
    from actstudy.training import attempt

    data = store.DATA / data_name(spec)
    if not (data / store.MANIFEST).is_file():
        attempt.prepared(data.name, data)
    lr = WARMING * spec.lr if spec.warmup else spec.lr
    short = dataclasses.replace(
        spec, steps=STEPS, epochs=None, warmup=0.0, lr=lr, eval_every=WINDOW
    )
    with tempfile.TemporaryDirectory(prefix="actstudy-cost-") as folder:
        _train(short, Path(folder), study)
        run = Path(folder, run_id(short))
        row = store.summary_row(run)
        (curves,) = store.read(run, "curves")
        size = disk.bytes_of(run)
    if row["status"] == "diverged":
        return None
    if row["status"] != "completed":
        raise StudyError(f"{study.file}: tasks.{spec.task}: {row['status']}: {row['reason']}")
    reached = {
        step: pc.max(curves.filter(pc.field("step") == step)["train_seconds"]).as_py()
        for step in (WINDOW, STEPS)
    }
    step_seconds = (reached[STEPS] - reached[WINDOW]) / (STEPS - WINDOW)
    per_epoch = prepared.load(data).n("train") // spec.batch_size
    steps = spec.steps or (spec.epochs or 0) * per_epoch
    n_evaluations = steps / (spec.eval_every or per_epoch)
    evaluations = row["eval_seconds"] / (STEPS / WINDOW + 1) * (n_evaluations + 1)  # 1: of test
    probes = row["probe_seconds"] / 2 * (steps / study.probe_every + 2)
    once = row["start_seconds"] + (row["compile_seconds"] or 0)
    seconds = once + steps * step_seconds + evaluations + probes
    return Cost(seconds, size, row["peak_memory_bytes"] or 0)


def _train(spec: RunSpec, folder: Path, study: Study) -> None:
    """Train a run alone, or a whole pack of its like, by the command that the workflow uses."""
    if spec.engine == "pack":
        seeds = range(spec.seed, spec.seed + spec.pack_width)
        members = [dataclasses.replace(spec, seed=seed) for seed in seeds]
        what = ["pack", "--members", packs.to_json(members)]
    else:
        what = ["train", "--spec", canonical(spec)]
    options = ["--log_dir", str(folder), "--quiet", "--probe_every", str(study.probe_every)]
    options += modules_flag(study)
    device = study.device_for(len(host.gpus()), None)
    command = [sys.executable, "-m", "actstudy", *what, *options, "--device", device]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise StudyError(f"cost: {last}")
