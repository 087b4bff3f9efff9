"""The module of contrastive losses: precision, scale, clamp, options of studies, twins."""

import ast
import copy
import inspect
import subprocess
import sys

import pytest
import torch
from runs import ROOT
from test_losses import features, loss_of

from actstudy import losses
from actstudy.contract import registry
from actstudy.losses import LOSSES, ContrastiveLoss, make
from actstudy.losses.unstable import TWINS

FILE = "losses/__init__.py"


def value_of(name, views):
    return float(make(name, {})(*views).detach())


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32(half):
    views = [view.detach().to(half) for view in features(2)]
    expected = ContrastiveLoss()(*[view.float() for view in views])
    with torch.autocast("cpu", dtype=half):
        loss = ContrastiveLoss()
        assert torch.equal(loss(*views), expected)
        assert loss.logits(*views).dtype == torch.float32
    mixed = ContrastiveLoss()(views[0], views[1].float())
    assert torch.equal(mixed, expected)


def test_the_scale_is_clamped_and_comes_back():
    loss = ContrastiveLoss(scale=100.0)
    assert float(loss.logit_scale.detach()) == pytest.approx(100, rel=1e-6)
    with torch.no_grad():
        loss.log_scale.fill_(7.0)
    assert float(loss.logit_scale.detach()) == pytest.approx(100, rel=1e-6)
    (outward,) = torch.autograd.grad(-loss.logit_scale, loss.log_scale)
    (inward,) = torch.autograd.grad(loss.logit_scale, loss.log_scale)
    assert outward == 0
    assert inward == pytest.approx(100, rel=1e-6)
    views = [torch.randn(8, 16), torch.randn(8, 16)]  # whose scale should be small
    optimizer = torch.optim.SGD(loss.parameters(), lr=0.1)
    for _ in range(200):
        optimizer.zero_grad()
        loss(*views).backward()
        optimizer.step()
    assert loss.logit_scale < 50


def test_a_scale_without_a_limit_and_one_that_is_not_learnt():
    free = ContrastiveLoss(max_scale=None, scale=1000.0)
    assert float(free.logit_scale.detach()) == pytest.approx(1000, rel=1e-5)
    fixed = ContrastiveLoss(learn_scale=False)
    fixed(*features(2, dtype=torch.float32)).backward()
    assert fixed.log_scale.grad is None


def test_a_clamp_ends_the_gradient_of_logits_and_is_counted():
    views = features(2, samples=4)
    loss = loss_of("clip", clamp=5.0, scale=50.0)
    logits = loss.logits(*views)
    beyond = logits.abs() > 5
    assert 0 < beyond.float().mean() < 1
    assert loss.clamped_share(logits) == beyond.float().mean()
    assert loss_of("clip").clamped_share(logits) == 0
    row = torch.eye(4, dtype=torch.float64).requires_grad_()
    saturated = loss_of("clip", clamp=5.0, scale=50.0, learn_scale=False)(row, row.detach() * 1.0)
    (gradient,) = torch.autograd.grad(saturated, row)
    assert (gradient.diagonal() == 0).all()  # of the right answers, at 50


@pytest.mark.parametrize("chunk", [None, 1, 4, 6])
@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_and_its_clamped_share_are_of_the_same_logits(name, chunk):
    """Of three views: of clip and siglip each pair's, and in chunks of which one is short."""
    views = features(3, samples=6)
    loss = loss_of(name, chunk=chunk)
    logits = loss.logits(*views)
    loss.clamp = logits.abs().median().item()
    value, share = loss(*views, with_share=True)
    assert torch.equal(value, loss(*views))
    assert 0 < share < 1
    assert share.item() == pytest.approx(
        (logits.abs() > loss.clamp).double().mean().item(), rel=1e-6
    )
    assert not share.requires_grad
    loss.clamp = None
    assert loss(*views, with_share=True)[1] == 0


@pytest.mark.parametrize("name", LOSSES)
def test_two_towers_learn_by_each_loss(name):
    torch.manual_seed(0)
    x = torch.randn(32, 8)
    towers = torch.nn.ModuleList([torch.nn.Linear(8, 16), torch.nn.Linear(8, 16)])
    loss = ContrastiveLoss(name)
    optimizer = torch.optim.Adam([*towers.parameters(), *loss.parameters()], lr=0.02)
    values = []
    for _ in range(60):
        optimizer.zero_grad()
        value = loss(towers[0](x), towers[1](x.flip(1)))
        value.backward()
        optimizer.step()
        values.append(float(value.detach()))
    assert values[-1] < values[0] / 2


@pytest.mark.parametrize("name", LOSSES)
def test_a_graph_without_breaks_and_a_copy(name):
    views = [view.detach() for view in features(3, dtype=torch.float32)]
    loss = ContrastiveLoss(name)
    compiled = torch.compile(loss, fullgraph=True, backend="eager")
    assert torch.allclose(compiled(*views), loss(*views))
    other = ContrastiveLoss(name, scale=1.0)
    other.load_state_dict(copy.deepcopy(loss).state_dict())
    assert torch.equal(other(*views), loss(*views))


def test_the_numbers_of_studies_are_options():
    common = registry.literal(FILE, "ARGS")
    assert common == losses.ARGS
    for name, args in registry.arguments(FILE, "LOSSES").items():
        assert args == LOSSES[name].args
        allowed = set(inspect.signature(ContrastiveLoss).parameters)
        assert {*common, *args} <= allowed
        loss = make(name, {**common, **args})
        assert loss.eps is None
        assert loss.clamp is None
        assert loss.check is False
        assert float(loss.logit_scale.detach()) == pytest.approx(args["scale"])
    assert make("clip", {"max_scale": 0}).max_scale is None
    assert make("clip", {"learn_scale": 0}).log_scale.requires_grad is False


@pytest.mark.parametrize("name", TWINS)
def test_a_twin_is_its_loss_on_harmless_features(name):
    of = registry.entries("losses/unstable.py", "TWINS", "of")[name]
    views = [view.detach() for view in features(3)]
    assert value_of(name, views) == pytest.approx(value_of(of, views), abs=1e-9)
    assert set(TWINS[name].lacks) <= set(losses.ARGS)


@pytest.mark.parametrize("file", ["__init__.py", "similarities.py", "inputs.py"])
def test_no_eps_is_written_out(file):
    text = (ROOT / "lib/actstudy/losses" / file).read_text()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            assert node.value == 0 or abs(node.value) >= 0.1, f"line {node.lineno}"


def test_losses_need_torch_alone():
    heavy = "pandas", "pyarrow", "pydantic", "matplotlib", "torchvision", "snakemake"
    code = f"import sys, actstudy.losses; print([x for x in {heavy} if x in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
