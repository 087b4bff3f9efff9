"""What differs between two studies besides their results: run fields, data, code, devices."""

from collections.abc import Sequence
from pathlib import Path

from actstudy.analysis.evidence import COMPARED, FIELDS, asked_texts
from actstudy.analysis.markdown import listed as in_words
from actstudy.analysis.page import origins
from actstudy.analysis.questions.factors import texts
from actstudy.contract import checkout
from actstudy.judging.studies.beside import Study, shared_cells

FIELDS_COMPARED = [*FIELDS, COMPARED, "activation_args", "code"]
ORIGINS = {"commits": "commit", "devices": "device", "versions": "versions", "ended": "last run"}
OF_ORIGIN = ["status", "git_commit", "git_dirty", "device", "versions", "ended"]
NOT_KNOWN = "not known"
DATASET = "dataset"
DIGEST = "content of data (sha)"
MAX_VALUES = 4  # of a field, that a table lists


def differences(first: Study, other: Study, task: str) -> list[dict[str, str]]:
    """A row per run field that differs in the cells of a task which both studies have.

    Then baseline, margin and data, if they differ. Columns task, what, and a study's values each.
    Cell is compared with cell: a field that both studies cross alike does not differ.
    """
    cells = shared_cells(first, other, task)
    of_first = values(first, task, cells)
    of_other = values(other, task, cells)
    pairs = {}
    for name in FIELDS_COMPARED:
        if name in of_first and name in of_other:
            pairs[name] = (of_first[name], of_other[name])
    own_plan, other_plan = (study.plan.tasks[task] for study in (first, other))
    for name in ("baseline", "margin"):
        pairs[name] = ([str(getattr(own_plan, name))], [str(getattr(other_plan, name))])
    pairs[DIGEST] = (data(first, task), data(other, task))
    rows = []
    for what, (own, others) in pairs.items():
        if own != others:
            words = {first.name: listed(own), other.name: listed(others)}
            rows.append({"task": task, "what": what, **words})
    return rows


def other_data(rows: Sequence[dict[str, str]], first: str, other: str) -> list[str]:
    """A sentence per task whose data differ in two studies, and one on those that may do so.

    rows: of `differences`; first, other: the names of the studies.
    """
    sentences = []
    unknown = []
    by_task: dict[str, dict[str, dict[str, str]]] = {}
    for row in rows:
        by_task.setdefault(row["task"], {})[row["what"]] = row
    for task, by_what in by_task.items():
        differing = [by_what[what] for what in (DATASET, DIGEST) if what in by_what]
        if not differing:
            continue
        row = differing[0]
        if row["what"] == DIGEST and NOT_KNOWN in (row[first], row[other]):
            unknown.append(task)
            continue
        sentences.append(
            f"{task}: the data are not the same, {row[first]} in {first} and {row[other]} in "
            f"{other}: every difference is one of the data too."
        )
    if unknown:
        sentences.append(
            f"{in_words(unknown)}: it is not known whether {first} and {other} have the same data; "
            "if not, every difference is one of the data too."
        )
    return sentences


def values(study: Study, task: str, cells: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """Run field -> its value per cell as text; without the study's runs, as it was planned."""
    runs = study.of("runs", task)
    if runs.empty or "dataset" not in runs:
        recipe = asked_texts(study.plan.tasks[task].recipe)
        return {name: [text] * len(cells) for name, text in recipe.items()}
    keys = list(zip(runs["group"], runs["level"], strict=True))
    by_field = {}
    for name in FIELDS_COMPARED:
        by_cell: dict[tuple[str, str], list[str]] = {}
        for cell, word in zip(keys, texts(runs, name), strict=True):
            by_cell.setdefault(cell, []).append(word)
        by_field[name] = [" or ".join(dict.fromkeys(by_cell.get(cell, []))) for cell in cells]
    return by_field


def data(study: Study, task: str) -> list[str]:
    """The first digits of the SHA-256 of the data that a task's runs were trained on."""
    runs = study.of("runs", task)
    if "data_sha256" not in runs:
        return [NOT_KNOWN]
    return sorted({str(digest)[:12] for digest in runs["data_sha256"].dropna()}) or [NOT_KNOWN]


def listed(words: Sequence[str]) -> str:
    """The values of a field, each once, of many the first MAX_VALUES."""
    names = [word or "none" for word in dict.fromkeys(words)]
    more = f" and {len(names) - MAX_VALUES} more" if len(names) > MAX_VALUES else ""
    return ", ".join(names[:MAX_VALUES]) + more


def made_by(studies: Sequence[Study]) -> list[dict[str, str]]:
    """A row per thing that a study's runs come from: file, commit, device, versions, time."""
    rows = [{"what": "study file", **{study.name: file_of(study) for study in studies}}]
    origin = {study.name: origin_of(study) for study in studies}
    for key, what in ORIGINS.items():
        rows.append({"what": what, **{name: words[key] for name, words in origin.items()}})
    return rows


def file_of(study: Study) -> str:
    """A study's file; an absolute path as it is seen from the present folder."""
    file = Path(study.plan.file)
    return str(checkout.study_path(file)) if file.is_absolute() else str(file)


def origin_of(study: Study) -> dict[str, str]:
    """Commits, devices, versions of a study's runs, and when the last one ended."""
    if study.runs.empty:
        return dict.fromkeys(ORIGINS, NOT_KNOWN)
    return origins.provenance(study.runs.reindex(columns=OF_ORIGIN))
