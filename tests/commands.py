"""`python -m actstudy` in a forked child: as isolated as a new process, without its imports."""

import os
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from typing import NoReturn

import torch

from actstudy.commands import cli
from actstudy.contract.errors import exit_status


def command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The exit status, output and errors of `python -m actstudy ARGUMENTS` in `folder`."""
    if torch.cuda.is_initialized():  # CUDA does not survive a fork
        process = [sys.executable, "-m", "actstudy", *arguments]
        return subprocess.run(process, cwd=folder, capture_output=True, text=True, check=False)
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if child == 0:
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            os.chdir(folder)
            become(arguments)
        _, status = os.waitpid(child, 0)
        out.seek(0)
        err.seek(0)
        code = os.waitstatus_to_exitcode(status)
        return subprocess.CompletedProcess(arguments, code, out.read(), err.read())


def become(arguments: tuple[str, ...]) -> NoReturn:
    """Run the command line in this process and leave it without pytest's own ending."""
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", closefd=False)
    code = 70
    try:
        cli.main(arguments)
    except SystemExit as leaving:
        code = exit_status(leaving.code)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
