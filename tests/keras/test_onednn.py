"""Keras on torch leaves oneDNN on, but for steps of models that its gradient breaks."""

import pytest
import torch
from small import CPU, SHAPE, make_batches, make_model
from torch import nn

from actstudy.frameworks.nets import make_net


class Strided(nn.Module):
    """A convolution of some inputs, kernel and stride."""

    def __init__(self, inputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, inputs, 1)
        self.second = nn.Conv2d(inputs, 5, kernel, stride)

    def forward(self, x):
        return self.second(self.first(x)).mean((2, 3))


@pytest.mark.parametrize(
    ("inputs", "kernel", "stride", "breaks"),
    [
        (4, 1, 2, True),
        (15, 1, 2, True),
        (4, 1, 3, True),
        (16, 1, 2, False),
        (4, 1, 1, False),
        (4, 3, 2, False),
    ],
)
def test_onednn_is_off_in_steps_of_what_it_breaks_alone(
    framework, spec, inputs, kernel, stride, breaks
):
    if framework != "keras-torch":
        pytest.skip("another back end")
    net = make_net(spec(clip=None), Strided(inputs, kernel, stride), SHAPE, CPU)
    plain = net.loss
    seen = []

    def loss(logits, y):
        seen.append(torch.backends.mkldnn.enabled)
        return plain(logits, y)

    net.loss = loss
    x, y, keep = make_batches(1)[0]
    net.step(x, y, keep[:, :0], 0.1)
    assert seen == [not breaks]
    assert torch.backends.mkldnn.enabled
    assert net.execution == "NHWC, eager, TF32 off" + (", no oneDNN" if breaks else "")


def test_a_model_without_such_a_layer_has_onednn(framework, spec):
    net = make_net(spec(), make_model(), SHAPE, CPU)
    assert "oneDNN" not in net.execution
