"""Bits turned and files cut short, in checkpoints and tables: `python -m tests.faults.flips` counts
them.
"""

import argparse
import random
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import torch

from actstudy.contract import schema, store
from actstudy.study import packs
from actstudy.training import checkpoint
from actstudy.training.outcome import Interrupted

from . import forks

CPU = torch.device("cpu")


def made(root: Path) -> list[Path]:
    """Every file with a checksum, and the checksums: of a run that has ended, one that was stopped,
    a stopped pack.
    """
    ended, members = forks.alone("mlp", "relu"), forks.pack(("relu",))
    forks.prepare(root, [ended])
    forks.train([ended], root / "runs" / "ended")
    for specs, name in (([ended], "stopped"), (members, "packed")):
        steps = iter(range(40))
        try:
            forks.train(
                specs,
                root / "runs" / name,
                checkpoint_seconds=0.0,
                stopping=lambda at=steps: next(at) == 20,
            )
        except Interrupted:
            continue
        raise AssertionError(f"{name} was not stopped")
    assert (root / "runs/packed/.packs" / packs.name(members)).is_dir()
    kinds = ("*.parquet", store.MANIFEST, "*.pt", "*.sha256")
    files = sorted(path for kind in kinds for path in (root / "runs").rglob(kind))
    older = {min(path.parent.glob("step-*.pt")) for path in files if path.stem.startswith("step-")}
    files = [
        path for path in files if path.with_suffix(".pt") not in older
    ]  # the newest checkpoint would be read
    assert not any(refused(path) for path in files), "what is whole is accepted"
    return files


def refused(path: Path) -> bool:
    """Whether the reader of a damaged file says so, or passes it over for an older one that is
    whole.
    """
    if path.suffix in (".pt", ".sha256"):
        return (
            _passed_over(path)
            if path.stem.startswith("step-")
            else _raises(lambda: checkpoint.read(_pt(path), CPU))
        )
    return _raises(lambda: store.read(path.parent, *schema.SCHEMAS)) and not store.verifies(
        path.parent
    )


def _pt(path: Path) -> Path:
    return path.with_suffix(".pt")


def _raises(read: Callable[[], object]) -> bool:
    try:
        read()
    except store.Damaged:
        return True
    return False


def _passed_over(path: Path) -> bool:
    """Whether the older checkpoint is what is read.

    In a copy of the folder, as what does not verify is removed.
    """
    copy = path.parents[1] / "copy"
    shutil.copytree(path.parent, copy)
    try:
        found = checkpoint.newest(copy, CPU)
        return found is not None and found["step"] < int(path.stem.removeprefix("step-"))
    finally:
        shutil.rmtree(copy)


def damaged(path: Path, rng: random.Random, cut: bool) -> bool:
    """Turn one bit of a file, or cut it; whether its reader refused it.

    The file is whole again then.
    """
    whole = path.read_bytes()
    content = bytearray(whole)
    if cut:
        del content[rng.randrange(len(content)) :]
    else:
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)
    try:
        return refused(path)
    finally:
        path.write_bytes(whole)


def accepted(root: Path, flips: int, cuts: int, seed: int = 0) -> tuple[Counter[str], list[str]]:
    """How often each kind of file was damaged, and every damage that was accepted in silence."""
    rng, tried, silent = random.Random(seed), Counter[str](), []
    files = made(root)
    for number in range(flips + cuts):
        path = files[number % len(files)] if number < len(files) else rng.choice(files)
        tried[path.suffix if path.suffix != ".json" else path.name] += 1
        if not damaged(path, rng, cut=number >= flips):
            silent.append(f"{'cut' if number >= flips else 'flip'} {number} of {path.name}")
    return tried, silent


def main(flips: int, cuts: int) -> int:
    """Print the counts; 1 where any damage was accepted."""
    began = time.monotonic()
    with forks.scratch() as root:
        tried, silent = accepted(root, flips, cuts)
    print(
        f"{flips} bits, {cuts} cuts in {dict(tried)}: {len(silent)} accepted, "
        f"{time.monotonic() - began:.0f} s"
    )
    print(*silent, sep="\n")
    return int(bool(silent))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flips", type=int, default=1000)
    parser.add_argument("--cuts", type=int, default=300)
    asked = parser.parse_args()
    sys.exit(main(asked.flips, asked.cuts))
