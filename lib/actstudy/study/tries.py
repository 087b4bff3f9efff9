"""A study under `--config KEY=VALUE` pairs: a try, which leaves the study's own page as it is."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from actstudy.contract import errors, own
from actstudy.contract.errors import StudyError
from actstudy.study.config import RunFields, StudyFile
from actstudy.study.looks import LOOKS
from actstudy.study.reading import coerce

HOST_KEYS = ("device", "slots_per_gpu", "runs_per_job", "probe_every", "timeout_minutes")
FOLDER_LETTERS = r"[A-Za-z0-9_.,=+-]{1,100}"


def results_folder(name: str, overrides: Mapping[str, Any] | None = None) -> str:
    """The folder of a study's results, by the study's name and the pairs of `--config`.

    Pairs that change what is asked have a folder of their own: `results/NAME+seeds=3`.
    """
    words = question_pairs(overrides or {})
    if not words:
        return "results" if name == "default" else f"results/{name}"
    text = "+".join(words)
    if not re.fullmatch(FOLDER_LETTERS, text):
        text = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"results/{name}+{text}"


def question_pairs(overrides: Mapping[str, Any]) -> list[str]:
    """The sorted `KEY=VALUE` of `--config` that are not about this machine alone.

    Equal values are one text, whoever has read the words: `1e-3`, `0.0010` and 0.001.
    """
    pairs = []
    for key in sorted(set(overrides) - set(HOST_KEYS)):
        value = coerce(overrides[key], f"--config: {key}")
        pairs.append(f"{key}={_text(value)}")
    return pairs


def override(raw: dict[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Sets the study's keys among the overrides in `raw`; returns the run fields among them."""
    fields: dict[str, Any] = {}
    blocks = raw.get("tasks") if isinstance(raw.get("tasks"), dict) else {}
    for key, text in overrides.items():
        value = coerce(text, f"--config: {key}")
        if key == "tasks":
            names = value if isinstance(value, list) else [value]
            paths = {own.short(str(task)): str(task) for task in blocks or {}}
            tasks = [paths.get(str(name), str(name)) for name in names]
            raw["tasks"] = {task: (blocks or {}).get(task) for task in tasks}
        elif key in RunFields.model_fields:
            fields[key] = value
        elif key in StudyFile.model_fields and key != "defaults":
            raw[key] = value
            for block in (blocks or {}).values():  # stronger than what a task's block says
                if isinstance(block, dict):
                    block.pop(key, None)
        else:
            known = [*StudyFile.model_fields, *RunFields.model_fields]
            names = [name for name in known if name != "defaults"]
            raise StudyError(f"--config: {key}: unknown key; {errors.choices(key, names)}")
    if "seeds" in overrides:
        check_looks(raw, overrides["seeds"])
    return fields


def check_looks(raw: Mapping[str, Any], seeds: Any) -> None:
    """StudyError for `--config seeds=...` if a task's own block has looks, which take their own.

    raw: the study's keys with the overrides set; looks of the whole study are refused with it.
    """
    blocks = raw.get("tasks")
    for task, block in (blocks if isinstance(blocks, dict) else {}).items():
        if isinstance(block, dict) and block.get("looks") is True:
            got = f"got {_text(coerce(seeds, '--config: seeds'))}, but tasks.{task} has looks"
            takes = ", ".join(map(str, LOOKS))
            raise StudyError(
                f"--config: seeds: {got}, which take {takes} seeds; allowed: looks=false with it"
            )


def _text(value: Any) -> str:
    """A value as it is written on a command line: `0.001`, `relu`, `1,2`, else JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and len(value) > 1 and not any(map(_has_parts, value)):
        return ",".join(map(_text, value))
    return json.dumps(value)


def _has_parts(item: Any) -> bool:
    """Whether an item of a list cannot be written between commas."""
    return isinstance(item, list | dict) or (isinstance(item, str) and "," in item)


def note(stated: str | None, overrides: Mapping[str, Any]) -> str | None:
    """The line at the head of a page; under `--config` it says so."""
    words = question_pairs(overrides)
    if not words:
        return stated
    tried = f"A try with --config {' '.join(words)}."
    return f"{tried} {stated}" if stated else tried
