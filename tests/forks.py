"""A program in a forked child: as isolated as a new process, without its imports."""

import gc
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import NoReturn

import pytest
from memory import forget_own_modules

from actstudy.commands import cli
from actstudy.contract.errors import exit_status


def forked(
    arguments: Sequence[str], run: Callable[[], None], stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """The exit status, output and errors of a child that runs a function.

    arguments: its name; stdin: what it reads there.
    """
    with TemporaryFile("w+") as read, TemporaryFile("w+") as out, TemporaryFile("w+") as err:
        read.write(stdin)
        read.seek(0)
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if child == 0:
            os.dup2(read.fileno(), 0)
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            become(run)
        _, status = os.waitpid(child, 0)
        out.seek(0)
        err.seek(0)
        code = os.waitstatus_to_exitcode(status)
        return subprocess.CompletedProcess(arguments, code, out.read(), err.read())


def python(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """What `python -m WORDS` did in a folder; the words are those of pytest or of actstudy."""
    program, *arguments = words
    main = {"actstudy": cli.main, "pytest": pytest.main}[program]

    def run() -> None:
        forget_own_modules()
        os.chdir(folder)
        sys.exit(main(arguments))

    return forked(words, run)


def become(run: Callable[[], None]) -> NoReturn:
    """Run a function and leave the process without pytest's own ending."""
    gc.freeze()  # what the parent had made is not looked through again and again
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", closefd=False)
    code = 70
    try:
        run()
        code = 0
    except SystemExit as leaving:
        code = exit_status(leaving.code)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
