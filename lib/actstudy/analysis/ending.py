"""The last lines of `make study`: how its runs ended, where the page is, how to go on."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from actstudy.analysis.forecast import duration
from actstudy.analysis.watch import Watch
from actstudy.study.planning import Study

ENDING = """Summary: {page}  (figures and tables in the same folder)
To go on:
  {bin}/python -m actstudy status{config}
      what is done, what failed and why
  {bin}/python -m actstudy train --task mlp --activation mish --seed 0
      one run by hand
  edit {file}, then: {bin}/snakemake -n{configfile}
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
    configfile = flags(study, pairs, "--configfile", "--config")
    more = ENDING.format(
        page=page, bin=programs(), file=study.file, config=config, configfile=configfile
    )
    return f"{text}\n{more}"


def unfinished(watch: Watch, arguments: list[str], stopped: bool) -> str:
    """What is said if snakemake did not reach the end of a study."""
    again = "make study"
    if arguments:
        again += f" ARGS={shlex.quote(shlex.join(arguments))}"
    if stopped:
        return f"stopped: {watch.counts()}; to go on from there: {again}"
    where = "see above and .snakemake/log"
    return f"The study did not finish: {watch.counts()}; {where}; to go on: {again}"
