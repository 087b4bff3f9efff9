"""Sixty hostile strings as run id, label, path and data set name: what they leave behind, counted.

    python -m tests.faults.hostile

Each goes through the real commands in a sandbox. Refused in one line is right; where a string is
allowed it must
appear as it was written.
"""

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from actstudy.commands import cli

from . import labels, pages
from .clone import ROOT
from .labels import TINY
from .strings import STRINGS

STUDY = """
axes: {activation: [relu, tanh]}
tasks: {mlp: {seeds: 1, depth: 1, width: 8, epochs: 2, warmup: 1, batch_size: 500}}
"""
FAULTS = (
    "outside",
    "marker",
    "traceback",
    "raw console",
    "status",
    "script",
    "formula",
    "unwritten",
)


def started(
    folder: Path, program: str, arguments: Sequence[str], environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """What `python -m PROGRAM ARGUMENTS` did in a folder; tests fork instead."""
    return subprocess.run(
        [sys.executable, "-m", program, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        errors="replace",
    )


class Sandbox:
    """A copy of the workflow in a folder of its own, in which commands are run and counted."""

    def __init__(self, root: Path, name: str = "project") -> None:
        self.root, self.project, self.found = root, root / name, Counter[str]()
        self.details: list[str] = []
        self.project.mkdir(parents=True)
        shutil.copy(ROOT / "Snakefile", self.project)
        for part in ("workflow", "profiles"):
            shutil.copytree(ROOT / part, self.project / part)
        (self.project / "config").mkdir()
        (self.project / "config/config.yaml").write_text(STUDY)
        self.before = self.outside()

    def outside(self) -> set[str]:
        """Every path in the sandbox that is not below its results or snakemake's own folder."""
        own = ("results", ".snakemake")
        walked = (
            Path(folder) / one
            for folder, folders, files in os.walk(self.root)
            for one in folders + files
        )
        return {
            str(path)
            for path in walked
            if not any(path.is_relative_to(self.project / name) for name in own)
        }

    def called(self, *arguments: str, allowed: tuple[int, ...] = (0, 1)) -> bool:
        """Run `python -m actstudy` in this process; whether it was not refused."""
        if "\0" in "".join(arguments):  # no process can be given it
            self.found["impossible"] += 1
            return False
        out, err, status = io.StringIO(), io.StringIO(), 0
        with (
            contextlib.chdir(self.project),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            try:
                cli.main(arguments)
            except SystemExit as left:
                status = int(left.code or 0)
            except BaseException as error:
                print(f"Traceback {type(error).__name__}: {error!r}")
        return self.judged(arguments, status, out.getvalue(), err.getvalue(), allowed)

    def snakemake(self, *arguments: str) -> bool:
        """Run snakemake in a process of its own; whether it was not refused."""
        paths = {
            "PYTHONPATH": str(ROOT / "lib"),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        done = started(self.project, "snakemake", ["--cores", "1", *arguments], os.environ | paths)
        return self.judged(
            arguments, done.returncode, "", done.stdout + done.stderr, (0,), ours=False
        )

    def judged(
        self,
        what: tuple[str, ...],
        status: int,
        out: str,
        err: str,
        allowed: tuple[int, ...],
        ours: bool = True,
    ) -> bool:
        """Count what a command did that it must not; whether it was not refused.

        ours: a refusal is one line and exit status 2; snakemake's own take more, and repeat what
        it was asked for.
        """
        refused = status not in allowed
        bad = {
            "traceback": "Traceback" in out + err,
            "raw console": ours
            and any(not (mark.isprintable() or mark in "\n\t") for mark in out + err),
            "status": ours and refused and (status != 2 or err.count("\n") != 1),
        }
        self.count(what, bad)
        self.found["refused" if refused else "allowed"] += 1
        return not refused

    def count(self, what: object, bad: dict[str, object]) -> None:
        """Note what is bad, and what has appeared outside of the results."""
        new = self.outside() - self.before
        self.before |= new
        marks = [path for path in new if "MARK" in Path(path).name]
        bad |= {"marker": marks, "outside": sorted(new - set(marks))}
        for fault, told in bad.items():
            self.found[fault] += bool(told)
            self.details += [f"{fault}: {what!r:.200}: {told}"] if told else []


def possible(name: str) -> bool:
    """Whether a folder may be called so."""
    return name not in (".", "..") and not set(name) & set("/\0") and len(name.encode()) <= 250


def ids(sandbox: Sandbox, text: str, whole: bool) -> None:
    """The string as a run's name, as what a spec makes it of, and as a file that the workflow is
    asked for.
    """
    sandbox.called("train", *TINY, f"--run_id={text}", allowed=(0,))
    spec = {
        "task": "mlp",
        "dataset": "mnist1d",
        "seed": 0,
        "depth": 1,
        "width": 8,
        "epochs": 2,
        "batch_size": 500,
    }
    for key in ("activation", "task", "dataset"):
        chosen = json.dumps({"activation": "relu", **spec, key: text})
        sandbox.called("train", "--spec", chosen, "--device", "cpu", "--quiet", allowed=(0,))
        members = json.dumps({"shared": json.loads(chosen), "runs": [{"seed": 0}]})
        sandbox.called("pack", "--members", members, "--device", "cpu", "--quiet", allowed=(0,))
    sandbox.called("retry", "--", text)
    sandbox.called("doctor", "--", text)
    if whole and "\0" not in text:
        sandbox.snakemake("--", f"results/runs/mlp/{text}/runs.parquet")


def data(sandbox: Sandbox, text: str, whole: bool) -> None:
    """The string as a data set's name."""
    sandbox.called("prepare", "--", text, "results/data/named")
    sandbox.called("reference", "mlp", "--", text, "results/references/named.json")
    sandbox.called("train", *TINY, f"--dataset={text}", allowed=(0,))
    if whole and "\0" not in text:
        sandbox.snakemake("--", f"results/data/{text}/manifest.json")


def paths(sandbox: Sandbox, text: str, whole: bool) -> None:
    """The string as the study file's name, its folder's, and the name of the folder in which the
    project stands.
    """
    for file in (
        sandbox.project / "config" / text / "study.yaml",
        sandbox.project / f"config/{text}.yaml",
    ):
        if possible(text):
            file.parent.mkdir(exist_ok=True)
            file.write_text(STUDY)
            sandbox.before |= sandbox.outside()
        asked = os.path.relpath(file, sandbox.project) if possible(text) else f"{text}/study.yaml"
        sandbox.called("status", f"--config={asked}")
        if whole:
            sandbox.called("train", *TINY, "--run_id=named", f"--config={asked}", allowed=(0,))
    if whole and possible(text):
        with tempfile.TemporaryDirectory() as folder:
            checkout = Sandbox(Path(folder), text)
            checkout.snakemake("-n", "--quiet", "host")
            checkout.called("status")
        sandbox.found += checkout.found
        sandbox.details += [f"{text!r}: {one}" for one in checkout.details]


def checkout(root: Path, name: str) -> Sandbox:
    """A sandbox in a folder of a hostile name after a whole study."""
    sandbox = Sandbox(root, name)
    sandbox.count(name, {"status": not sandbox.snakemake("--quiet", "host")})
    page = sandbox.project / "results/summary.md"
    done = page.is_file() and page.read_text().startswith("# Study default: 2 of 2 runs completed")
    sandbox.count(
        name,
        {"status": not done, "script": pages.rendered(page.read_text()).scripts if done else []},
    )
    return sandbox


CHECKOUTS = ["a b'c\"d $(touch MARK); `touch MARK` & %s", "<script>|\\ *?\u202e"]


def main() -> None:
    """Print what was counted, a row a place."""
    print(f"{'place':<10} strings {'allowed':>10} {'refused':>10} impossible  " + "  ".join(FAULTS))
    details = []
    for place in (ids, data, paths):
        with tempfile.TemporaryDirectory() as folder:
            sandbox = Sandbox(Path(folder))
            for text in STRINGS:
                place(sandbox, text.replace("{root}", folder), whole=True)
            details += row(place.__name__, len(STRINGS), sandbox)
    with tempfile.TemporaryDirectory() as folder:
        sandbox = Sandbox(Path(folder))
        labels.through(sandbox, STRINGS)
        details += row("label", len(STRINGS), sandbox)
    for name in CHECKOUTS:
        with tempfile.TemporaryDirectory() as folder:
            details += row("checkout", 1, checkout(Path(folder), name))
    print("\n".join(details) or "nothing was found")
    sys.exit(bool(details))


def row(place: str, n: int, sandbox: Sandbox) -> list[str]:
    """What was wrong, after the row of a place is printed."""
    counts = "  ".join(f"{sandbox.found[fault]:>{len(fault)}}" for fault in FAULTS)
    done = (sandbox.found[key] for key in ("allowed", "refused", "impossible"))
    print(
        f"{place:<10} {n:>7} " + " ".join(f"{count:>10}" for count in done) + f"  {counts}",
        flush=True,
    )
    return [f"{place}: {one}" for one in sandbox.details]


if __name__ == "__main__":
    main()
