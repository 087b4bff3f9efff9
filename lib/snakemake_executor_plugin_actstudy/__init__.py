"""Slurm jobs that are a rule's own command: `snakemake --executor actstudy`, as profiles/slurm has.

Submits, watches and cancels as the plug-in `slurm` does, of which it is. That one starts two
Snakemakes in each job, one in the other, which read the study again and plan it: seconds per job,
in which a signal ends the job. Snakemake finds this package by its name.
"""

from importlib.util import find_spec

if find_spec("snakemake_executor_plugin_slurm"):
    from .direct import Executor, ExecutorSettings, common_settings
else:
    from .missing import (  # type: ignore[assignment]
        Executor,
        ExecutorSettings,
        common_settings,
    )

__all__ = ["Executor", "ExecutorSettings", "common_settings"]
