"""Measure of memory: what backward needs of an activation that stands between two linear layers."""

import torch
from torch import nn

from actstudy.certificate.cost import saved
from actstudy.certificate.outcome import Reading
from actstudy.certificate.subject import Subject, normal

EXAMPLES = 64
UNITS = 64


def bytes_between(subject: Subject) -> Reading:
    """Bytes per value before an activation that it and the next layer keep, and relu's multiple.

    By itself relu keeps its output and gelu its input, as much; but the next layer keeps relu's
    output anyway.
    """
    own = _between(subject.fresh())
    relu = _between(nn.ReLU())
    text = f"{own:.4g} bytes a value between linear layers, relu {relu:.4g}: x{own / relu:.3g}"
    return Reading(text, {"bytes": own, "relu_bytes": relu, "ratio": own / relu})


def _between(module: nn.Module) -> float:
    x = normal(EXAMPLES, UNITS)
    first = nn.Linear(UNITS, UNITS)
    with torch.no_grad():
        values = first(x)
        width = module(values).shape[-1]  # gated ones give fewer values than they take
    net = nn.Sequential(first, module, nn.Linear(width, UNITS))
    return (saved(net, x) - x.nbytes) / values.numel()
