"""A module as somebody writes one: builders of models that are sound, and of ones that are not."""

SOUND = '''
"""My models."""
import functools
import math

import torch
from torch import nn

from actstudy.nets.mlp import MLP


def plain(make_act, shape, classes, depth=2, width=24):
    """A chain of layers."""
    layers = [nn.Flatten()]
    size = math.prod(shape)
    for index in range(depth):
        layers += [nn.Linear(size, width), make_act(f"hidden.{index}")]
        size = width
    return nn.Sequential(*layers, nn.Linear(size, classes))


def same(make_act, shape, classes, hidden, norm, dropout):
    """The project's own MLP."""
    return MLP(math.prod(shape), hidden, classes, make_act, norm, dropout)


class Scaled(nn.Module):
    """Parameters of any name: a scale, a token, an embedding of places."""

    def __init__(self, width):
        super().__init__()
        self.gamma = nn.Parameter(torch.full((width,), 0.5))

    def forward(self, x):
        return x * self.gamma


class Branched(nn.Module):
    def __init__(self, make_act, shape, classes, width):
        super().__init__()
        self.stem = nn.Linear(shape[0], width)
        self.first = make_act("first")
        self.up = nn.Linear(width, width)
        self.second = make_act("second")
        self.scale = Scaled(width)
        self.head = nn.Linear(width, classes)
        self.cls_token = nn.Parameter(torch.full((1, width), 0.25))
        self.pos_embed = nn.Parameter(torch.full((1, width), -0.25))

    def forward(self, x):
        x = self.stem(x) + self.cls_token + self.pos_embed
        return self.head(self.scale(self.second(self.up(self.first(x)))))


class Inherits(Branched):
    pass


small = functools.partial(Branched, width=8)


def fixed(make_act, shape, classes):
    """No run field at all."""
    return Branched(make_act, shape, classes, 12)


def optional(make_act, shape, classes, width=None, norm=None):
    assert norm is None, norm
    return Branched(make_act, shape, classes, width or 10)


def image(make_act, shape, classes, width=4):
    return nn.Sequential(
        nn.Conv2d(shape[0], width, 3), make_act("act"), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(width, classes),
    )


class Bag(nn.Module):
    """Passages of tokens, averaged."""

    def __init__(self, make_act, vocabulary, classes, width=8):
        super().__init__()
        self.token = nn.Embedding(vocabulary, width, padding_idx=0)
        self.up = nn.Linear(width, width)
        self.act = make_act("act")
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        return self.head(self.act(self.up(self.token(x))).mean(1))


def log_likely(make_act, shape, classes):
    return nn.Sequential(plain(make_act, shape, classes), nn.LogSoftmax(-1))


class Recurrent(nn.Module):
    """One activation, called at every step."""

    def __init__(self, make_act, shape, classes, width=8):
        super().__init__()
        self.enter = nn.Linear(shape[0], width)
        self.step = nn.Linear(width, width)
        self.act = make_act("act")
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        state = self.enter(x)
        for _ in range(3):
            state = self.step(self.act(state))
        return self.head(self.act(state))


def words(make_act, vocabulary, context, width=8):
    """A language model of one token."""
    return nn.Sequential(
        nn.Embedding(vocabulary, width), nn.Linear(width, width), make_act("act"),
        nn.Linear(width, vocabulary),
    )
'''

ARGUMENTS = "make_act, shape, classes"
PLAIN = "return plain(make_act, shape, classes)"
# Name -> its definition, and what a message about it must hold.
BAD = {
    "deaf": (
        "def deaf(shape, classes):\n    return nn.Linear(shape[0], classes)",
        ["does not take make_act, so that no activation could be exchanged"],
    ),
    "mute": (
        f"def mute({ARGUMENTS}):\n    return nn.Sequential(nn.Flatten(), nn.Linear(40, classes))",
        ["never calls make_act; allowed: a model with at least one site"],
    ),
    "idle": (
        f"def idle({ARGUMENTS}):\n    make_act('idle')\n    {PLAIN}",
        ["site 'idle' is made and the model never calls it"],
    ),
    "twice": (
        f"def twice({ARGUMENTS}):\n    model = plain(make_act, shape, classes)\n"
        "    make_act('hidden.0')\n    return model",
        ["activation: site 'hidden.0' is made twice; to fix: a name of its own"],
    ),
    "typo": (
        f"def typo({ARGUMENTS}, dpeth):\n    {PLAIN}",
        ["parameter 'dpeth': unknown; did you mean 'depth'? allowed: make_act, shape, classes"],
    ),
    "of_text": (
        f"def of_text({ARGUMENTS}, vocabulary):\n    {PLAIN}",
        ["parameter 'vocabulary': these data have none; allowed: make_act", "give it a default"],
    ),
    "unbound": (
        "unbound = functools.partial(Branched, classes=10)",
        ["parameter 'width': got no value: it is a partial, whose run fields cannot be read"],
    ),
    "positional": (
        f"def positional(make_act, /, shape, classes):\n    {PLAIN}",
        ["parameter 'make_act' takes no name; allowed: parameters that are passed by name"],
    ),
    "MADE": ("MADE = nn.Linear(40, 10)", ["got a model that is made already"]),
    "NUMBER": ("NUMBER = 3", ["got int; allowed: a function, or a class of torch.nn.Module"]),
    "nothing": (f"def nothing({ARGUMENTS}):\n    pass", ["returned NoneType; allowed: a torch.nn"]),
    "fails": (
        f"def fails({ARGUMENTS}, width=5):\n    return plain(make_act, shape, classes, 2, 'wide')",
        ["nets.py: line", "(it was called with make_act, shape=(40,), classes=10, width=5)"],
    ),
    "fails_later": (
        "class fails_later(Branched):\n    def __init__(self, make_act, shape, classes):\n"
        "        super().__init__(make_act, shape, classes, 8)\n    def forward(self, x):\n"
        "        return self.head(x)",
        ["nets.py: line", "RuntimeError: mat1 and mat2 shapes cannot be multiplied"],
    ),
    "wide": (
        f"def wide({ARGUMENTS}):\n    return plain(make_act, shape, classes + 1)",
        ["its output of 2 examples is float32, [2, 11]; allowed: floats of shape [examples, 10]"],
    ),
    "flat": (
        f"class flat(Branched):\n    def __init__(self, {ARGUMENTS}):\n"
        "        super().__init__(make_act, shape, classes, 8)\n    def forward(self, x):\n"
        "        return super().forward(x).mean(1)",
        ["its output of 2 examples is float32, [2]; allowed: floats of shape [examples, 10]"],
    ),
    "likely": (
        f"def likely({ARGUMENTS}):\n"
        "    return nn.Sequential(plain(make_act, shape, classes), nn.Softmax(-1))",
        ["its outputs are probabilities; allowed: logits; to fix: leave out the softmax"],
    ),
    "shares": (
        f"def shares({ARGUMENTS}):\n    act = make_act('act')\n    return nn.Sequential("
        "nn.Flatten(), nn.Linear(40, 8), act, nn.Linear(8, 6), act, nn.Linear(6, classes))",
        ["site 'act' is called with 8 and with 6 units", "a name of its own for each place"],
    ),
    "pair": (
        f"class pair(Branched):\n    def __init__(self, {ARGUMENTS}):\n"
        "        super().__init__(make_act, shape, classes, 8)\n    def forward(self, x):\n"
        "        return super().forward(x), x",
        ["its output is tuple; allowed: a tensor of shape [examples, 10]"],
    ),
    "batched": (
        f"class batched(Branched):\n    def __init__(self, {ARGUMENTS}):\n"
        "        super().__init__(make_act, shape, classes, 8)\n    def forward(self, x):\n"
        "        return super().forward(x[:2])",
        ["its output of 3 examples is float32, [2, 10]; allowed: floats of shape [examples, 10]"],
    ),
    "fails_here": (
        f"class fails_here(Branched):\n    def __init__(self, {ARGUMENTS}):\n"
        "        super().__init__(make_act, shape, classes, 8)\n    def forward(self, x):\n"
        "        raise ValueError('no')",
        ["ValueError: no (it was called with 2 examples of shape [40])"],
    ),
    "quits": (f"def quits({ARGUMENTS}):\n    raise SystemExit(0)", ["SystemExit: 0"]),
}


def module() -> str:
    """The text of a module with all of them."""
    parts = [SOUND, *[definition for definition, _ in BAD.values()]]
    return "\n\n\n".join(parts) + "\n"
