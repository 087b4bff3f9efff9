"""Bad study files: each is refused in one line that names the file and a line or key, and starts
nothing.

    python -m tests.faults.configs [--mutants 2000] [--whole 30]

Written by hand (configs.yaml), mutated from config/, and with typos in every name.
"""

import argparse
import contextlib
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, Phase, given, settings

from actstudy.contract.errors import StudyError
from actstudy.study import planning
from actstudy.study.config import RunFields, StudyFile

from . import mutants, typos
from .clone import Clone

SECONDS = 5.0  # at most for any file
HAND_MADE: dict[str, list[str]] = yaml.safe_load(
    Path(__file__).with_name("configs.yaml").read_text(encoding="utf-8")
)
CASES: dict[str, tuple[bytes, str]] = {
    name: (text.encode(), says) for name, (text, says) in HAND_MADE.items()
}
CASES |= {
    "not UTF-8": (b"tasks: {mlp: }\nnote: caf\xe9\n", "line 2: not readable as YAML"),
    "UTF-16": ("tasks: {mlp: }\n".encode("utf-16"), "line 1: not readable as YAML"),
    "large": (b"tasks: {mlp: }\n" + b"# more\n" * 200_000, "got over 50,000 bytes"),
    "brackets without end": (b"a: " + b"[" * 40_000, "line 1: a: nested too deep"),
    "an axis without end": (
        b"tasks: {mlp: {seeds: 2}}\naxes: {lr: [" + b"1," * 22_500 + b"]}\n",
        "axes: got 45,000 runs",
    ),
    "a number without end": (
        b"tasks: {mlp: {seeds: " + b"9" * 40_000 + b"}}\n",
        "line 1: tasks.mlp.seeds: got 999",
    ),
}
KEYS = {
    *StudyFile.model_fields,
    *RunFields.model_fields,
    "targets",
    "margin",
    "file",
    "set twice",
    "listed twice",
    "claims",
}


class Hangs(Exception):
    """A file that took too long."""


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Hangs where the block takes longer."""

    def late(*_: Any) -> None:
        raise Hangs(f"longer than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def verdict(file: Path, content: bytes) -> tuple[str, str]:
    """`valid`, `invalid` or what is at fault with the reading of a file, and what was said of
    it.
    """
    file.write_bytes(content)
    try:
        with within(SECONDS):
            study = planning.load(file)
    except StudyError as fault:
        said = str(fault)
        placed = re.search(r": line \d+: ", said) or any(
            re.search(rf"\b{key}\b", said) for key in KEYS
        )
        if len(said.splitlines()) == 1 and str(file) in said and placed:
            return "invalid", said
        return "not one line with file and key", said
    except Exception as error:
        return "traceback", f"{type(error).__name__}: {error}"
    stopped = mutants.untrainable(study)
    return ("accepted but untrainable", stopped) if stopped else ("valid", "")


def hand_made(file: Path) -> list[str]:
    """Cases that are not refused as expected."""
    wrong = []
    for name, (content, says) in CASES.items():
        kind, said = verdict(file, content)
        if kind != "invalid" or says not in said:
            wrong.append(f"{name}: {kind}: {said}")
    return wrong


def mutated(file: Path, n: int) -> tuple[Counter[str], list[str]]:
    """How many of n mutants are what, the same ones each time; and those that are neither valid nor
    invalid.
    """
    counts, wrong = Counter[str](), list[str]()

    @settings(
        max_examples=n,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(mutants.texts())
    def one(text: str) -> None:
        kind, said = verdict(file, text.encode("utf-8", "surrogatepass"))
        counts[kind] += 1
        if kind not in ("valid", "invalid"):
            wrong.append(f"{kind}: {said[:300]}\n--- {text!r}")

    one()
    return counts, wrong


def whole(folder: Path, cases: list[str]) -> Counter[str]:
    """What snakemake, `status` and `make study` make of cases, in a copy of the project: exits,
    tracebacks, runs.
    """
    clone, counts = Clone(folder / "project", {}), Counter[str]()
    python, file = ".venv/bin/python", clone.folder / "config/bad.yaml"
    ways = {
        "snakemake -n": [python, "-m", "snakemake", "-n", "--configfile", "config/bad.yaml"],
        "status": [python, "-m", "actstudy", "status", "--config", "config/bad.yaml"],
        "make study": [
            python,
            "workflow/scripts/study.py",
            "--configfile",
            "config/bad.yaml",
            "--cores",
            "1",
        ],
    }
    for name in cases:
        file.write_bytes(CASES[name][0])
        for way, command in ways.items():
            done = subprocess.run(
                command, cwd=clone.folder, env=clone.environment(), capture_output=True, text=True
            )
            said = done.stdout + done.stderr
            counts[
                f"{way}: exit {done.returncode}"
                f"{', with a traceback' if 'Traceback' in said else ''}"
            ] += 1
            if way != "snakemake -n" and (
                done.returncode,
                "Traceback" in said,
                "actstudy: " in said,
            ) != (
                2,
                False,
                True,
            ):
                print(f"{name}: {way}: exit {done.returncode}: {said[-300:]}")
    counts["jobs started"] = len(list(clone.folder.glob("results/*")))
    return counts


def main(n: int, n_whole: int, each: int | None) -> int:
    """Print the counts; 1 where a file was not told as it should be."""
    with tempfile.TemporaryDirectory() as folder:
        file, began = Path(folder) / "study.yaml", time.monotonic()
        wrong = hand_made(file)
        print(f"by hand: {len(CASES)} bad files, {len(wrong)} not refused as they should be")
        counts, strange = mutated(file, n)
        print(f"mutants: {dict(counts)}, {time.monotonic() - began:.0f} s")
        share = typos.main(file, each)
        step = max(1, len(CASES) // n_whole) if n_whole else len(CASES) + 1
        if n_whole:
            print(f"whole: {dict(whole(Path(folder), list(CASES)[::step]))}")
    print(*wrong, *strange, sep="\n")
    return int(bool(wrong or strange) or share < 0.95)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mutants", type=int, default=2000)
    parser.add_argument(
        "--whole", type=int, default=30, help="hand-made files for snakemake, status and make study"
    )
    parser.add_argument("--typos", type=int, help="of each name (default: all)")
    asked = parser.parse_args()
    sys.exit(main(asked.mutants, asked.whole, asked.typos))
