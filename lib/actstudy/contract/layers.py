"""Layers of run fields, later over earlier, where two fields may spell one thing."""

from collections.abc import Mapping
from typing import Any

RIVALS = {  # run field -> those that spell the same thing otherwise
    "steps": ["epochs"],
    "epochs": ["steps"],
    "hidden": ["depth", "width"],
    "depth": ["hidden"],
    "width": ["hidden"],
}


def layered(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Later layers over earlier ones; a later spelling replaces its rivals, as steps epochs."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for name in layer:
            for rival in RIVALS.get(name, []):
                merged.pop(rival, None)
        merged |= layer
    return merged
