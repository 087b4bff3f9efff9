"""The shell commands of the workflow's rules, with hostile values in every place."""

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from snakemake.utils import QuotedFormatter, SequenceFormatter

# Flags that the workflow has put together itself, quoted where they hold text.
BUILT_FLAGS = ("{HOST_FLAGS}", "{JOBS.own_tasks}", "{JOBS.modules}")
PROGRAM = re.compile(r"\{PYTHON:q\} (-m actstudy|\{SCRIPTS:q\}/\w+\.py)")
TELLS = r"/usr/bin/env printf '%s\\0'"  # what it was given


class Value(str):
    """A string that is also whatever is looked up in it: `wildcards.data`, `params.spec`."""

    def __getattr__(self, name: str) -> "Value":
        return self


def commands(root: Path) -> list[str]:
    """The shell command of every rule."""
    text = "".join(path.read_text() for path in sorted((root / "workflow/rules").glob("*.smk")))
    found = re.findall(r'shell:\n((?: +".*"\n)+)', text)
    assert len(found) == text.count("shell:")
    return ["".join(re.findall(r'^ *"(.*)"$', one, re.M)) for one in found]


def name(command: str) -> str:
    """The command or script that a rule calls, and what it is given first."""
    return " ".join(PROGRAM.sub(r"\1", command).split()[1:5])


def misread(command: str, strings: Iterable[str], folder: Path) -> list[str]:
    """The strings that the program does not get unchanged if bash runs the command in a folder."""
    assert PROGRAM.search(command)
    told = PROGRAM.sub(TELLS, command)
    for flags in BUILT_FLAGS:
        told = told.replace(flags, "")
    fields, wrong = re.findall(r"\{([\w.]+)", told), []
    for text in [one for one in strings if "\0" not in one]:
        values = dict.fromkeys([name.split(".")[0] for name in fields], Value(text))
        made = SequenceFormatter(separator=" ", element_formatter=QuotedFormatter()).format(
            told, **values
        )
        done = subprocess.run(["bash", "-c", made], cwd=folder, capture_output=True)
        got = done.stdout.decode(errors="replace").split("\0")
        wrong += [] if sum(one.endswith(text) for one in got) >= len(fields) else [text]
    return wrong
