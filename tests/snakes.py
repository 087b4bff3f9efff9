"""`python -m snakemake` and `python -m actstudy` on a copy of the project, in a forked child.

As isolated as a new process, without its imports of other packages, which take most of its time;
so are the jobs of a Snakemake.
"""

import importlib
import os
import runpy
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path

import job_forks
import snakemake.cli
import snakemake.workflow  # what every start imports later on
from forks import forked
from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry
from snakemake_interface_report_plugins.registry import ReportPluginRegistry
from snakemake_interface_scheduler_plugins.registry import SchedulerPluginRegistry
from snakemake_interface_storage_plugins.registry import StoragePluginRegistry

PROGRAMS = ("snakemake", "actstudy")
STARTS_NO_JOB = {"-n", "--dag", "--lint", "--report", "--unlock"}
LATE = ("smart_open", "snakemake.report", "snakemake.storage", "yte")  # what starts import, too
EXECUTOR = "snakemake_executor_plugin_actstudy"  # of the copy
REGISTRIES = (  # of plugins, but of loggers: the project has one, and each start asks anew
    ExecutorPluginRegistry,
    ReportPluginRegistry,
    SchedulerPluginRegistry,
    StoragePluginRegistry,
)


@cache
def prepare() -> None:
    """Have what all starts of Snakemake would import, and the plugins that they would look for."""
    for name in LATE:
        importlib.import_module(name)
    for registry in REGISTRIES:
        registry()


def called(
    folder: Path, program: str, arguments: Sequence[str], environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """The exit status, output and errors of `python -m PROGRAM ARGUMENTS` in a folder.

    program: snakemake or actstudy; environment: the whole one of the child. The code of its
    PYTHONPATH is what runs.
    """
    prepare()
    if program == "snakemake" and STARTS_NO_JOB.isdisjoint(arguments):
        job_forks.prepare()
    return forked(arguments, partial(_be, folder, program, list(arguments), environment))


def script(
    folder: Path, file: Path, arguments: Sequence[str], environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """The exit status, output and errors of `python FILE ARGUMENTS`, as of `called`."""

    def run() -> None:
        _enter(folder, environment)
        _find_executor()
        with job_forks.served(nested=True) as sys.executable:
            sys.argv = [str(file), *arguments]
            sys.orig_argv = [sys.executable, *sys.argv]
            runpy.run_path(str(file), run_name="__main__")

    prepare()
    job_forks.prepare()
    return forked(arguments, run)


def _be(folder: Path, program: str, arguments: list[str], environment: Mapping[str, str]) -> None:
    """Run a program with the code of its environment's PYTHONPATH."""
    _enter(folder, environment)
    sys.argv = [program, *arguments]
    sys.orig_argv = [sys.executable, "-m", program, *arguments]
    sys.modules["snakemake.shell"].STDOUT = sys.stdout  # which it has read at its import
    if program == "snakemake":
        _find_executor()
    _run(program)


def _enter(folder: Path, environment: Mapping[str, str]) -> None:
    """Work in a folder, with an environment and the code of its PYTHONPATH."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    job_forks.forget_project()
    places = environment["PYTHONPATH"].split(os.pathsep)
    sys.path[:] = [str(folder), *places, *[path for path in sys.path if path not in places]]


def _find_executor() -> None:
    """Have the project's executor from the copy, as Snakemake's start would."""
    executors = ExecutorPluginRegistry()
    executors.plugins.pop("actstudy", None)
    executors.register_plugin(EXECUTOR, importlib.import_module(EXECUTOR))


def _run(program: str) -> None:
    """Run a program of this process's arguments."""
    if program == "snakemake" and not STARTS_NO_JOB.isdisjoint(sys.argv):
        snakemake.cli.main()
    elif program == "snakemake":
        with job_forks.served() as sys.executable:
            snakemake.cli.main()
    else:
        from actstudy.commands import cli  # the copy's

        cli.main()
