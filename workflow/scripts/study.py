"""`make study`: one snakemake at a time, a lock left by a killed one cleared, and where to look at the end."""

import fcntl
import subprocess
import sys
import time
from pathlib import Path

import psutil

BIN = Path(sys.executable).parent.relative_to(Path.cwd())
ENDING = """Summary: {summary}  (figures and tables beside it)
To go on:
  {bin}/python -m actstudy status                                       what is done
  {bin}/python -m actstudy train --task mlp --activation mish --seed 0   one run by hand
  edit config/config.yaml, then: {bin}/snakemake -n                     what would be trained
  {bin}/snakemake                                                        train it"""


def running() -> list[int]:
    """Process ids of snakemakes that work in this folder now, whoever started them."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        words = [Path(word).name for word in process.info["cmdline"] or []]
        if "snakemake" in words[:3] and process.info["cwd"] == str(Path.cwd()):
            found.append(process.pid)
    return found


def summary(arguments: list[str]) -> str:
    """The page of the study that the arguments ask for."""
    file = arguments[arguments.index("--configfile") + 1] if "--configfile" in arguments[:-1] else "config/config.yaml"
    return "results/summary.md" if Path(file).name == "config.yaml" else f"results/{Path(file).stem}/summary.md"


def main(arguments: list[str]) -> int:
    """The exit status of snakemake, run with the arguments on all cores."""
    Path(".snakemake").mkdir(exist_ok=True)
    with Path(".snakemake/study.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("actstudy: another `make study` runs in this folder; wait for it or stop it", file=sys.stderr)
            return 2
        if live := running():
            print(f"actstudy: snakemake runs here (pid {live[0]}); wait for it or stop it", file=sys.stderr)
            return 2
        snakemake = [str(BIN / "snakemake"), *arguments]
        if any(Path(".snakemake/locks").glob("*")):  # nobody is alive to hold them
            subprocess.run([*snakemake, "--unlock", "--quiet", "all"], check=True)
        print(
            f"Training what is missing; for progress, in another terminal: {BIN}/python -m actstudy status", flush=True
        )
        start = time.monotonic()
        status = subprocess.run([*snakemake, "--quiet", "all"], check=False).returncode
    if status:
        print("The study did not finish; see above.")
        return status
    page = Path(summary(arguments))
    outcome = page.read_text(encoding="utf-8").splitlines()[0].lstrip("# ")
    print(f"The study took {time.monotonic() - start:.0f} s. {outcome}.")
    print(ENDING.format(summary=page, bin=BIN))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
