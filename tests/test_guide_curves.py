"""Measurements of functions, of numbers of few bits and of torch: closed forms, planted faults."""

import math

import numpy as np
import pytest
import torch
from refusals import refusal
from runs import ROOT
from torch import nn

from actstudy.analysis.questions.ledger import judged
from actstudy.certificate.subject import Subject
from actstudy.guide import curves, functions, libraries, measured, precision
from actstudy.study.ledger import read_ledger, requests

GROUPS = ("curves", "precision", "libraries", "memory")  # exact, so each verdict is known
VERDICTS = {
    "holds": """C010 C011 C015 C045 C046 C047 C051 C052 C054 C058 C067 C072 C073 C075 C087 C101
        C102 C104 C110 C111 C113 C116 C119 C128 C129 C130 C136 C138 C141 C149 C188 C206""",
    "does not hold": """C014 C022 C023 C037 C038 C039 C040 C041 C042 C043 C044 C048 C053 C068 C071
        C074 C112 C114 C115 C117 C118 C120 C122 C131 C139 C140 C144 C192 C209""",
    "holds only when": """C031 C032 C033 C034 C035 C036 C100 C103 C106 C177 C185 C207 C208
        C210 C211 C212 C228 C229""",
}


def values(readings, condition=""):
    """Name -> number of the reading of a condition."""
    (reading,) = (each for each in readings if each.condition == condition)
    return {name: value.value for name, value in reading.values.items()}


def cdf(x):
    return 0.5 * (1 + math.erf(x / math.sqrt(2)))


def density(x):
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


@pytest.fixture
def planted(monkeypatch):
    """Makes the measurements read a function of one's own under any name."""

    def plant(function):
        class Module(nn.Module):
            def forward(self, x):
                return function(x)

        subject = Subject("planted", Module, True)
        monkeypatch.setattr(functions, "subject_of", lambda name, args=None: subject)

    return plant


def verdicts(claims):
    """Id -> verdict of claims, measured."""
    rows = []
    for group, several in requests(claims).items():
        for kind, arguments in several:
            rows += measured.measure(group, kind, arguments, "a test")
    table, _ = judged(claims, rows)
    return dict(zip(table["id"], table["verdict"], strict=True))


def claims_of(ids):
    claims = read_ledger(ROOT / "config/guide")
    return {key: claims[key] for key in ids}


def test_every_exact_claim_has_its_verdict():
    expected = {}
    for verdict, ids in VERDICTS.items():
        expected |= dict.fromkeys(ids.split(), verdict)
    exact = claims_of(expected)
    assert {claim["group"] for claim in exact.values()} == set(GROUPS)
    assert verdicts(exact) == expected


def test_a_wrong_gelu_is_seen(planted):
    """The tanh form with a slope that is 2% too large: what holds of GELU holds no longer."""
    planted(lambda x: 1.02 * nn.functional.gelu(x, approximate="tanh"))
    ids = ("C111", "C113", "C116")
    assert verdicts(claims_of(ids)) == dict.fromkeys(ids, "does not hold")


def test_a_sigmoid_that_is_too_steep_is_seen(planted):
    planted(lambda x: torch.sigmoid(1.01 * x))
    ids = ("C010", "C073")
    assert verdicts(claims_of(ids)) == dict.fromkeys(ids, "does not hold")


# Curves


def test_values_and_slopes_of_gelu_are_those_of_its_formula():
    read = values(curves.points("gelu", [-1, 0.5], order=2))
    for x, name in ((-1, "minus_1"), (0.5, "0_5")):
        assert read[f"value_at_{name}"] == pytest.approx(x * cdf(x), abs=1e-14)
        assert read[f"slope_at_{name}"] == pytest.approx(cdf(x) + x * density(x), abs=1e-14)
        assert read[f"curvature_at_{name}"] == pytest.approx((2 - x * x) * density(x), abs=1e-12)


def test_arguments_reach_the_activation():
    read = values(curves.points("leaky_relu", [-2], args={"negative_slope": 0.3}))
    assert read == {"value_at_minus_2": pytest.approx(-0.6), "slope_at_minus_2": pytest.approx(0.3)}


def test_the_steepest_point_of_gelu_is_the_root_of_two():
    root = math.sqrt(2)
    read = values(curves.slopes("gelu"))
    assert read["largest"] == pytest.approx(cdf(root) + root * density(root), abs=1e-9)
    assert read["largest_at"] == pytest.approx(root, abs=1e-3)
    assert read["smallest"] == pytest.approx(1 - read["largest"], abs=1e-9)


def test_the_minimum_of_silu_is_where_x_is_1_less_than_its_value():
    """silu' = 0 means x = -1 - exp(x), so that silu(x) = x + 1."""
    read = values(curves.minimum("silu"))
    assert read["at"] == pytest.approx(-1 - math.exp(read["at"]), abs=1e-12)
    assert read["value"] == pytest.approx(read["at"] + 1, abs=1e-12)
    assert math.isnan(values(curves.minimum("relu"))["at"])


@pytest.mark.parametrize(
    ("name", "mean"),
    [
        ("relu", density(0)),
        ("gelu", 1 / (2 * math.sqrt(math.pi))),
        ("elu", density(0) + math.exp(0.5) * cdf(-1) - 0.5),
        ("leaky_relu", 0.99 * density(0)),
        ("sigmoid", 0.5),
    ],
)
def test_means_for_normal_inputs_have_closed_forms(name, mean):
    assert values(curves.centre(name))["mean"] == pytest.approx(mean, abs=1e-6)


def test_an_open_end_is_reached_by_float32_alone():
    readings = curves.open_range("tanh", -1, 1)
    assert values(readings, curves.REAL)["reaches_high"] == 0
    float32 = values(readings, curves.FLOAT32)
    assert float32["reaches_high"] == 1
    assert float32["inside_until"] == pytest.approx(9.011, abs=0.01)  # atanh(1 - 2^-25)


def test_what_has_no_end_and_what_turns_often_is_seen(planted):
    planted(torch.sin)
    assert values(curves.monotone(["relu"]), "relu")["monotone"] == 0
    assert values(curves.monotone(["relu"]), "relu")["turns"] > 10
    planted(lambda x: x)
    assert values(curves.extent("relu"))["low"] == -1e4


def test_a_jump_of_the_slope_and_of_the_curvature():
    read = values(curves.jumps(["leaky_relu", "celu", "gelu"]))
    assert read["leaky_relu_slope_jump"] == pytest.approx(0.99)
    assert read["celu_curvature_jump"] == pytest.approx(1, abs=1e-6)
    assert read["gelu_curvature_jump"] == pytest.approx(0, abs=1e-6)


def test_two_forms_of_one_function_differ_by_rounding_alone():
    same = values(curves.difference("tanh", "sigmoid", inside=2, outside=2, shift=-1))
    assert same["largest"] < 1e-15
    other = values(curves.difference("tanh", "sigmoid", inside=1, outside=2, shift=-1))
    root = math.sqrt(5)  # tanh(x) - tanh(x / 2) is u (1 - u^2) / (1 + u^2), u = tanh(x / 2)
    largest = math.sqrt(root - 2) * (3 - root) / (root - 1)
    assert other["largest"] == pytest.approx(largest, abs=1e-6)


# Numbers of few bits


def test_every_number_of_16_bits_is_there():
    assert len(precision.all_finite(torch.float16)) == 2**16 - 2 * 2**10
    assert len(precision.all_finite(torch.bfloat16)) == 2**16 - 2 * 2**7
    assert len(precision.all_finite(torch.float16).unique()) == 2**16 - 2 * 2**10 - 1  # both zeros


def test_overflow_counts_what_a_square_loses(planted):
    """In float16 a square is infinite from 256 on: bit patterns 0x5c00 to 0x7bff, of both signs."""
    planted(lambda x: x * x / 8)
    read = values(precision.overflow(["relu"]), f"relu {precision.KERNEL}")
    assert read["outputs"] == 2 * (0x7BFF - 0x5C00 + 1)
    assert read["from"] == 256
    small = precision.overflow(["relu"], up_to=255)
    assert values(small, f"relu {precision.KERNEL}")["not_finite"] == 0


def test_overflow_of_several_is_their_sum(planted):
    planted(lambda x: x * x / 8)
    ranges = [255, 7e4]
    readings = precision.overflow_of_all(["relu", "tanh"], "float16", ranges)
    assert values(readings, f"{precision.KERNEL}, |x| up to 255")["not_finite"] == 0
    every = values(readings, f"{precision.KERNEL}, any x")
    assert every["not_finite"] == 2 * 2 * (0x7BFF - 0x5C00 + 1)
    assert every["relu_from"] == every["tanh_from"] == 256


def test_zero_slopes_are_counted(planted):
    """The slope of relu is 0 for every negative number and for both zeros."""
    readings = precision.zero_slopes("relu")
    assert values(readings, "numbers are float16")["zero_slopes"] == 0x7C00 - 1 + 2
    assert values(readings, precision.EXACT)["zero_slopes"] == 200_000
    planted(lambda x: x * x)
    read = values(precision.zero_slopes("relu"), precision.EXACT)
    assert (read["zero_slopes"], read["nearest"]) == (1, pytest.approx(0, abs=1e-3))
    planted(torch.exp)
    assert values(precision.zero_slopes("relu"), precision.EXACT)["zero_slopes"] == 0


def test_softmax_and_products_are_arithmetic():
    p = np.exp(np.array([2, 1, 0.1]) / 10)
    read = values(precision.softmax([2, 1, 0.1], temperature=10))
    assert [read[f"p{index}"] for index in (1, 2, 3)] == pytest.approx(p / p.sum(), abs=1e-6)
    assert values(precision.product(0.25, 20))["product"] == 0.25**20
    assert values(precision.product(2, 15, ["float16"]), "float16")["product"] == 2**15


def test_a_norm_of_zeros_is_finite_if_epsilon_is_a_number_there():
    readings = precision.normalised_zero(epsilon=1e-3)
    assert values(readings, "torch's norm in float16")["output_finite"] == 1
    assert values(readings, "root of the sum of squares in float16")["gradient_finite"] == 0


# torch and printed code


def test_where_loses_the_gradient_where_exp_overflows():
    read = values(libraries.where_elu([100]), "|x| up to 100")
    assert read["lost_from"] == pytest.approx(math.log(torch.finfo(torch.float32).max), abs=0.01)


def test_a_grid_that_holds_0_prints_the_largest_slope():
    read = values(libraries.grid_maximum("sigmoid", 101, [10]), "101 points from -10 to 10")
    assert read["printed"] == 0.25


def test_the_constants_of_selu_solve_its_equations():
    read = values(libraries.selu_constants())
    assert read["scale"] == pytest.approx(read["scale_needed"], abs=1e-12)
    assert read["alpha"] == pytest.approx(read["alpha_needed"], abs=1e-12)


def test_a_shared_activation_that_learns_trains_another_net():
    read = values(libraries.shared_instance(["prelu"]), "prelu")
    assert (read["same_outputs"], read["same_after"]) == (1, 0)
    assert (read["parameters_shared"], read["parameters_separate"]) == (1, 4)


def test_faults_are_one_line():
    refusal(lambda: curves.points("gelo", [1]), "activation: got 'gelo'; unknown", "'gelu'")
    with pytest.raises(ValueError, match=r"dtype: got 'fp16'; allowed: float32, float16"):
        precision.numbers("fp16")
    with pytest.raises(ValueError, match="which has too many"):
        precision.numbers("float32")
