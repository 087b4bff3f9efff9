"""Why Slurm's jobs of a study failed, by their logs: the plug-in removes those of others."""

import contextlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

FOLDER = "slurm_logs"  # in the folder of a study's results
NEWEST = 5  # logs that are named
LAST = 20_000  # bytes at a log's end that are read
SAYS_WHY = re.compile(
    r"^actstudy: .+|^Slurm job \S+: .+|^.*\b(?:error|oom[-_]kill|out of memory)\b.+", re.I
)
GOES_ON = re.compile(r"^Slurm job \S+: back in the queue")  # no failure
NO_MEMORY = re.compile(  # of the node, by Slurm: not of a GPU
    r"\boom[-_]kill|: Out Of Memory|is: 'OUT_OF_MEMORY'|exit status 137\b"
)


def describe(folder: Path) -> Iterator[str]:
    """A line per job that has failed, the newest first: its newest log, and the reason there."""
    dated: dict[Path, tuple[float, Path]] = {}  # by folder: the tries of one job share it
    for path in folder.rglob("*.log"):
        with contextlib.suppress(OSError):  # gone since: its job went well
            dated[path.parent] = max(dated.get(path.parent, (0.0, path)), _dated(path))
    named = 0
    for n_read, (_, path) in enumerate(sorted(dated.values(), reverse=True)):
        if named == NEWEST:
            yield f"{len(dated) - n_read} older logs in {folder} were not read"
            return
        with contextlib.suppress(OSError):
            if (why := reason(path)) and not GOES_ON.match(why):
                named += 1
                yield f"a job of Slurm's: {path}: {why}"


def _dated(path: Path) -> tuple[float, Path]:
    """A file with the time of its last change."""
    return path.stat().st_mtime, path


def reason(path: Path) -> str:
    """The line of a log that says best why its job has failed; empty if none does."""
    lines = _end(path).splitlines()
    telling = [line.strip() for line in lines if SAYS_WHY.match(line)]
    own = [line for line in telling if line.startswith(("actstudy: ", "Slurm job "))]
    return (own or telling or [""])[-1]


def _end(path: Path) -> str:
    """The last LAST bytes of a log as text."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - LAST))
        return file.read().decode(errors="replace")


def is_out_of_memory(message: str, paths: Iterable[Path]) -> bool:
    """Whether a failed job was killed for its memory, by what Slurm says of it and by its logs."""
    texts = [message]
    for path in paths:
        with contextlib.suppress(OSError):
            texts.append(_end(path))
    return any(NO_MEMORY.search(text) for text in texts)
