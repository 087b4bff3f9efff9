"""A question to a node: started there by srun, before any job of a study."""

import contextlib
import fcntl
import getpass
import json
import os
import secrets
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from actstudy.cluster import slurm
from actstudy.cluster.profile import Profile

WAIT = 60  # seconds that srun may wait for a free node
PATIENCE = 300  # seconds for its answer


class Answer(NamedTuple):
    """What a node has said, and this node's clock before and after."""

    facts: dict[str, Any]  # of `probe`; empty: none came
    token: str  # what it should have read
    before: float  # seconds since the epoch
    after: float
    file_time: float  # this node's clock less that of the storage, in seconds
    fault: str = ""  # what srun says if no answer came


def ask(profile: Profile, results: Path) -> Answer:
    """What a node of a profile's partition sees of the results folder, of time and of CUDA."""
    with _locked_file(results) as (path, token):
        skew = time.time() - path.stat().st_mtime
        before = time.time()
        answer = slurm.call(*command(profile, path), seconds=PATIENCE)
        after = time.time()
    facts: dict[str, Any] = {}
    for line in (answer.output or "").splitlines():
        with contextlib.suppress(ValueError):
            facts = dict(json.loads(line))
    return Answer(facts, token, before, after, skew, answer.fault)


def command(profile: Profile, token: Path) -> list[str]:
    """The srun that asks a node, with the partition, account and GPU of the profile's jobs."""
    words = ["srun", "--nodes=1", "--ntasks=1", "--time=5", f"--immediate={WAIT}", "--quiet"]
    if profile.partition:
        words.append(f"--partition={profile.partition}")
    if profile.account:
        words.append(f"--account={profile.account}")
    if profile.wants_gpu:
        model = f"{profile.gpu_model}:" if profile.gpu_model else ""
        words.append(f"--gpus={model}1")
    kind = "gpu" if profile.wants_gpu else "cpu"
    return [*words, sys.executable, "-m", "actstudy.cluster.probe", str(token), kind]


@contextlib.contextmanager
def _locked_file(results: Path) -> Iterator[tuple[Path, str]]:
    """A file in the results folder with a secret, locked as a run's folder is."""
    results.mkdir(parents=True, exist_ok=True)
    path = results.resolve() / f".doctor-{getpass.getuser()}-{os.getpid()}"
    token = secrets.token_hex(8)
    try:
        with path.open("w") as handle:
            handle.write(token)
            handle.flush()
            os.fsync(handle.fileno())
            with contextlib.suppress(OSError):  # the node says whether there are locks
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield path, token
    finally:
        for leftover in (path, path.with_name(f"{path.name}.node")):
            leftover.unlink(missing_ok=True)
