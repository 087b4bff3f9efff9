"""Kernels of compiled code against plain torch, on a CPU: test_kernels runs this.

Triton's interpreter multiplies no bfloat16, so that attention is tested in float32 and float16
here, and in bfloat16 by test_cuda.
"""

from functools import partial

import pytest
import torch
from exact import attention, relative_error

from actstudy.nets import kernels, loss_kernel
from actstudy.nets.gpt import GPT, Head
from actstudy.tasks import lm


def numbers(*shape, dtype=torch.float32, seed=0):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return x.to(dtype).requires_grad_()


@pytest.mark.parametrize(
    ("dtype", "length", "most"),
    [(torch.float32, 128, 1e-6), (torch.float32, 64, 1e-6), (torch.float16, 192, 2e-3)],
)
def test_attention_and_its_gradient_are_those_of_float64(dtype, length, most):
    qkv = numbers(2, length, 3 * 2 * 64, dtype=dtype)
    y = kernels.attention(qkv, 2)
    dy = numbers(*y.shape, dtype=dtype, seed=1)
    exact = qkv.detach().double().requires_grad_()
    expected = attention(exact, 2)
    assert relative_error(y, expected) < most
    (gradient,) = torch.autograd.grad(y, qkv, dy)
    (expected_gradient,) = torch.autograd.grad(expected, exact, dy.double())
    assert relative_error(gradient, expected_gradient) < most


def test_rows_of_attention_see_nothing_after_them():
    qkv = numbers(1, 128, 3 * 64)
    changed = qkv.detach().clone()
    changed[:, 70:] = 5
    assert torch.equal(kernels.attention(qkv, 1)[:, :70], kernels.attention(changed, 1)[:, :70])


@pytest.mark.parametrize("size", [7, 100, 9000])  # below one block, and more than one
def test_the_loss_of_a_head_and_its_gradients_are_those_of_float64(size):
    x = numbers(12, 16)
    weight = numbers(size, 16, seed=1)
    y = torch.arange(12) % size
    y[3] = -100
    exact = [value.detach().double().requires_grad_() for value in (x, weight)]
    expected = torch.nn.functional.cross_entropy(exact[0] @ exact[1].T, y)
    loss = kernels.head_loss(x, weight, y)
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(float(expected), rel=2e-3)
    for own, other in zip(
        torch.autograd.grad(3 * loss, (x, weight)),
        torch.autograd.grad(3 * expected, exact),
        strict=True,
    ):
        assert own.dtype == torch.float32
        assert relative_error(own, other) < 1e-2


def test_logits_become_gradients_of_the_mean():
    logits = numbers(5, 300) * 30
    y = torch.tensor([0, 299, -100, 7, 7])
    exact = logits.detach().double().requires_grad_()
    each = torch.nn.functional.cross_entropy(exact, y, reduction="none")
    (expected,) = torch.autograd.grad(each.sum() / 4, exact)
    gradients = logits.detach().clone()
    losses = loss_kernel.to_gradients(gradients, y, torch.tensor(4))
    assert losses.tolist() == pytest.approx(each.tolist(), rel=1e-5)
    assert torch.allclose(gradients, expected.float(), atol=1e-7)
    assert not gradients[2].any()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_logit_that_is_not_finite_is_seen_in_the_loss(value):
    logits = torch.zeros(2, 300)
    logits[0, 17] = value
    losses = loss_kernel.to_gradients(logits, torch.tensor([1, 1]), torch.tensor(2))
    assert losses.isfinite().tolist() == [False, True]


def test_a_compiled_gpt_uses_them_and_a_plain_one_does_not(monkeypatch):
    torch.manual_seed(0)
    model = GPT(50, 64, 1, 128, 2, 0.0, lambda *_: torch.nn.GELU())
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    tokens, y = torch.randint(50, (2, 2, 64))
    plain = lm.loss(model(tokens), y)
    expected = torch.autograd.grad(plain, list(model.parameters()))
    kernels.use(model)
    assert isinstance(model(tokens), torch.Tensor)
    calls = []
    monkeypatch.setattr(kernels, "fits", lambda qkv, heads: calls.append(heads) or True)

    @partial(torch.compile, fullgraph=True)
    def loss(tokens):
        logits = model(tokens)
        assert isinstance(logits, Head)
        return lm.loss(logits, y)

    own = loss(tokens)
    assert calls == [2]
    assert float(own) == pytest.approx(float(plain), rel=1e-3)
    gradients = torch.autograd.grad(own, list(model.parameters()))
    norm = torch.nn.utils.get_total_norm(expected)
    both = zip(gradients, expected, strict=True)
    distance = torch.nn.utils.get_total_norm([a - b for a, b in both])
    assert distance < 1e-2 * norm
