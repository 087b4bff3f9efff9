"""Contrastive losses: their formulas, gradients, invariances, scale, and what they refuse."""

import itertools
import math

import pytest
import torch
from open_clip.loss import ClipLoss, SigLipLoss
from torch.nn import functional

from actstudy.losses import LOSSES, ContrastiveLoss, similarities


def features(n=2, samples=6, width=5, dtype=torch.float64, seed=0):
    """n random views (B, D) that need a gradient."""
    generator = torch.Generator().manual_seed(seed)
    shape = (samples, width)
    drawn = [torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(n)]
    return [view.to(dtype).requires_grad_() for view in drawn]


def loss_of(name, **options):
    return ContrastiveLoss(name, **options).double()


def cosine_of(x, y):
    return float(x @ y / (x.norm() * y.norm()))


def written_out(name, rows, others):
    """An entry of L as its formula has it; rows: f_k[i_k] of each view; others: f_k[j]."""
    n = len(rows)
    if name in ("clip", "siglip", "einsum"):
        return float(math.prod(rows[1:], start=rows[0]).sum())
    if name == "norm":
        m = sum(rows)
        return sum(max(-1.0, min(1.0, float(m / m.norm() @ row))) for row in rows)
    center = sum(others) / n
    if name == "distance":
        return -sum(float((row - center).norm()) for row in rows) / n
    cosines = [cosine_of(row, center) for row in rows]
    return sum(cosines) / n if name == "cosine_mean" else abs(math.prod(cosines)) ** (1 / n)


@pytest.mark.parametrize("n", [2, 3, 4])
@pytest.mark.parametrize("name", LOSSES)
def test_logits_are_those_of_the_formula(name, n):
    if LOSSES[name].pairwise:
        n = 2
    loss = loss_of(name)
    views = features(n, samples=3)
    logits = loss.logits(*views)
    units = [functional.normalize(view.detach(), dim=1) for view in views]
    bias = 0.0 if loss.bias is None else float(loss.bias.detach())
    own_axes = LOSSES[name].axis_per_view or LOSSES[name].pairwise
    for index in itertools.product(range(3), repeat=logits.dim()):
        i, j = index[0], index[-1]
        places = index if own_axes else [i] * n
        rows = [view[place] for view, place in zip(units, places, strict=True)]
        entry = written_out(name, rows, [view[j] for view in units])
        scaled = entry * float(loss.logit_scale.detach()) + bias
        assert float(logits[index].detach()) == pytest.approx(scaled, abs=1e-12)


def test_einsum_of_two_views_has_the_logits_of_clip():
    x, y = features(2, samples=16, width=32)
    clip = functional.normalize(x, dim=1) @ functional.normalize(y, dim=1).T
    loss = loss_of("einsum", scale=20.0)
    assert torch.allclose(loss.logits(x, y), loss.logit_scale * clip, rtol=0, atol=1e-12)
    assert torch.equal(loss_of("einsum")(x, y), loss_of("clip")(x, y))


@pytest.mark.parametrize("n", [2, 3, 4])
def test_cross_entropy_is_torchs_along_every_axis(n):
    views = features(n, samples=4)
    loss = loss_of("einsum")
    logits = loss.logits(*views)
    right = torch.arange(4)
    for _ in range(n - 2):
        right = right * 4 + torch.arange(4)  # of the other axes as one
    terms = []
    for axis in range(n):
        terms.append(functional.cross_entropy(logits.movedim(axis, 0).reshape(4, -1), right))
    assert float(loss(*views).detach()) == pytest.approx(float(sum(terms).detach()) / n, abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("name", "reference"), [("clip", ClipLoss()), ("siglip", SigLipLoss())])
def test_two_views_agree_with_open_clip(name, reference, dtype):
    for seed in range(5):
        views = features(2, samples=32, width=64, dtype=dtype, seed=seed)
        loss = ContrastiveLoss(name).to(dtype)
        value = loss(*views)
        gradients = torch.autograd.grad(value, views)
        scale = loss.logit_scale.detach()
        units = [functional.normalize(view, dim=1) for view in views]
        bias = () if loss.bias is None else (loss.bias.detach(),)
        expected = reference(*units, scale, *bias)
        expected_gradients = torch.autograd.grad(expected, views)
        assert float(value.detach()) == pytest.approx(float(expected.detach()), abs=1e-6)
        for computed, reference_gradient in zip(gradients, expected_gradients, strict=True):
            assert torch.allclose(computed, reference_gradient, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["clip", "siglip"])
def test_more_views_of_a_pairwise_loss_are_the_mean_over_pairs(name):
    views = features(4)
    loss = loss_of(name)
    pairs = [float(loss(*pair).detach()) for pair in itertools.combinations(views, 2)]
    assert float(loss(*views).detach()) == pytest.approx(sum(pairs) / 6, abs=1e-12)
    assert loss.logits(*views).shape == (6, 6, 6)


@pytest.mark.parametrize("n", [2, 3, 4])
@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_those_of_differences(name, n):
    loss = loss_of(name)
    views = features(n, samples=3, width=4)

    def of_scale(log_scale, *views):
        return torch.func.functional_call(loss, {"log_scale": log_scale}, views)

    inputs = (loss.log_scale.detach().requires_grad_(), *views)
    assert torch.autograd.gradcheck(of_scale, inputs, eps=1e-6, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("n", [2, 3, 4])
@pytest.mark.parametrize("name", LOSSES)
def test_the_order_of_views_and_of_samples_does_not_matter(name, n):
    loss = loss_of(name)
    views = features(n, samples=5)
    value = float(loss(*views).detach())
    assert float(loss(*views[::-1]).detach()) == pytest.approx(value, abs=1e-12)
    order = torch.tensor([3, 1, 4, 0, 2])
    assert float(loss(*[view[order] for view in views]).detach()) == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("chunk", [1, 3, 4, 6, 100])
@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("name", LOSSES)
def test_a_chunked_loss_is_the_whole_one(name, n, chunk):
    values = []
    gradients = []
    for rows in (None, chunk):
        views = features(n)
        loss = loss_of(name, chunk=rows, clamp=12.0)
        value = loss(*views)
        values.append(float(value.detach()))
        gradients.append(torch.autograd.grad(value, [loss.log_scale, *views]))
    assert values[0] == pytest.approx(values[1], abs=1e-12)
    for whole, chunked in zip(*gradients, strict=True):
        assert torch.allclose(whole, chunked, rtol=0, atol=1e-12)


def test_what_is_normalised_is_one_long_and_has_a_bounded_gradient():
    for dtype in (torch.float32, torch.float64):
        x = torch.randn(100, 32, dtype=dtype)
        x = functional.normalize(x, dim=1) * torch.logspace(0, 4, 100, dtype=dtype)[:, None]
        away = similarities.unit(x).double().norm(dim=1) - 1
        assert away.abs().max() < 4 * torch.finfo(dtype).eps
        for length in (0.0, 1e-30, 1e-10, 1e-5, 1e-2, 1 / 33):
            row = torch.zeros(1, 4, dtype=dtype)
            row[0, 0] = length
            jacobian = torch.autograd.functional.jacobian(similarities.unit, row).reshape(4, 4)
            assert torch.linalg.matrix_norm(jacobian, 2) <= 32 * (1 + 1e-6)
            assert torch.linalg.matrix_norm(jacobian, 2) > 16  # so that it moves away from 0


def test_an_eps_that_is_a_number_has_the_gradient_that_is_written():
    row = torch.zeros(1, 4)
    jacobian = torch.autograd.functional.jacobian(lambda x: similarities.unit(x, 1e-8), row)
    assert jacobian.reshape(4, 4)[0, 0] == pytest.approx(1e8)


@pytest.mark.parametrize("name", LOSSES)
def test_the_ranges_of_docstrings_hold(name):
    low, high = {
        "norm": (0, 3),
        "cosine": (0, 1),
        "distance": (-2, 0),
    }.get(name, (-1, 1))
    for seed in range(20):
        units = [similarities.unit(x.detach()) for x in features(3, seed=seed, width=2)]
        for views in (units, [units[0], units[0], -units[0]]):
            similar = LOSSES[name].similarity(views, views, None)
            assert similar.min() >= low - 1e-6
            assert similar.max() <= high + 1e-12


@pytest.mark.parametrize("n", [2, 3, 5])
def test_the_gradient_of_a_geometric_mean_has_the_bound_of_its_docstring(n):
    bound = 1024 ** (1 - 1 / n) / n
    longest = 0.0
    for size in torch.logspace(-300, 0, 301, dtype=torch.float64):
        rows = [torch.tensor([[1.0, 0.0]], dtype=torch.float64)] * n
        rows[0] = torch.stack([size, (1 - size**2).sqrt()])[None].requires_grad_()
        axis = [torch.tensor([[1.0, 0.0]], dtype=torch.float64)] * n
        (gradient,) = torch.autograd.grad(similarities.cosine(rows, axis), rows[0])
        longest = max(longest, float(gradient[0, 0]))
    assert bound / 2 < longest <= bound * (1 + 1e-6)


@pytest.mark.parametrize("name", ["einsum", "norm", "distance"])
def test_the_gradients_of_similarities_are_at_most_one_long(name):
    for seed in range(5):
        units = [similarities.unit(x.detach()) for x in features(2, samples=3, seed=seed)]
        opposite = units[0] * -(1 + 1e-9)
        for views in (units, [units[0], opposite], [units[0], units[0].clone()]):
            leaves = [view.clone().requires_grad_() for view in views]
            similar = LOSSES[name].similarity(leaves, leaves, None)
            for entry in similar.flatten():
                for gradient in torch.autograd.grad(entry, leaves, retain_graph=True):
                    assert gradient.norm(dim=1).max() <= 1 + 1e-6
