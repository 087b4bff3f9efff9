"""The executor: what a batch script holds, and what is noted of a job that has failed."""

import json
import shlex
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import snakemake_executor_plugin_slurm as slurm
from snakemake.io import is_flagged
from snakemake_executor_plugin_slurm_jobstep import (
    get_cpu_setting,
    get_gpu_setting,
    get_node_setting,
)
from snakemake_interface_common.exceptions import WorkflowError

from actstudy.cluster import logs, queue

common_settings = slurm.common_settings
MAX_SCRIPT = 2_000_000  # bytes: Slurm's own limit is 4 MB (max_script_size)
MAX_COMMAND = 120_000  # bytes: Linux takes 128 kB per argument
MAX_PAUSE = 30  # seconds between two questions for the state of jobs
END = "END_OF_JOB"


@dataclass
class ExecutorSettings(slurm.ExecutorSettings):
    """Those of the plug-in `slurm`, as `--actstudy-requeue`."""


class Executor(slurm.Executor):
    """Submits jobs whose batch script is a rule's own command, started by `cluster.step`."""

    run_uuid: str  # the name of its jobs
    next_seconds_between_status_checks: float

    def __post_init__(self, test_mode: bool = False) -> None:
        super().__post_init__(test_mode)
        if self.array_jobs:
            raise WorkflowError(
                "actstudy-array-jobs: got some rules; allowed: leave it out: the signal before the "
                "end of their time does not reach the tasks of an array"
            )
        check_fit(self.workflow.resource_settings)
        self.ended: set[Any] = set()  # numbers of jobs in Slurm
        self.workflow.executor_settings.pass_command_as_script = True
        results = Path(self.workflow.globals["RESULTS"])
        self.run_uuid = queue.job_name(results, self.run_uuid)
        self.slurm_logdir = Path(self.workflow.workdir_init) / results / logs.FOLDER

    def get_account_arg(self, job: Any) -> Iterator[str]:
        """The account of a job; without one Slurm takes the user's default account by itself."""
        if not job.resources.get("slurm_account"):
            yield ""
            return
        yield from super().get_account_arg(job)

    def format_job_exec(self, job: Any) -> str:
        """What a batch script runs; of a job that needs more than its command, Snakemake."""
        content = json.dumps(described(job, self.workflow)) if is_plain(job) else ""
        if not content or len(content) > MAX_SCRIPT:
            return str(super().format_job_exec(job))
        python = shlex.quote(self.get_python_executable())
        # until the step listens: a signal that is lost there is followed by a kill, or by none
        return f"trap '' TERM; exec {python} -m actstudy.cluster.step <<'{END}'\n{content}\n{END}"

    async def check_active_jobs(self, active_jobs: Any) -> AsyncIterator[Any]:
        """The jobs that have not ended; the plug-in would ask ever later, up to 3 minutes.

        It forgets all jobs once Slurm has not answered several times in a row, and waits for ever.
        """
        answered: set[Any] = set()
        async for job_info in super().check_active_jobs(active_jobs):
            answered.add(job_info.external_jobid)
            yield job_info
        for job_info in active_jobs:
            if job_info.external_jobid not in answered | self.ended:
                yield job_info
        pause = min(self.next_seconds_between_status_checks, MAX_PAUSE)
        self.next_seconds_between_status_checks = pause

    def report_job_success(self, job_info: Any) -> None:
        """Remove the logs of tries that failed before, then as ever."""
        self.ended.add(job_info.external_jobid)
        log = job_info.aux.get("slurm_logfile") if job_info.aux else None
        if log and not self.workflow.executor_settings.keep_successful_logs:
            for older in Path(log).parent.glob("*.log"):
                older.unlink(missing_ok=True)
        super().report_job_success(job_info)

    def report_job_error(self, job_info: Any, msg: str | None = None, **kwargs: Any) -> None:
        """Note jobs that had too little memory, then as ever."""
        self.ended.add(job_info.external_jobid)
        files = [Path(log) for log in kwargs.get("aux_logs") or [] if log]
        if logs.is_out_of_memory(msg or "", files):
            from actstudy.cluster import needs  # late: each start of Snakemake imports this file

            needs.note_out_of_memory(map(str, job_info.job.output))
        super().report_job_error(job_info, msg, **kwargs)


def check_fit(settings: Any) -> None:
    """WorkflowError if jobs ask for a partition, a time or a memory that is not there.

    settings: snakemake's, of resources.
    """
    from actstudy.cluster import offers, profile  # late, as above

    defaults = profile.pairs(getattr(settings.default_resources, "args", []))
    of_rules = {}
    for rule, own in settings._parsed_overwrite_resources.items():
        of_rules[rule] = profile.pairs(own.args)
    for _, why in offers.unfit(defaults, of_rules):
        raise WorkflowError(why)


def is_plain(job: Any) -> bool:
    """Whether a job is one shell command on files of the shared storage, and nothing else."""
    if job.is_group() or not job.is_shell or job.is_shadow or job.benchmark:
        return False
    if job.conda_env or job.container_img_url or job.env_modules or job.resources.get("mpi"):
        return False
    if job.dag.workflow.remote_execution_settings.precommand:
        return False
    files = [*job.input, *job.output]
    return len(job.shellcmd) <= MAX_COMMAND and not any(file.is_storage for file in files)


def described(job: Any, workflow: Any) -> dict[str, Any]:
    """A job for `cluster.step`: command, srun's words, files that it waits for and writes."""
    needs_gpu = bool(job.resources.get("gpu"))
    settings = [get_cpu_setting(job, needs_gpu), get_gpu_setting(job), get_node_setting(job)]
    return {
        "command": f"set -euo pipefail;  {job.shellcmd}",
        "srun": ["srun", "-n1", "--cpu-bind=q", *filter(None, settings)],
        "threads": job.threads,
        "inputs": list(map(str, job.get_wait_for_files())),
        "patience": workflow.execution_settings.latency_wait,
        "outputs": [str(file) for file in job.output if not is_flagged(file, "update")],
        "folders": sorted({str(Path(file).parent) for file in [*job.output, *job.log]}),
    }
