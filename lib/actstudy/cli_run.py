"""What `train` and `pack` share: folders held, what is done left alone, data prepared, signals heeded, a line a run."""

import argparse
import contextlib
import gc
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import actstudy
from actstudy.study import packs, registry, spec, store
from actstudy.study.registry import StudyError

RESUMABLE = 75  # EX_TEMPFAIL: stopped, and the same command goes on


def complete(runs: dict[Path, spec.RunSpec], arguments: argparse.Namespace) -> int:
    """Train what is not done yet of one run, or of the runs of a pack; 0, or 75 where the same command goes on."""
    _allow_files(2 * len(runs) + 256)  # a lock and a log a run, and what the process needs besides
    with contextlib.ExitStack() as held:
        for folder in sorted(runs):
            held.enter_context(store.locked(folder))
            _same_spec(folder, runs[folder])
        sealed = [folder for folder in runs if store.verifies(folder / "checkpoints" / "final")]
        for folder in sealed:
            if not store.verifies(folder):
                store.publish(folder)
        todo = {folder: chosen for folder, chosen in runs.items() if folder not in sealed}
        if todo and not _trained(todo, list(runs.values()), arguments):
            for folder in todo:
                print(f"{folder.name}: stopped; the same command goes on from its checkpoint", file=sys.stderr)
            return RESUMABLE
    sys.stdout.write("".join(map(_line, todo or runs)))  # one write, so that lines of concurrent runs do not mix
    return 0


def _allow_files(needed: int) -> None:
    """Let this process hold so many files open, as far as the system lets it."""
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if now != resource.RLIM_INFINITY and now < needed:
        most_here = needed if most == resource.RLIM_INFINITY else min(needed, most)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most_here, most))


def _line(folder: Path) -> str:
    row = store.summary_row(folder)
    metric = registry.task(row["task"])["metric"]
    score = row[f"reported_{metric}"]
    result = f"test {metric} {score:.4f}" if score is not None else row["reason"]
    seconds = f"{row['train_seconds'] or 0:.1f} s of training"
    return f"{row['task']} {folder.name}: {row['status']}, {result}, {seconds} -> {folder}\n"


def _same_spec(folder: Path, chosen: spec.RunSpec) -> None:
    """StudyError where a run named by hand is another run's folder: it must not republish or resume that one."""
    path = folder / "spec.json"
    try:
        same = not path.is_file() or spec.from_json(path.read_text(encoding="utf-8")) == chosen
    except (ValueError, TypeError) as error:
        raise store.Damaged(f"{path} is not a spec ({error}); to mend: rm {path}, then the same command") from None
    if not same:
        raise StudyError(f"command line: --run_id: {folder} holds another spec; allowed: a name that no run has yet")


def _trained(todo: dict[Path, spec.RunSpec], members: list[spec.RunSpec], arguments: argparse.Namespace) -> bool:
    """Train and publish; False where a signal stopped it."""
    folder, chosen = next(iter(todo.items()))
    data = arguments.data_dir / spec.data_name(chosen)
    if not (data / "manifest.json").is_file():
        prepared(spec.data_name(chosen), data)
    if chosen.engine == "pack":
        from actstudy.training.pack_run import run_pack

        state = folder.parent / ".packs" / packs.name(members)
        with store.locked(state):
            return _guarded(lambda settings: run_pack(todo, state, data, settings), arguments)
    from actstudy.training.run import run

    ended = _guarded(lambda settings: run(chosen, folder, data, settings), arguments)
    if ended:
        store.publish(folder)
    return ended


def _guarded(work: Callable[[Any], object], arguments: argparse.Namespace) -> bool:
    """Do `work(settings)`; False where a signal stopped it and the same command goes on from its checkpoint."""
    from actstudy.training.devices import Unanswered
    from actstudy.training.job import Interrupted
    from actstudy.training.run import Settings

    gc.freeze()  # what is imported by now is never garbage
    gc.enable()
    stop: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _frame: stop.append(received))
    settings = Settings(
        device=arguments.device,
        slots_per_gpu=arguments.slots_per_gpu,
        probe_every=arguments.probe_every,
        checkpoint_seconds=arguments.checkpoint_seconds,
        quiet=arguments.quiet,
        tensorboard=arguments.tensorboard,
        started=actstudy.STARTED,
        stopping=lambda: bool(stop),
    )
    try:
        work(settings)
    except Interrupted:
        return False
    except Unanswered as failed:
        if stop or not failed.others:
            raise
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(failed.others)  # CUDA reads it once a process: start again
        os.execv(sys.executable, sys.orig_argv)
    return True


def prepared(name: str, folder: Path) -> None:
    """Prepare a data set (spec.data_name) into a folder unless it is there; runs that need it at once do so once."""
    from actstudy.data.prepared import prepare

    with store.locked(folder):
        if not (folder / "manifest.json").is_file():
            prepare(name, folder)
