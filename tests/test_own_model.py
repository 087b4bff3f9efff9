"""`doctor --model`: what is assumed of a user's model and batch is said, or refused in one line."""

import subprocess
import sys
from collections import namedtuple
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from actstudy.commands import cli
from actstudy.contract.errors import StudyError
from actstudy.health import batch, leak, loss, subject
from actstudy.health.doctor import examine
from actstudy.health.output import main_tensor
from actstudy.health.subject import Choices

MODULE = """
import sys
import warnings
import torch
from torch import nn

def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 5))

class Calls(nn.Module):
    def __init__(self, after):
        super().__init__()
        self.net = net()
        self.after = after
    def forward(self, x):
        return self.after(self.net(x))

def text_exit():
    raise SystemExit("this model needs WANDB_API_KEY")

def clean_exit():
    sys.exit()

def exits_in_forward():
    return Calls(lambda out: sys.exit(0))

def key_error():
    return Calls(lambda out: {}[0])

def nothing():
    return Calls(lambda out: None)

def whole():
    return Calls(lambda out: out.argmax(1))

def detached():
    return Calls(lambda out: out.detach())

def meta():
    return nn.Linear(10, 5, device="meta")

def frozen():
    return net().requires_grad_(False)

def warns():
    warnings.warn("an old\\nlayer")
    return net()

def sparse():
    return nn.Sequential(nn.Embedding(9, 4, sparse=True), nn.Flatten(), nn.Linear(40, 5))

def mean(output, target):
    return output.mean()

def vector(output, target):
    return output

def fails(output, target):
    raise IndexError("out of bounds")

def quits(output, target):
    sys.exit(0)
"""


def random(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def labels(classes, *shape):
    return torch.randint(0, classes, shape, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a user's module and batches."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "theirs.py").write_text(MODULE)
    x = random(16, 10)
    with_nan = x.clone()
    with_nan[3, 4] = torch.nan
    batches = {
        "sound": (x, labels(5, 16)),
        "nan": (with_nan, labels(5, 16)),
        "nan_target": (x, with_nan[:, :5]),
        "three": (x, random(16, 3), labels(5, 16)),
        "nested": ((x, x), labels(5, 16)),
        "masked": {"x": x, "y": labels(5, 16), "mask": x > 0},
        "renamed": {"inputs": x},
        "text": ("abc", labels(5, 16)),
        "number": torch.tensor(3.0),
        "fraction": (x, Fraction(1, 2)),
        "empty": torch.zeros(0, 10),
        "whole": (labels(9, 16, 10), labels(5, 16)),
        "large": (x.double() * 1e300, labels(5, 16)),
        "from_one": (x, labels(5, 16) + 1),
        "one_short": (x, labels(5, 15)),
        "complex": (x, torch.complex(x[:, :5], x[:, :5])),
    }
    for name, parts in batches.items():
        torch.save(parts, folder / f"{name}.pt")
    np.savez(folder / "words.npz", x=np.array(["a", "b"]))
    np.savez(folder / "unnamed.npz", np.zeros((3, 2)), np.zeros(3))
    return folder


@pytest.fixture
def doctor(folder, monkeypatch, capsys):
    """The exit status, output and errors of `doctor --model theirs:... --batch ....pt`."""
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "theirs", raising=False)

    def run_doctor(model, file, *arguments):
        flags = ["--model", f"theirs:{model}", "--batch", file, "--steps", "2", *arguments]
        with pytest.raises(SystemExit) as leaving:
            cli.main(["doctor", *flags])
        return (leaving.value.code, *capsys.readouterr())

    return run_doctor


# Refusals


@pytest.mark.parametrize(
    ("model", "file", "flags", "words"),
    [
        ("text_exit", "sound.pt", "", "theirs:text_exit: SystemExit: this model needs WANDB"),
        ("clean_exit", "sound.pt", "", "theirs:clean_exit: SystemExit: without a message"),
        ("exits_in_forward", "sound.pt", "", "the model fails on x (16, 10) float32: SystemExit"),
        ("key_error", "sound.pt", "", "the model fails on x (16, 10) float32: KeyError: 0"),
        ("nothing", "sound.pt", "", "the model returns NoneType of none; allowed: a tensor"),
        ("whole", "sound.pt", "", "the model returns torch.int64 numbers; allowed: "),
        ("detached", "sound.pt", "", "the loss depends on no trainable parameter"),
        ("frozen", "sound.pt", "", "the model has no trainable parameter"),
        ("meta", "sound.pt", "", "a parameter of the model is on the meta device"),
        ("sparse", "whole.pt", "", "Adam does not support sparse gradients"),
        (
            "net",
            "nan.pt",
            "",
            "nan.pt: x: 1 of 160 values are NaN or infinite, the first at (3, 4)",
        ),
        ("net", "nan_target.pt", "", "y: 1 of 80 values are NaN or infinite, the first at (3, 4)"),
        ("net", "large.pt", "", "x in the weights' torch.float32: 160 of 160 values are NaN"),
        ("net", "three.pt", "", "three.pt: holds 3 parts; allowed: one tensor x, or x and y; a"),
        ("net", "nested.pt", "", "nested.pt: x: got 2 tensors; allowed: one tensor x"),
        ("net", "masked.pt", "", "masked.pt: holds x, y, mask; allowed: one tensor x, or x and y"),
        ("net", "renamed.pt", "", "renamed.pt: holds inputs; allowed: one tensor x, or x and y"),
        ("net", "unnamed.npz", "", "unnamed.npz: holds arr_0, arr_1; allowed: one tensor x"),
        ("net", "text.pt", "", "text.pt: x: got str; allowed: a tensor of numbers"),
        ("net", "words.npz", "", "words.npz: x: got <U1; allowed: a tensor of numbers"),
        ("net", "number.pt", "", "number.pt: x of shape () holds no examples"),
        ("net", "empty.pt", "", "empty.pt: x of shape (0, 10) holds no examples"),
        ("net", "whole.pt", "", "the model fails on x (16, 10) int64: RuntimeError: "),
        ("net", "from_one.pt", "", "y holds labels, 1 to 5, and the output 5 classes on axis 1"),
        ("net", "one_short.pt", "", "16 examples on axis 0, y (15,) int64 does not"),
        ("net", "complex.pt", "--loss mse", "y (16, 5) complex64 do not fit"),
        ("net", "sound.pt", "--loss mse", "--loss mse: the output (16, 5) float32 and y (16,)"),
        ("net", "sound.pt", "--loss mse --class_axis 1", "--class_axis: the loss is mse"),
        ("net", "sound.pt", "--loss crossentropy", "did you mean 'cross_entropy'?"),
        ("net", "sound.pt", "--loss theirs:men", "no function 'men'; did you mean 'mean'?"),
        ("net", "sound.pt", "--loss theirs:vector", "--loss returned a tensor (16, 5) float32"),
        ("net", "sound.pt", "--loss theirs:fails", "IndexError: out of bounds"),
        ("net", "sound.pt", "--loss theirs:quits", "SystemExit: 0"),
        (
            "net",
            "sound.pt",
            "--batch_axis 2",
            "--batch_axis 2: x (16, 10) float32; allowed: 0 to 1",
        ),
        (
            "net",
            "sound.pt",
            "--batch_axis -1",
            "--batch_axis -1: x (16, 10) float32; allowed: 0 to 1",
        ),
        ("net", "sound.pt", "--batch_axis 1", "10 examples on axis 1, y (16,) int64 does not"),
        ("net", "fraction.pt", "", "fraction.pt: holds other things than tensors, or is damaged"),
        ("net", "sound.pt", "--class_axis 0", "--class_axis 0: the output (16, 5) float32"),
        ("net", "sound.pt", "--sites *.act", "--sites *.act: matches no module"),
        ("net", "sound.pt", "--lr inf", "above 0 and finite"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(doctor, model, file, flags, words):
    code, out, err = doctor(model, file, *flags.split())
    assert (code, out) == (2, "")
    assert words in err
    assert len(err.splitlines()) == 1
    assert "Traceback" not in err


def test_an_exit_that_is_no_number_is_no_success(folder):
    """The exit status of a whole process, as a shell sees it."""
    code = (
        "import sys; sys.argv = ['actstudy', 'status']; import actstudy.commands.cli as cli\n"
        "def main():\n    raise SystemExit({!r})\n"
        "cli.main = main; import runpy; runpy.run_module('actstudy', run_name='__main__')"
    )
    for leaving, status in (("a\x1btext", 1), (256, 1), (-1, 1), (3, 3), (0, 0), (None, 0)):
        command = [sys.executable, "-c", code.format(leaving)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        assert done.returncode == status, leaving
        assert done.stderr == ("a\\x1btext\n" if isinstance(leaving, str) else "")


def test_a_command_that_other_code_ends_is_no_success(monkeypatch, capsys):
    commands = [command._replace(run=lambda _: sys.exit()) for command in cli.COMMANDS]
    monkeypatch.setattr(cli, "COMMANDS", commands)
    with pytest.raises(SystemExit, match="2"):
        cli.main(["status"])
    assert "code that it called left with exit status 0" in capsys.readouterr().err


def test_warnings_are_lines_of_the_report_without_source(doctor):
    _, out, err = doctor("warns", "sound.pt")
    assert "UserWarning: an old layer\n" in out
    assert err == ""


# The loss


@pytest.mark.parametrize(
    ("output", "y", "words", "expected"),
    [
        (random(8, 5), labels(5, 8), "cross_entropy of 5 classes on axis 1", "labels"),
        (random(8, 5), labels(5, 8).float(), "cross_entropy of 5 classes on axis 1", "labels"),
        (random(8, 5), labels(5, 8, 1), "cross_entropy of 5 classes on axis 1", "labels"),
        (random(8, 7, 5), labels(5, 8, 7), "cross_entropy of 5 classes on axis 2", "labels"),
        (random(8, 5, 7), labels(5, 8, 7), "cross_entropy of 5 classes on axis 1", "labels"),
        (random(4, 5, 6, 5), labels(5, 4, 6, 5), "cross_entropy of 5 classes on axis 1", "labels"),
        (random(8, 5), functional.one_hot(labels(5, 8), 5), "cross_entropy of 5", "rows"),
        (random(8, 1), labels(2, 8), "binary", "binary"),
        (random(8, 1), labels(2, 8).bool(), "binary", "binary"),
        (random(8), labels(2, 8).float(), "binary", "binary"),
        (random(8, 5), labels(2, 8, 5), "binary", "binary"),
        (random(8, 1, 4, 4), labels(2, 8, 4, 4), "binary", "binary"),
        (random(8, 5), random(8, 5), "mse", "mse"),
        (random(8, 1), random(8).double(), "mse", "mse"),
        (random(8, 1), labels(9, 8), "mse", "mse"),
        (random(8, 5), None, "none, the mean square", "none"),
    ],
    ids=lambda part: str(tuple(part.shape)) if isinstance(part, torch.Tensor) else None,
)
def test_the_loss_that_is_assumed(output, y, words, expected):
    assumed = loss.choose(None, output, y, None, 0)
    assert assumed.words.startswith(words)
    axis = next((axis for axis in (1, 2) if f"on axis {axis}" in assumed.words), 1)
    reference = {
        "labels": lambda: functional.cross_entropy(
            output.movedim(axis, 1), y.long().reshape(output.movedim(axis, 1)[:, 0].shape)
        ),
        "rows": lambda: functional.cross_entropy(output, y.float()),
        "binary": lambda: functional.binary_cross_entropy_with_logits(
            output, y.float().view_as(output)
        ),
        "mse": lambda: functional.mse_loss(output, y.float().view_as(output)),
        "none": lambda: output.square().mean(),
    }[expected]()
    torch.testing.assert_close(assumed.of(output), reference)


@pytest.mark.parametrize(
    ("output", "y", "words"),
    [
        (random(4, 8, 8, 8), labels(8, 4, 8, 8), "on axis 1 or 2 or 3 of the output"),
        (random(4, 6, 6), labels(6, 4, 6), "on axis 1 or 2 of the output"),
        (random(8, 5).softmax(1), labels(5, 8), "sums to 1 over axis 1: probabilities"),
        (random(8, 1).sigmoid(), labels(2, 8), "within 0 to 1, logits or probabilities"),
        (random(8, 5), random(8, 5).softmax(1), "rows of y sum to 1"),
        (random(8, 5), random(8), "do not fit; allowed: whole labels"),
        (random(8, 5), labels(5, 8, 3), "do not fit; allowed: whole labels"),
    ],
)
def test_two_readings_or_none_are_refused(output, y, words):
    with pytest.raises(StudyError) as refusal:
        loss.choose(None, output, y, None, 0)
    assert words in str(refusal.value)
    assert "allowed: " in str(refusal.value)


def test_a_flag_decides_between_two_readings():
    output = random(4, 6, 6)
    y = labels(6, 4, 6)
    last = loss.choose(None, output, y, -1, 0)
    torch.testing.assert_close(last.of(output), functional.cross_entropy(output.movedim(2, 1), y))
    assert loss.choose("mse", random(8, 5).sigmoid(), labels(2, 8, 5), None, 0).words[:3] == "mse"
    soft = random(8, 5).softmax(1)
    assumed = loss.choose("cross_entropy", soft.log(), soft, None, 0)
    assert assumed.of(soft.log()).item() == pytest.approx(assumed.floor, rel=1e-5)


def test_labels_that_are_not_counted_are_left_out():
    y = labels(5, 8)
    y[3] = -100
    output = random(8, 5)
    torch.testing.assert_close(
        loss.choose(None, output, y, None, 0).of(output), functional.cross_entropy(output, y)
    )


# The output


Named = namedtuple("Named", "aux logits")


class Holder:
    def __init__(self, **parts):
        self.__dict__.update(parts)


@pytest.mark.parametrize(
    ("returns", "words", "others"),
    [
        (lambda out: (out, out.sum(), None), "[0] of tuple", ("[1]", "[2]")),
        (lambda out: [out.argmax(1), out], "[1] of list", ("[0]",)),
        (lambda out: {"loss": out.mean(), "out": out}, "out of dict", ("loss",)),
        (lambda out: {"first": out + 1, "logits": out}, "logits of dict", ("first",)),
        (lambda out: {"scores": out}, "scores of dict", ()),
        (lambda out: Named(out + 1, out), "logits of Named", ("aux",)),
        (lambda out: Holder(state=out + 1, logits=out), "logits of Holder", ("state",)),
    ],
)
def test_the_part_of_an_output_that_is_read(returns, words, others):
    out = random(4, 3)
    main = main_tensor(returns(out))
    assert (main.words, main.others) == (words, others)
    assert main.tensor is out


def test_an_output_of_which_a_part_is_read_is_named_and_its_other_parts_are_not_blamed():
    class TwoHeads(nn.Module):
        def __init__(self):
            super().__init__()
            self.logits = nn.Linear(10, 5)
            self.aux = nn.Linear(10, 2)

        def forward(self, x):
            return {"logits": self.logits(x), "aux": self.aux(x)}

    examination = examine(TwoHeads(), random(16, 10), labels(5, 16), 2)
    text = "\n".join(examination.lines)
    assert "output: logits of dict, not aux (assumed; else --loss MODULE:FUNCTION)" in text
    assert "without gradient: 2 parameters, aux.weight the first" in text
    assert "no_gradient" not in examination.health.facts


def test_a_loss_of_the_users_own_gets_what_the_model_returns():
    seen = []

    def own_loss(output, target):
        seen.append((output, target))
        return output[0].square().mean()

    class Pair(nn.Linear):
        def forward(self, x):
            return super().forward(x), x

    y = labels(5, 7)  # not one per example: only the user's loss knows
    choices = Choices("mine:own_loss", own_loss)
    examination = examine(Pair(10, 5), random(16, 10), y, 2, choices=choices)
    assert isinstance(seen[0][0], tuple)
    assert seen[0][1] is y
    assert "loss: mine:own_loss, called with (output, target)" in examination.lines


# The examples


class BatchSecond(nn.Module):
    """Attention over axis 0 of (T, B, C), as torch's default has it."""

    def __init__(self, pooled=False):
        super().__init__()
        torch.manual_seed(0)
        self.attention = nn.MultiheadAttention(8, 2)
        self.pooled = pooled

    def forward(self, x):
        mixed = self.attention(x, x, x, need_weights=False)[0]
        return mixed.mean(0) if self.pooled else mixed


def test_examples_on_the_second_axis_are_asked_for_not_blamed():
    x = random(7, 16, 8)
    with pytest.raises(StudyError, match="--batch_axis 1, or --batch_axis 0 if axis 0 holds"):
        examine(BatchSecond(), x, None, 2)
    with pytest.raises(StudyError, match=r"else --batch_axis 1 \(16\)"):
        examine(BatchSecond(pooled=True), x, labels(8, 16), 2)
    for pooled, y in ((False, labels(8, 7, 16)), (True, labels(8, 16))):
        examination = examine(BatchSecond(pooled), x, y, 2, choices=Choices(batch_axis=1))
        assert examination.health.facts["leak"] < 1e-5
        assert examination.health.facts["batch_size"] == 16
        assert examination.lines[0] == "examples: 16, on axis 1 of x (7, 16, 8) float32"


def test_a_leak_on_the_named_axis_is_a_finding():
    examination = examine(BatchSecond(), random(7, 16, 8), None, 2, choices=Choices(batch_axis=0))
    assert examination.health.facts["leak"] > 0.1


def test_random_layers_in_evaluation_are_no_leak():
    class AlwaysDropped(nn.Linear):
        def forward(self, x):
            return functional.dropout(super().forward(x))

    assert examine(AlwaysDropped(10, 5), random(16, 10), None, 2).health.facts["leak"] < 1e-5


def test_what_cannot_be_tested_is_said():
    lines = examine(nn.Linear(10, 5), random(1, 10), None, 2).lines
    assert any(line.startswith("not tested: whether examples reach") for line in lines)
    own = Choices("mine:negative", lambda output, _: -output.square().mean())
    examination = examine(nn.Linear(10, 5), random(4, 10), None, 2, choices=own)
    assert any(
        line.startswith("not tested: whether the batch is learnt") for line in examination.lines
    )
    assert "one_batch" not in examination.health.facts
    broken = nn.Linear(10, 5)
    nn.init.constant_(broken.bias, torch.inf)
    examination = examine(broken, random(4, 10), labels(5, 4), 2)
    assert (
        "the loss is nan before any step: model or weights, not the training" in examination.lines
    )


def test_a_layer_in_place_does_not_change_the_batch():
    class Doubles(nn.Linear):
        def forward(self, x):
            return super().forward(x.mul_(2))

    x = random(4, 10)
    before = x.clone()
    examine(Doubles(10, 5), x, None, 2)
    assert torch.equal(x, before)


# What is read


def test_the_report_begins_with_what_was_assumed_and_read(doctor):
    _, out, _ = doctor("net", "sound.pt")
    lines = out.splitlines()
    assert lines[:2] == [
        "examples: 16, on axis 0 of x (16, 10) float32 (assumed; else --batch_axis)",
        "loss: cross_entropy of 5 classes on axis 1 of the output (16, 5) float32, "
        "as y (16,) int64 holds labels, 0 to 4 (assumed; else --loss)",
    ]
    assert lines[2].startswith("coverage: ")
    assert "calls of activations: 1 of 1 read; gradients of parameters: 4 of 4 read" in lines[2]
    assert lines[3].startswith("2 steps of Adam at 0.001: loss ")


def test_the_batch_is_moved_to_the_models_device():
    model = nn.Linear(10, 5, device="meta")  # a device that every machine has
    for y in (labels(5, 16), None):
        for moved in subject.beside_weights(model, random(16, 10), y):
            assert moved is None or moved.is_meta


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_model_on_a_gpu_is_examined_with_a_batch_of_the_cpu():
    examination = examine(nn.Linear(10, 5, device="cuda"), random(16, 10), labels(5, 16), 2)
    assert examination.health.facts["leak"] < 1e-5


def test_the_models_mode_for_training_decides_the_loss():
    class SoftWhenEvaluated(nn.Linear):
        def forward(self, x):
            out = super().forward(x)
            return out if self.training else out.softmax(1)

    examination = examine(SoftWhenEvaluated(10, 5), random(16, 10), labels(5, 16), 2)
    assert "cross_entropy of 5 classes" in examination.lines[1]


def test_a_batch_of_numpy_and_the_leak_of_one_example(tmp_path):
    np.savez(tmp_path / "b.npz", x=np.ones((3, 2)), y=np.zeros(3, int))
    x, y = batch.read(tmp_path / "b.npz")
    assert (tuple(x.shape), tuple(y.shape)) == ((3, 2), (3,))
    assert leak.leak(lambda x: x, x[:1], 0) is None
    assert leak.leak(lambda x: x - x.mean(0), random(3, 2), 0) > 0.1
