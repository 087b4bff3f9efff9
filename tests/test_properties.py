"""Properties of activations equal what is known of them: closed forms, and 30 digits of mpmath."""

import csv
import fractions
import io
import json
import math
import sys

import mpmath as mp
import numpy as np
import pandas as pd
import pytest
import torch
from commands import command
from runs import ROOT

from actstudy.analysis.page import property_tables
from actstudy.analysis.page.property_notes import MEANINGS
from actstudy.certificate import benchmarked, halves, kernels, pieces, properties, signal
from actstudy.certificate.certify import MEASURED, measures_of
from actstudy.certificate.measures import MEASURES
from actstudy.certificate.outcome import NotMeasured
from actstudy.certificate.subject import Subject, subject_of
from actstudy.commands.properties import of_registered
from actstudy.contract import own, registry
from actstudy.nets.activations import ACTIVATIONS, entry, gain

sys.path.insert(0, str(ROOT / "docs"))
import computed

WITHIN = 1e-6
INF = math.inf
E = math.e
SELU_SCALE = 1.0507009873554805
SELU_ALPHA = 1.6732632423543772


def phi(x):
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def below(x):
    return 0.5 * math.erfc(-x / math.sqrt(2))


def read(measure, name):
    """The values of a measure of a registered activation, or of a function."""
    subject = subject_of(name) if isinstance(name, str) else own_subject(name)
    return MEASURES[measure].run(subject).values


def own_subject(function) -> Subject:
    class Module(torch.nn.Module):
        def forward(self, x):
            return function(x)

    return Subject("function", Module, True)


def near(value):
    return pytest.approx(value, abs=WITHIN, rel=WITHIN)


# The curve

LAMBERT = float(mp.lambertw(1 / mp.e))  # W(1/e): the minimum of silu is -W(1/e) at -1 - W(1/e)
RANGES = {
    "tanh": (-1, 1),
    "sigmoid": (0, 1),
    "relu": (0, INF),
    "leaky_relu": (-INF, INF),
    "prelu": (-INF, INF),
    "elu": (-1, INF),
    "selu": (-SELU_SCALE * SELU_ALPHA, INF),
    "celu": (-1, INF),
    "gelu": (-0.16997120747990369, INF),
    "silu": (-LAMBERT, INF),
    "silu_written_out": (-LAMBERT, INF),
    "softplus": (0, INF),
    "softsign": (-1, 1),
    "hardtanh": (-1, 1),
    "hardswish": (-3 / 8, INF),
    "relu6": (0, 6),
    "identity": (-INF, INF),
}
GRADIENTS = {
    "tanh": (0, 1),
    "sigmoid": (0, 1 / 4),
    "relu": (0, 1),
    "leaky_relu": (0.01, 1),
    "prelu": (0.25, 1),
    "elu": (0, 1),
    "selu": (0, SELU_SCALE * SELU_ALPHA),
    "celu": (0, 1),
    # (gelu)'' = (2 - x^2) phi(x): the slope turns at -sqrt(2) and sqrt(2)
    "gelu": (
        below(-math.sqrt(2)) - math.sqrt(2) * phi(math.sqrt(2)),
        below(math.sqrt(2)) + math.sqrt(2) * phi(math.sqrt(2)),
    ),
    "softplus": (0, 1),
    "softsign": (0, 1),
    "hardtanh": (0, 1),
    "hardswish": (-1 / 2, 3 / 2),
    "relu6": (0, 1),
    "identity": (1, 1),
}
MINIMA = {
    "silu": [(-1 - LAMBERT, -LAMBERT)],
    "gelu": [(-0.7517915246935645, -0.16997120747990369)],
    "hardswish": [(-1.5, -0.375)],
    **{name: [] for name in ("tanh", "sigmoid", "relu", "elu", "selu", "softplus", "identity")},
}
SMOOTH = {  # order, and where it ends
    **dict.fromkeys(["relu", "leaky_relu", "prelu", "selu"], (0, [0])),
    **dict.fromkeys(["elu", "celu", "softsign"], (1, [0])),
    "hardtanh": (0, [-1, 1]),
    "hardswish": (0, [-3, 3]),
    "relu6": (0, [0, 6]),
    **dict.fromkeys(["tanh", "sigmoid", "gelu", "gelu_tanh", "silu", "mish"], (None, [])),
    **dict.fromkeys(["softplus", "identity"], (None, [])),
}
SHARES = {  # of N(0, 1): without gradient, exactly 0
    "relu": (0.5, 0.5),
    "relu6": (0.5 + below(-6), 0.5),
    "hardtanh": (2 * below(-1), 0),
    "hardswish": (below(-3), below(-3)),
    **dict.fromkeys(["tanh", "sigmoid", "gelu", "silu", "elu", "leaky_relu"], (0, 0)),
}


@pytest.mark.parametrize("name", RANGES)
def test_the_range_is_the_known_one(name):
    values = read("range", name)
    assert (values["low"], values["high"]) == near(RANGES[name])


@pytest.mark.parametrize("name", GRADIENTS)
def test_the_gradient_s_range_is_the_known_one(name):
    values = read("gradient", name)
    assert (values["low"], values["high"]) == near(GRADIENTS[name])


@pytest.mark.parametrize("name", GRADIENTS)
def test_the_lipschitz_constant_is_the_largest_slope(name):
    assert read("lipschitz", name)["constant"] == near(max(map(abs, GRADIENTS[name])))


@pytest.mark.parametrize("name", MINIMA)
def test_minima_are_where_they_are_known_to_be(name):
    values = read("minima", name)["minima"]
    assert [x for x, _ in values] == near([x for x, _ in MINIMA[name]])
    assert [y for _, y in values] == near([y for _, y in MINIMA[name]])


def exact_turn(function, start):
    """The place where a function of mpmath has no slope, its value there."""
    with mp.workdps(30):
        place = mp.findroot(lambda x: mp.diff(function, x), start)
        return float(place), float(function(place))


MISH = (lambda x: x * mp.tanh(mp.log(1 + mp.exp(x))), -1.2)
GELU_TANH = (
    lambda x: x / 2 * (1 + mp.tanh(mp.sqrt(2 / mp.pi) * (x + mp.mpf("0.044715") * x**3))),
    -0.75,
)


@pytest.mark.parametrize(("name", "known"), [("mish", MISH), ("gelu_tanh", GELU_TANH)])
def test_minima_without_a_closed_form_are_those_of_mpmath(name, known):
    ((x, y),) = read("minima", name)["minima"]
    assert (x, y) == near(exact_turn(*known))
    assert read("range", name)["low"] == near(y)


@pytest.mark.parametrize(("name", "start"), [("silu", 2.4), ("mish", 1.5), ("gelu_tanh", 1.4)])
def test_steepest_slopes_are_those_of_mpmath(name, start):
    with mp.workdps(30):
        place = mp.findroot(lambda x: mp.diff(REFERENCES[name], x, 2), start)
        slope = float(mp.diff(REFERENCES[name], place))
    assert read("lipschitz", name)["constant"] == near(slope)
    assert read("gradient", name)["high"] == near(slope)
    assert read("gradient", name)["high_at"] == pytest.approx(float(place), abs=1e-5)


@pytest.mark.parametrize("name", SMOOTH)
def test_the_smooth_order_is_the_known_one(name):
    values = read("smoothness", name)
    order, places = SMOOTH[name]
    assert values["order"] == order
    assert values["places"] == near(places)


@pytest.mark.parametrize("name", SHARES)
def test_shares_without_gradient_and_of_zeros(name):
    shares = (read("dead_zone", name), read("zeros", name))
    assert tuple(each["share_of_normal"] for each in shares) == near(SHARES[name])


def test_zeros_are_points_or_parts():
    assert read("zeros", "tanh")["points"] == [0]
    assert read("zeros", "sigmoid")["n"] == 0
    assert read("zeros", "relu")["zones"] == [(-INF, 0)]
    assert read("zeros", "hardswish")["zones"] == [(-INF, -3)]
    assert read("zeros", "hardswish")["points"] == [0]
    bent = read("zeros", lambda x: (x - 1 / 3) * (x + math.pi))
    assert bent["points"] == near([1 / 3, -math.pi])
    assert read("zeros", lambda x: (x - 1 / 3) ** 2)["points"] == near([1 / 3])
    assert read("zeros", lambda x: torch.sign(x - 1 / 3) + x * 0)["n"] == 0  # it jumps over 0
    assert read("zeros", lambda x: x * 0)["zones"] == [(-INF, INF)]
    assert read("dead_zone", lambda x: x * 0 + 2)["share_of_normal"] == 1
    flat = read("zeros", lambda x: torch.relu(x.abs() - 1 / 3))
    assert flat["zones"] == [near((-1 / 3, 1 / 3))]


def test_far_ends_are_limits_or_slopes():
    ends = read("ends", "softsign")
    assert (ends["left"]["limit"], ends["right"]["limit"]) == near((-1, 1))
    ends = read("ends", "selu")
    assert ends["left"]["limit"] == near(-SELU_SCALE * SELU_ALPHA)
    assert ends["right"]["slope"] == near(SELU_SCALE)


def test_ranges_of_functions_that_are_not_registered():
    def extent(function):
        values = read("range", function)
        return values["low"], values["high"]

    assert extent(torch.sin) == near((-1, 1))
    assert extent(lambda x: x**2) == near((0, INF))
    assert extent(lambda x: -torch.log1p(x.abs())) == near((-INF, 0))
    assert extent(lambda x: torch.exp(-(x**2)) + x * 0) == near((0, 1))
    assert extent(torch.atan) == near((-math.pi / 2, math.pi / 2))


def test_pieces_of_functions_that_are_not_registered():
    def smooth(function):
        values = read("smoothness", function)
        return values["order"], values["places"]

    assert smooth(lambda x: torch.relu(x - 1 / 3) ** 2) == (1, near([1 / 3]))
    assert smooth(lambda x: torch.relu(x) ** 3) == (2, near([0]))
    assert smooth(lambda x: x + (x > 0.3).to(x.dtype)) == (-1, near([0.3]))
    assert smooth(lambda x: torch.sigmoid(1e4 * (x - 0.3))) == (None, [])
    assert smooth(lambda x: torch.relu(torch.sin(x)))[0] == 0
    hard = read("smoothness", torch.nn.functional.hardsigmoid)
    assert (hard["order"], hard["places"]) == (0, near([-3, 3]))


# The signal: closed forms, and integrals by mpmath between the kinks

REFERENCES = {
    "tanh": mp.tanh,
    "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
    "relu": lambda x: x if x > 0 else mp.mpf(0),
    "leaky_relu": lambda x: x if x > 0 else x / 100,
    "prelu": lambda x: x if x > 0 else x / 4,
    "elu": lambda x: x if x > 0 else mp.expm1(x),
    "celu": lambda x: x if x > 0 else mp.expm1(x),
    "selu": lambda x: SELU_SCALE * (x if x > 0 else SELU_ALPHA * mp.expm1(x)),
    "gelu": lambda x: x * mp.ncdf(x),
    "gelu_tanh": GELU_TANH[0],
    "silu": lambda x: x / (1 + mp.exp(-x)),
    "silu_written_out": lambda x: x / (1 + mp.exp(-x)),
    "mish": MISH[0],
    "softplus": lambda x: mp.log(1 + mp.exp(x)),
    "softsign": lambda x: x / (1 + abs(x)),
    "hardtanh": lambda x: max(-1, min(x, 1)),
    "hardswish": lambda x: x * max(0, min(x + 3, 6)) / 6,
    "relu6": lambda x: max(0, min(x, 6)),
    "identity": lambda x: x,
}
KINKS = [-15, -6, -3, -1, 0, 1, 3, 6, 15]


def exact_mean(function):
    """E[function(z)] for z from N(0, 1)."""
    return float(mp.quad(lambda z: function(z) * mp.npdf(z), KINKS))


@pytest.mark.parametrize("name", REFERENCES)
def test_moments_are_those_of_mpmath(name):
    f = REFERENCES[name]
    first = exact_mean(f)
    second = exact_mean(lambda z: f(z) ** 2)
    values = read("moments", name)
    assert values["mean"] == near(first)
    assert values["gain"] == near(1 / math.sqrt(second))
    assert values["sd"] == near(math.sqrt(second - first**2))
    assert read("initialisation", name)["factor"] == near(1 / second)


@pytest.mark.parametrize("name", REFERENCES)
def test_rates_per_layer_are_those_of_mpmath(name):
    """Slopes by differences beside z, which no kink is."""
    f = REFERENCES[name]

    def slope(z):
        return (f(z + mp.mpf("1e-9")) - f(z - mp.mpf("1e-9"))) / mp.mpf("2e-9")

    with mp.workdps(30):
        second = exact_mean(lambda z: f(z) ** 2)
        steep = exact_mean(lambda z: slope(z) ** 2)
        response = exact_mean(lambda z: z * f(z) * slope(z))
    values = read("depth", name)
    assert values["gradient_per_layer"] == near(steep / second)
    assert values["rate"] == near(response / second)


SECONDS = {  # E[f(z)^2]
    "relu": 1 / 2,
    "leaky_relu": (1 + 0.01**2) / 2,
    "prelu": (1 + 0.25**2) / 2,
    "elu": 1 + E**2 * below(-2) - 2 * math.sqrt(E) * below(-1),
    "selu": 1,
    "gelu": 1 / 4 + (math.pi / 6 + 1 / math.sqrt(3)) / (2 * math.pi),
    "hardtanh": 1 - 2 * phi(1),
    "identity": 1,
}
MEANS = {
    "relu": phi(0),
    "leaky_relu": 0.99 * phi(0),
    "prelu": 0.75 * phi(0),
    "elu": phi(0) + math.sqrt(E) * below(-1) - 1 / 2,
    "selu": 0,
    "gelu": 1 / (2 * math.sqrt(math.pi)),
    "tanh": 0,
    "sigmoid": 1 / 2,
    "softsign": 0,
}
STEEP = {  # E[f'(z)^2]
    "relu": 1 / 2,
    "elu": 1 / 2 + E**2 * below(-2),
    "gelu": 1 / 3 + 2 / (3 * math.pi * math.sqrt(3)),
    "hardtanh": 1 - 2 * below(-1),
    "identity": 1,
}


@pytest.mark.parametrize("name", SECONDS)
def test_gains_are_the_closed_forms(name):
    assert read("moments", name)["gain"] == near(1 / math.sqrt(SECONDS[name]))


@pytest.mark.parametrize("name", MEANS)
def test_means_are_the_closed_forms(name):
    assert read("moments", name)["mean"] == near(MEANS[name])


@pytest.mark.parametrize("name", STEEP)
def test_gradients_per_layer_are_the_closed_forms(name):
    assert read("depth", name)["gradient_per_layer"] == near(STEEP[name] / SECONDS[name])


def test_what_families_add_has_the_known_constants():
    """Of relu^2: E[x^4] / 2 = 3/2; its slope 2x has E = 2, and 4 E[x^4] / 2 / (3/2) = 2 for q."""
    assert read("moments", "relu_squared")["mean"] == near(1 / 2)
    assert read("moments", "relu_squared")["gain"] == near(math.sqrt(2 / 3))
    assert read("depth", "relu_squared")["rate"] == near(2)
    assert read("depth", "relu_squared")["gradient_per_layer"] == near(4 / 3)
    second = (1 + 0.5**4) * 3 / 2
    assert read("moments", "leaky_relu_squared")["gain"] == near(1 / math.sqrt(second))
    assert read("minima", "leaky_relu_squared")["minima"] == [(0, 0)]
    assert read("lipschitz", "relu_squared")["constant"] is None
    assert read("gradient", "hard_sigmoid")["high"] == near(1 / 6)
    assert read("dead_zone", "hard_sigmoid")["share_of_normal"] == near(2 * below(-3))
    slope = (1 / 8 + 1 / 3) / 2
    assert read("gradient", "rrelu")["low"] == near(slope)
    assert read("moments", "rrelu")["gain"] == near(math.sqrt(2 / (1 + slope**2)))
    assert read("smoothness", "elu_alpha")["order"] == 1  # whatever autograd gives just at 0
    assert read("smoothness", "xielu")["order"] == 1
    ((x, y),) = read("minima", "xielu")["minima"]  # 0.8 (e^x - 1) + 1/2 = 0
    assert (x, y) == near(
        (math.log(3 / 8), 0.8 * (3 / 8 - 1 - math.log(3 / 8)) + math.log(3 / 8) / 2)
    )
    assert read("smoothness", "relu_squared")["order"] == 1


@pytest.mark.parametrize("name", list(ACTIVATIONS))
def test_the_gain_is_that_with_which_weights_are_drawn(name):
    subject = subject_of(name)
    if subject.elementwise:
        expected = gain(subject.fresh().eval())
        assert read("moments", name)["gain"] == pytest.approx(expected, rel=1e-4)


def test_fixed_points_and_policies():
    assert read("depth", "relu")["stability"] == "neutral"
    assert read("depth", "tanh")["stability"] == "stable"
    assert read("depth", "gelu")["stability"] == "unstable"
    assert read("initialisation", "relu")["nearest"] == "he_normal"
    assert read("initialisation", "relu")["nearest_off"] == near(0)
    assert read("initialisation", "selu")["nearest"] == "lecun_normal"
    assert read("moments", "selu")["zero_centred"]
    assert not read("moments", "elu")["zero_centred"]
    with pytest.raises(NotMeasured):
        signal.moments(own_subject(lambda x: x * 0))


# Halves


def test_halves_are_safe_up_to_where_values_can_be_represented():
    fp16 = read("fp16", "sigmoid")
    assert fp16["finite"] == [-65504, 65504]
    low, high = fp16["output"]
    assert 1 / (1 + math.exp(-low)) == pytest.approx(2**-24 / 1.5, rel=0.1)  # rounds to 2^-24
    assert high == 65504
    assert fp16["gradient"][1] == pytest.approx(math.log(2**11.5), abs=0.2)  # 1 - y: half a digit
    assert read("bf16", "sigmoid")["gradient"][1] == pytest.approx(math.log(2**8.5), abs=0.2)
    assert read("fp16", "relu")["gradient"] == [-65504, 65504]


def test_halves_overflow_where_they_do():
    square = read("fp16", lambda x: x * x)
    assert square["finite"][1] == 255.875  # 256^2 is above 65504
    assert read("bf16", lambda x: x * x)["finite"][1] == pytest.approx(1.84e19, rel=0.01)


def test_a_zero_of_the_gradient_is_no_loss():
    """Next to its minimum the gradient of silu in two operations is rounded away."""
    values = read("fp16", "silu_written_out")
    assert values["gradient"][0] < -10


def test_a_function_without_halves_is_not_measured():
    def refuses(x):
        if x.dtype == torch.float16:
            raise RuntimeError("not implemented for Half")
        return x

    with pytest.raises(NotMeasured, match="not implemented"):
        halves.fp16(own_subject(refuses))


# Kernels, cost


def test_kernels_are_listed():
    assert kernels.kernels(subject_of("gelu")).values["forward"] == ["gelu"]
    written = kernels.kernels(subject_of("silu_written_out")).values
    assert written["forward"] == ["sigmoid", "mul"]
    assert not written["native"]
    assert "sigmoid_backward" in written["backward"]
    assert kernels.kernels(subject_of("identity")).values["forward"] == []


KEPT_BETWEEN = {  # bytes per value before the activation
    **dict.fromkeys(["relu", "tanh", "sigmoid", "identity"], 4),  # the output is enough
    **dict.fromkeys(["gelu", "silu", "mish", "elu", "softplus", "hardswish", "prelu"], 8),
    "glu": 4 + 2,  # its input; of two values one goes on
    "crelu": 8 + 8,  # the outputs of two relus, and both together, which the next layer keeps
}


@pytest.mark.parametrize("name", KEPT_BETWEEN)
def test_what_is_kept_between_layers(name):
    values = MEASURES["between"].run(Subject(name, entry(name).factory, False)).values
    assert values["bytes"] == KEPT_BETWEEN[name]
    assert values["relu_bytes"] == 4


def test_every_column_has_a_meaning_and_nothing_else():
    columns = {title: list(table) for title, table in properties.TABLES.items()}
    for device in ("CPU", "GPU"):
        columns[properties.COST] += [f"{device}, forward", f"{device}, with backward"]
    assert {title: list(table) for title, table in MEANINGS.items()} == columns
    page = property_tables.page(properties.rows_of("relu", timed=False))
    for table in MEANINGS.values():
        for column, meaning in table.items():
            assert f"- **{column}**: {meaning}." in page


def test_times_are_those_of_the_benchmark():
    frame = pd.read_parquet(ROOT / "benchmarks/results/activations_cpu.parquet")
    row = frame[
        (frame["activation"] == "gelu")
        & (frame["engine"] == "eager")
        & (frame["precision"] == "float32")
        & (frame["log2_elements"] == 20)
    ].iloc[0]
    assert benchmarked.times_of("cpu")["gelu"].both == row["both_to_relu"]
    texts = {row["property"]: row["text"] for row in properties.rows_of("gelu", timed=False)}
    assert texts["CPU, with backward"] == f"{row['both_to_relu']:.2f}"


# What is no curve, learns or is random


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a module of someone's own."""
    place = tmp_path_factory.mktemp("own")
    (place / "odd_acts.py").write_text(MODULE)
    return place


@pytest.fixture
def in_folder(folder):
    own.look_in(folder)


MODULE = """
import torch
from torch import nn

def mixes(x):
    return torch.softmax(x, -1)

def squares(x):
    return x * x

class Learns(nn.Module):
    def __init__(self):
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(0.5))

    def forward(self, x):
        return torch.where(x > 0, x, self.slope * x)

def halves(x):
    return x[..., ::2]

class Noisy(nn.RReLU):
    pass
"""


def texts_of(name):
    rows = properties.rows_of(name, timed=False)
    return {row["label"] for row in rows}, {row["property"]: row["text"] for row in rows}


def test_what_mixes_values_is_no_function_of_one_number(in_folder):
    labels, texts = texts_of("odd_acts:mixes")
    assert texts["range"] == texts["gain"] == properties.NO_CURVE
    assert texts["kernel"] == "native: softmax"
    assert labels == {"mixes"}
    page = property_tables.page(properties.rows_of("odd_acts:mixes", timed=False))
    assert "mixes: not a function of one number." in page
    assert texts_of("odd_acts:halves")[1]["minima"] == properties.NO_CURVE


def test_what_learns_or_is_random_is_named_so(in_folder):
    labels, texts = texts_of("odd_acts:Learns")
    assert labels == {"Learns, initial weights"}
    assert texts["gradient"] == "0.5 to 1"
    labels, texts = texts_of("odd_acts:Noisy")
    assert labels == {"Noisy, evaluation"}
    assert texts["gradient"] == f"{(1 / 8 + 1 / 3) / 2:.6g} to 1"


def test_what_grows_without_bound_has_no_constant(in_folder):
    _, texts = texts_of("odd_acts:squares")
    assert texts["range"] == "0 to inf"
    assert texts["Lipschitz constant"] == "none"
    assert texts["gradient"] == "-inf to inf"


# The table


@pytest.fixture(scope="module")
def registered():
    """A row per property of every registered activation."""
    return pd.DataFrame(of_registered(timed=False))


def test_there_are_twelve_properties_of_every_registered_activation(registered):
    by_name = registered.groupby("activation")["property"].nunique()
    assert set(by_name.index) == set(registry.activation_names())
    assert (by_name >= 12).all()


def test_every_measure_of_the_table_is_measured():
    rows = measures_of(subject_of("gelu"), without=("seconds",))
    for table in properties.TABLES.values():
        for each in table.values():
            assert rows[each.measure]["outcome"] == MEASURED, each.measure


def test_the_stored_table_is_that_of_the_functions(registered):
    """To fix: python benchmarks/properties.py && python docs/refresh.py."""
    stored = pd.read_parquet(ROOT / "benchmarks/results/properties.parquet")
    keys = ["activation", "label", "table", "property"]
    assert stored[keys].to_dict("records") == registered[keys].to_dict("records")
    is_computed = registered["table"] != "Halves"  # those are of a CPU and a version of torch
    assert stored["text"][is_computed].tolist() == registered["text"][is_computed].tolist()


def rows_of_block(block):
    """Printed and computed constants of a block of docs/properties.md."""
    return [line.strip("| ").split(" | ") for line in block.splitlines()[2:]]


def test_computed_constants_are_those_of_papers_as_far_as_they_are_printed():
    rows = rows_of_block(computed.papers())
    assert len({source for _, source, *_ in rows} - {"the same"}) >= 5
    for what, _, printed, value in rows:
        digits = len(printed.partition(".")[2])
        assert round(float(value), digits) == float(printed), what


def test_constants_of_guides_are_others_than_computed():
    for what, source, printed, value in rows_of_block(computed.guides()):
        if source == computed.TORCH:
            known = torch.nn.init.calculate_gain(what.removeprefix("gain of ").lower())
            assert known == pytest.approx(float(fractions.Fraction(printed)))
        if what.startswith("fp16"):
            assert float(value) >= 65504
        else:
            assert abs(
                float(fractions.Fraction(printed.replace("-inf", "-9999"))) - float(value)
            ) > (0.05), what


def test_what_the_page_says_of_deployed_activations_is_so():
    frame = pd.read_parquet(ROOT / "benchmarks/results/deployed.parquet")
    ratios = frame.set_index(["activation", "precision"])["to_relu"]
    fused = frame[frame["precision"] == "fp32"].set_index("activation")["fused"]
    assert not fused[["silu", "hardswish", "softsign"]].any()
    assert fused["elu"]
    for name in ("silu", "hardswish", "softsign"):
        assert ratios[name, "fp32"] < ratios["elu", "fp32"]
    for name in ("relu", "relu6", "hardtanh"):
        assert ratios[name, "int8"] == pytest.approx(1, abs=0.05)
    assert ratios["softplus", "fp32"] > 2
    assert ratios["mish", "fp32"] > 2
    times = frame.set_index(["activation", "precision"])["us"]
    assert times["hardswish", "int8"] > times["hardswish", "fp32"]
    assert (frame["n_processes"] >= 3).all()


def test_a_feed_forward_part_is_no_function_of_one_number(tmp_path):
    done = command(tmp_path, "properties", "geglu", "relu")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("geglu: not a function of one number.") == len(properties.TABLES) - 1
    assert "| geglu " in done.stdout.partition("## Cost")[2]


def test_the_command_prints_tables_and_csv(tmp_path):
    done = command(tmp_path, "properties", "relu", "tanh")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n## ") + done.stdout.startswith("## ") == len(properties.TABLES)
    assert "| relu " in done.stdout
    done = command(tmp_path, "properties", "leaky_relu", "--args", "{negative_slope: 0.2}", "--csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    (gradient,) = (row for row in rows if row["property"] == "gradient")
    assert gradient["text"] == "0.2 to 1"
    assert json.loads(gradient["values"])["low"] == 0.2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["rellu"], "properties: got 'rellu': unknown activation; did you mean 'relu'?"),
        (["nowhere:Squash"], "no module nowhere"),
        (["leaky_relu", "--args", "{slope: 2}"], "did you mean 'negative_slope'?"),
        (["relu", "--args", "3"], "--args: activation_args: got 3"),
        (["relu", "--cvs"], "--cvs: unknown; did you mean '--csv'?"),
    ],
)
def test_bad_input_is_one_line(tmp_path, words, part):
    done = command(tmp_path, "properties", *words)
    assert done.returncode == 2, done.stdout
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert part in line


def test_jumps_are_looked_for_ever_closer():
    assert pieces.jumps(subject_of("hardswish"), 1) == near((-3, 3))
    assert pieces.all_jumps(subject_of("tanh")).size == 0
    assert np.allclose(pieces.derivative(subject_of("tanh"), np.zeros(1), 3), -2)
