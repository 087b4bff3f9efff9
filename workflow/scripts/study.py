"""`make study`: one snakemake at a time, a lock left by a killed one cleared, and where to look at the end."""

import fcntl
import subprocess
import sys
import time
from pathlib import Path

BIN = Path(sys.executable).parent.relative_to(Path.cwd())


def main() -> int:
    """The exit status of snakemake, run with the command line's arguments on all cores."""
    Path(".snakemake").mkdir(exist_ok=True)
    with Path(".snakemake/study.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("actstudy: another `make study` runs in this folder; wait for it or stop it", file=sys.stderr)
            return 2
        snakemake = [str(BIN / "snakemake"), *sys.argv[1:]]
        if any(Path(".snakemake/locks").glob("*")):  # ours is held, so the one that left these is gone
            subprocess.run([*snakemake, "--unlock", "--quiet", "all"], check=True)
        print(
            f"Training what is missing; for progress, in another terminal: {BIN}/python -m actstudy status", flush=True
        )
        start = time.monotonic()
        status = subprocess.run([*snakemake, "--quiet", "all"], check=False).returncode
    print(
        f"The study took {time.monotonic() - start:.0f} s." if status == 0 else "The study did not finish; see above."
    )
    if status == 0:
        print(
            "Summary: results/summary.md  (figures: results/figures, tables: results/tables)\n"
            "To go on:\n"
            f"  {BIN}/python -m actstudy status                                       what is done\n"
            f"  {BIN}/python -m actstudy train --task mlp --activation mish --seed 0   one run by hand\n"
            f"  edit config/config.yaml, then: {BIN}/snakemake -n                     what would be trained\n"
            f"  {BIN}/snakemake                                                        train it"
        )
    return status


if __name__ == "__main__":
    sys.exit(main())
