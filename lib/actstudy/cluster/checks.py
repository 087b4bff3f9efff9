"""What is wrong with a cluster's profile, storage, clocks and GPUs, before anything is queued."""

from collections.abc import Iterator
from pathlib import Path

from actstudy.cluster import node, offers, slurm
from actstudy.cluster.offers import Finding
from actstudy.cluster.profile import Profile
from actstudy.contract import errors
from actstudy.contract.errors import StudyError

CLOCKS = 2.0  # seconds by which clocks may differ: Snakemake compares the times of files
LOCAL = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - a node's own, and emptied
IN_MEMORY = ("tmpfs", "ramfs")


def examine(profile: Profile, results: Path) -> list[Finding]:
    """All findings; StudyError if no Slurm answers here."""
    config = slurm.ask("scontrol", "show", "config")
    if config is None:
        raise StudyError(
            "doctor: --cluster: scontrol is missing or does not answer; "
            "allowed: a login node of a Slurm cluster"
        )
    about = slurm.fields(config)
    findings = [
        *offers.account(profile, about),
        *offers.partition(profile),
        *offers.gres(profile),
        *requeue(profile, about),
        *store(results),
    ]
    answer = node.ask(profile, results)
    if not answer.facts:
        return [*findings, _unanswered(profile, answer)]
    return [*findings, *shared(answer, results), *clocks(answer), *cuda(profile, answer)]


def _unanswered(profile: Profile, answer: node.Answer) -> Finding:
    """What is not known as no node has answered, and what srun says of it."""
    where = f"no node of the partition ({profile.partition or 'the default one'})"
    why = f"{where} has answered in {answer.after - answer.before:.0f} s"
    if answer.fault:
        why += f" ({errors.visible(answer.fault)})"
    return Finding("node", f"storage, clocks and CUDA are not known: {why}", known=False)


def requeue(profile: Profile, config: dict[str, str]) -> Iterator[Finding]:
    """Jobs that are lost if they are pre-empted, or if their node is."""
    key = f"{profile.settings['executor']}-requeue"
    if not profile.settings.get(key) and config.get("JobRequeue") != "1":
        yield Finding(
            "requeue",
            f"{profile.file}: {key}: missing, and this Slurm (JobRequeue=0) puts no job "
            "back into the queue; allowed: true",
        )
    words = ["show", "partition", *([profile.partition] if profile.partition else [])]
    about = slurm.fields(slurm.ask("scontrol", *words) or "")
    if about.get("PreemptMode") == "CANCEL":
        yield Finding(
            "requeue",
            f"{profile.file}: default-resources: slurm_partition: got {profile.partition!r}, which "
            "cancels what it pre-empts; allowed: one with PreemptMode=REQUEUE; else Snakemake's "
            "`retries` start such jobs again",
        )


def store(results: Path) -> Iterator[Finding]:
    """Results in a place that is a node's own, or lost when it starts anew."""
    place = str(results.resolve())
    kind = _kind_of(place)
    if kind in IN_MEMORY or any(place == root or place.startswith(f"{root}/") for root in LOCAL):
        yield Finding(
            "store",
            f"{place}: results on a node's own {kind or 'disk'}, which no other node sees and a "
            "restart may empty; allowed: a folder on shared storage",
        )


def _kind_of(place: str) -> str:
    """The type of the file system that holds a path; empty where that is not known."""
    try:
        lines = Path("/proc/mounts").read_text().splitlines()
    except OSError:
        return ""
    mounts = [line.split()[1:3] for line in lines]
    holding = [
        (mount, kind) for mount, kind in mounts if f"{place}/".startswith(f"{mount.rstrip('/')}/")
    ]
    return max(holding, key=lambda pair: len(pair[0]), default=("", ""))[1]


def shared(answer: node.Answer, results: Path) -> Iterator[Finding]:
    """Storage that the node does not see, may not write, or whose locks do not keep it out."""
    facts = answer.facts
    where = f"{results.resolve()}: on {facts.get('node')}"
    if facts.get("token") != answer.token:
        yield Finding(
            "shared",
            f"{where} not what it is here ({facts.get('fault', 'another content')}); "
            "allowed: a folder on storage that all nodes share",
        )
        return
    if facts.get("fault"):
        yield Finding("shared", f"{where} it cannot be written: {facts['fault']}")
    if facts.get("lock") != "kept out":
        yield Finding(
            "shared",
            f"{where} a lock of this node is not seen ({facts.get('lock')}); allowed: a mount "
            "with locks (NFS: version 4; Lustre: option flock), else never a second snakemake here",
        )


def clocks(answer: node.Answer) -> Iterator[Finding]:
    """Clocks of this node, the other one and the storage that differ by seconds."""
    there = float(answer.facts.get("time", answer.before))
    ahead = max(there - answer.after, 0.0) - max(answer.before - there, 0.0)
    of_storage = [answer.file_time]
    if "file_time" in answer.facts and not ahead:
        of_storage.append(there - float(answer.facts["file_time"]))
    name = answer.facts.get("node")
    allowed = f"allowed: {CLOCKS:g} s; to fix: chrony or ntpd on all of them"
    if abs(ahead) > CLOCKS:
        yield Finding("clocks", f"the clock of {name} is {ahead:+.0f} s from that here; {allowed}")
    elif max(map(abs, of_storage)) > CLOCKS + (answer.after - answer.before):
        off = max(of_storage, key=abs)
        yield Finding("clocks", f"a clock is {off:+.0f} s from that of the storage; {allowed}")


def cuda(profile: Profile, answer: node.Answer) -> Iterator[Finding]:
    """A GPU that Slurm gives and torch does not reach."""
    facts = answer.facts
    if not profile.wants_gpu or facts.get("reached"):
        return
    built = f"torch is built for CUDA {facts['torch']}" if facts.get("torch") else "torch has none"
    driver = "it has no NVIDIA driver"
    if facts.get("driver"):
        driver = f"its driver goes up to CUDA {facts['driver']}"
    words = f" ({facts['said']})" if facts.get("said") else ""
    yield Finding(
        "cuda",
        f"{facts.get('node')}: torch reaches no GPU: {built}, {driver}{words}; to fix: a torch for "
        "that driver, from download.pytorch.org/whl; or a newer driver",
    )
