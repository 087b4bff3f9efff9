"""`python -m actstudy`, and the script `actstudy`.

A study starts this module once per run. Importing torch without the garbage collector, and exiting
without tearing the interpreter down, halves what that costs besides training
(3.4 s to 1.8 s, median of 3 on one CPU core).
"""

import gc
import io
import os
import signal
import sys
from typing import NoReturn

PASSED = ("--spec", "--members")  # flags of training that the workflow passes


def run() -> NoReturn:
    """Run one command and leave the process with its exit status."""
    if "SLURM_JOB_ID" in os.environ and any(flag in sys.argv for flag in PASSED):
        signal.signal(signal.SIGTERM, go_back)  # until training has its own, after imports
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # \\u03b2 if the terminal cannot show it
    gc.disable()  # `train` and `pack` enable it once torch is imported, other commands at once
    try:
        from actstudy.commands.cli import main
        from actstudy.contract import invocation
        from actstudy.contract.errors import exit_status
    except (ImportError, AttributeError) as error:
        refuse_hidden(error)
        raise

    invocation.note()
    try:
        main()
    except SystemExit as leaving:
        status = exit_status(leaving.code)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def go_back(_number: int, _frame: object) -> NoReturn:
    """Become the process that puts this Slurm job back into the queue, as nothing has begun yet.

    Imports are under way, of which a signal's handler must not start others.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # which the new program inherits
    os.execv(sys.executable, [sys.executable, "-m", "actstudy.cluster.requeue"])


def refuse_hidden(error: Exception) -> None:
    """Leave with status 2 and one line if the present folder hides a module that is needed."""
    from pathlib import Path

    from actstudy.contract import shadowed

    if fault := shadowed.fault(str(error), [Path.cwd()]):
        print(f"actstudy: {fault}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    run()
