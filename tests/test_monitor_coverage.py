"""What a Monitor says that it has read, and that what it says rests on what it has read."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from runs import ROOT, plain_mlp
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from actstudy.health import Monitor, eager, gradients

torch.set_num_threads(1)
X = torch.randn(32, 10, generator=torch.Generator().manual_seed(1))
Y = torch.arange(32) % 4


def loss_of(model, x=X, y=Y):
    return functional.cross_entropy(model(x), y)


def clipped(parameters, to=0.01):
    return nn.utils.clip_grad_norm_(list(parameters), to).item()


def fit(model, health, steps=3, clip=None, x=X):
    """A plain loop; returns what `clip` does per step."""
    optimizer = None
    norms = []
    for _ in range(steps):
        loss = loss_of(model, x)
        optimizer = optimizer or torch.optim.SGD(model.parameters(), lr=0.1)
        optimizer.zero_grad()
        loss.backward()
        if clip:
            norms.append(float(clip(model)))
        optimizer.step()
        health.step(loss)
    return norms


def end_step(health, loss):
    loss.backward()
    health.step(loss)


def norms_of(health, name="model", probe="gradient_norm"):
    return [row["value"] for row in health.rows if (row["name"], row["probe"]) == (name, probe)]


def names(health, probe="post_sd"):
    return list(dict.fromkeys(row["name"] for row in health.rows if row["probe"] == probe))


# Gradients


@pytest.mark.parametrize("how", ["torch", "monitor"])
def test_gradient_norms_are_those_before_clipping(how):
    model = plain_mlp()
    with Monitor(model, every=1) as health:
        clips = {"torch": lambda m: clipped(m.parameters()), "monitor": lambda _: health.clip(0.01)}
        norms = fit(model, health, clip=clips[how])
    assert min(norms) > 0.05
    assert norms_of(health) == pytest.approx(norms)
    assert ", before clipping" in str(health.coverage)


def test_an_explosion_that_is_clipped_is_told():
    model = plain_mlp()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= 12
    with Monitor(model, every=1) as health:
        fit(model, health, clip=lambda m: clipped(m.parameters(), 1.0))
    assert [f.rule for f in health.check_gradients() if f.value > 100] == ["gradient_norm"]


def test_gradients_that_are_cleared_before_the_step_are_read():
    model = plain_mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with Monitor(model) as health:
        loss = loss_of(model)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        health.step(loss)
    assert "8 of 8 read, before clipping" in str(health)


def test_of_accumulated_gradients_the_sum_is_read():
    model = plain_mlp()
    with Monitor(model) as health:
        for part in range(4):
            rows = slice(8 * part, 8 * part + 8)
            (loss_of(model, X[rows], Y[rows]) / 4).backward()
        norm = clipped(model.parameters())
        health.step()
    assert norms_of(health) == pytest.approx([norm])


@pytest.mark.parametrize("in_time", [True, False])
@pytest.mark.parametrize("every", [1, 2])
def test_a_step_before_the_optimizers_reads_no_update(in_time, every):
    model = plain_mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with Monitor(model, every=every) as health:
        for _ in range(3):
            optimizer.zero_grad()
            loss = loss_of(model)
            loss.backward()
            if in_time:
                optimizer.step()
            health.step(loss)
            if not in_time:
                optimizer.step()
    remark = "; updates not read: no weight changed; call step() after the optimizer's step"
    assert str(health.coverage).endswith(remark) != in_time


def test_gradients_that_are_used_during_the_backward_pass_are_named():
    model = plain_mlp()
    optimizers = {p: torch.optim.SGD([p], lr=0.1) for p in model.parameters()}

    def step(parameter):
        optimizers[parameter].step()
        optimizers[parameter].zero_grad()

    for parameter in model.parameters():
        parameter.register_post_accumulate_grad_hook(step)
    with (
        pytest.warns(UserWarning, match="cleared during the backward pass; to fix: let the opti"),
        Monitor(model, every=1) as health,
    ):
        end_step(health, loss_of(model))
    assert "8 not read, used and cleared during the backward pass: 0.weight" in str(health)
    assert min(norms_of(health, "0.weight", "update_ratio")) > 0


@pytest.mark.parametrize("unscale", [True, False])
def test_a_scaled_loss_gives_unscaled_norms(unscale):
    """Whether the scaler has unscaled them or not, also where it changes its scale in the step."""
    model = plain_mlp()
    plain = plain_mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=1)
    with Monitor(model) as health:
        loss = loss_of(model)
        scaler.scale(loss).backward()
        if unscale:
            scaler.unscale_(optimizer)
            clipped(model.parameters())
        scale = scaler.get_scale()
        scaler.step(optimizer)
        scaler.update()
        health.step(loss, scale=scale)
    loss_of(plain).backward()
    assert norms_of(health) == pytest.approx([clipped(plain.parameters())], rel=1e-5)


def test_lightnings_scale_is_that_of_the_step():
    """Its scaler changes the scale before the callback's step."""
    pytest.importorskip("pytorch_lightning")
    from actstudy.health.lightning import HealthCallback

    model = plain_mlp()
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    plugin = SimpleNamespace(scaler=scaler)
    trainer = SimpleNamespace(global_step=0, precision_plugin=plugin)
    callback = HealthCallback(every=1)
    callback.on_train_start(trainer, model)
    loss = loss_of(model)
    scaler.scale(loss).backward()
    callback.on_before_optimizer_step(trainer, model, None)
    scaler.update(2.0)
    trainer.global_step = 1
    callback.on_train_batch_end(trainer, model, loss, None, 0)
    callback.on_train_end(trainer, model)
    assert norms_of(callback.health, probe="loss_scale") == [1024.0]
    model.zero_grad()
    loss_of(model).backward()
    assert norms_of(callback.health) == pytest.approx([clipped(model.parameters())])


def test_a_scale_that_is_not_told_names_the_norms():
    model = plain_mlp()
    with Monitor(model) as health:
        with torch.autocast("cpu", dtype=torch.float16):
            loss = loss_of(model)
        (loss * 1024).backward()
        health.step(loss)
    assert norms_of(health) == []
    assert norms_of(health, probe="gradient_norm_scaled")[0] > 50
    assert "gradients may be those of a scaled loss (gradient_norm_scaled)" in str(health)
    assert health.check_gradients() == []


@pytest.mark.parametrize("clip", [True, False])
def test_gradients_that_no_backward_pass_has_left_are_named_so(clip):
    """Set by hand, as sharded trainings do."""
    model = plain_mlp()
    with Monitor(model) as health:
        parameters = list(model.parameters())
        for parameter, gradient in zip(
            parameters, torch.autograd.grad(loss_of(model), parameters), strict=True
        ):
            parameter.grad = gradient
        norm = health.clip(0.01).item() if clip else clipped(parameters)
        health.step(1.0)
    if clip:  # the Monitor saw them first
        assert norms_of(health) == pytest.approx([norm])
    else:
        assert norms_of(health) == []
        late = norms_of(health, probe="gradient_norm_after_clipping")
        assert late == pytest.approx([0.01], rel=1e-3)
        assert "8 of them at the end of the step, after clipping if there was any" in str(health)


def test_parts_of_both_kinds_have_no_common_norm():
    model = plain_mlp()
    with Monitor(model) as health:
        loss_of(model).backward()
        health._gradients.read.pop(("parameter", "0.weight", 0, "gradient_norm"))
        health._gradients.read.pop(("parameter", "0.weight", 0, "gradient_nonfinite"))
        health.step(1.0)
    assert norms_of(health) == norms_of(health, probe="gradient_norm_after_clipping") == []
    assert norms_of(health, "0.weight", "gradient_norm_after_clipping")


def test_an_optimizer_with_a_closure_and_one_in_the_backward_pass():
    model = plain_mlp()
    plain = plain_mlp()
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=1)
    loss_of(plain).backward()
    expected = clipped(plain.parameters())

    def closure():
        optimizer.zero_grad()
        loss = loss_of(model)
        loss.backward()
        return loss

    with Monitor(model) as health:
        health.step(optimizer.step(closure))
    assert norms_of(health) == pytest.approx([expected])
    model = plain_mlp()
    for parameter in model.parameters():
        parameter.register_post_accumulate_grad_hook(lambda p: setattr(p, "grad", None))
    with (
        pytest.warns(UserWarning, match="no gradient was read: used and cleared"),
        Monitor(model) as health,
    ):
        end_step(health, loss_of(model))


def test_a_backward_pass_that_fails_is_followed_by_one_that_is_read():
    model = plain_mlp()
    with Monitor(model) as health:
        hidden = model[:4](X)
        fails = hidden.register_hook(lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            functional.cross_entropy(model[4:](hidden), Y).backward()
        fails.remove()
        model.zero_grad()
        loss_of(model).backward()
        health.step(1.0)
    assert "8 of 8 read" in str(health)


def test_of_several_processes_the_average_is_read(tmp_path):
    """One process whose communication multiplies by three stands for several."""

    def triple(_, bucket):
        future = torch.futures.Future()
        future.set_result(3 * bucket.buffer())
        return future

    store = torch.distributed.FileStore(str(tmp_path / "store"), 1)
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        model = nn.parallel.DistributedDataParallel(plain_mlp())
        model.register_comm_hook(None, triple)
        with Monitor(model) as health:
            loss_of(model).backward()
            norm = clipped(model.parameters())
            health.step(1.0)
    finally:
        torch.distributed.destroy_process_group()
    plain = plain_mlp()
    loss_of(plain).backward()
    assert norms_of(health) == pytest.approx([norm])
    assert norm == pytest.approx(3 * clipped(plain.parameters()))


# Several Monitors, and compiled code


def gan(backend):
    """Two compiled nets, and a step of both that clips both; returns both norms and the losses."""
    torch._dynamo.reset()
    torch.manual_seed(0)
    maker = torch.compile(
        nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 4)), backend=backend
    )
    judge = torch.compile(
        nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1)), backend=backend
    )
    of_maker = torch.optim.SGD(maker.parameters(), lr=0.1)
    of_judge = torch.optim.SGD(judge.parameters(), lr=0.1)

    def step():
        fake = maker(torch.randn(32, 4))
        of_judge.zero_grad()
        loss_of_judge = judge(torch.randn(32, 4)).mean() - judge(fake.detach()).mean()
        loss_of_judge.backward()
        norm_of_judge = clipped(judge.parameters())
        of_judge.step()
        of_maker.zero_grad()
        loss_of_maker = 50 * judge(fake).mean()
        loss_of_maker.backward()
        norm_of_maker = clipped(maker.parameters())
        of_maker.step()
        return norm_of_judge, norm_of_maker, loss_of_judge, loss_of_maker

    return maker, judge, step


def test_two_monitors_on_two_compiled_models_leave_them_compiled():
    calls = []

    def backend(graph, _):
        def run(*args):
            calls.append(1)
            return graph.forward(*args)

        return run

    maker, judge, step = gan(backend)
    step()
    counts = []
    norms = {"maker": [], "judge": []}
    with Monitor(maker, every=5) as a, Monitor(judge, every=7) as b:
        for number in range(15):
            calls.clear()
            norm_of_judge, norm_of_maker, loss_of_judge, loss_of_maker = step()
            counts.append(len(calls))
            a.step(loss_of_maker)
            b.step(loss_of_judge)
            if number % 5 == 0:
                norms["maker"].append(norm_of_maker)
            if number % 7 == 0:
                norms["judge"].append(norm_of_judge)
    due = {0, 5, 7, 10, 14}
    assert counts == [0 if number in due else 4 for number in range(15)]
    calls.clear()
    step()
    assert len(calls) == 4
    assert torch._dynamo.eval_frame._stance.stance == "default"
    # of the judge, what its optimizer used and not what the maker's loss adds later
    assert norms_of(a) == pytest.approx(norms["maker"])
    assert norms_of(b) == pytest.approx(norms["judge"])
    assert "calls of activations: 1 of 1 read; gradients of parameters: 4 of 4 read" in str(a)


def test_a_stance_of_the_users_stays():
    def stance():
        return torch._dynamo.eval_frame._stance.stance

    with eager.eager():
        torch.compiler.set_stance("eager_on_recompile")
    assert stance() == "eager_on_recompile"
    torch.compiler.set_stance("default")
    hold = eager.eager()
    hold.__enter__()
    with torch.compiler.set_stance("fail_on_recompile"):  # puts back what it met
        hold.__exit__(None, None, None)
        assert stance() == "fail_on_recompile"
    assert stance() == "default"


def test_two_monitors_on_one_model_do_not_end_each_other():
    model = plain_mlp()
    with Monitor(model, every=2) as a, Monitor(model[2:], every=3) as b, Monitor(model) as c:
        fit(model, c, steps=1)
        for _ in range(6):
            fit(model, a, steps=1)
            b.step(1.0)
    assert torch.overrides._get_current_function_mode() is None
    assert [health.coverage.guard.fault for health in (a, b, c)] == [None] * 3
    assert (a.coverage.steps_read, b.coverage.steps_read, c.coverage.steps_read) == (3, 2, 1)
    assert names(a) == names(c) == ["1", "3", "5"]
    assert names(b) == ["3", "5"]


# Activations that hide


class GELUActivation(nn.Module):
    """As a well-known library has it."""

    def __init__(self):
        super().__init__()
        self.act = functional.gelu

    def forward(self, x):
        return self.act(x)


class NewGELU(nn.Module):
    """Written out."""

    def forward(self, x):
        return 0.5 * x * (1 + torch.tanh(0.79788 * (x + 0.044715 * x**3)))


class InPlace(nn.Module):
    def forward(self, x):
        return functional.relu(x, inplace=True)


class Block(nn.Module):
    def __init__(self, act):
        super().__init__()
        self.up = nn.Linear(10, 16)
        self.act = act
        self.down = nn.Linear(16, 10)

    def forward(self, x):
        return self.down(self.act(self.up(x)))


class Pooled(nn.Module):
    """The layout of BERT: blocks with an activation of a library, a tanh of torch at the end."""

    def __init__(self, act, depth=4):
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.ModuleList(Block(act()) for _ in range(depth))
        self.pooler = nn.Linear(10, 10)
        self.tanh = nn.Tanh()
        self.head = nn.Linear(10, 4)

    def forward(self, x):
        for layer in self.layer:
            x = layer(x)
        return self.head(self.tanh(self.pooler(x)))


class Plain(nn.Module):
    """Functions, methods, a method in place, a function of a weight."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b, self.c, self.d = (nn.Linear(10, 10) for _ in range(4))
        self.relu = nn.ReLU()
        self.gate = nn.Parameter(torch.ones(10))
        self.head = nn.Linear(10, 4)

    def forward(self, x):
        x = self.relu(self.a(x))
        x = functional.gelu(self.b(x), approximate="tanh")
        x = torch.sigmoid(self.c(x)) * torch.sigmoid(self.gate)
        x = functional.layer_norm(x, (10,))
        return self.head(self.d(x).tanh_().relu())


@pytest.mark.parametrize(
    ("act", "name"),
    [(GELUActivation, "act(gelu)"), (NewGELU, "act(tanh)"), (InPlace, "act(relu)")],
)
def test_a_librarys_activation_is_found_by_what_it_does(act, name):
    model = Pooled(act)
    with Monitor(model) as health:
        fit(model, health, steps=1)
    assert names(health) == [f"layer.{k}.{name}" for k in range(4)] + ["tanh"]
    assert "calls of activations: 5 of 5 read" in str(health)
    flow = norms_of(health, f"layer.0.{name}")[0] / norms_of(health, "tanh")[0]
    assert norms_of(health, probe="flow_ratio") == pytest.approx([flow])
    model = Pooled(act)
    with Monitor(model, sites=["*.act"]) as by_name:
        fit(model, by_name, steps=1)
    for probe in ("pre_mean", "post_max", "gradient_norm"):
        expected = norms_of(by_name, "layer.2.act", probe)
        if act is InPlace and probe == "pre_mean":
            expected = [model.layer[2].up(torch.zeros(1, 10)).mean().item()]
            assert norms_of(health, f"layer.2.{name}", "pre_min")[0] < 0  # as it was before
            continue
        assert norms_of(health, f"layer.2.{name}", probe) == expected


def test_a_vanishing_gradient_behind_a_librarys_activations_is_told():
    model = Pooled(GELUActivation, depth=12)
    with torch.no_grad():
        for parameter in model.layer.parameters():
            parameter *= 0.05
    with Monitor(model) as health:
        fit(model, health, steps=1)
    assert "vanishing" in {finding.rule for finding in health.check_gradients()}


def test_functions_and_methods_are_sites_and_weights_are_not():
    model = Plain()
    with Monitor(model) as health:
        fit(model, health, steps=1)
    calls = ["Plain(gelu)", "Plain(sigmoid)", "Plain(tanh)", "Plain(relu)"]
    assert names(health) == ["relu", *calls]
    assert norms_of(health, "Plain(sigmoid)", "saturated_fraction") == [0.0]
    assert norms_of(health, "Plain(tanh)", "pre_min") != norms_of(health, "Plain(tanh)", "post_min")
    assert health.facts["norm"] == "some"  # a function too


def test_inside_torchs_encoder_layer():
    layer = nn.TransformerEncoderLayer(10, 2, 32, batch_first=True)
    model = nn.Sequential(nn.TransformerEncoder(layer, 2, enable_nested_tensor=False))
    with Monitor(model) as health:
        model(X.view(4, 8, 10)).square().sum().backward()
        health.step(1.0)
    assert names(health) == ["0.layers.0(relu)", "0.layers.1(relu)"]


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN, nn.LSTMCell, nn.GRUCell, nn.RNNCell])
def test_recurrent_layers_are_counted_as_unseen(kind):
    model = nn.Sequential(kind(10, 8))
    with (
        pytest.warns(UserWarning, match="no activation was read: one fused call whose tanh"),
        Monitor(model) as health,
    ):
        end_step(health, next(iter(model(X))).mean())
    assert "0 of 1 read (1 not read, one fused call" in str(health)
    assert "nothing found" not in str(health).replace("nothing found in gradients", "")


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpointed_parts_are_read_once(reentrant):
    class Saved(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = plain_mlp()
            self.b = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 4))

        def forward(self, x):
            hidden = checkpoint(self.a, x, use_reentrant=reentrant)
            return checkpoint(self.b, hidden, use_reentrant=reentrant)

    model = Saved()
    with Monitor(model) as health:
        fit(model, health, steps=1, x=X.clone().requires_grad_())
    assert sorted(names(health)) == ["a.1", "a.3", "a.5", "b.1"]
    assert len(names(health, "gradient_norm")) == 4 + 12 + 1
    ratio = norms_of(health, probe="flow_ratio")
    assert bool(ratio) != reentrant  # in a reentrant one the sites run from the end
    assert ("no flow ratio" in str(health)) == reentrant


def test_a_module_that_comes_later_is_seen():
    model = plain_mlp()
    with Monitor(model, every=1) as health:
        fit(model, health, steps=1)
        model[3] = nn.Sequential(nn.Linear(32, 32), nn.Hardswish())
        fit(model, health, steps=2)
    assert names(health)[-2:] == ["Sequential(hardswish)", "3.1"]  # at once, then by its name
    assert "(3 not at each reading, not called: 3)" in str(health)


# What is said


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(10, 16, batch_first=True)
        self.head = nn.Linear(16, 4)

    def forward(self, x):
        return self.head(self.lstm(x[:, None])[0][:, -1])


def lazy():
    return nn.Sequential(nn.LazyLinear(16), nn.ReLU(), nn.LazyLinear(4))


def encoder():
    layer = nn.TransformerEncoderLayer(10, 2, 32, batch_first=True)
    stack = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    return nn.Sequential(nn.Unflatten(1, (1, 10)), stack, nn.Flatten(), nn.Linear(10, 4))


def with_a_table():
    table = nn.Embedding(5, 10, sparse=True)
    return nn.Sequential(table, nn.Flatten(), nn.Linear(10, 4), nn.GELU(), nn.Linear(4, 4))


def by_hand(model, health):
    """Gradients that no backward pass accumulates, clipped before the Monitor sees them."""
    parameters = list(model.parameters())
    gradients_by_hand = torch.autograd.grad(loss_of(model), parameters)
    for parameter, gradient in zip(parameters, gradients_by_hand, strict=True):
        parameter.grad = gradient
    clipped(parameters)
    torch.optim.SGD(parameters, lr=0.1).step()
    health.step(1.0)


SHOWS = {  # of docs/health.md: the model, its input, its step
    "BERT's layout, `GELUActivation` of a library": (lambda: Pooled(GELUActivation, 12), X, fit),
    "the same, GELU written out": (lambda: Pooled(NewGELU, 12), X, fit),
    "`nn.TransformerEncoderLayer`": (encoder, X, fit),
    "`nn.LSTM`": (Recurrent, X, fit),
    "lazy parameters": (lazy, X, fit),
    "a sparse embedding": (with_a_table, torch.arange(32)[:, None] % 5, fit),
    "a model in `eval()`": (lambda: plain_mlp().eval(), X, fit),
    "`clip_grad_norm_` or `health.clip`": (
        plain_mlp,
        X,
        lambda model, health, **_: fit(model, health, clip=lambda m: clipped(m.parameters())),
    ),
    "`.grad` set and clipped by hand": (
        plain_mlp,
        X,
        lambda model, health, **_: by_hand(model, health),
    ),
    "TorchScript": (lambda: torch.jit.script(plain_mlp()), X, fit),
}


@pytest.mark.parametrize("name", SHOWS)
@pytest.mark.filterwarnings("ignore")
def test_the_coverage_lines_of_the_docs_are_real(name):
    make, x, train = SHOWS[name]
    model = make()
    with Monitor(model, every=2) as health:
        train(model, health, x=x)
    line = str(health.coverage).removeprefix("coverage: ")
    row = f"| {name} | {line} |"
    assert row in (ROOT / "docs/health.md").read_text(encoding="utf-8"), row


def test_the_coverage_line_of_two_compiled_nets_in_the_docs_is_real():
    maker, _, step = gan("eager")
    with Monitor(maker, every=2) as health:
        for _ in range(3):
            *_, loss = step()
            health.step(loss)
    line = str(health.coverage).removeprefix("coverage: ")
    text = (ROOT / "docs/health.md").read_text(encoding="utf-8")
    assert f"| the generator of a GAN of two compiled nets | {line} |" in text, line


def test_without_its_block_a_monitor_says_that_it_read_nothing():
    model = plain_mlp()
    nn.init.constant_(model[0].bias, -1000.0)
    health = Monitor(model)
    with pytest.warns(UserWarning, match="step\\(\\) without `with Monitor") as caught:
        fit(model, health)
    assert len(caught) == 1
    assert str(health).splitlines() == [
        "coverage: steps: 3 seen, 0 read",
        "nothing was read: the Monitor was never opened; "
        "to fix: put `with Monitor(model) as health:` around the loop",
    ]
    with Monitor(model) as health:
        pass
    assert "nothing was read: no step has ended; to fix: call health.step(loss)" in str(health)


@pytest.mark.parametrize("model", [plain_mlp().eval(), plain_mlp().requires_grad_(False)])
def test_nothing_found_needs_readings(model):
    x = X.clone().requires_grad_()
    with (
        pytest.warns(UserWarning, match="was read"),
        Monitor(model) as health,
    ):
        end_step(health, loss_of(model, x))
    last = str(health).splitlines()[-1]
    if model.training:
        assert "no gradient was read: no parameter is trainable" in str(health)
        assert last == "nothing found in activations"
    else:
        assert "3 not read, called in eval() mode: 1" in str(health)
        assert last == "nothing found in gradients"


def test_another_model_than_the_one_that_trains():
    with (
        pytest.warns(UserWarning, match="watch the module that the loop calls"),
        Monitor(plain_mlp()) as health,
    ):
        fit(plain_mlp(), health, steps=1)
    assert "nothing found" not in str(health)


def test_the_first_line_and_the_rows_are_the_coverage():
    model = plain_mlp()
    nn.init.constant_(model[0].bias, -1000.0)
    with Monitor(model, every=2) as health:
        fit(model, health, steps=4)
    line = (
        "coverage: steps: 4 seen, 2 read; calls of activations: 3 of 3 read; "
        "gradients of parameters: 8 of 8 read, before clipping"
    )
    assert str(health).splitlines()[0] == line
    assert repr(health) == (
        "<Monitor of Sequential: 2 of 4 steps read, 3 sites, gradients of 8 parameters; "
        "1 finding, error dead_from_start first>"
    )
    assert [(row["name"], row["probe"], row["value"]) for row in health.rows[:4]] == [
        ("activations", "seen", 3.0),
        ("activations", "read", 3.0),
        ("gradients", "seen", 8.0),
        ("gradients", "read", 8.0),
    ]
    assert {row["kind"] for row in health.rows[:4]} == {"coverage"}


def test_sites_that_match_nothing_are_told_by_name():
    with (
        pytest.warns(UserWarning, match="no module matches 'layer.*.akt'") as caught,
        Monitor(Pooled(GELUActivation), sites=["layer.*.akt", "tanh"]) as health,
    ):
        pass
    assert len(caught) == 1
    assert "sites: no module matches 'layer.*.akt'; did you mean 'layer." in str(health)


@pytest.mark.parametrize(
    ("act", "x", "expected"),
    [
        (nn.Hardsigmoid(), [-4.0, 0.0, 4.0, 1.0], 0.5),
        (nn.Hardshrink(), [-4.0, 0.1, 0.2, 1.0], 0.5),
        (nn.Softshrink(), [-4.0, 0.1, 0.2, 1.0], 0.5),
        (nn.LogSigmoid(), [-4.0, 0.1, 6.0, 1.0], 0.25),
        (nn.Hardtanh(-3.0, 3.0), [-4.0, 0.1, 6.0, 2.0], 0.5),
        (nn.Threshold(0.5, 9.0), [-4.0, 0.1, 6.0, 2.0], 0.5),
        (nn.Sigmoid(), [-9.0, 0.1, 9.0, 2.0], 0.5),
        (GELUActivation(), [-9.0, 0.1, 9.0, 2.0], None),
        (nn.Tanhshrink(), [-9.0, 0.1, 9.0, 2.0], None),
        (NewGELU(), [-9.0, 0.1, 9.0, 2.0], "saturation not judged, no rule: 1 site, 0(tanh)"),
    ],
)
def test_each_activation_of_torch_has_a_saturation_rule_or_no_flat_part(act, x, expected):
    model = nn.Sequential(act, nn.Linear(4, 1))
    with Monitor(model) as health:
        model(torch.tensor([x] * 16)).sum().backward()
        health.step(1.0)
    (site,) = names(health)
    shares = norms_of(health, site, "saturated_fraction")
    assert shares == ([expected] if isinstance(expected, float) else [])
    assert isinstance(expected, str) == ("saturation not judged" in str(health))
    assert not isinstance(expected, str) or expected in str(health)


class Head(nn.Module):
    """A gate and a head of sigmoid, of large inputs; `wrap` makes the output."""

    def __init__(self, wrap):
        super().__init__()
        self.gate = nn.Sigmoid()
        self.head = nn.Sigmoid()
        self.last = nn.Linear(10, 1)
        self.wrap = wrap

    def forward(self, x):
        return self.wrap(self.head(self.last(self.gate(1000 * x)) * 1e6))


@pytest.mark.parametrize(
    ("wrap", "is_head"),
    [
        (lambda x: x, True),
        (lambda x: x.squeeze(-1), True),
        (lambda x: {"p": (x, None)}, True),
        (lambda x: 2 * x, False),
    ],
)
def test_the_saturation_of_the_output_is_not_judged(wrap, is_head):
    model = Head(wrap)
    with Monitor(model) as health:
        post = []
        model.head.register_forward_hook(lambda *args: post.append(args[2]))
        model(X)
        end_step(health, post[0].sum())
    assert ("head" in names(health, "saturated_fraction")) != is_head
    assert "gate" in names(health, "saturated_fraction")
    remark = "output of the model, saturation not judged: 1 site, head"
    assert (remark in str(health)) == is_head


def test_torchs_classes_are_all_known():
    from actstudy.health import sites

    unknown = [kind.__name__ for kind in sites.KINDS if not sites.flat_part(kind.__name__)[0]]
    assert unknown == []


def test_few_values_per_unit_and_no_loss_are_told():
    model = plain_mlp()
    with Monitor(model) as health:
        loss_of(model, X[:2], Y[:2]).backward()
        health.step()
    assert "dead units not judged, under 16 values per unit: 3 sites, 1" in str(health)
    assert "; no loss in step()" in str(health)


@pytest.mark.parametrize("loss", [0, {"loss": 0.5}, "0.5", torch.tensor([]), torch.tensor(3)])
def test_what_is_no_loss_costs_the_loss_alone(loss):
    model = plain_mlp()
    with Monitor(model) as health:
        loss_of(model).backward()
        health.step(loss)
    assert f"; loss not read, no real number and no tensor of them: {type(loss).__name__}" in str(
        health
    )
    assert "3 of 3 read; gradients of parameters: 8 of 8 read" in str(health)
    assert norms_of(health, probe="loss") == []


@pytest.mark.parametrize("loss", [0.5, np.float32(0.5), torch.tensor([0.25, 0.75])])
def test_the_mean_of_a_loss_is_read(loss):
    model = plain_mlp()
    with Monitor(model) as health:
        loss_of(model).backward()
        health.step(loss)
    assert norms_of(health, probe="loss") == [0.5]
    assert "loss not read" not in str(health)


def test_one_site_has_no_flow_ratio():
    model = plain_mlp(depth=1)
    with Monitor(model) as health:
        fit(model, health, steps=1)
    assert norms_of(health, probe="flow_ratio") == []


def test_a_short_training_is_not_called_flat():
    model = plain_mlp()
    with Monitor(model, every=2) as health:
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-9)
        for _ in range(4):
            loss = loss_of(model)
            loss.backward()
            optimizer.step()
            health.step(loss)
    assert "loss_flat" not in {finding.rule for finding in health.findings()}


def test_a_bad_batch_is_not_blamed_on_the_training():
    x = X.clone()
    x[3, 4] = torch.nan
    model = plain_mlp()
    with Monitor(model, every=1) as health:
        fit(model, health, steps=1)
        fit(model, health, steps=1, x=x)
    rules = {finding.rule: finding for finding in health.findings()}
    assert rules["non_finite_input"].step == 1
    assert rules["non_finite_input"].value == 1
    assert {rule for rule, finding in rules.items() if not finding.cause} == {"non_finite_input"}


def test_each_cause_has_a_remedy():
    from actstudy.health import coverage

    words = [value for name, value in vars(coverage).items() if re.fullmatch("[A-Z_]+", name)]
    causes = [word for word in words if isinstance(word, str) and word != "before clipping"]
    assert set(causes) == set(coverage.FIXES)
    assert gradients.AFTER_CLIPPING == "_after_clipping"
