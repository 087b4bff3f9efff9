"""A profile of Snakemake for a cluster: what its jobs ask for."""

from pathlib import Path
from typing import Any, NamedTuple

import yaml

from actstudy.contract.errors import StudyError

NAME = "config.yaml"


class Profile(NamedTuple):
    """A profile's file, its settings, and the resources that every job asks for by default."""

    file: Path
    settings: dict[str, Any]
    resources: dict[str, str]

    @property
    def partition(self) -> str:
        """The partition of its jobs; empty: Slurm's default one."""
        return self.resources.get("slurm_partition", "")

    @property
    def account(self) -> str:
        """The account of its jobs; empty: Slurm's default one of the user."""
        return self.resources.get("slurm_account", "")

    @property
    def wants_gpu(self) -> bool:
        """Whether training asks for a GPU: unless `resources` says `gpu=0`."""
        return "gpu=0" not in _words(self.settings.get("resources"))

    @property
    def gpu_model(self) -> str:
        """The GPU that jobs ask for by name, or empty."""
        named = self.resources.get("gres", "").split(":")
        if named[0] == "gpu" and len(named) > 1 and not named[1].isdecimal():
            return named[1]
        return self.resources.get("gpu_model", "")


def read(folder: Path) -> Profile:
    """The profile in a folder; StudyError if there is none, or it is not of Slurm."""
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
    if not isinstance(settings, dict) or settings.get("executor") != "slurm":
        got = settings.get("executor") if isinstance(settings, dict) else settings
        raise StudyError(f"{file}: executor: got {got!r}; allowed: slurm")
    resources = {}
    for word in _words(settings.get("default-resources")):
        name, _, value = word.partition("=")
        resources[name.strip()] = value.strip().strip("'\"")
    return Profile(file, settings, resources)


def _words(value: Any) -> list[str]:
    """A setting as words `name=value`, be it a mapping, a list or one word."""
    if isinstance(value, dict):
        return [f"{name}={each}" for name, each in value.items()]
    if isinstance(value, list):
        return [str(each) for each in value]
    return [] if value is None else [str(value)]
