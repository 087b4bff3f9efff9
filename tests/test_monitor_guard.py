"""Watching never ends a training: models and tensors that are hard to watch, one entry each."""

import copy
import io
import threading
import warnings

import pytest
import torch
from runs import plain_mlp
from torch import nn
from torch.nn import functional

from actstudy.health import Monitor, guard

torch.set_num_threads(1)


class Net(nn.Module):
    """x -> two linear layers with `act` between; entries below override a part."""

    def __init__(self, act=None):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Linear(6, 8)
        self.act = act or nn.ReLU()
        self.last = nn.Linear(8, 3)

    def forward(self, x):
        return self.last(self.act(self.first(x)))


class Lazy(Net):
    def __init__(self):
        super().__init__()
        self.last = nn.LazyLinear(3)

    def forward(self, x):
        torch.manual_seed(0)
        return super().forward(x)


class Meta(Net):
    def __init__(self):
        super().__init__()
        self.spare = nn.Linear(2, 2, device="meta")


class Sparse(Net):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(5, 6, sparse=True)

    def forward(self, x):
        return super().forward(x + self.table(torch.arange(len(x)) % 5))


class Complex(Net):
    def __init__(self):
        super().__init__()
        self.turn = nn.Parameter(torch.ones(6, dtype=torch.complex64))

    def forward(self, x):
        return super().forward((x * self.turn).real)


class ComplexAct(nn.Module):
    def forward(self, x):
        return torch.complex(x, x).tanh().real


class Quantized(nn.Module):
    def forward(self, x):
        whole = torch.quantize_per_tensor(x.detach(), 0.1, 0, torch.qint8)
        return x + functional.relu(whole).dequantize()


class Empty(Net):
    def __init__(self):
        super().__init__()
        self.nothing = nn.Parameter(torch.empty(0, 4))

    def forward(self, x):
        return super().forward(x) + self.act(self.nothing).sum()


class Tied(Net):
    def __init__(self):
        super().__init__()
        self.again = nn.Linear(8, 8)
        self.act_again = self.act
        self.twin = nn.Linear(8, 8)
        self.twin.weight = self.again.weight

    def forward(self, x):
        x = self.again(self.act(self.first(x)))
        return self.last(self.act_again(self.twin(self.act(x))))


class Threads(Net):
    """Runs copies of its parts in threads, as DataParallel does."""

    def forward(self, x):
        parts = [None, None]

        def run(k):
            replica = copy.copy(self.act)
            replica.__dict__ = dict(self.act.__dict__)
            parts[k] = self.last(replica(self.first(x[k::2])))

        threads = [threading.Thread(target=run, args=(k,)) for k in range(2)]
        for thread in threads:
            thread.start()
            thread.join()
        return torch.cat(parts)


class Stubborn(torch.Tensor):
    """A tensor that refuses to be looked at."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if func.__name__ in ("detach", "clone", "norm"):
            raise RuntimeError("not to be looked at")
        return super().__torch_function__(func, types, args, kwargs or {})


class Refuses(Net):
    def forward(self, x):
        return super().forward(x.as_subclass(Stubborn)).as_subclass(torch.Tensor)


class NoRepr(nn.ReLU):
    def __repr__(self):
        raise RuntimeError("no name")


class NoHooks(nn.ReLU):
    def register_forward_hook(self, *_, **__):
        raise RuntimeError("no hooks")


class NoMode(nn.ReLU):
    """A module without `training`."""

    def forward(self, x):
        self.__dict__.pop("training", None)
        return super().forward(x)

    def train(self, mode=True):
        return self


class NoNames(Net):
    def named_modules(self, *_, **__):
        raise RuntimeError("no modules")


class NoParameters(Net):
    def named_parameters(self, *_, **__):
        raise RuntimeError("no parameters")


class Grows(Net):
    """Its weights are other ones at each step."""

    def forward(self, x):
        width = self.first.out_features + 1
        torch.manual_seed(width)
        self.first, self.last = nn.Linear(6, width), nn.Linear(width, 3)
        return super().forward(x)


class Widens(Net):
    """A weight takes another shape in the course of a step."""

    def __init__(self):
        super().__init__()
        self.spare = nn.Parameter(torch.ones(2))

    def forward(self, x):
        self.spare.data = torch.ones(len(self.spare) + 1)
        return super().forward(x)


class Retries(Net):
    """Fails within a module, and goes on."""

    def forward(self, x):
        try:
            self.act(self.last(x))
        except RuntimeError:
            pass
        return super().forward(x)


class Tuples(nn.Module):
    def forward(self, pair):
        return (functional.relu(pair[0]),)


class Pair(Net):
    def forward(self, x):
        return self.last(self.act((self.first(x), None))[0])


class Function(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return gradient * torch.sigmoid(x)


class Inner(Net):
    def forward(self, x):
        return self.last(Function.apply(self.first(x)))


class Nested(Net):
    def forward(self, x):
        parts = torch.nested.nested_tensor([x[:2], x[2:]], layout=torch.strided)
        return self.last(self.act(torch.cat(self.first(parts).unbind())))


class Half(Net):
    def forward(self, x):
        return self.last(self.act(self.first(x).double()).float())


class Scripted(Net):
    def __init__(self):
        super().__init__(torch.jit.script(nn.Sequential(nn.ReLU(), nn.Tanh())))


class Trees(Net):
    """A module that has itself as a part."""

    def __init__(self):
        super().__init__()
        object.__setattr__(self.act, "owner", self)
        self.act._modules["again"] = self.last


def wrapped():
    return nn.DataParallel(Net())


def whole_scripted():
    return torch.jit.script(Net())


def function_only():
    """A model that is one activation."""
    torch.manual_seed(0)
    return nn.Sequential(nn.PReLU(), nn.Linear(6, 3))


# name -> the model, and a part of its coverage line
HOSTILE = {
    "lazy": (Lazy, "lazy, not made yet: last.weight"),
    "meta": (Meta, "2 not read, on the meta device: spare.weight"),
    "sparse": (Sparse, "1 not read, sparse: table.weight"),
    "complex": (Complex, "1 not read, complex: turn"),
    "complex activation": (lambda: Net(ComplexAct()), "1 of 1 read"),
    "quantized": (lambda: Net(Quantized()), "calls of activations: "),
    "empty": (Empty, "1 not read, empty: nothing"),
    "tied": (Tied, "calls of activations: 3 of 3 read"),
    "threads": (Threads, "1 not read, in a replica of DataParallel: act"),
    "a tensor that raises": (Refuses, "watching ended: RuntimeError: not to be looked at"),
    "no repr": (lambda: Net(NoRepr()), "watching ended: RuntimeError: no name"),
    "no hooks": (lambda: Net(NoHooks()), "watching ended: RuntimeError: no hooks"),
    "no mode": (lambda: Net(NoMode()), "watching ended: AttributeError"),
    "no modules": (NoNames, "watching ended: RuntimeError: no modules"),
    "no parameters": (NoParameters, "watching ended: RuntimeError: no parameters"),
    "grows": (Grows, "4 not read, no backward pass reached a parameter"),
    "widens": (Widens, "watching ended: "),
    "retries": (Retries, "1 of 1 read"),
    "tuples": (lambda: Pair(Tuples()), "1 of 1 read"),
    "an autograd function": (Inner, "1 not read, called without gradients"),
    "nested tensors": (Nested, "1 of 1 read"),
    "two precisions": (Half, "1 of 1 read"),
    "part scripted": (Scripted, "1 not read, TorchScript, which runs no hooks: act"),
    "scripted": (whole_scripted, "1 not read, TorchScript, which runs no hooks: the model"),
    "DataParallel": (wrapped, "1 of 1 read"),
    "parts shared": (Trees, "1 of 1 read"),
    "first an activation": (function_only, "1 of 1 read"),
}
RAISE = [name for name, (_, text) in HOSTILE.items() if text.startswith("watching ended")]


class Nobody:
    def step(self, loss):
        pass


def weights_of(module):
    """All parameters, asked of no method of the model's own."""
    weights = dict.fromkeys(module._parameters.values())
    for part in module._modules.values():
        weights |= dict.fromkeys(weights_of(part))
    return [weight for weight in weights if weight is not None and not weight.is_meta]


def train(model, health, steps=3):
    """The weights after some steps of plain gradient descent."""
    for step in range(steps):
        g = torch.Generator().manual_seed(step)
        x, y = torch.randn(7, 6, generator=g), torch.arange(7) % 3
        loss = functional.cross_entropy(model(x), y)
        loss.backward()
        with torch.no_grad():
            for weight in weights_of(model):
                if weight.grad is not None:
                    weight -= 0.1 * weight.grad.to_dense()
        health.step(loss)
        for weight in weights_of(model):
            weight.grad = None
    return [weight.detach().clone() for weight in weights_of(model)]


def watched(name):
    """The weights after a watched training, the Monitor, and the warnings."""
    make, _ = HOSTILE[name]
    model = make()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with Monitor(model, every=1) as health:
            weights = train(model, health)
    lines = [str(warning.message) for warning in caught]
    return weights, health, lines


@pytest.mark.parametrize("name", HOSTILE)
def test_watching_never_ends_a_training_and_changes_no_bit(name):
    make, text = HOSTILE[name]
    weights, health, lines = watched(name)
    expected = train(make(), Nobody())
    for plain, seen in zip(expected, weights, strict=True):
        rounding = 1e-6 if "scripted" in name else 0.0  # TorchScript differs from call to call
        assert torch.allclose(plain, seen, rtol=0.0, atol=rounding)
    assert text in str(health.coverage)
    assert len(str(health.coverage).splitlines()) == 1
    ends = [line for line in lines if "watching ends" in line]
    assert len(ends) == bool(health.coverage.guard.fault)
    if not health.coverage.activations.readings:
        assert "nothing found\n" not in f"{health}\n"


@pytest.mark.parametrize("name", RAISE)
def test_it_is_the_guard_that_saves_the_training(name, monkeypatch):
    monkeypatch.setattr(guard, "CAUGHT", ())
    with pytest.raises((RuntimeError, AttributeError)):
        watched(name)


def test_nothing_is_left_behind_by_a_reading_that_fails():
    model = Net(NoRepr())
    with (
        pytest.warns(UserWarning, match="watching ends: RuntimeError: no name"),
        Monitor(model, every=1) as health,
    ):
        train(model, health)
    assert not any(module._forward_hooks for module in model.modules())
    assert not any(parameter._post_accumulate_grad_hooks for parameter in model.parameters())
    assert torch._dynamo.eval_frame._stance.stance == "default"
    assert torch.overrides._get_current_function_mode() is None


def test_a_mirror_that_raises_ends_the_watching_alone():
    def full(*_):
        raise OSError("disk full")

    model = Net()
    with (
        pytest.warns(UserWarning, match="watching ends: OSError: disk full"),
        Monitor(model, mirror=full) as health,
    ):
        train(model, health)
    assert "watching ended: OSError: disk full" in str(health)


def test_warnings_as_errors_do_not_end_a_training(capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = NoNames()
        with Monitor(model, every=1) as health:
            train(model, health)
    assert "Monitor: watching ends: RuntimeError: no modules" in capsys.readouterr().err


def test_a_model_can_be_copied_and_pickled_between_steps():
    """The hooks of the next step are there; a copy has none that does anything."""
    model = plain_mlp()
    with Monitor(model, every=1) as health:
        twin = copy.deepcopy(model)
        file = io.BytesIO()
        torch.save(model, file)
        file.seek(0)
        for copied in (twin, torch.load(file, weights_only=False)):
            copied(torch.randn(5, 10)).sum().backward()
        health.step()
    assert not [row for row in health.rows if row["kind"] == "site"]
    assert "no forward pass of this model" in str(health)


class Prepared(Net):
    """Says itself what is scripted of it."""

    def __prepare_scriptable__(self):
        return self.first


def exported(model, x):
    return torch.export.export(model, (x,), strict=True).module()


COMPILERS = {
    "trace": torch.jit.trace,
    "script": lambda model, _: torch.jit.script(model),
    "script a copy": lambda model, _: torch.jit.script(copy.deepcopy(model)),
    "export": exported,
}


@pytest.mark.parametrize("name", COMPILERS)
@pytest.mark.filterwarnings("ignore")
def test_a_model_can_be_compiled_on_a_due_step(name):
    """After it was read, and without a trace of the watching."""
    model = Net()
    x = torch.randn(7, 6)
    expected = COMPILERS[name](Net(), x)(x)
    with Monitor(model, every=1) as health:
        for _ in range(2):
            loss = model(x).square().mean()
            loss.backward()
            compiled = COMPILERS[name](model, x)
            health.step(loss)
    assert torch.allclose(compiled(x), expected)
    assert health.coverage.guard.fault is None
    assert "2 read; calls of activations: 1 of 1 read; gradients" in str(health)
    assert "__prepare_scriptable__" not in vars(model)


@pytest.mark.filterwarnings("ignore")
def test_what_a_model_says_of_its_scripting_holds_on_a_due_step():
    model = Prepared()
    with Monitor(model, every=1):
        assert torch.jit.script(model).original_name == "Linear"


@pytest.mark.parametrize("sites", ["*.act", "act"])
def test_sites_must_be_a_list(sites):
    with pytest.raises(ValueError, match=r"sites: got '.*act'; allowed: a list of patterns"):
        Monitor(Net(), sites=sites)
