"""Kill at every step and at every fault point: `python -m tests.faults.kills` prints the table of
counts.
"""

import argparse
import collections
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from actstudy.contract import faults, schema, spec

from . import forks

KILLED = -signal.SIGKILL
SERIES = "compiled series"
TABLES = [f"{name}.parquet" for name in schema.SCHEMAS]
# What a process writes, for each run of a pack, and how often at most. A kill at a later writing
# than there is does not hit.
ONCE = ["spec.json", "environment.json", "progress.json", "best.pt", "best.sha256"]
TWICE = [*TABLES, "manifest.json"]  # sealed, then published
STEPS = {
    "every step": (0.0, 1),
    "some steps": (0.02, 5),
    "none": (1e9, 10),
}  # seconds between them; every k-th step


@dataclass(frozen=True)
class Kill:
    """One place to die at: a step, or a stage of writing a file the n-th time."""

    kind: str
    step: int = 0
    point: str = ""
    checkpoint_seconds: float = 0.0


def kills(packed: bool, n_runs: int = 1) -> Iterator[Kill]:
    """Every step of 40, with fresh checkpoints, older ones and none; every stage of every file.

    n_runs: that a process trains one after another.
    """
    for name, (seconds, every) in STEPS.items():
        for step in range(every, 40 * n_runs + 1, every):
            yield Kill(f"step, checkpoint {name}", step=step, checkpoint_seconds=seconds)
    for name in [*ONCE, *TWICE, *(["runs.json"] if packed else [])]:
        for stage in faults.STAGES:
            for count in range(1, n_runs * (1 + (name in TWICE)) + 1):
                yield Kill("file", point=f"{name}/{stage}:kill:{count}")
    for name in ("step.pt", "step.sha256"):
        for stage in faults.STAGES:
            for count in (1, 2, 3, 20, 39):
                yield Kill("checkpoint", point=f"{name}/{stage}:kill:{count}")


def kills_of(name: str, specs: list[spec.RunSpec]) -> Iterator[Kill]:
    """The places to die at of runs of the grid."""
    return kills(name.startswith("pack"), len(specs) if name == SERIES else 1)


def killed(kill: Kill, specs: list[spec.RunSpec], root: Path) -> int:
    """Train in a child that dies as `kill` says; its exit status."""

    def work() -> None:
        if kill.point:
            forks.fault(kill.point)
        stopping = forks.killing(kill.step) if kill.step else lambda: False
        forks.train(specs, root, stopping=stopping, checkpoint_seconds=kill.checkpoint_seconds)

    return forks.forked(work)


def survives(
    kills: list[Kill], specs: list[spec.RunSpec], root: Path, undisturbed: Path
) -> tuple[int, str]:
    """How many of the kills, one after the other, hit, and what is wrong afterwards.

    Afterwards: when the same command has gone on; empty if nothing is wrong.
    """
    hits = sum(killed(kill, specs, root) == KILLED for kill in kills)
    if forks.forked(lambda: forks.train(specs, root, checkpoint_seconds=1e9)):
        return hits, f"{kills}: the same command failed"
    left = list((root / ".packs").glob("[!.]*"))
    found: list[str] = [f"left behind {left}"] if left else []
    read, write = os.pipe()

    def compare() -> (
        None
    ):  # in a child, too: what reads Parquet has threads, which a fork does not survive
        for one in specs:
            if wrong := forks.difference(root / spec.run_id(one), undisturbed / spec.run_id(one)):
                os.write(write, f"{wrong}\n".encode()[:4000])
                return

    status = forks.forked(compare)
    os.close(write)
    with os.fdopen(read) as pipe:
        found += pipe.read().splitlines()
    found += [f"comparing failed with {status}"] if status else []
    return hits, f"{kills}: {'; '.join(found)}" if found else ""


def grid(root: Path, activations: tuple[str, ...], only: str = "") -> dict[str, list[spec.RunSpec]]:
    """What is killed: runs alone of two models, a pack, compiled runs one after another.

    Their data and undisturbed runs under `root`.
    """
    made = {f"pack of {2 * len(activations)}": forks.pack(activations)}
    made |= {
        f"{task} {name}": [forks.alone(task, name)] for task in forks.MODELS for name in activations
    }
    made["mlp diverging"] = [forks.diverging()]
    made[SERIES] = forks.series()
    for name in filter(only.__ne__, list(made) if only else []):
        del made[name]
    forks.prepare(root, [specs[0] for specs in made.values()])
    for name, specs in made.items():  # in this process: what they import, its children have
        folder = root / "undisturbed" / name.replace(" ", "-")
        several = [[run] for run in specs] if name == SERIES else [specs]
        for members in several:
            forks.train(members, folder, checkpoint_seconds=1e9)
    return made


def main(every: int, only: str = "") -> int:
    """Kill at every place, or at every so-many-th, print counts; only: of the grid.

    1 where anything was lost or changed.
    """
    began, counts, wrong = time.monotonic(), collections.Counter(), []
    with forks.scratch() as root:
        for name, specs in grid(root, ("relu", "gelu", "tanh"), only).items():
            for number, kill in enumerate(list(kills_of(name, specs))[::every]):
                folder = root / "runs" / f"{name.replace(' ', '-')}-{number}"
                hits, fault = survives(
                    [kill], specs, folder, root / "undisturbed" / name.replace(" ", "-")
                )
                counts[name, kill.kind] += hits
                wrong += [f"{name}: {fault}"] if fault else []
            done = sum(n for (what, _), n in counts.items() if what == name)
            print(
                f"{name:<14} {done:>4} kills, {len(wrong)} wrong so far, "
                f"{time.monotonic() - began:.0f} s",
                flush=True,
            )
    for kind in dict.fromkeys(kind for _, kind in counts):
        print(f"{kind:<30} {sum(n for (_, other), n in counts.items() if other == kind):>5} kills")
    print(
        f"{sum(counts.values())} kills, {len(wrong)} wrong, {time.monotonic() - began:.0f} s",
        *wrong,
        sep="\n",
    )
    return int(bool(wrong))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="only every so-many-th place")
    parser.add_argument("--only", default="", help=f"a row of the table, such as {SERIES!r}")
    sys.exit(main(**vars(parser.parse_args())))
