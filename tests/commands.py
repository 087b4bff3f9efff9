"""`python -m actstudy` in a forked child."""

import os
import subprocess
import sys
from pathlib import Path

import torch
from forks import forked

from actstudy.commands import cli


def command(folder: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """The exit status, output and errors of `python -m actstudy ARGUMENTS` in `folder`.

    stdin: what it reads there.
    """
    if torch.cuda.is_initialized():  # CUDA does not survive a fork
        process = [sys.executable, "-m", "actstudy", *arguments]
        return subprocess.run(
            process, cwd=folder, input=stdin, capture_output=True, text=True, check=False
        )

    def run() -> None:
        os.chdir(folder)
        cli.main(arguments)
        raise AssertionError("a command ends by SystemExit")

    return forked(arguments, run, stdin)
