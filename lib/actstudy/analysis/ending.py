"""The last lines of a study: how its runs ended, where the page is, how to go on."""

import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from actstudy.analysis.forecast import duration
from actstudy.analysis.watch import Watch
from actstudy.contract import checkout, invocation
from actstudy.study.planning import Study

TITLES = {
    "summary.md": "Summary",
    "details.md": "Details",
    "appendix.md": "Appendix",
    "explorer.html": "Explorer",
}
ENDING = """{answer}{pages}  (figures and tables in the same folder)
To go on:
  {actstudy} status{config}
      what is done, what failed and why
  {actstudy} train {run}
      one run by hand, by the settings of this study
  edit {file}, then: {again}
      what would be trained; without -n it is trained"""


def programs() -> Path:
    """The folder of this Python's programs, as short as it can be written."""
    folder = Path(sys.executable).parent
    if folder.is_relative_to(Path.cwd()):
        return folder.relative_to(Path.cwd())
    return folder


def program(name: str) -> str:
    """How a program of this Python is called: by its name alone if the PATH has this very one.

    This program is called as the user did, if that was by the script `actstudy`.
    """
    if name == "actstudy" and invocation.program() != invocation.AS_MODULE:
        return invocation.program()
    path = Path(sys.executable).parent / name
    on_path = shutil.which(name)
    if on_path and path.is_file() and path.samefile(on_path):
        return name
    return f"{programs()}/python -m actstudy" if name == "actstudy" else f"{programs()}/{name}"


def flags(study: Study, pairs: Sequence[str], file: str, pair: str) -> str:
    """The flags that name a study's file, none for the default study, and the pairs of a try."""
    words = [] if study.name == "default" else [file, study.file]
    if pairs:
        words += [pair, *pairs]
    return f" {shlex.join(words)}" if words else ""


def dry_run(study: Study, pairs: Sequence[str]) -> str:
    """The command that says what a study would train here; pairs: of `--config`."""
    if checkout.is_here():
        return f"{program('snakemake')} -n{flags(study, pairs, '--configfile', '--config')}"
    words = ["run"]
    if study.name != "default":
        words.append(study.file)
    words.append("-n")
    if pairs:
        words += ["--config", *pairs]
    return f"{program('actstudy')} {shlex.join(words)}"


def pages_of(study: Study, words: Sequence[str]) -> list[Path]:
    """The files of a study that a command line asks for, its summary if none; those that exist."""
    paths = [Path(word) for word in words if Path(word).is_relative_to(study.folder)]
    return [path for path in paths or [Path(study.folder, "summary.md")] if path.is_file()]


def answer_of(page: Path) -> str:
    """The lines of a page's answer as plain text, one per task; empty if there are none."""
    if not page.is_file():
        return ""
    text = page.read_text(encoding="utf-8").partition("\n## Answer\n")[2].partition("\n##")[0]
    lines = [line for line in text.splitlines() if line.lstrip().startswith("- ")]
    plain = "\n".join(lines).replace("**", "").replace("\\", "")
    return f"{plain}\n" if plain else ""


def by_hand(study: Study) -> str:
    """Flags of `train` for one run of a study, of a task that is no pack if there is one."""
    runs = sorted(study.possible, key=lambda run: run.spec.engine == "pack")
    words = ["--task", runs[0].spec.task, "--activation", "mish", "--seed", "0"]
    return shlex.join([*words, "--config", study.file])


def ending(
    watch: Watch, seconds: float, pairs: Sequence[str] = (), words: Sequence[str] = ()
) -> str:
    """What is said at the end of a study: how its runs ended, where the page is, what to do.

    pairs: of `--config`; words: of the command line, files that it asks for among them.
    """
    study = watch.study
    text = f"The study took {duration(seconds)}. Study {study.name}: {watch.counts()}."
    pages = pages_of(study, words)
    if not pages:
        return text
    lines = [f"{TITLES.get(page.name, 'File')}: {page}" for page in pages]
    config = flags(study, pairs, "--config", "--set")
    more = ENDING.format(
        answer=answer_of(Path(study.folder, "summary.md")),
        pages="\n".join(lines),
        run=by_hand(study),
        actstudy=program("actstudy"),
        file=study.file,
        config=config,
        again=dry_run(study, pairs),
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
    return f"The study did not finish: {watch.counts()}; {where}; once that is fixed: {again}"
