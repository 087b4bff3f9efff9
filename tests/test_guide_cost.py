"""Measurements of memory and time: bytes by hand, planted slow functions, NumPy against torch."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from actstudy.certificate.subject import Subject, normal
from actstudy.guide import cost, functions, gpu_cost, memory, steps
from actstudy.nets.activations import ACTIVATIONS, Activation


def values(readings, condition=""):
    """Name -> number of the reading of a condition."""
    (reading,) = (each for each in readings if each.condition == condition)
    return {name: value.value for name, value in reading.values.items()}


class Slow(nn.Module):
    """ReLU twelve times."""

    def forward(self, x):
        for _ in range(12):
            x = x.relu()
        return x


@pytest.fixture
def quick(monkeypatch):
    """Few and small measurements, none remembered."""
    monkeypatch.setattr(cost, "N_STARTS", dict.fromkeys(cost.N_STARTS, 6))
    monkeypatch.setattr(cost, "N_PROCESSES", 1)
    for remembered in (cost._operation, cost._step):
        remembered.cache_clear()
    yield
    for remembered in (cost._operation, cost._step):
        remembered.cache_clear()


# Memory


def test_an_operation_reads_and_writes_each_value_once():
    """4 bytes in, 4 out; back: gradient and what was saved in, gradient out."""
    read = values(memory.traffic("gelu"), "as an operation of torch")
    assert (read["operations"], read["forward"], read["both"]) == (1, 8, 20)
    assert read["forward_ratio"] == 1


def test_a_formula_of_two_operations_reads_and_writes_more():
    """sigmoid reads and writes 8 bytes, the product of two tensors 12."""
    read = values(memory.traffic("silu"), "written out")
    assert (read["operations"], read["forward"]) == (2, 20)


def test_a_view_is_no_traffic():
    with memory.Traffic() as counter:
        normal(8, 8).t().unsqueeze(0).detach()
    before = counter.operations
    with memory.Traffic() as counter:
        normal(8, 8).t().contiguous()
    assert counter.operations == before + 1


def test_a_peak_is_what_is_there_at_a_time():
    x = normal(memory.EXAMPLES, memory.WIDTH)

    def chain():
        y = x + 1
        for _ in range(5):
            y = y + 1
        return y

    assert memory.peak(chain) == 2 * memory.SIZE
    assert memory.peak(lambda: [x + i for i in range(5)]) == 5 * memory.SIZE


def test_what_backward_needs_between_layers():
    readings = memory.saved_maps(["gelu", "leaky_relu", "tanh"])
    assert values(readings, "gelu between linear layers")["maps"] == 2
    assert values(readings, "tanh between linear layers")["maps"] == 1  # its output, as relu
    assert values(readings, "gelu by itself")["ratio"] == 1


def test_relu_in_place_frees_no_more_for_backward():
    readings = memory.in_place()
    assert values(readings, "kept for backward of 8 equal layers")["maps"] == 9
    wide = values(readings, "peak without gradients of a layer 8 times as wide")
    assert wide["saved"] == pytest.approx(50, abs=1)


def test_a_floor_is_bytes_over_bandwidth():
    (reading,) = memory.bandwidth_floor(1e9, [2], 2000)
    assert reading.values["floor"].value == pytest.approx(2.0)


# Time


def test_a_slow_activation_is_seen(quick, monkeypatch):
    subject = Subject("slow", Slow, True)
    original = functions.subject_of
    monkeypatch.setattr(
        functions,
        "subject_of",
        lambda name, args=None: subject if name == "tanh" else original(name, args),
    )
    ways = ["forward", "forward and backward"]
    for way in ways:
        read = values(cost.relative_time("tanh", ways=ways), f"{way} in float32 on the CPU")
        assert 5 < read["ratio"] < 40
        assert read["speed"] == pytest.approx(100 / read["ratio"], rel=0.3)
        assert read["slower"] > 400


def test_an_activation_takes_as_long_as_itself(quick):
    read = values(cost.relative_time("relu"), "forward in float32 on the CPU")
    assert 0.5 < read["ratio"] < 2


def test_a_step_with_a_slow_activation_takes_longer(quick, monkeypatch):
    class Slower(nn.Module):
        def forward(self, x):
            for _ in range(200):
                x = x.relu()
            return x

    monkeypatch.setitem(ACTIVATIONS, "slower", Activation(Slower, "x", "none"))
    read = values(cost.step_times(["slower"], ["mlp"]), "step of mlp on the CPU")
    assert read["slower"] > 2


@pytest.mark.parametrize("model", steps.MODELS)
def test_steps_train(model):
    """The loss falls, and the hybrid has both activations."""
    call = steps.step(model, "gelu", "cpu")
    losses = [float(call()) for _ in range(4)]
    assert losses[-1] < losses[0]


def test_a_hybrid_has_its_first_activation_in_the_first_half():
    sites = steps.Sites(steps.hybrid("relu", "gelu"), {})
    steps.resnet18(sites, is_large=False)
    early = {site for site, name in sites.names.items() if name == "relu"}
    assert early == {site for site in sites.names if site[:8] in ("act1", "stages.0", "stages.1")}
    assert len(early) == 9


def test_a_quadratic_backward_pass_is_seen(quick, monkeypatch):
    assert values(cost.softmax_growth([8, 10], 14))["exponent"] < 1.5

    def by_matrix(x):
        p = x.softmax(-1)
        return lambda: torch.diag_embed(p) - p[:, :, None] * p[:, None, :]

    monkeypatch.setattr(cost, "_softmax_backward", by_matrix)
    assert values(cost.softmax_growth([7, 9], 12))["exponent"] > 1.6


def test_without_vector_instructions_silu_is_slower(quick):
    read = values(cost.vector_gain("silu"), "on the CPU")
    if torch.backends.cpu.get_cpu_capability() == "DEFAULT":
        pytest.skip("this processor has no others")
    assert read["vector_gain"] > 1.5


def test_faults_name_what_is_allowed():
    for call, line in (
        (lambda: cost.relative_time("gelu", ways=["back"]), "ways: got 'back'; allowed: forward"),
        (lambda: cost.relative_time("gelu", devices=["gpu"]), "devices: got 'gpu'; allowed: cpu"),
        (lambda: cost.step_times(["gelu"], ["vgg"]), "model: got 'vgg'; allowed: mlp"),
    ):
        with pytest.raises(ValueError, match=line):
            call()


# What a GPU measures, in small on the CPU


def test_kernels_have_times_and_a_bandwidth(monkeypatch):
    (reading,) = gpu_cost.kernel_time("gelu", {"float32": 2**16}, device="cpu")
    read = {name: value.value for name, value in reading.values.items()}
    assert read["ratio"] == pytest.approx(
        read["milliseconds"] / read["other_milliseconds"], rel=0.5
    )
    bytes_moved = 2 * 4 * 2**16
    assert read["bandwidth"] == pytest.approx(bytes_moved / read["milliseconds"] / 1e6, rel=0.1)


def test_kernels_are_counted(monkeypatch):
    (reading,) = gpu_cost.kernels("mish", 12, device="cpu")
    assert reading.values["forward"].value == 1
    subject = Subject("slow", Slow, True)
    monkeypatch.setattr(functions, "subject_of", lambda name, args=None: subject)
    (reading,) = gpu_cost.kernels("mish", 12, device="cpu")
    assert reading.values["forward"].value == 12


def test_gradients_in_numpy_are_those_of_torch():
    generator = np.random.default_rng(1)
    sizes = [7, 6, 5, 4]
    weights = [generator.normal(size=pair) for pair in itertools.pairwise(sizes)]
    biases = [generator.normal(size=size) for size in sizes[1:]]
    x = generator.normal(size=(9, 7))
    y = np.arange(9) % 4
    loss, by_weight, by_bias = gpu_cost.numpy_gradients(weights, biases, x, y)
    leaves = [torch.tensor(part, requires_grad=True) for part in weights + biases]
    h = torch.tensor(x)
    for layer in range(3):
        h = h @ leaves[layer] + leaves[3 + layer]
        h = h.relu() if layer < 2 else h
    expected = functional.cross_entropy(h, torch.tensor(y))
    gradients = torch.autograd.grad(expected, leaves)
    assert loss == pytest.approx(expected.item())
    for own, of_torch in zip(by_weight + by_bias, gradients, strict=True):
        np.testing.assert_allclose(own, of_torch.numpy(), atol=1e-12)


def test_an_epoch_has_its_seconds():
    (reading,) = gpu_cost.numpy_epoch([32], examples=640, device="cpu")
    assert reading.values["ratio"].n == gpu_cost.N_EPOCHS
    assert reading.values["torch"].value > 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_there_are_kernels_to_count():
    (reading,) = gpu_cost.kernels("mish")
    assert reading.values["forward"].value >= 1
