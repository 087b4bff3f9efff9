"""docs/losses.md: its code runs, its table names every loss and option."""

import inspect
import math
import re

import numpy as np
import pytest
import torch
from runs import ROOT

from actstudy.losses import LOSSES, ContrastiveLoss

TEXT = (ROOT / "docs/losses.md").read_text(encoding="utf-8")


def test_its_code_trains_and_goes_on_from_that_of_others(capsys):
    names = {}
    trains, goes_on = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    exec(trains, names)
    nats, scale = re.findall(r"[0-9.]+", capsys.readouterr().out)
    assert float(nats) < 1  # of log(32) = 3.5 by chance
    assert 1 < float(scale) < 100
    exec(goes_on, names)
    assert capsys.readouterr().out == f"scale {math.exp(3.2):.1f}, classes (32,)\n"
    assert [group["weight_decay"] for group in names["optimizer"].param_groups] == [0.1, 0.0]


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_has_a_row(name):
    (row,) = re.findall(rf"^\| `{name}` \|.*$", TEXT, re.MULTILINE)
    assert all(cell.strip() for cell in row.split(" | ")[1:])


def test_every_option_has_a_row_with_its_default():
    defaults = {}
    for names, default in re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| (.*?) \|", TEXT, re.MULTILINE):
        defaults |= dict.fromkeys(re.findall(r"\w+", names), default)
    parameters = inspect.signature(ContrastiveLoss).parameters
    assert {*parameters} - {"loss", "bias"} <= {*defaults}
    for name in ("max_scale", "clamp", "normalize", "chunk"):
        assert defaults[name] == str(parameters[name].default).removesuffix(".0")


def test_the_share_of_false_negatives_is_that_of_a_simulation_and_of_the_documents():
    """Of ten classes; the examples of a batch are drawn at random, as those of a balanced set."""
    limitations = (ROOT / "docs/limitations.md").read_text(encoding="utf-8")
    labels = np.random.default_rng(0).integers(0, 10, (4000, 64))
    for size, mean, share in ((8, "0.7", "52.2%"), (64, "6.3", "99.9%")):
        same = (labels[:, :size, None] == labels[:, None, :size]).sum(2) - 1
        assert same.mean() == pytest.approx((size - 1) / 10, rel=0.03)
        assert (same > 0).mean() == pytest.approx(1 - 0.9 ** (size - 1), abs=0.01)
        assert f"{(size - 1) / 10:.1f}" == mean
        assert f"{1 - 0.9 ** (size - 1):.1%}" == share
        assert f"at B = {size} on average {mean}" in " ".join(TEXT.split())
        for text in (TEXT, limitations):
            assert share in text


def test_false_negatives_keep_the_loss_above_its_floor():
    """Two of three images have one text: from an image ln 2, at best."""
    texts = torch.eye(3, 8)[[0, 0, 1]]
    loss = ContrastiveLoss(scale=100.0)
    logits = loss.logits(texts, texts).detach()
    of_images = torch.nn.functional.cross_entropy(logits, torch.arange(3), reduction="none")
    assert of_images.tolist() == pytest.approx([math.log(2), math.log(2), 0], abs=1e-5)
