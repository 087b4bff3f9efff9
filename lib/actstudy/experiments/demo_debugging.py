"""Demo: models broken in known ways beside sound ones, and what doctor finds in each."""

import itertools
from collections.abc import Callable
from typing import NamedTuple

import pyarrow as pa
import torch
from torch import Tensor, nn

from actstudy.contract.streams import stream
from actstudy.health import doctor
from actstudy.health.subject import ASSUMED, Choices

SEED = 0
FEATURES = 16
WIDTH = 32
CLASSES = 10
EXAMPLES = 128
LR = 1e-3
DEPTH = 12  # of the deep ones
LABELS = Choices(loss="cross_entropy")
NUMBERS = Choices(loss="mse")
LABELS_OF_RULES = {  # as a picture calls the findings
    "saturating_deep": "many sigmoids, no norm",
    "initial_weights": "initial weights",
    "softmax_twice": "softmax twice",
    "bounded_logits": "bounded logits",
    "targets_out_of_reach": "targets out of reach",
    "overflow_fp16": "values beyond fp16",
    "first_update": "first step too large",
    "vanishing": "vanishing gradient",
    "one_batch": "one batch not learnt",
    "dead": "dead units",
    "non_finite": "NaN in activations",
    "non_finite_loss": "NaN in the loss",
    "non_finite_gradient": "NaN in gradients",
}


class Case(NamedTuple):
    """A model and how doctor is called; rule: the finding that names what is wrong, "" if none."""

    name: str
    rule: str
    model: Callable[[], nn.Module]
    choices: Choices = LABELS
    lr: float = LR


def _hidden(activation: type[nn.Module], depth: int = 2) -> list[nn.Module]:
    """Linear layers with an activation each."""
    widths = [FEATURES, *[WIDTH] * depth]
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(widths):
        layers += [nn.Linear(before, after), activation()]
    return layers


def classifier(*last: nn.Module) -> nn.Module:
    """A sound classifier, and what comes after its last layer."""
    return nn.Sequential(*_hidden(nn.ReLU), nn.Linear(WIDTH, CLASSES), *last)


def regressor(*last: nn.Module) -> nn.Module:
    """A sound regressor, and what comes after its last layer."""
    return nn.Sequential(*_hidden(nn.ReLU), nn.Linear(WIDTH, 1), *last)


def deep_sigmoid() -> nn.Module:
    """Twelve layers of sigmoid without a norm."""
    return nn.Sequential(*_hidden(nn.Sigmoid, DEPTH), nn.Linear(WIDTH, CLASSES))


def small_weights() -> nn.Module:
    """Twelve layers of ReLU whose weights have a standard deviation of 0.02."""
    net = nn.Sequential(*_hidden(nn.ReLU, DEPTH), nn.Linear(WIDTH, CLASSES))
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.02)
    return net


def halves() -> nn.Module:
    """A classifier in float16 whose first layer has weights of several hundred."""
    net = nn.Sequential(*_hidden(nn.ReLU, 4), nn.Linear(WIDTH, CLASSES))
    for name in ("0.weight", "2.weight"):
        nn.init.normal_(net.get_parameter(name), std=100)
    return net.half()


CASES = (
    Case("sound classifier", "", classifier),
    Case("sound regression", "", regressor, NUMBERS),
    Case("sigmoid, 12 layers", "saturating_deep", deep_sigmoid),
    Case("ReLU, 12 layers, weights too small", "initial_weights", small_weights),
    Case("softmax twice", "softmax_twice", lambda: classifier(nn.Softmax(1))),
    Case("sigmoid for 10 classes", "bounded_logits", lambda: classifier(nn.Sigmoid())),
    Case("regression ends in ReLU", "targets_out_of_reach", lambda: regressor(nn.ReLU()), NUMBERS),
    Case("fp16 overflow", "overflow_fp16", halves),
    Case("rate 100 times as high", "first_update", classifier, lr=100 * LR),
)


def batch(choices: Choices = ASSUMED) -> tuple[Tensor, Tensor]:
    """Inputs from N(0, 1) and their targets: labels, or numbers of either sign."""
    rng = stream(SEED, "demo/debugging")
    x = torch.from_numpy(rng.standard_normal((EXAMPLES, FEATURES))).float()
    if choices.loss == "mse":
        return x, x[:, :1] + 0.5 * x[:, 1:2]
    return x, torch.from_numpy(rng.integers(CLASSES, size=EXAMPLES))


def table() -> pa.Table:
    """A row per case and finding, in doctor's order; one without a rule where it finds nothing.

    label: of the rule, in words; cause: the finding of which it is the likely consequence.
    """
    rows = []
    for case in CASES:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
            model = case.model()
        x, y = batch(case.choices)
        examination = doctor.examine(model, x, y, lr=case.lr, choices=case.choices)
        about = {"model": case.name, "expected": case.rule}
        findings = examination.health.findings()
        for finding in findings:
            texts = {"text": finding.text, "remedy": finding.remedies[0]}
            grade = {"severity": finding.severity, "cause": finding.cause}
            rows.append({**about, **_named(finding.rule), **grade, **texts})
        if not findings:
            nothing = dict.fromkeys(("rule", "label", "severity", "cause", "text", "remedy"), "")
            rows.append({**about, **nothing})
    return pa.Table.from_pylist(rows)


def _named(rule: str) -> dict[str, str]:
    """A rule and its label, by default its name in words."""
    return {"rule": rule, "label": LABELS_OF_RULES.get(rule, rule.replace("_", " "))}
