"""The words after `run`: as snakemake takes them, or one line that says what may be meant."""

import itertools
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from actstudy.commands.parser import nearest_flag
from actstudy.contract import checkout, invocation
from actstudy.contract.errors import SYNONYMS, StudyError, nearest
from actstudy.study.config import RunFields, StudyFile

YAML = (".yaml", ".yml")
PAIRS = ("--config", "-C")  # of snakemake
PAIR = re.compile(r"\w+=")  # the start of one: a file of a try has `=` after its folder
# Flags of snakemake that are not looked up in its help, which takes a second.
COMMON = (
    *("--keep-going", "-k", "--jobs", "-j", "--printshellcmds", "-p", "--quiet", "-q"),
    *("--rerun-incomplete", "--forcerun", "-R", "--forceall", "-F", "--force", "-f"),
    *("--until", "-U", "--touch", "-t", "--verbose", "--snakefile", "-s", "--logger"),
)


def for_snakemake(words: Sequence[str]) -> list[str]:
    """The words for snakemake of those for `run`.

    A study file in front becomes `--configfile`, and `--set` what snakemake calls `--config`.
    StudyError for a word in front that is neither a study file, nor a rule or a file to make.
    """
    rest, pairs = without_pairs(words)
    _check_pairs(rest, bool(pairs))
    more = ["--config", *pairs] if pairs else []
    if not rest or Path(rest[0]).suffix not in YAML:
        _check_targets(rest)
        return [*rest, *more]
    file, *others = rest
    for word in others:
        if word.startswith("--configfile") or Path(word).suffix in YAML:
            raise StudyError(
                f"command line: run: got {file} and {word}; allowed: one study file, which "
                "follows `run`"
            )
    _check_targets(others)
    return [f"--configfile={checkout.source_of(Path(file))}", *others, *more]


def without_pairs(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words without `--set` and its pairs KEY=VALUE, and these pairs."""
    rest = []
    pairs = []
    before = ""  # `--set`, or a pair of it
    for word in words:
        flag, _, value = word.partition("=")
        if flag == "--set":
            before = word
            pairs += [value] if value else []
        elif before and PAIR.match(word):
            before = word
            pairs.append(word)
        elif before == "--set":
            raise StudyError(f"command line: --set: got {word!r}; allowed: KEY=VALUE")
        else:
            before = ""
            rest.append(word)
    return rest, pairs


def _check_pairs(words: Sequence[str], is_set: bool) -> None:
    """StudyError for a study file after `--config`, and for pairs of `--config` beside `--set`."""
    for place, word in enumerate(words):
        flag, _, value = word.partition("=")
        if flag not in PAIRS:
            continue
        if is_set:
            raise StudyError(f"command line: run: got --set and {flag}; allowed: one of them")
        file = value or "".join(words[place + 1 : place + 2])
        if "=" not in file and Path(file).suffix in YAML:
            hint = f"did you mean `{invocation.program()} run {file}`?"
            raise StudyError(f"command line: run: {flag}: got {file}; {hint} allowed: KEY=VALUE")


def _check_targets(words: Iterable[str]) -> None:
    """StudyError for a word before the first flag that snakemake can make nothing of."""
    for word in itertools.takewhile(lambda word: not word.startswith("-"), words):
        if PAIR.match(word):
            raise StudyError(f"command line: run: got {word}; did you mean `--set {word}`?")
        if "/" not in word and word not in (known := rules()):
            files = [str(file) for file in Path().glob("*.y*ml")]
            hint = nearest(word, known) or nearest(f"{word}.yaml", files)
            if f"{word}.yaml" in files:
                hint = f"did you mean '{word}.yaml'? "
            allowed = f"allowed: STUDY.yaml, then rules ({', '.join(known)}) or files in results/"
            raise StudyError(f"command line: run: no study file {word}; {hint}{allowed}")


def rules() -> list[str]:
    """The rules of the workflow that have a name in its files."""
    files = [checkout.ROOT / "Snakefile", *sorted(checkout.ROOT.glob("workflow/rules/*.smk"))]
    names = []
    for file in files:
        text = file.read_text(encoding="utf-8")
        names += re.findall(r"^ *(?:rule|checkpoint) (\w+):", text, re.MULTILINE)
    return names


def check_flags(unread: Iterable[str]) -> None:
    """StudyError with the nearest flag if snakemake has not got one, before anything starts.

    unread: words that the command line's reader leaves over.
    """
    words = itertools.takewhile(lambda word: word != "--", unread)
    flags = [word.partition("=")[0] for word in words if re.match(r"--?[A-Za-z]", word)]
    unknown = [flag for flag in flags if not _is_known(flag, COMMON)]
    if not unknown:
        return
    known = _flags_of_snakemake()
    for flag in unknown:
        if known and not _is_known(flag, known):
            hint = meant_pair(flag) or nearest_flag(flag, ["--set", *known])
            raise StudyError(f"command line: {flag}: unknown; {hint}allowed: flags of snakemake")


def meant_pair(word: str) -> str:
    """A hint for a flag or a word KEY=VALUE that names a key of study files, else empty."""
    key, _, value = word.lstrip("-").partition("=")
    key = SYNONYMS.get(key.replace("-", "_"), key)
    if key in StudyFile.model_fields or key in RunFields.model_fields:
        return f"did you mean `--set {key}={value or '...'}`? "
    return ""


def _is_known(flag: str, known: Iterable[str]) -> bool:
    """Whether a flag is one of some, also shortened, or with its value or others behind it."""
    if flag.startswith("--"):
        return any(name.startswith(flag) for name in known)
    return flag[:2] in known


def _flags_of_snakemake() -> list[str]:
    """Every flag that snakemake's help names; none if it does not print it."""
    command = [sys.executable, "-m", "snakemake", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    names = re.findall(r"(?<![\w-])--?[A-Za-z][A-Za-z0-9-]*", done.stdout)
    return sorted(set(names)) if done.returncode == 0 else []
