"""How far apart colours look, to people with and without colour-blindness.

Machado, Oliveira and Fernandes (2009), severity 1: https://doi.org/10.1109/TVCG.2009.113
"""

import itertools
from collections.abc import Iterable

import numpy as np
from matplotlib.colors import to_rgb

MACHADO = {
    "none": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
WHITE = np.array([0.95047, 1.0, 1.08883])  # D65


def linear(colour: object) -> np.ndarray:
    """A colour as linear red, green and blue."""
    rgb = np.array(to_rgb(colour))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """Linear red, green and blue as CIE Lab."""
    ratio = TO_XYZ @ rgb / WHITE
    f = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def distance(first: object, second: object) -> float:
    """The least distance of two colours in CIE Lab (CIE76) over all kinds of sight."""
    distances = []
    for matrix in MACHADO.values():
        seen = [lab(np.clip(np.array(matrix) @ linear(colour), 0, 1)) for colour in (first, second)]
        distances.append(float(np.linalg.norm(seen[0] - seen[1])))
    return min(distances)


def nearest_pair(colours: Iterable[object]) -> float:
    """The least distance of any two of these colours."""
    return min(distance(*pair) for pair in itertools.combinations(colours, 2))
