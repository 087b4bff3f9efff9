"""What contrastive losses refuse in one line, and what they make of NaN if they are not asked."""

import math
import sys

import pytest
import torch
from runs import ROOT

from actstudy.contract import losses as contract_losses
from actstudy.losses import LOSSES, ContrastiveLoss, inputs

sys.path.append(str(ROOT / "benchmarks"))
import loss_memory

ROWS = torch.randn(4, 3)


@pytest.mark.parametrize(
    ("views", "message"),
    [
        ([], r"views: got 0; allowed: 2 or more, each \(B, D\)"),
        ([ROWS], r"views: got 1; allowed: 2 or more, each \(B, D\)"),
        ([ROWS, ROWS[:3]], r"view 2: got shape \(3, 3\); allowed: \(4, 3\), that of view 1"),
        ([ROWS, ROWS, ROWS[:, :2]], r"view 3: got shape \(4, 2\); allowed: \(4, 3\)"),
        ([ROWS[0], ROWS[0]], r"view 1: got shape \(3,\); allowed: \(B, D\)"),
        ([ROWS[:, :0], ROWS[:, :0]], r"view 1: got shape \(4, 0\); allowed: \(B, D\)"),
        ([ROWS[:1], ROWS[:1]], r"views: got a batch of 1; allowed: 2 or more"),
        ([ROWS[:0], ROWS[:0]], r"views: got a batch of 0; allowed: 2 or more"),
        ([ROWS.int(), ROWS], r"view 1: got torch.int32; allowed: floating point"),
        ([ROWS, ROWS.to(torch.complex64)], r"view 2: got torch.complex64; allowed: floating"),
        ([ROWS, ROWS.to("meta")], r"view 2: got meta; allowed: cpu"),
        ([ROWS, ROWS * torch.nan], r"view 2: not finite in 4 of 4 rows, first row 0; allowed"),
        ([ROWS / 0, ROWS], r"view 1: not finite in 4 of 4 rows, first row 0; allowed"),
    ],
)
@pytest.mark.parametrize("name", LOSSES)
def test_views_that_do_not_fit_are_refused_in_one_line(name, views, message):
    with pytest.raises(ValueError, match=message) as error:
        ContrastiveLoss(name)(*views)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("name", "copies"), [("einsum", 6), ("norm", 23)])
def test_logits_beyond_the_memory_are_refused_with_their_bytes(name, copies):
    views = [torch.randn(256, 8) for _ in range(6)]
    needs = f"logits 256 x 256 x 256 x 256 x 256 x 256 need {copies * 4 * 256**6:,} bytes in a step"
    with pytest.raises(ValueError, match=needs):
        ContrastiveLoss(name)(*views)
    with pytest.raises(ValueError, match=f"logits 1 x 256 x .* need {copies * 4 * 256**5:,} bytes"):
        ContrastiveLoss(name, chunk=1)(*views)
    with pytest.raises(ValueError, match=f"x 256 need {4 * 256**6:,} bytes in a step, of"):
        ContrastiveLoss(name).logits(*views)


def test_a_step_is_refused_by_its_peak_and_not_by_one_tensor(monkeypatch):
    """Of two views 6 tensors as large as the logits, one more with a clamp, less in chunks."""
    views = [torch.randn(64, 4) for _ in range(2)]
    size = 4 * 64**2
    monkeypatch.setattr(inputs, "memory", lambda _: 6 * size)
    ContrastiveLoss()(*views)
    ContrastiveLoss(clamp=5.0, chunk=32)(*views)
    with pytest.raises(ValueError, match=f"need {7 * size:,} bytes in a step, of {6 * size:,}"):
        ContrastiveLoss(clamp=5.0)(*views)
    monkeypatch.setattr(inputs, "memory", lambda _: 6 * size - 1)
    with pytest.raises(ValueError, match=f"need {6 * size:,} bytes in a step"):
        ContrastiveLoss()(*views)


@pytest.mark.parametrize("clamp", [None, 5.0])
@pytest.mark.parametrize(("n", "batches"), [(2, (256, 256)), (3, (256, 48)), (4, (256, 20))])
@pytest.mark.parametrize("name", LOSSES)
def test_the_peak_of_a_step_is_what_is_asked_of_the_memory(name, n, batches, clamp):
    """At most what is asked for, but for the features, and at least four fifths of it."""
    is_per_view = LOSSES[name].axis_per_view
    peak, size = loss_memory.peak_of_step(name, n, batches[is_per_view], clamp)
    ratio = peak / size
    copies = contract_losses.copies(name, n, clamp is not None)
    assert 0.8 * copies < ratio < 1.06 * copies


@pytest.mark.parametrize("name", LOSSES)
def test_what_is_not_finite_makes_the_loss_so_if_unchecked(name):
    for bad in (torch.nan, torch.inf):
        views = [torch.randn(4, 3), torch.randn(4, 3)]
        views[1][2, 1] = bad
        assert ContrastiveLoss(name, check=False)(*views).isnan()
        with pytest.raises(ValueError, match="view 2: not finite in 1 of 4 rows, first row 2"):
            ContrastiveLoss(name)(*views)


def test_finite_features_whose_loss_is_not_are_refused_too():
    views = [torch.full((4, 3), 1e30), torch.randn(4, 3) * 1e30]
    with pytest.raises(ValueError, match=r"of features up to .*; to fix: normalize=True"):
        ContrastiveLoss(normalize=False)(*views)
    with pytest.raises(ValueError, match="loss: got nan of features up to"):
        ContrastiveLoss()(*views)  # their length overflows, and they are no zero vectors
    loss = ContrastiveLoss(max_scale=None)
    torch.nn.init.constant_(loss.log_scale, 100.0)
    with pytest.raises(ValueError, match="scale: got inf; allowed: finite"):
        loss(torch.randn(4, 3), torch.randn(4, 3))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "clop"}, "loss: got 'clop'; did you mean 'clip'"),
        ({"scale": 0}, "scale: got 0; allowed: above 0, up to max_scale 100.0"),
        ({"scale": 101.0}, "scale: got 101.0; allowed: above 0, up to max_scale 100.0"),
        ({"scale": math.nan}, "scale: got nan"),
        ({"max_scale": -1}, "max_scale: got -1; allowed: above 0, or None"),
        ({"clamp": 0}, "clamp: got 0; allowed: above 0, or None"),
        ({"chunk": 0}, "chunk: got 0; allowed: above 0, or None"),
        ({"eps": -1}, "eps: got -1; allowed: above 0, or None"),
        ({"loss": "cosine", "normalize": False}, "normalize: got False; allowed: True"),
        ({"loss": "norm", "normalize": False}, "normalize: got False; allowed: True"),
        ({"bias": 1.0}, "bias: got 1.0; allowed: None, as clip has none"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ContrastiveLoss(**options)


@pytest.mark.parametrize("name", ["clip", "siglip"])
@pytest.mark.parametrize("size", [2, 8])
@pytest.mark.parametrize("scale", [14.3, 100.0])
def test_the_gradient_at_a_zero_vector_has_the_bound_that_documents_state(name, size, scale):
    torch.manual_seed(0)
    views = [torch.randn(size, 16) for _ in range(2)]
    views[0][0] = 0
    leaves = [view.requires_grad_() for view in views]
    ContrastiveLoss(name, scale=scale)(*leaves).backward()
    longest = max(view.grad.norm(dim=1).max() for view in leaves)
    assert longest <= 64 * scale / size
