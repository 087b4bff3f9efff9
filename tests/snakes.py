"""`python -m snakemake` and `python -m actstudy` on a copy of the project, in a forked child.

As isolated as a new process, without its imports of other packages, which take most of its time.
"""

import os
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import NoReturn

import snakemake.cli
import snakemake.workflow  # what every start imports later on

from actstudy.contract.errors import exit_status

PROGRAMS = ("snakemake", "actstudy")
OWN = ("actstudy", "snakemake_logger_plugin_actstudy")  # imported anew, from the copy


def called(
    folder: Path, program: str, arguments: Sequence[str], environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """The exit status, output and errors of `python -m PROGRAM ARGUMENTS` in a folder.

    program: snakemake or actstudy; environment: the whole one of the child. The code of its
    PYTHONPATH is what runs.
    """
    with TemporaryFile("w+") as out, TemporaryFile("w+") as err:
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if child == 0:
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            _become(folder, program, list(arguments), environment)
        _, status = os.waitpid(child, 0)
        out.seek(0)
        err.seek(0)
        code = os.waitstatus_to_exitcode(status)
        return subprocess.CompletedProcess(arguments, code, out.read(), err.read())


def _become(
    folder: Path, program: str, arguments: list[str], environment: Mapping[str, str]
) -> NoReturn:
    """Be a program and leave the process without pytest's own ending."""
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", closefd=False)
    code = 70
    try:
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        for name in [name for name in sys.modules if name.partition(".")[0] in OWN]:
            del sys.modules[name]
        places = environment["PYTHONPATH"].split(os.pathsep)
        sys.path[:] = [str(folder), *places, *[path for path in sys.path if path not in places]]
        sys.argv = [program, *arguments]
        sys.orig_argv = [sys.executable, "-m", program, *arguments]
        sys.modules["snakemake.shell"].STDOUT = sys.stdout  # which it has read at its import
        _run(program)
        code = 0
    except SystemExit as leaving:
        code = exit_status(leaving.code)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _run(program: str) -> None:
    """Run a program of this process's arguments."""
    if program == "snakemake":
        snakemake.cli.main()
    else:
        from actstudy.commands import cli  # the copy's

        cli.main()
