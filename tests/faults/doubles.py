"""Two starts of one thing at the same moment, again and again: one trains, the other waits or says
who does.

python -m tests.faults.doubles --times 50
"""

import argparse
import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from actstudy.contract import spec, store
from actstudy.study.planning import load, run_spec

from .clone import Clone

TINY = {
    "activation": "relu",
    "depth": 1,
    "width": 16,
    "epochs": 3,
    "batch_size": 500,
    "warmup": 1,
    "dropout": 0.0,
}
GRID = """
seeds: 1
axes: {activation: [relu]}
tasks:
  mlp: {width: 16, depth: 1, dropout: 0.0, batch_size: 500, eval_every: 1000, steps: %d}
"""
DATA = ["results/data/mnist1d/manifest.json"]
ALONE = ("-m", "actstudy")
# The same without locks: what a proof of them must see fail.
UNLOCKED = (
    "-c",
    "import fcntl, runpy, sys; fcntl.flock = lambda *_: None; sys.argv[0] = 'actstudy'; "
    "runpy.run_module('actstudy', run_name='__main__')",
)


def double(
    folder: Path,
    seed: int,
    data: Path,
    program: Sequence[str] = ALONE,
    python: str = sys.executable,
) -> list[str]:
    """What was wrong with two starts of one run at once.

    Empty if one trained and the other waited. python: the program that runs `program`.
    """
    chosen = run_spec("mlp", seed, TINY)
    words = [
        "train",
        "--spec",
        spec.canonical(chosen),
        "--device",
        "cpu",
        "--checkpoint_seconds",
        "0",
        "--quiet",
    ]
    words += ["--log_dir", str(folder), "--data_dir", str(data)]
    both = [
        subprocess.Popen(
            [python, *program, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    said = [one.communicate() for one in both]
    run = folder / spec.run_id(chosen)
    found = [
        f"exit {one.returncode}: {err.strip()[-200:]}"
        for one, (_, err) in zip(both, said, strict=True)
    ]
    found = [line for line in found if not line.startswith("exit 0")]
    trainings = (run / "log.txt").read_text().count(" completed")
    if trainings != 1:
        found.append(f"trained {trainings} times")
    if sum("is held by" in err for _, err in said) > 1 or not any(
        "completed" in out for out, _ in said
    ):
        found.append(f"said {said}")
    if not store.verifies(run):
        found.append("tables do not verify")
    return found


def stale_lock(clone: Clone) -> None:
    """Leave what a killed snakemake leaves that was about to prepare data."""
    locks = clone.folder / ".snakemake/locks"
    locks.mkdir(parents=True)
    (locks / "0.output.lock").write_text(f"{DATA[0]}\n")


def double_study(folder: Path, python: str = "") -> list[str]:
    """What was wrong with two `make study` at once.

    Empty if one works and the other says which one does. python: the program that jobs run, else
    the project's own.
    """
    clone = Clone(folder, {"twice": GRID % 1000}, python=python)
    stale_lock(clone)
    both = [clone.start("twice", DATA) for _ in range(2)]
    statuses = sorted(one.wait() for one in both)
    works = [one.pid for one in both if one.returncode == 0] or [0]
    said = clone.said(last=2)
    if statuses != [0, 2] or f"a study runs here already (pid {works[0]})" not in said:
        return [f"exits {statuses}: {said}"]
    return []


def orphan(folder: Path, steps: int = 6000) -> list[str]:
    """What was wrong with SIGTERM of `make study`, then kill -9 of snakemake, then a start beside
    its live trainer.
    """
    clone = Clone(folder, {"orphan": GRID % steps})
    target = [
        f"results/runs/mlp/{one.id}/manifest.json"
        for one in load(str(folder / "config/orphan.yaml")).runs()
    ]
    first = clone.start("orphan", target)
    saved(clone, first, 0.0)
    first.terminate()
    status, living, began = first.wait(), clone.processes(), time.time()
    found = [] if status and not living else [f"SIGTERM: exit {status}, left {living}"]
    second = clone.start("orphan", target)
    saved(clone, second, began)
    (trainer,), driver = clone.trainers(), clone.driver()
    assert driver is not None
    driver.kill()
    second.wait()
    found += [] if trainer.is_running() else ["the trainer died with its driver"]
    status = clone.start("orphan", target).wait()
    (run,) = folder.glob("results/runs/mlp/[!.]*")
    log = (run / "log.txt").read_text()
    if status or log.count(" completed") != 1 or log.count("resumed") != 1:
        found.append(
            f"exit {status}; trained {log.count(' completed')} times, "
            f"resumed {log.count('resumed')} times"
        )
    if f"is held by pid {trainer.pid} " not in clone.said():
        found.append(f"did not wait for {trainer.pid}: {clone.said()}")
    return found


def saved(clone: Clone, going: subprocess.Popen[bytes], since: float) -> None:
    """Wait until a trainer has written a checkpoint after that time."""
    while going.poll() is None:
        with contextlib.suppress(FileNotFoundError):
            files = clone.folder.glob("results/runs/mlp/*/checkpoints/step-*.sha256")
            if any(path.stat().st_mtime > since for path in files):
                return
        time.sleep(0.05)
    raise AssertionError(clone.said())


def main() -> int:
    """1 where anything was doubled."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=50)
    asked, began = parser.parse_args(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="doubles") as name:
        folder = Path(name)
        found = [
            f"run {n}: {line}"
            for n in range(asked.times)
            for line in double(folder / "runs", n, folder / "data")
        ]
        print(
            f"{asked.times} double starts of a run: {len(found)} wrong, "
            f"{time.monotonic() - began:.0f} s",
            flush=True,
        )
        studies = [line for n in range(5) for line in double_study(folder / f"study{n}")]
        print(f"5 double starts of `make study`: {len(studies)} wrong", flush=True)
        orphans = [line for n in range(3) for line in orphan(folder / f"orphan{n}")]
        print(
            f"3 starts with a live trainer of a killed snakemake: {len(orphans)} wrong", flush=True
        )
    print(*found, *studies, *orphans, sep="\n")
    return int(bool(found or studies or orphans))


if __name__ == "__main__":
    sys.exit(main())
