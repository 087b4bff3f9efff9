"""What the documents name exists: files of the project, and commands."""

import itertools
import re

import pytest
from commands import command
from runs import ROOT

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
DOCUMENTS += sorted((ROOT / "docs/example").rglob("README.md"))  # summary.md is a study's output
NAMES = [path.relative_to(ROOT).as_posix() for path in DOCUMENTS]
FOLDERS = "lib/actstudy|config|workflow|profiles|benchmarks|tests|docs|envs|data/embedded"
# Not before a star or a brace, which stand for any name, as words in capitals do (NAME.yaml).
PATH = re.compile(rf"(?<![\w/.])(?:\.\./)?((?:{FOLDERS})/[\w./-]*+)(?![*{{<])")
DIALECT = re.compile(
    r"\b(told|tells|so many|flatters?|allows? to say|spares|wherever|be it|beside|mend(ed|s)?)\b",
    re.IGNORECASE,
)
WRITTEN_BY_THE_READER = re.compile(r"config/my_\w+\.yaml")


def paths_in(text: str) -> set[str]:
    """The paths of the project that a document names, placeholders and the reader's files out."""
    paths = set()
    for path in PATH.findall(text):
        placeholder = re.search(r"\b[A-Z]{2,}\b(?!\.md)", path)
        if not placeholder and not WRITTEN_BY_THE_READER.fullmatch(path):
            paths.add(path.rstrip(".-"))
    return paths


@pytest.mark.parametrize("name", NAMES)
def test_every_path_in_a_document_exists(name):
    paths = paths_in((ROOT / name).read_text())
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_document_begins_with_its_title_and_has_whole_tables(name):
    lines = (ROOT / name).read_text().splitlines()
    assert lines[0].startswith("# ")
    for before, line in itertools.pairwise(lines):
        if before.startswith("|") and line.startswith("|"):
            assert before.rstrip().endswith("|"), before[-60:]
            assert before.count("|") - before.count("\\|") == (
                line.count("|") - line.count("\\|")
            ), line[:60]


@pytest.mark.parametrize("name", NAMES)
def test_every_link_of_a_document_leads_to_a_file(name):
    text = (ROOT / name).read_text()
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)
    local = [link for link in links if not re.match(r"[a-z]+:", link)]
    folder = (ROOT / name).parent
    assert [link for link in local if not (folder / link).exists()] == []


def dialect_in(text: str) -> list[str]:
    """The words of a text's prose that a reader of plain English stumbles over."""
    prose = re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.DOTALL)
    return [match[0] for match in DIALECT.finditer(prose)]


@pytest.mark.parametrize("name", NAMES)
def test_documents_are_in_plain_words(name):
    assert dialect_in((ROOT / name).read_text()) == []


def test_dialect_is_seen():
    assert dialect_in("It is told.\nBeside it `told` stands") == ["told", "Beside"]
    assert dialect_in("besides, test_a_fault_is_told\n```\ntold\n```\nas many") == []


def test_every_documented_command_exists(tmp_path):
    text = "\n".join(path.read_text() for path in DOCUMENTS)
    names = set(re.findall(r"python -m actstudy ([a-z_]+)", text))
    assert {"train", "status", "doctor", "retry"} <= names
    for name in names:
        done = command(tmp_path, name, "--help")
        assert done.returncode == 0, f"{name}: {done.stderr}"
    assert command(tmp_path, "trian", "--help").returncode == 2


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("see `lib/actstudy/nets/mlp.py`.", {"lib/actstudy/nets/mlp.py"}),
        ("[a](../lib/actstudy/advice/rules.yaml)", {"lib/actstudy/advice/rules.yaml"}),
        ("all in config/.", {"config/"}),
        ("`config/NAME.yaml`, config/*.yaml, lib/actstudy/{a,b}.py", set()),
        ("snakemake --configfile config/my_depth.yaml", set()),
        ("results/config/x.yaml", set()),
    ],
)
def test_paths_are_seen(text, paths):
    assert paths_in(text) == paths
