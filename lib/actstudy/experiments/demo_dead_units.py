"""Demo: a network whose units are made to die, and ones that come back, read by a Monitor."""

from typing import NamedTuple

import pyarrow as pa
import torch
from torch import Tensor, nn
from torch.nn import functional

from actstudy.contract.streams import stream
from actstudy.experiments import boundaries
from actstudy.health.monitor import Monitor

SEED = 0
WIDTH = 64
EXAMPLES = 256
STEPS = 600
EVERY = 20
PUSHED_AT = 200
PUSH = 8.0  # by how much biases are lowered, far beyond what units receive
PROBES = ("dead", "dead_from_start")


class Course(NamedTuple):
    """A training by Adam; push: of the biases of the second layer; decay: of biases alone."""

    name: str
    lr: float = 3e-3
    push: float = 0.0
    decay: float = 0.0


COURSES = (
    Course("sound"),
    Course("rate 1000 times as high", lr=3.0),
    Course("biases pushed down", push=PUSH),
    Course("biases pushed down, decay of biases brings them back", push=PUSH, decay=4.0),
)


def table() -> pa.Table:
    """The share of dead units per training, site and step; the findings of each at its end."""
    x, y = boundaries.moons(stream(SEED, "demo/dead_units"), EXAMPLES)
    inputs = torch.from_numpy(x).float()
    labels = torch.from_numpy(y)
    rows = []
    for course in COURSES:
        health = _watched(course, inputs, labels)
        findings = "; ".join(finding.text for finding in health.findings() if not finding.cause)
        about = {"training": course.name, "pushed_at": PUSHED_AT if course.push else None}
        series = health.advice().series
        for probe in PROBES:
            for site, shares in series.get(("site", probe), {}).items():
                place = {**about, "site": health.labels[site], "findings": findings}
                rows += [{**place, "step": step, "dead": dead} for step, dead in shares.items()]
    return pa.Table.from_pylist(rows)


def _net() -> nn.Sequential:
    """The network before training, the same in each."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        hidden = [nn.Linear(2, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU()]
        return nn.Sequential(*hidden, nn.Linear(WIDTH, 2))


def _watched(course: Course, x: Tensor, y: Tensor) -> Monitor:
    """The Monitor of a training on all examples at once."""
    net = _net()
    optimizer = torch.optim.AdamW(_groups(net, course.decay), course.lr)
    bias = net.get_parameter("2.bias")
    with Monitor(net, EVERY, batch_size=EXAMPLES, optimizer="adamw") as health:
        for step in range(STEPS):
            if step == PUSHED_AT:
                bias.data -= course.push
            optimizer.zero_grad()
            loss = functional.cross_entropy(net(x), y)
            loss.backward()
            optimizer.step()
            health.step(loss)
    return health


def _groups(net: nn.Module, decay: float) -> list[dict[str, object]]:
    """The parameters for an optimizer: biases with weight decay, weights without."""
    groups: list[dict[str, object]] = []
    for suffix, amount in (("weight", 0.0), ("bias", decay)):
        named = net.named_parameters()
        parameters = [parameter for name, parameter in named if name.endswith(suffix)]
        groups.append({"params": parameters, "weight_decay": amount})
    return groups
