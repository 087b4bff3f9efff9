"""An interrupted job goes back into Slurm's queue, where the same command goes on from there."""

import os
import signal
import sys

from actstudy.cluster import slurm
from actstudy.contract.errors import RESUMABLE, visible

# Slurm signals all processes of a job that it puts back, this one too; the list of nodes can be
# changed only when it waits. Exit status 1: not put back.
MOVE = """trap "" TERM; scontrol requeue $0 || exit 1
scontrol update JobId=$0 ExcNodeList=$1 || echo stays"""
MOVES = 5  # nodes left out, after which a job is not put back for another one


def to_another_node() -> str | None:
    """Put this process's Slurm job back for another node than this one; None outside of one.

    Then each run of it is trained there, and one that has a checkpoint goes on. Nodes that were
    left out before stay so.
    """
    job = slurm.job_id()
    node = os.environ.get("SLURMD_NODENAME")
    if job is None or not node:
        return None
    about = slurm.fields(slurm.ask("scontrol", "show", "job", "-o", job) or "")
    if not about:
        return _unanswered(job)
    if about.get("BatchFlag") != "1" or about.get("JobState", "RUNNING") != "RUNNING":
        return None
    before = about.get("ExcNodeList", "(null)")
    before = "" if before == "(null)" else before
    if _count(before) >= MOVES:
        return visible(f"Slurm job {job}: not put back, as {before} are left out; {node} fails too")
    nodes = f"{before},{node}" if before else node
    answer = slurm.ask("sh", "-c", MOVE, job, nodes)
    if answer is None:
        return f"Slurm job {job}: `scontrol requeue` failed; Snakemake starts it again (retries)"
    if answer:
        return visible(f"Slurm job {job}: back in the queue, but {node} could not be left out")
    return visible(f"Slurm job {job}: back in the queue, for another node than {nodes}")


def _count(nodes: str) -> int:
    """How many nodes a list of Slurm's names, such as `n[1-3],m7`."""
    if not nodes:
        return 0
    names = slurm.ask("scontrol", "show", "hostnames", nodes)
    return len(names.split() if names else nodes.split(","))


def _unanswered(job: str) -> str:
    return f"Slurm job {job}: scontrol does not answer; Snakemake starts it again (retries)"


def back_into_queue(has_saved: bool) -> str | None:
    """Put this process's Slurm job back into the queue; None outside of one, else how that went.

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
        return _unanswered(job)
    job_facts = slurm.fields(about)
    if job_facts.get("JobState") != "RUNNING" or job_facts.get("BatchFlag") != "1":
        return None
    if not has_saved and job_facts.get("PreemptTime", "None") == "None":
        return (
            f"Slurm job {job}: its time ({job_facts.get('TimeLimit')}) is up before anything is "
            "saved; to fix: a larger `runtime` in the profile"
        )
    if job_facts.get("Requeue") != "1":
        return (
            f"Slurm job {job}: may not be put back into the queue; "
            "to fix: `actstudy-requeue: true` in the profile"
        )
    if slurm.ask("scontrol", "requeue", job) is None:
        return f"Slurm job {job}: `scontrol requeue` failed; Snakemake starts it again (retries)"
    return visible(
        f"Slurm job {job}: back in the queue, after {job_facts.get('Restarts')} restarts"
    )


def main() -> int:
    """Put this process's Slurm job back, which has begun nothing yet; prints how that went."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if sentence := back_into_queue(has_saved=False):
        print(sentence, file=sys.stderr, flush=True)
    return RESUMABLE


if __name__ == "__main__":
    sys.exit(main())
