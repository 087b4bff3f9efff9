"""An interrupted job goes back into Slurm's queue, where the same command goes on from there."""

from actstudy.cluster import slurm
from actstudy.contract.errors import visible


def back_into_queue(has_saved: bool) -> str | None:
    """Put this process's Slurm job back into the queue; None outside of one, else what became of it.

    has_saved: whether the process has left a checkpoint. Only a job that Slurm says is running goes
    back: a cancelled one stays cancelled. One that has saved nothing goes back only if it was
    pre-empted: if its time was up, it would begin anew for ever.
    Slurm itself puts a pre-empted job back only if it has to kill it, not if it ends within its
    grace (seen with Slurm 22.05).
    """
    job = slurm.job_id()
    if job is None:
        return None
    about = slurm.ask("scontrol", "show", "job", "-o", job)
    if about is None:
        return f"Slurm job {job}: scontrol does not answer; Snakemake starts it again (retries)"
    said = slurm.fields(about)
    if said.get("JobState") != "RUNNING" or said.get("BatchFlag") != "1":
        return None
    if not has_saved and said.get("PreemptTime", "None") == "None":
        return (
            f"Slurm job {job}: its time ({said.get('TimeLimit')}) is up before the first "
            "checkpoint; to fix: a larger `runtime` in profiles/slurm/config.yaml"
        )
    if said.get("Requeue") != "1":
        return (
            f"Slurm job {job}: may not be put back into the queue; "
            "to fix: `slurm-requeue: true` in profiles/slurm/config.yaml"
        )
    if slurm.ask("scontrol", "requeue", job) is None:
        return f"Slurm job {job}: `scontrol requeue` failed; Snakemake starts it again (retries)"
    return visible(f"Slurm job {job}: back in the queue, after {said.get('Restarts')} restarts")
