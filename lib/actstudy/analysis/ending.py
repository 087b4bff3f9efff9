"""The last lines of a study: how its runs ended, where the page is, how to go on."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from actstudy.analysis.forecast import duration
from actstudy.analysis.watch import Watch
from actstudy.contract import checkout
from actstudy.study.planning import Study

ENDING = """Summary: {page}  (figures and tables in the same folder)
To go on:
  {bin}/python -m actstudy status{config}
      what is done, what failed and why
  {bin}/python -m actstudy train --task mlp --activation mish --seed 0
      one run by hand
  edit {file}, then: {bin}/{again}
      what would be trained; without -n it is trained"""


def programs() -> Path:
    """The folder of this Python's programs, as short as it can be written."""
    folder = Path(sys.executable).parent
    if folder.is_relative_to(Path.cwd()):
        return folder.relative_to(Path.cwd())
    return folder


def flags(study: Study, pairs: Sequence[str], file: str, pair: str) -> str:
    """The flags that name a study's file, none for the default study, and the pairs of a try."""
    words = [] if study.name == "default" else [file, study.file]
    if pairs:
        words += [pair, *pairs]
    return f" {shlex.join(words)}" if words else ""


def dry_run(study: Study, pairs: Sequence[str]) -> str:
    """The command that says what a study would train here; pairs: of `--config`."""
    if checkout.is_here():
        return f"snakemake -n{flags(study, pairs, '--configfile', '--config')}"
    words = ["actstudy", "run"]
    if study.name != "default":
        words.append(study.file)
    words.append("-n")
    if pairs:
        words += ["--config", *pairs]
    return f"python -m {shlex.join(words)}"


def ending(watch: Watch, seconds: float, pairs: Sequence[str] = ()) -> str:
    """What is said at the end of a study: how its runs ended, where the page is, what to do.

    pairs: of `--config`.
    """
    study = watch.study
    text = f"The study took {duration(seconds)}. Study {study.name}: {watch.counts()}."
    page = Path(study.folder, "summary.md")
    if not page.is_file():
        return text
    config = flags(study, pairs, "--config", "--set")
    more = ENDING.format(
        page=page, bin=programs(), file=study.file, config=config, again=dry_run(study, pairs)
    )
    return f"{text}\n{more}"


def make_study(arguments: Sequence[str]) -> str:
    """The command `make study` with arguments for snakemake."""
    return f"make study ARGS={shlex.quote(shlex.join(arguments))}" if arguments else "make study"


def unfinished(watch: Watch, again: str, stopped: bool) -> str:
    """What is said if snakemake did not reach the end of a study; again: the command to go on."""
    if stopped:
        return f"stopped: {watch.counts()}; to go on from there: {again}"
    where = "see above and .snakemake/log"
    return f"The study did not finish: {watch.counts()}; {where}; to go on: {again}"
