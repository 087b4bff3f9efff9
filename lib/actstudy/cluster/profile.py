"""A profile of Snakemake for a cluster: what its jobs ask for."""

import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from actstudy.contract.errors import StudyError

NAME = "config.yaml"
EXECUTORS = ("actstudy", "slurm")
ALLOWED = {
    "runtime": "minutes, at least 1, or a time such as 10h",
    "mem_mb": "MB, at least 1",
}
UNITS = {  # in what ALLOWED says: its names -> their size; times as Snakemake reads them
    "runtime": {
        "s sec secs second seconds": 1 / 60,
        "m min mins minute minutes": 1,
        "h hour hours": 60,
        "d day days": 24 * 60,
        "w week weeks": 7 * 24 * 60,
    },
    "mem_mb": {"k kb kib": 1e-3, "m mb mib": 1, "g gb gib": 1e3, "t tb tib": 1e6},
}


class Profile(NamedTuple):
    """A profile's file, its settings, and the resources that every job asks for by default."""

    file: Path
    settings: dict[str, Any]
    resources: dict[str, str]
    wants_gpu: bool  # by the study: unless it says `device: cpu`

    @property
    def partition(self) -> str:
        """The partition of its jobs; empty: Slurm's default one."""
        return self.resources.get("slurm_partition", "")

    @property
    def account(self) -> str:
        """The account of its jobs; empty: Slurm's default one of the user."""
        return self.resources.get("slurm_account", "")

    @property
    def of_rules(self) -> dict[str, dict[str, str]]:
        """Rule -> the resources that it has of its own."""
        rules: dict[str, dict[str, str]] = {}
        for word in _words(self.settings.get("set-resources")):
            rule, _, own = word.partition(":")
            rules.setdefault(rule, {}).update(pairs([own]))
        return rules

    @property
    def limits(self) -> list[str]:
        """What it says of resources of the whole study, as words `name=value`."""
        return _words(self.settings.get("resources"))

    @property
    def gpu_model(self) -> str:
        """The GPU that jobs ask for by name, or empty."""
        named = self.resources.get("gres", "").split(":")
        if named[0] == "gpu" and len(named) > 1 and not named[1].isdecimal():
            return named[1]
        return self.resources.get("gpu_model", "")


def read(folder: Path, wants_gpu: bool = True) -> Profile:
    """The profile in a folder; StudyError if there is none, or it is not of Slurm.

    wants_gpu: whether training asks for a GPU.
    """
    file = folder / NAME
    try:
        settings = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StudyError(
            f"doctor: --cluster: {file} is missing; allowed: a folder with a profile, "
            "such as profiles/slurm"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        line = " ".join(str(error).split())
        raise StudyError(f"{file}: not YAML: {line}; allowed: settings of snakemake") from None
    if not isinstance(settings, dict) or settings.get("executor") not in EXECUTORS:
        got = settings.get("executor") if isinstance(settings, dict) else settings
        raise StudyError(f"{file}: executor: got {got!r}; allowed: {', '.join(EXECUTORS)}")
    words = _words(settings.get("default-resources"))
    check(words, f"{file}: default-resources")
    for word in _words(settings.get("set-resources")):
        check([word.partition(":")[2]], f"{file}: set-resources: {word.partition(':')[0]}")
    resources = pairs(words)
    if "runtime" in resources:
        resources["runtime"] = str(whole("runtime", resources["runtime"]))
    return Profile(file, settings, resources, wants_gpu)


def pairs(words: Iterable[str]) -> dict[str, str]:
    """Resources by name, of words `name=value`."""
    return dict(map(_pair, words))


def _pair(word: str) -> tuple[str, str]:
    """Name and value of a resource as it is written."""
    name, _, value = word.partition("=")
    return name.strip(), value.strip().strip("'\"")


def check(words: Iterable[str], where: str) -> None:
    """StudyError if a time or a memory among resources `name=value` is no number above 0."""
    for name, value in map(_pair, words):
        if name in ALLOWED and not whole(name, value):
            size = amount(name, value) or _of_slurm(name, value)
            hint = f"did you mean {size}? " if size else ""
            raise StudyError(
                f"{where}: {name}: got {value!r}; {hint}allowed: a whole number of {ALLOWED[name]}"
            )


def whole(name: str, value: str) -> int:
    """The minutes or MB that jobs ask for with such a value, 0 if Snakemake or Slurm takes none.

    Snakemake reads times with a unit, of memory it does so under another name (`mem`).
    """
    return int(value) if value.isdecimal() else amount(name, value) * (name == "runtime")


def amount(name: str, value: str) -> int:
    """A number with a unit, such as 10h, in minutes or MB, rounded up; 0 if it is none."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?) *([A-Za-z]+)", value)
    if not match:
        return 0
    sizes = [size for names, size in UNITS[name].items() if match[2].lower() in names.split()]
    return math.ceil(float(match[1]) * sum(sizes))


def _of_slurm(name: str, value: str) -> int:
    """The minutes of a time as Slurm writes it, such as 1-00:00:00 or 10:00:00; 0 if it is none."""
    match = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d\d))?(?::(\d\d))?", value)
    if name != "runtime" or not match or value.isdecimal():
        return 0
    days, first, second, third = (int(part or 0) for part in match.groups())
    if match[1] is None and match[4] is None:  # minutes and seconds
        return first + (second > 0)
    return 60 * (24 * days + first) + second + (third > 0)


def check_resources(settings: Any, words: Sequence[str]) -> None:
    """StudyError for a time or memory that no job can ask for, before any is queued.

    settings: snakemake's, of resources; on one machine (`nodes` is None) nothing asks for them.
    words: of its command line, which names the profile.
    """
    if settings.nodes is None:
        return
    file = ""
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word.partition("=")[0] == "--profile":
            file = f"{Path(word.partition('=')[2] or following) / NAME}: "
    flags = [word.partition("=")[0] for word in words]
    where = "" if "--default-resources" in flags else file
    check(getattr(settings.default_resources, "args", []), f"{where}default-resources")
    where = "" if "--set-resources" in flags else file
    for rule, of_rule in settings._parsed_overwrite_resources.items():
        check(of_rule.args, f"{where}set-resources: {rule}")


def _words(value: Any) -> list[str]:
    """A setting as words `name=value`, be it a mapping, a list or one word."""
    if isinstance(value, dict):
        pairs = []
        for name, each in value.items():  # of set-resources: a rule with its own mapping
            own = [f":{word}" for word in _words(each)] if isinstance(each, dict) else [f"={each}"]
            pairs += [f"{name}{word}" for word in own]
        return pairs
    if isinstance(value, list):
        return [str(each) for each in value]
    return [] if value is None else [str(value)]
