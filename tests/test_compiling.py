"""How steps are compiled: what the backward pass is given, that it is the same one, and when."""

from functools import partial

import pytest
import torch

from actstudy.contract.recipes import SLOPE_FROM_VALUE, recomputes
from actstudy.contract.spec import run_id
from actstudy.nets.activations import ACTIVATIONS, Sites
from actstudy.nets.resnet18 import BasicBlock
from actstudy.study.planning import run_spec
from actstudy.training import compiling

SHAPE = (2, 4, 8, 8)


def planned(activation="gelu", task="vision", **fields):
    fields = {"activation": activation, "engine": "compiled", "precision": "bf16", **fields}
    return run_spec(task, 0, fields)


@pytest.fixture(autouse=True)
def partitioner():
    """The settings of the compiler's partitioner, put back after each test."""
    from torch._functorch import config

    with config.patch(ban_recompute_used_far_apart=config.ban_recompute_used_far_apart):
        yield config


@pytest.fixture
def options(monkeypatch):
    """The options of each compilation, in order, instead of any compilation."""
    seen = []
    monkeypatch.setattr(torch, "compile", lambda step, **words: seen.append(words["options"]))
    return seen


def two_blocks(activation):
    """A loss of images, through two residual blocks in bf16."""
    torch.manual_seed(0)
    sites = Sites(activation, {})
    blocks = torch.nn.Sequential(*(BasicBlock(4, 4, 1, sites, name) for name in "ab"))

    def loss(x):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return blocks(x).float().square().mean()

    return blocks, loss


def traced(activation, spec, device):
    """Bytes of images that the backward pass of two blocks is given, and all gradients."""
    from torch._functorch.aot_autograd import aot_module, make_boxed_func
    from torch._functorch.partitioners import min_cut_rematerialization_partition
    from torch._inductor.decomposition import select_decomp_table

    blocks, loss = two_blocks(activation)
    compiling.compiled(loss, spec, torch.device(device))
    sizes = []

    class Loss(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = blocks

        def forward(self, x):
            return loss(x)

    def backward(graph, inputs):
        images = [value for value in inputs if getattr(value, "ndim", 0) == 4]
        sizes.append(sum(value.nbytes for value in images if value.shape == SHAPE))
        return make_boxed_func(graph)

    step = aot_module(
        Loss(),
        fw_compiler=lambda graph, _: make_boxed_func(graph),
        bw_compiler=backward,
        partition_fn=min_cut_rematerialization_partition,
        decompositions=select_decomp_table(),
    )
    step(torch.randn(SHAPE, generator=torch.Generator().manual_seed(1))).backward()
    return sizes[0], [parameter.grad for parameter in blocks.parameters()]


@pytest.mark.parametrize("activation", ["gelu", "silu", "mish", "elu", "leaky_relu"])
def test_the_backward_pass_is_given_no_more_than_that_of_relu(activation, options):
    spec = planned(activation)
    of_relu, _ = traced("relu", planned("relu"), "cuda")
    assert traced(activation, spec, "cuda")[0] <= of_relu
    by_default, _ = traced(activation, spec, "cpu")
    assert activation == "leaky_relu" or by_default > of_relu  # of which it keeps signs alone


@pytest.mark.parametrize("activation", ["gelu", "leaky_relu"])
def test_what_is_computed_again_changes_no_bit_of_a_gradient(activation, options):
    _, again = traced(activation, planned(activation), "cuda")
    _, before = traced(activation, planned(activation), "cpu")
    blocks, loss = two_blocks(activation)
    loss(torch.randn(SHAPE, generator=torch.Generator().manual_seed(1))).backward()
    eager = [parameter.grad for parameter in blocks.parameters()]
    for new, old, reference in zip(again, before, eager, strict=True):
        assert torch.equal(new, old)
        torch.testing.assert_close(
            new, reference, rtol=0.05, atol=0.02 * float(reference.abs().max())
        )


def test_only_runs_that_recompute_are_compiled_in_another_way(options, partitioner):
    cuda = torch.device("cuda")
    compiling.compiled(len, planned(), cuda)
    assert not partitioner.ban_recompute_used_far_apart
    others = [planned("relu"), planned(precision="tf32"), planned(task="cls")]
    for spec, device in [(planned(), torch.device("cpu")), *((spec, cuda) for spec in others)]:
        compiling.compiled(len, spec, device)
        assert partitioner.ban_recompute_used_far_apart
    assert options == [compiling.IN_PLACE, *[None] * 4]


def test_a_process_compiles_more_kinds_of_runs_than_torch_keeps_of_a_function(monkeypatch):
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))

    def step_of(factor):
        return lambda x: x * factor

    for factor in range(torch._dynamo.config.recompile_limit + 2):
        step = compiling.compiled(step_of(factor), planned("relu"), torch.device("cpu"))
        assert step(torch.ones(1)).item() == factor


def follows_from_value(name):
    """Whether inputs of equal values have equal slopes, up to a grid's width."""
    x = torch.linspace(-3, 3, 6001, dtype=torch.float64, requires_grad=True)
    y = ACTIVATIONS[name].factory()(x)
    (slopes,) = torch.autograd.grad(y.sum(), x)
    order = y.argsort()
    is_equal = y[order].diff() < 1e-5
    return bool((slopes[order].diff().abs()[is_equal] < 0.02).all())


def test_the_slope_of_runs_that_keep_values_follows_from_them():
    assert all(map(follows_from_value, SLOPE_FROM_VALUE))
    assert not any(map(follows_from_value, ["gelu", "silu", "mish"]))


def test_the_compiler_has_the_options():
    assert set(compiling.IN_PLACE) <= set(torch._inductor.list_options())


def test_runs_that_recompute_are_others_than_before_and_no_other_run_is():
    hybrid = {"act1": "relu", "*": "gelu"}
    others = [
        planned("relu"),
        planned("tanh"),
        planned({"act1": "relu", "*": "tanh"}),
        planned(engine="eager"),
        planned(precision="tf32"),
        planned(model="resnet50"),
        planned(task="cls"),
    ]
    names = ("gelu", "silu", "prelu", "leaky_relu")
    recomputing = [*map(planned, names), planned(hybrid)]
    assert all(recomputes(spec) for spec in recomputing)
    assert {spec.recipe for spec in recomputing} == {2}
    assert not any(recomputes(spec) for spec in others)
    assert {spec.recipe for spec in others} == {1}
    runs = [*recomputing, *others]
    assert len({run_id(spec) for spec in runs}) == len(runs)
