"""SIGTERM at random moments of a real `python -m actstudy train`: `python -m tests.faults.signals
--times 50`.
"""

import argparse
import itertools
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from actstudy.contract import spec, store
from actstudy.training import checkpoint

from . import forks

LONG = {
    "steps": 800,
    "eval_every": 100,
    "warmup": 0,
    "depth": 2,
    "width": 16,
    "norm": "batch",
    "dropout": 0.1,
}


@dataclass
class Stopped:
    """How a process ended that was told to: its status, seconds it took, the checkpoint it left,
    what else is wrong.
    """

    status: int
    seconds: float
    step: int
    wrong: str


def command(one: spec.RunSpec, root: Path) -> list[str]:
    """The trainer's command, with no checkpoint but what a signal asks for."""
    here = [
        sys.executable,
        "-m",
        "actstudy",
        "train",
        "--spec",
        spec.canonical(one),
        "--device",
        "cpu",
        "--quiet",
    ]
    return [
        *here,
        "--checkpoint_seconds",
        "1e9",
        "--log_dir",
        str(root),
        "--data_dir",
        str(root.parent / "data"),
    ]


def stopped(
    one: spec.RunSpec, root: Path, wait: Callable[[], None], again: float | None
) -> Stopped:
    """Start, wait, SIGTERM, with `again` a second one so many seconds later.

    What was left on disk.
    """
    process = subprocess.Popen(
        command(one, root), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    wait()
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    if again is not None:
        time.sleep(again)
        process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=60)[1]
    seconds, folder = time.monotonic() - began, root / spec.run_id(one)
    told = re.search(r"stopped at step (\d+)", said)
    saved = checkpoint.newest(folder / "checkpoints", torch.device("cpu"))
    step = saved["step"] if saved else 0
    wrong = "" if step == int(told[1] if told else 0) else f"saved step {step}, said {said!r}"
    if process.returncode not in (0, 75, -signal.SIGTERM) or "Traceback" in said:
        wrong = f"status {process.returncode}: {said[-300:]}"
    if (
        process.returncode != 0
        and not step
        and not store.verifies(folder)
        and any(folder.rglob("*"))
    ):
        wrong = f"left behind {[path.name for path in folder.rglob('*')]}"
    return Stopped(process.returncode, seconds, step, wrong)


def undisturbed_seconds(one: spec.RunSpec, root: Path) -> float:
    """Train without a signal; how long that took."""
    began = time.monotonic()
    subprocess.run(command(one, root), check=True, capture_output=True)
    return time.monotonic() - began


def gone_on(one: spec.RunSpec, root: Path, whole: Path) -> str:
    """What is wrong after the stopped run has gone on, or nothing."""
    forks.train([one], root, probe_every=200, checkpoint_seconds=1e9)
    return forks.difference(root / spec.run_id(one), whole / spec.run_id(one))


def main(times: int, seed: int = 0) -> int:
    """Stop so many processes that are in the midst of something, every second one twice.

    1 where anything is wrong.
    """
    rng, stops = random.Random(seed), []
    with forks.scratch() as root:
        one = forks.run_spec("mlp", 0, {"activation": "gelu", **LONG})
        (root / "runs").mkdir()
        forks.prepare(root, [one])
        whole = root / "runs" / "whole"
        (root / "runs" / "data").symlink_to(root / "data")
        length = undisturbed_seconds(one, whole)
        for number in itertools.count():
            folder = root / "runs" / str(number)
            delay, again = rng.uniform(0, length), rng.uniform(0, 0.3) if len(stops) % 2 else None
            found = stopped(one, folder, partial(time.sleep, delay), again)
            if found.status == 0 or store.verifies(
                folder / spec.run_id(one)
            ):  # it was done before the signal came
                continue
            found.wrong = found.wrong or gone_on(one, folder, whole)
            stops.append(found)
            if found.wrong:
                print(f"after {delay:.2f} s: {found.wrong}", flush=True)
            if len(stops) == times:
                break
    saved, wrong = (
        [found for found in stops if found.step],
        [found for found in stops if found.wrong],
    )
    print(
        f"an undisturbed run takes {length:.1f} s; {times} stopped, "
        f"statuses {Counter(s.status for s in stops)}"
    )
    print(
        f"{len(saved)} checkpoints of the current step, "
        f"{times - len(saved)} before one: nothing on disk"
    )
    print(
        f"{len(wrong)} wrong; seconds to exit: at most {max(found.seconds for found in stops):.2f}"
    )
    return int(bool(wrong))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=50)
    sys.exit(main(parser.parse_args().times))
