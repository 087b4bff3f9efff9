"""Small data of a user's own for tests: tables, images and texts that hold what a test says."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image


def write(path: Path, text: str | bytes) -> Path:
    """A file of a text, or of bytes as they are; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def csv(path: Path, header: str, rows: Iterable[Sequence[object]], mark: str = ",") -> Path:
    """A CSV with a header and rows."""
    lines = [header, *(mark.join(map(str, row)) for row in rows)]
    return write(path, "\n".join(lines) + "\n")


def wine_rows(n: int = 60) -> list[list[object]]:
    """Rows of two numbers, a colour and one of three classes, none twice; the same each time."""
    rng = np.random.default_rng(0)
    rows: list[list[object]] = []
    for row in range(n):
        label = row % 3
        colour = ("red", "white")[row % 2]
        rows.append([round(rng.normal(label), 4), round(rng.normal(750, 300), 1), colour, label])
    return rows


def wine(folder: Path, n: int = 60) -> Path:
    """A table of `wine_rows` with the label `class`."""
    return csv(folder / "wine.csv", "ash,proline,colour,class", wine_rows(n))


def images(
    root: Path, classes: Iterable[str] = ("cat", "dog"), n: int = 8, suffix: str = "png"
) -> Path:
    """A folder of n small images per class, no two equal."""
    for place, name in enumerate(classes):
        (root / name).mkdir(parents=True, exist_ok=True)
        for row in range(n):
            rng = np.random.default_rng([place, row, len(str(root))])
            pixels = rng.integers(0, 256, (10 + row, 14, 3), np.uint8)
            Image.fromarray(pixels).save(root / name / f"{row}.{suffix}")
    return root


def sentences(n: int, seed: int = 0) -> list[str]:
    """Sentences of a few words, no two equal."""
    rng = np.random.default_rng(seed)
    words = ["sea", "light", "stone", "river", "cloud", "under", "over", "blue"]
    return [f"{' '.join(rng.choice(words, 6))} {seed} {row}" for row in range(n)]
