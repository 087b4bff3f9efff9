"""Commands that go on with a study, and what is said if its folder is locked."""

import contextlib
import os
import re
import shlex
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

NAMING = (
    "--profile",
    "--workflow-profile",
    "--configfile",
    "--configfiles",
    "--config",
    "-C",
    "--directory",
    "-d",
    "--resources",
    "--default-storage-provider",
    "--default-storage-prefix",
    "--storage-s3-endpoint-url",
)
REMARK = r" \([^()]*\)$"  # what Snakemake adds to the name of a file, such as ` (update)`
OBJECT = r"^\w+://.*?/(?=results/)"  # the prefix of a storage


def command(words: Sequence[str], more: Sequence[str]) -> str:
    """The snakemake of the same profile and study with other words; words: its command line."""
    naming_words: list[str] = []
    naming = False
    for word in words[1:]:
        if word.startswith("-"):
            naming = word.partition("=")[0] in NAMING
        if naming:
            naming_words.append(word)
    files = [path_of(word) for word in more]
    return shlex.join(["snakemake", *files, *naming_words])


def path_of(text: str) -> str:
    """The path from the study's folder on of a file that Snakemake names, also in a storage."""
    return re.sub(OBJECT, "", re.sub(REMARK, "", text))


def short(path: str) -> str:
    """A path from the present folder on if it is in there."""
    folder = Path.cwd()
    return str(Path(path).relative_to(folder)) if Path(path).is_relative_to(folder) else path


def locked(words: Sequence[str]) -> str:
    """A line on who has locked this folder, and how to go on; words: of the command line."""
    import psutil  # late, as what follows: the study does not start

    from actstudy.commands import processes

    others = [pid for pid in processes.process_ids(processes.is_snakemake) if pid != os.getpid()]
    for pid in others:
        with contextlib.suppress(psutil.NoSuchProcess):  # it has ended meanwhile
            began = datetime.fromtimestamp(psutil.Process(pid).create_time())
            return (
                f"actstudy: {Path.cwd()}: a snakemake runs here already (pid {pid}, since "
                f"{began:%H:%M:%S}); to fix: wait until it ends, or stop it (kill {pid}), "
                "then the same command"
            )
    return (
        f"actstudy: {Path.cwd()}: locked by a snakemake that was killed, or that runs on another "
        f"node; to fix, if none runs and `squeue --me` is empty: {command(words, ['--unlock'])}, "
        "then the same command"
    )
