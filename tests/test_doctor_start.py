"""What doctor sees before a training begins: planted faults and sound models, counted per rule."""

import pytest
import torch
from runs import ROOT
from torch import nn

from actstudy.health import doctor
from actstudy.health.subject import Choices

torch.set_num_threads(1)
LABELS = Choices(loss="cross_entropy")
NUMBERS = Choices(loss="mse")
N_CLASSES = 10


class Apply(nn.Module):
    """A function as a layer."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def ends_in(*last, n=N_CLASSES):
    """A classifier and what comes after its last layer."""
    return nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, n), *last)


def after(function, n=N_CLASSES):
    return ends_in(Apply(function), n=n)


def deep(act, std=None, init=None, norm=nn.Identity, n_layers=12):
    """A network of width 32; weights of a spread, or of an init of torch's."""
    layers = []
    for before in [16] + [32] * (n_layers - 1):
        layers += [nn.Linear(before, 32), norm(32), act()]
    model = nn.Sequential(*layers, nn.Linear(32, N_CLASSES))
    for parameter in model.parameters():
        if parameter.ndim == 2 and std:
            nn.init.normal_(parameter, std=std)
        elif parameter.ndim == 2 and init:
            init(parameter)
    return model


def loud(std, dtype=torch.float16):
    """A network whose first layer has weights of a spread."""
    model = deep(nn.ReLU, n_layers=3)
    nn.init.normal_(model[0].weight, std=std)
    return model.to(dtype)


def he(weight):
    nn.init.kaiming_normal_(weight, nonlinearity="relu")


def softmax(x):
    return x.softmax(-1)


FAULTY = {
    "overflow_fp16": [
        *[(lambda s=s: loud(s), {}) for s in (1e4, 1.5e4, 1.9e4)],
        *[(lambda s=s: deep(nn.ReLU, std=s).half(), {}) for s in (2.0, 3.0, 5.0)],
        *[(lambda: deep(nn.ReLU, init=he).half(), {"times": t}) for t in (1.3e4, 1.5e4, 1.6e4)],
        (lambda: after(lambda x: 1e6 * x).half(), {}),
    ],
    "softmax_twice": [
        *[(lambda n=n: ends_in(nn.Softmax(1), n=n), {"n": n}) for n in (2, 5, 10, 50)],
        *[(lambda n=n: after(softmax, n=n), {"n": n}) for n in (3, 10, 20)],
        (lambda: after(lambda x: softmax(x).clone()), {}),
        (lambda: after(lambda x: softmax(x[None])[0]), {}),
        (lambda: after(lambda x: softmax(x.T.T).view(-1, N_CLASSES)), {}),
    ],
    "bounded_logits": [
        *[(lambda n=n: ends_in(nn.Sigmoid(), n=n), {"n": n}) for n in (2, 5, 10, 50)],
        *[(lambda n=n: ends_in(nn.Tanh(), n=n), {"n": n}) for n in (2, 10, 50)],
        (lambda: ends_in(nn.Hardsigmoid()), {}),
        (lambda: after(torch.sigmoid), {}),
        (lambda: after(lambda x: x.tanh().clone()), {}),
    ],
    "targets_out_of_reach": [
        *[(lambda: ends_in(nn.ReLU(), n=1), {"y": y}) for y in ("normal", "negative", "wide")],
        *[(lambda: ends_in(nn.Sigmoid(), n=1), {"y": y}) for y in ("normal", "negative", "wide")],
        (lambda: ends_in(nn.Tanh(), n=1), {"y": "wide"}),
        (lambda: ends_in(nn.Softplus(), n=1), {"y": "normal"}),
        (lambda: after(torch.exp, n=1), {"y": "negative"}),
        (lambda: ends_in(nn.Hardsigmoid(), n=1), {"y": "normal"}),
    ],
    "initial_weights": [
        *[(lambda s=s: deep(nn.ReLU, std=s), {}) for s in (0.005, 0.01, 0.02)],
        *[(lambda s=s: deep(nn.Tanh, std=s), {}) for s in (0.005, 0.01, 0.02)],
        *[(lambda s=s: deep(nn.GELU, std=s), {}) for s in (0.01, 0.02)],
        *[(lambda s=s: deep(nn.ReLU, std=s), {}) for s in (0.8, 1.5)],
    ],
    "first_update": [
        *[(lambda: ends_in(), {"lr": lr}) for lr in (0.1, 0.3, 1.0)],
        *[(lambda: deep(nn.Tanh, n_layers=4), {"lr": lr}) for lr in (0.1, 0.3, 1.0)],
        *[(lambda: deep(nn.GELU, norm=nn.LayerNorm), {"lr": lr}) for lr in (0.1, 1.0)],
        *[(lambda: deep(nn.ReLU, std=0.01, n_layers=2), {"lr": lr}) for lr in (0.01, 0.02)],
    ],
}
SOUND = {
    "overflow_fp16": [
        *[(lambda s=s: loud(s), {}) for s in (0.1, 1.0, 10.0)],
        *[(lambda act=act: deep(act, init=he).half(), {}) for act in (nn.ReLU, nn.GELU, nn.Tanh)],
        (lambda: deep(nn.ReLU, std=2.0, norm=nn.LayerNorm).half(), {}),
        (lambda: loud(4e4, torch.bfloat16), {}),
        (lambda: loud(4e4, torch.float32), {}),
        (lambda: deep(nn.ReLU, init=he).half(), {"times": 100}),
    ],
    "softmax_twice": [
        *[(lambda n=n: ends_in(n=n), {"n": n}) for n in (2, 10, 50)],
        *[(lambda n=n: ends_in(nn.LogSoftmax(1), n=n), {"n": n}) for n in (2, 10, 50)],
        (lambda: ends_in(nn.Softmax(1), nn.Linear(N_CLASSES, N_CLASSES)), {}),
        (lambda: after(lambda x: x * softmax(x)), {}),
        (lambda: after(lambda x: softmax(x).log()), {}),
        (lambda: ends_in(nn.Softmax(1), n=1), {"y": "unit"}),
    ],
    "bounded_logits": [
        *[(lambda n=n: ends_in(n=n), {"n": n}) for n in (2, 10, 50)],
        *[(lambda act=act: ends_in(act()), {}) for act in (nn.ReLU, nn.GELU, nn.LeakyReLU)],
        *[(lambda c=c: after(lambda x: c * (x / c).tanh()), {}) for c in (20, 30, 50)],
        (lambda: ends_in(nn.Tanh(), nn.Linear(N_CLASSES, N_CLASSES)), {}),
    ],
    "targets_out_of_reach": [
        *[(lambda: ends_in(n=1), {"y": y}) for y in ("normal", "negative", "wide")],
        *[(lambda: ends_in(nn.Sigmoid(), n=1), {"y": y}) for y in ("unit", "binary")],
        *[(lambda act=act: ends_in(act(), n=1), {"y": "unit"}) for act in (nn.ReLU, nn.Softplus)],
        (lambda: ends_in(nn.Tanh(), n=1), {"y": "unit"}),
        (lambda: after(torch.exp, n=1), {"y": "unit"}),
        (lambda: ends_in(nn.LeakyReLU(), n=1), {"y": "normal"}),
    ],
    "initial_weights": [
        *[(lambda act=act: deep(act, init=he), {}) for act in (nn.ReLU, nn.GELU, nn.LeakyReLU)],
        (lambda: deep(nn.Tanh, init=nn.init.xavier_normal_), {}),
        (lambda: deep(nn.Tanh, init=nn.init.orthogonal_), {}),
        *[(lambda act=act: deep(act, n_layers=4), {}) for act in (nn.ReLU, nn.Tanh, nn.GELU)],
        *[(lambda s=s: deep(nn.ReLU, std=s, norm=nn.LayerNorm), {}) for s in (0.02, 1.0)],
    ],
    "first_update": [
        *[(lambda: ends_in(), {"lr": lr}) for lr in (1e-4, 1e-3, 1e-2)],
        *[(lambda: deep(nn.Tanh, n_layers=4), {"lr": lr}) for lr in (1e-4, 1e-3, 1e-2)],
        *[(lambda: deep(nn.GELU, norm=nn.LayerNorm), {"lr": lr}) for lr in (1e-3, 1e-2)],
        *[(lambda: deep(nn.ReLU, std=0.01, n_layers=2), {"lr": lr}) for lr in (1e-4, 1e-3)],
    ],
}
TARGETS = {
    "normal": lambda z: z,
    "negative": lambda z: -z.abs() - 0.1,
    "wide": lambda z: 5 * z,
    "unit": torch.sigmoid,
    "binary": lambda z: (z > 0).float(),
}


def speaks(rule, make, n=N_CLASSES, y=None, times=1.0, lr=1e-3):
    """Whether doctor's findings of a model hold a rule."""
    torch.manual_seed(0)
    model = make()
    x = times * torch.randn(64, 16)
    target = torch.randint(0, n, (64,)) if y is None else TARGETS[y](torch.randn(64, 1))
    choices = LABELS if y is None else NUMBERS
    examination = doctor.examine(model, x, target, steps=3, lr=lr, choices=choices)
    return rule in {finding.rule for finding in examination.health.findings()}


def is_finite(make, times=1.0):
    """Whether all that modules return is finite."""
    torch.manual_seed(0)
    model = make()
    seen = []
    for module in model:
        module.register_forward_hook(lambda *call: seen.append(call[2].isfinite().all()))
    dtype = next(model.parameters()).dtype
    model((times * torch.randn(64, 16)).to(dtype))
    return all(seen)


def test_the_planted_range_is_what_it_is_said_to_be():
    assert not any(is_finite(make, **options) for make, options in FAULTY["overflow_fp16"])
    assert all(is_finite(make, **options) for make, options in SOUND["overflow_fp16"])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("rule", FAULTY)
def test_planted_faults_are_named_and_sound_models_are_not(rule):
    n_named = sum(speaks(rule, make, **options) for make, options in FAULTY[rule])
    n_alarms = sum(speaks(rule, make, **options) for make, options in SOUND[rule])
    assert len(FAULTY[rule]) >= 10 <= len(SOUND[rule])
    counts = f"| {n_named} of {len(FAULTY[rule])} | {n_alarms} of {len(SOUND[rule])} |"
    lines = (ROOT / "docs/health.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith(f"| `{rule}` |") and line.endswith(counts)]
    assert len(rows) == 1, counts
    assert (n_named, n_alarms) == (len(FAULTY[rule]), 0)
