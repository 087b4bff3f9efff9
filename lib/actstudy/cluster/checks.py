"""What is wrong with a cluster's profile, storage, clocks and GPUs, before anything is queued."""

import getpass
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from actstudy.cluster import node, slurm
from actstudy.cluster.profile import Profile
from actstudy.contract import errors
from actstudy.contract.errors import StudyError

CLOCKS = 2.0  # seconds by which clocks may differ: Snakemake compares the times of files
LOCAL = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - a node's own, and emptied
IN_MEMORY = ("tmpfs", "ramfs")
DAY = 24 * 60


class Finding(NamedTuple):
    """What is wrong, of which of the CHECKS. known: false if it could not be found out."""

    check: str
    sentence: str
    known: bool = True


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
        *account(profile, about),
        *partition(profile),
        *gres(profile),
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


def _not_of(got: str, names: Sequence[str]) -> str:
    """What was got and what is allowed; nothing is, if nothing has a name."""
    if not names:
        return f"got {got!r}; allowed: no name, as none is known here"
    return f"got {got!r}; {errors.choices(got, names)}"


def account(profile: Profile, config: dict[str, str]) -> Iterator[Finding]:
    """No account where Slurm asks for one, or one that the user may not use."""
    user = getpass.getuser()
    listed = slurm.ask("sacctmgr", "-n", "-P", "show", "associations", f"user={user}")
    lines = [line.split("|") for line in (listed or "").splitlines()]
    allowed = sorted({line[1] for line in lines if len(line) > 1 and line[1]})
    where = f"{profile.file}: default-resources: slurm_account"
    if profile.account and allowed and profile.account not in allowed:
        yield Finding("account", f"{where}: {_not_of(profile.account, allowed)}")
    enforced = config.get("AccountingStorageEnforce", "none") not in ("none", "0", "(null)", "")
    if not profile.account and enforced and not _default_account(user):
        names = ", ".join(allowed) or "a name that your administrators know"
        yield Finding("account", f"{where}: missing, and this Slurm asks for it; allowed: {names}")


def _default_account(user: str) -> str:
    """The account that Slurm takes for a user who names none, or empty."""
    answer = slurm.ask("sacctmgr", "-n", "-P", "show", "user", user, "format=defaultaccount")
    return (answer or "").strip()


def partition(profile: Profile) -> Iterator[Finding]:
    """A partition that is not there, has no GPU, or does not give the time that jobs ask for."""
    where = f"{profile.file}: default-resources: slurm_partition"
    listed = slurm.ask("sinfo", "-h", "-o", "%R") or ""
    names = sorted(set(listed.split()))
    if profile.partition and profile.partition not in names:
        yield Finding("partition", f"{where}: {_not_of(profile.partition, names)}")
        return
    if profile.wants_gpu and not gpu_models(profile):
        have = [name for name in names if _gpus_of(name)]
        allowed = f"allowed: {', '.join(have)}" if have else "no partition has any"
        got = profile.partition or "Slurm's default partition"
        yield Finding("partition", f"{where}: got {got!r}, which has no GPU; {allowed}")
    name = profile.partition or _default_partition()
    limit = minutes((slurm.ask("sinfo", "-h", "-p", name, "-o", "%l") or "").strip())
    time = profile.resources.get("runtime", "")
    if limit is not None and time.isdecimal() and int(time) > limit:
        runtime = f"{profile.file}: default-resources: runtime"
        yield Finding(
            "time",
            f"{runtime}: got {time}, with which a job waits for ever; allowed: up to {limit} "
            f"minutes, as the partition {name} gives",
        )


def _default_partition() -> str:
    """The partition of jobs that name none, or empty: Slurm marks it with `*`."""
    names = (slurm.ask("sinfo", "-h", "-o", "%P") or "").split()
    return next((name[:-1] for name in names if name.endswith("*")), "")


def minutes(text: str) -> int | None:
    """Slurm's `D-HH:MM:SS` in minutes; None if there is no limit."""
    match = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", text)
    if not match:
        return None
    days, hours, rest, _ = (int(part or 0) for part in match.groups())
    return days * DAY + hours * 60 + rest


def gpu_models(profile: Profile) -> set[str]:
    """The models of GPUs in the profile's partition, `` for those without a name."""
    return _gpus_of(profile.partition)


def _gpus_of(name: str) -> set[str]:
    words = ["-p", name] if name else []
    listed = slurm.ask("sinfo", "-h", *words, "-o", "%G") or ""
    return set(re.findall(r"\bgpu:(?:([A-Za-z][\w.-]*):)?\d+", listed))


def gres(profile: Profile) -> Iterator[Finding]:
    """A GPU model that no node of the partition has: such a job is refused, or waits for ever.

    Also a setting that is to spare jobs the GPU and does not.
    """
    if "gpu=0" in profile.limits:
        yield Finding(
            "gres",
            f"{profile.file}: resources: gpu=0 has no effect here, as profiles/default says gpu=1; "
            "allowed: `device: cpu` in the study, or --resources gpu=0 on the command line",
        )
    models = gpu_models(profile)
    if profile.wants_gpu and profile.gpu_model and models and profile.gpu_model not in models:
        hint = _not_of(profile.gpu_model, sorted(models - {""}))
        yield Finding("gres", f"{profile.file}: default-resources: gpu_model: {hint}")


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
