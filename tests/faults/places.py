"""`make study` in a folder of a hostile name, by a user without name and home, on one core of many.

    python -m tests.faults.places config/smoke.yaml

Prints what broke. Only root can become another user.
"""

import argparse
import os
import re
import shutil
import site
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .clone import ROOT

PATH = "/usr/local/bin:/usr/bin:/bin"
NAME = "my study 'ü'"
USER = 12345
PARTS = ("Makefile", "pyproject.toml", "envs", "Snakefile", "workflow", "config", "profiles")
PARTS += ("lib", "data")


@dataclass
class Place:
    """A folder of the project, in which commands run without the environment of this process."""

    folder: Path

    def set_up(self) -> None:
        """Make `.venv`, whole, which reads the packages of this process's environment."""
        make_environment(self.folder / ".venv")
        (packages,) = self.folder.glob(".venv/lib/python*/site-packages")
        (packages / "project.pth").write_text(f"{self.folder.resolve()}/lib\n", encoding="utf-8")
        (self.folder / ".venv/study-installed").touch()

    def make(self, *words: str, **variables: str) -> tuple[int, str]:
        """Exit status and output of `make WORDS`, with no environment but a few variables."""
        return self.call(["make", *words], **variables)

    def call(self, command: Sequence[str], **variables: str) -> tuple[int, str]:
        """Exit status and output of a command in the folder."""
        environment = {"PATH": PATH, "OMP_NUM_THREADS": "1", "PIP_NO_INDEX": "1", **variables}
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, check=False
        )
        return done.returncode, (done.stdout + done.stderr).decode(errors="backslashreplace")


def project(folder: Path) -> Place:
    """A copy of the project in a new folder."""
    folder.mkdir(parents=True)
    skipped = shutil.ignore_patterns("__pycache__", "*.egg-info", "raw")
    for name in PARTS:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=skipped)
        else:
            shutil.copy(source, folder)
    return Place(folder)


def make_environment(folder: Path) -> None:
    """Make an environment without pip that reads the packages of this process's."""
    subprocess.run([interpreter(), "-m", "venv", "--without-pip", folder], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "installed.pth").write_text("\n".join(site.getsitepackages()), encoding="utf-8")


def interpreter() -> str:
    """A Python of this process's version that a stranger may run."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for path in (f"{sys.base_prefix}/bin", PATH):
        python = shutil.which(name, path=path)
        if python is None:
            continue
        tried = [*stranger(), "sh", "-c", 'exec "$0" -c ""', python]  # sh: setpriv may still do it
        if subprocess.run(tried, capture_output=True, check=False).returncode == 0:
            return python
    sys.exit(f"{name}: none that user {USER} may run")


def stranger() -> list[str]:
    """The command that limits another to one core, and to a user without name and home if root."""
    command = ["taskset", "-c", str(min(os.sched_getaffinity(0)))]
    if os.geteuid() == 0:
        command += ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
    return command


def give(folder: Path, user: int) -> None:
    """Make a user the owner of a folder and all in it."""
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, user, user, follow_symlinks=False)


def broken(place: Place, study: Path, targets: Sequence[str] = ()) -> list[str]:
    """What a stranger's `make study` of a study file breaks in a place, a line each.

    targets: files of the workflow, if not the whole study.
    """
    shutil.copy(study, place.folder / "config/tried.yaml")
    if os.geteuid() == 0:
        give(place.folder, USER)
    words = " ".join([*targets, "--configfile", "config/tried.yaml"])
    status, output = place.call([*stranger(), "make", "study", f"ARGS={words}"])
    faults = []
    if status:
        faults.append(f"exit status {status}: {output[-500:]}")
    if "Traceback" in output:
        faults.append("a traceback")
    for target in targets or ["results/tried/summary.md"]:
        if not (place.folder / target).is_file():
            faults.append(f"no {target}")
    logs = [path.read_text() for path in place.folder.glob(".snakemake/log/*.log")]
    if logs and not re.search(r"^Provided cores: 1\b", logs[-1], re.M):
        faults.append("more than the one core that is allowed")
    return faults


def main() -> int:
    """1 if anything broke."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path, help="a study file")
    parser.add_argument("--name", default=NAME, help="the folder's name (default: %(default)s)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="places") as root:
        Path(root).chmod(0o755)
        place = project(Path(root) / arguments.name)
        place.set_up()
        faults = broken(place, arguments.study)
        page = place.folder / "results/tried/summary.md"
        if page.is_file():
            print(page.read_text(encoding="utf-8").splitlines()[0])
    print(*faults or ["nothing broke"], sep="\n")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
