"""A study under `--config KEY=VALUE` pairs: a try, which leaves the study's own page as it is."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

HOST_KEYS = ("device", "slots_per_gpu", "probe_every", "timeout_minutes")  # change no question
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
    """The sorted `KEY=VALUE` of `--config` that are not about this machine alone."""
    pairs = {}
    for key, value in overrides.items():
        if key not in HOST_KEYS:
            pairs[key] = value if isinstance(value, str) else json.dumps(value)
    return [f"{key}={pairs[key]}" for key in sorted(pairs)]


def note(stated: str | None, overrides: Mapping[str, Any]) -> str | None:
    """The line at the head of a page; under `--config` it says so."""
    words = question_pairs(overrides)
    if not words:
        return stated
    tried = f"A try with --config {' '.join(words)}."
    return f"{tried} {stated}" if stated else tried
