"""docs/losses.md: its code runs, its table names every loss and option."""

import inspect
import re

import pytest
from runs import ROOT

from actstudy.losses import LOSSES, ContrastiveLoss

TEXT = (ROOT / "docs/losses.md").read_text(encoding="utf-8")


def test_its_code_trains(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    exec(code, {})
    nats, scale = re.findall(r"[0-9.]+", capsys.readouterr().out)
    assert float(nats) < 1  # of log(32) = 3.5 by chance
    assert 1 < float(scale) < 100


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
