"""What a cluster gives and a profile asks for: accounts, partitions, times, GPUs."""

import getpass
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from actstudy.cluster import slurm
from actstudy.cluster.profile import Profile, whole
from actstudy.contract import errors

DAY = 24 * 60  # minutes


class Finding(NamedTuple):
    """What is wrong, of which of the CHECKS. known: false if it could not be found out."""

    check: str
    sentence: str
    known: bool = True


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
    names = _partitions()
    if profile.partition and profile.partition not in names:
        yield Finding("partition", f"{where}: {_not_of(profile.partition, names)}")
        return
    if profile.wants_gpu and not gpu_models(profile):
        have = [name for name in names if _gpus_of(name)]
        allowed = f"allowed: {', '.join(have)}" if have else "no partition has any"
        got = profile.partition or "Slurm's default partition"
        yield Finding("partition", f"{where}: got {got!r}, which has no GPU; {allowed}")
    for check, why in unfit(profile.resources, profile.of_rules):
        yield Finding(check, f"{profile.file}: {why}")


def unfit(
    defaults: Mapping[str, str], of_rules: Mapping[str, Mapping[str, str]]
) -> Iterator[tuple[str, str]]:
    """A check and a sentence per setting with which no job would start, or none would end well.

    defaults: resources of all jobs; of_rules: rule -> those that it has of its own.
    """
    settings = {"default-resources": defaults}
    for rule, own in of_rules.items():
        if own.keys() & {"runtime", "mem_mb", "slurm_partition", "slurm_extra"}:
            settings[f"set-resources: {rule}"] = {**defaults, **own}
    names = _partitions()
    for where, resources in settings.items():
        name = resources.get("slurm_partition", "")
        if name and names and name not in names:
            yield "partition", f"{where}: slurm_partition: {_not_of(name, names)}"
            continue
        time = whole("runtime", resources.get("runtime", ""))
        if why := too_short(resources.get("slurm_extra", ""), time) or too_long(name, time):
            yield "time", f"{where}: runtime: {why}"
        if why := too_much(name, whole("mem_mb", resources.get("mem_mb", ""))):
            yield "memory", f"{where}: mem_mb: {why}"


def too_short(words: str, time: int) -> str:
    """Why a job of `time` minutes does nothing; empty if it does, or has no limit (0).

    words: of sbatch; a signal before the end (`--signal`) stops a job then.
    """
    signal = re.search(r"--signal[= ](?:[BR]+:)?\w+@(\d+)", words)
    if not signal or not time or 60 * time > int(signal[1]):
        return ""
    least = int(signal[1]) // 60 + 1
    why = f"`{signal[0]}` stops jobs {signal[1]} s before their end"
    return f"got {time}, and {why}; allowed: at least {least}"


def too_much(partition_name: str, memory: int) -> str:
    """Why no node of a partition has `memory` MB for a job; empty if one has."""
    largest = largest_memory(partition_name)
    if largest is None or memory <= largest:
        return ""
    name = partition_name or _default_partition()
    return (
        f"got {memory}; allowed: up to {largest}, as the largest node of the partition {name} has"
    )


def too_long(partition_name: str, time: int) -> str:
    """Why no job that asks for so many minutes starts in a partition; empty if one may.

    partition_name: empty for Slurm's default one.
    """
    name = partition_name or _default_partition()
    limit = minutes((slurm.ask("sinfo", "-h", "-p", name, "-o", "%l") or "").strip())
    if limit is None or time <= limit:
        return ""
    return (
        f"got {time}, with which a job waits for ever; allowed: up to {limit} minutes, as the "
        f"partition {name} gives"
    )


def largest_memory(partition_name: str) -> int | None:
    """The MB of the node of a partition that has most; None if that is not known.

    partition_name: empty for Slurm's default one.
    """
    name = partition_name or _default_partition()
    words = ["-p", name] if name else []
    sizes = re.findall(r"^(\d+)", slurm.ask("sinfo", "-h", "-N", *words, "-o", "%m") or "", re.M)
    return max(map(int, sizes), default=None)


def _partitions() -> list[str]:
    """The names of all partitions; none if Slurm does not answer."""
    return sorted(set((slurm.ask("sinfo", "-h", "-o", "%R") or "").split()))


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
