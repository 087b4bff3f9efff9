"""What stands for the executor where the plug-in of Slurm is not installed."""

from dataclasses import dataclass, field
from typing import Any, NoReturn

from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import AbstractExecutor
from snakemake_interface_executor_plugins.settings import CommonSettings, ExecutorSettingsBase

common_settings = CommonSettings(
    non_local_exec=True, implies_no_shared_fs=False, job_deploy_sources=False
)
KNOWN = {"help": "Of the package snakemake-executor-plugin-slurm, which is missing"}


@dataclass
class ExecutorSettings(ExecutorSettingsBase):
    """Those that profiles/slurm has: else snakemake would stop at them, and not say what lacks."""

    requeue: bool = field(default=False, metadata=KNOWN)
    status_command: str = field(default="squeue", metadata=KNOWN)
    init_seconds_before_status_checks: int = field(default=40, metadata=KNOWN)


class Executor(AbstractExecutor):
    """Refuses to start."""

    def __new__(cls, *_: Any) -> NoReturn:
        raise WorkflowError(
            "executor: the package snakemake-executor-plugin-slurm is missing; "
            "to fix: pip install -c envs/constraints.txt -e '.[study,cluster]'"
        )
