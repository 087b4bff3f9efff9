"""A study's workflow from its start to its last lines: one snakemake at a time, watched.

Snakemake itself is started as a process of its own and is not imported, which takes a second.
"""

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from actstudy.analysis import forecast
from actstudy.analysis.ending import ending, unfinished
from actstudy.analysis.watch import Watch
from actstudy.commands import processes, run_words
from actstudy.commands.notify import Notifier
from actstudy.commands.parser import Parser
from actstudy.contract import checkout, home, shadowed
from actstudy.contract.errors import StudyError
from actstudy.study import jobs, planning

PROFILE = "profiles/default/config.yaml"
SWITCHES = "pkfFtlDa"  # snakemake's short options without a value, which may be written with -n


def main(arguments: Sequence[str], again: str, more: Sequence[str] = ()) -> int:
    """The exit status of snakemake, run with the arguments; says how far the study came.

    again: the command that goes on after a stop; more: words for snakemake that a user need not
    see. StudyError if the study is wrong.
    """
    if fault := shadowed.hiding(Path.cwd()):  # snakemake would end in a traceback
        raise StudyError(fault)
    home.provide(Path(".snakemake/home"))
    options, unread = read(arguments)  # snakemake reports a file that is not YAML by a traceback
    run_words.check_flags(unread)
    study = study_of(options)
    start = time.monotonic()
    with processes.alone():
        processes.wait_for_others()
        shutil.rmtree(".snakemake/locks", ignore_errors=True)  # nobody is alive to hold them
        snakemake = [sys.executable, "-m", "snakemake", *arguments, *more, "--logger", "actstudy"]
        if not jobs.are_run(options):
            return subprocess.call(snakemake)
        watch = watch_of(study, options)
        notifier = Notifier(watch)
        status, signal_number = processes.call(snakemake, watch, notifier.look)
    watch.look(max_read=None)
    if status == 2:  # a bad study: one line has said so, and nothing was started
        return status
    notifier.end(status, signal_number)
    if status or signal_number:
        print(unfinished(watch, again, stopped=bool(signal_number)))
        return status if status > 0 else 128 + (signal_number or -status)
    print(ending(watch, time.monotonic() - start, options.config, arguments))
    return 0


def options_of(arguments: Sequence[str]) -> argparse.Namespace:
    """What snakemake reads in the arguments and in the profile, as far as it is needed here."""
    return read(arguments)[0]


def read(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """The same, and the words that are left over."""
    parser = Parser(add_help=False)
    parser.allow_abbrev = True  # as snakemake's
    parser.add_argument("--configfile", "--configfiles", nargs="+", type=Path, default=[])
    parser.add_argument("--config", "-C", nargs="*", default=[])
    parser.add_argument("--cores", "-c")
    parser.add_argument("--resources", "--res", nargs="+", default=[])
    parser.add_argument("--dry-run", "--dryrun", "-n", dest="dryrun", action="store_true")
    parser.add_argument("--summary", "-S", action="store_true")
    for name in ("unlock", "filegraph", "d3dag"):
        parser.add_argument(f"--{name}", action="store_true")
    for name in ("dag", "rulegraph", "lint", "report"):
        parser.add_argument(f"--{name}", nargs="?", const="text")
    for letter in SWITCHES:
        parser.add_argument(f"-{letter}", action="store_true", dest="other")
    of_profile, _ = parser.parse_known_args(profile_words())
    parser.set_defaults(**vars(of_profile))
    return parser.parse_known_args(arguments)


def profile_words() -> list[str]:
    """The default profile of this folder, else of the project, as words of a command line."""
    profile = Path(PROFILE)
    if not profile.is_file():
        profile = checkout.ROOT / PROFILE
    content = yaml.safe_load(profile.read_text(encoding="utf-8")) if profile.is_file() else {}
    words = []
    for key, value in (content or {}).items():
        values = value if isinstance(value, list) else [value]
        if isinstance(value, dict):
            values = [f"{name}={item}" for name, item in value.items()]
        if value is not False:
            words += [f"--{key}", *[str(item) for item in values if item is not True]]
    return words


def study_of(options: argparse.Namespace) -> planning.Study:
    """The study that snakemake is asked for; the last of several files, as in the Snakefile."""
    file = [checkout.DEFAULT_STUDY, *options.configfile][-1]
    return planning.load(checkout.study_path(file), pairs_of(options.config))


def pairs_of(words: Sequence[str]) -> Mapping[str, Any]:
    """The pairs of `--config`; StudyError for a word that is none."""
    pairs = {}
    for word in words:
        key, mark, value = word.partition("=")
        if not mark:
            raise StudyError(f"--config: got {word!r}; allowed: KEY=VALUE")
        pairs[key] = value
    return pairs


def watch_of(study: planning.Study, options: argparse.Namespace) -> Watch:
    """A watch of the study that knows how many processes snakemake may start."""
    cores = int(options.cores) if (options.cores or "").isdecimal() else None
    gpu = pairs_of([word for word in options.resources if "=" in word]).get("gpu", "")
    return Watch(study, forecast.room(study, cores, int(gpu) if gpu.isdecimal() else None))
