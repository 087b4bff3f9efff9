"""Properties of a function, from its values on a grid."""

import torch

from actstudy.contract.reading import Reading, exact
from actstudy.nets import activations


def slopes(activation: str, reach: float = 40.0, points: int = 800_001) -> list[Reading]:
    """The largest and smallest slope of an activation and where they are, on a float64 grid."""
    x = torch.linspace(-reach, reach, points, dtype=torch.float64, requires_grad=True)
    y = activations.entry(activation).factory().double()(x)
    (slope,) = torch.autograd.grad(y.sum(), x)
    values = {}
    for name, place in (("largest", slope.argmax()), ("smallest", slope.argmin())):
        values[name] = exact(slope[place].item())
        values[f"{name}_at"] = exact(x[place].item())
    return [Reading(values)]


MEASUREMENTS = {"slopes": slopes}
