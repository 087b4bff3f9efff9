"""Why Slurm's jobs of a study failed, by their logs: the plug-in removes those of others."""

import re
from collections.abc import Iterator
from pathlib import Path

from actstudy.contract import store

FOLDER = store.RESULTS / "slurm_logs"  # profiles/slurm: slurm-logdir
NEWEST = 5  # logs that are named
LAST = 20_000  # bytes at a log's end that are read
SAYS_WHY = re.compile(
    r"^actstudy: .+|^Slurm job \S+: .+|^.*\b(?:error|oom-kill|out of memory)\b.+", re.I
)


def describe(folder: Path = FOLDER) -> Iterator[str]:
    """A line per log of a job that has failed, the newest first: its file and its reason."""
    dated = [(path.stat().st_mtime, path) for path in folder.rglob("*.log")]
    reasons = [(path, reason(path)) for _, path in sorted(dated, reverse=True)]
    failed = [(path, why) for path, why in reasons if why]
    for path, why in failed[:NEWEST]:
        yield f"a job of Slurm's: {path}: {why}"
    if len(failed) > NEWEST:
        yield f"and {len(failed) - NEWEST} older logs in {folder}"


def reason(path: Path) -> str:
    """The line of a log that says best why its job has failed; empty if none does."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - LAST))
        lines = file.read().decode(errors="replace").splitlines()
    telling = [line.strip() for line in lines if SAYS_WHY.match(line)]
    own = [line for line in telling if line.startswith(("actstudy: ", "Slurm job "))]
    return (own or telling or [""])[-1]
