"""Advice on health: one cause one finding, remedies that fit, reports that say what was checked."""

import itertools
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from runs import plain_mlp
from torch import nn
from torch.nn import functional

from actstudy.advice import causes, context, report, rules
from actstudy.health import Monitor

torch.set_num_threads(1)
ONLY_OF_RUNS = {"diverged", "accuracy_at_chance", "r2_at_chance"}
ONLY_OF_OWN_MODELS = {
    *("norm_epsilon", "initial_loss", "leak", "no_gradient", "one_batch"),
    *("softmax_twice", "bounded_logits", "targets_out_of_reach", "overflow_fp16"),
    *("initial_weights", "first_update"),
}


def net(act, depth, norm=nn.Identity):
    """A plain network of width 64 on ten numbers, four classes."""
    torch.manual_seed(0)
    layers = [nn.Linear(10, 64), norm(64), act()]
    for _ in range(depth - 1):
        layers += [nn.Linear(64, 64), norm(64), act()]
    return nn.Sequential(*layers, nn.Linear(64, 4))


def trained(model, optimizer, steps=120, every=20, **facts):
    """A Monitor of a plain loop; the class is the largest of the first four inputs."""
    g = torch.Generator().manual_seed(0)
    with Monitor(model, every=every, **facts) as health:
        for _ in range(steps):
            x = torch.randn(64, 10, generator=g)
            loss = functional.cross_entropy(model(x), x[:, :4].argmax(1))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            health.step(loss)
    return health


def by_cause(health):
    """Cause -> the rules of its consequences."""
    families = {}
    for finding in health.findings():
        if not finding.cause:
            families[finding.rule] = set()
    for finding in health.findings():
        if finding.cause:
            families[finding.cause].add(finding.rule)
    return families


# One cause, one finding


def test_a_dead_layer_is_one_finding():
    model = net(nn.ReLU, 3)
    nn.init.constant_(model[3].bias, -50.0)
    health = trained(model, torch.optim.AdamW(model.parameters()))
    families = by_cause(health)
    assert list(families) == ["dead_from_start"]
    assert {"vanishing", "loss_flat"} <= families["dead_from_start"]
    lines = str(health).splitlines()
    assert len([line for line in lines if line.startswith(("error: ", "warning: "))]) == 1
    assert len([line for line in lines if line.startswith("    try: ")]) == 1
    assert "100% of the units at 5 (ReLU) are dead" in str(health)


@pytest.mark.parametrize("every", [1, 10])
def test_a_loss_that_overflows_with_sgd_is_one_finding(every):
    model = net(nn.ReLU, 3)
    health = trained(model, torch.optim.SGD(model.parameters(), lr=50.0), 20, every)
    families = by_cause(health)
    assert list(families) == ["updates_large"]
    assert {"non_finite", "non_finite_loss", "non_finite_gradient"} <= families["updates_large"]
    assert "Adam" not in str(health)
    assert health.facts["optimizer"] == "sgd"


def test_a_gradient_that_vanishes_in_sigmoids_is_one_finding():
    model = net(nn.Sigmoid, 12)
    health = trained(model, torch.optim.SGD(model.parameters(), lr=0.1))
    families = by_cause(health)
    assert list(families) == ["saturating_deep"]
    assert {"vanishing", "updates_small"} <= families["saturating_deep"]


def test_a_bad_weight_is_found_before_any_step():
    """Not finite from the first forward pass on: no step is to blame."""
    model = net(nn.ReLU, 2)
    nn.init.constant_(model[0].bias, float("nan"))
    health = trained(model, torch.optim.SGD(model.parameters(), lr=0.1), 3, 1)
    (cause,) = [finding for finding in health.findings() if not finding.cause]
    assert (cause.rule, cause.first) == ("non_finite", 0)
    (remedy,) = cause.remedies
    assert remedy.startswith("it was so before any step that was read")


def row(kind, probe, value, name="model", step=0):
    return {"kind": kind, "probe": probe, "value": value, "name": name, "step": step, "index": 0}


def causes_of(rows, **facts):
    return {finding.rule: finding.cause for finding in rules.advise(rows, [], facts)}


def test_what_begins_before_is_no_consequence():
    def after(large, broken):
        rows = [row("parameter", "update_ratio", 0.5, "a.weight", large)]
        return causes_of([*rows, row("site", "nonfinite", 3.0, "a", broken)])

    assert after(2, 7) == {"updates_large": "", "non_finite": "updates_large"}
    assert after(7, 2) == {"updates_large": "", "non_finite": ""}


def sites_with_dead(**shares):
    rows = [row("site", "post_sd", 1.0, name) for name in shares]
    for name, values in shares.items():
        for step, value in enumerate(values):
            rows += [row("site", probe, value, name, step) for probe in ("dead_fraction",)]
            rows.append(row("site", "zero_fraction", 1.0, name, step))
    return rows


def test_only_what_lies_behind_a_dead_layer_follows_from_it():
    behind = sites_with_dead(a=(0.0, 0.0), b=(1.0, 1.0), c=(0.5, 0.5))
    before = sites_with_dead(a=(0.5, 0.5), b=(1.0, 1.0), c=(0.5, 0.5))
    assert causes_of(behind) == {"dead_from_start": "", "dead": "dead_from_start"}
    assert causes_of(before) == {"dead_from_start": "", "dead": ""}


def test_half_a_dead_layer_explains_no_gradient_that_vanishes():
    flow = [row("model", "flow_ratio", 1e-9, step=1)]
    half = sites_with_dead(a=(0.0, 0.6))
    whole = sites_with_dead(a=(0.0, 1.0))
    assert causes_of([*half, *flow]) == {"dead": "", "vanishing": ""}
    assert causes_of([*whole, *flow]) == {"dead": "", "vanishing": "dead"}


def test_causes_come_by_their_severest_consequence():
    rows = [
        row("parameter", "update_ratio", 0.5, "a.weight"),
        row("site", "nonfinite", 3.0, "a", 5),
        row("site", "saturated_fraction", 0.9, "b", 0),
    ]
    assert [finding.rule for finding in rules.advise(rows, [], {})] == [
        "updates_large",
        "saturated",
        "non_finite",
    ]
    apart = [row("parameter", "update_ratio", 0.5, "a.weight", 9), *rows[1:]]
    assert [finding.rule for finding in rules.advise(apart, [], {})] == [
        "non_finite",
        "updates_large",
        "saturated",
    ]


def test_gradients_of_a_step_that_a_scaler_skips_are_no_finding():
    skipped = [
        row("parameter", "gradient_nonfinite", 8.0, "a.weight"),
        row("parameter", "update_ratio", 0.0, "a.weight"),
        row("parameter", "update_ratio", 1e-3, "a.weight", 1),
    ]
    assert causes_of(skipped) == {"non_finite_gradient": ""}
    assert causes_of(skipped, precision="fp16") == {}
    assert causes_of([*skipped, row("model", "loss_scale", 65536.0)]) == {}
    stepped = [reading | {"value": reading["value"] or 1e-3} for reading in skipped]
    assert causes_of(stepped, precision="fp16") == {"non_finite_gradient": ""}


def test_shares_of_a_site_that_is_not_finite_are_not_believed():
    rows = [row("site", "saturated_fraction", 0.9, "a", 3), row("site", "nonfinite", 2.0, "a", 3)]
    assert causes_of(rows) == {"non_finite": ""}


# The file of rules


def test_relations_name_rules_scopes_and_words_that_exist():
    names = {rule.name for rule in rules.rules()}
    known = {*words_of_context(), context.AT_START}
    checks = rules.contents()["checks"]
    for rule in rules.rules():
        assert rule.follows_from.keys() <= names - {rule.name}, rule.name
        assert set(rule.follows_from.values()) <= {"run", "behind", "blocked"}
        assert {*rule.when, *rule.unless} <= known
        assert rule.check in checks
    for name, remedy in rules.remedies().items():
        assert {*remedy.when, *remedy.unless} <= known, name
        assert remedy.run or remedy.own
    names_of_remedies = itertools.chain.from_iterable(rule.remedies for rule in rules.rules())
    assert set(names_of_remedies) == rules.remedies().keys()
    assert {rule.check for rule in rules.rules()} == checks.keys()
    for rule in rules.rules():
        if not checks[rule.check].get("optional"):
            assert {*rule.when, *rule.unless} <= checks[rule.check].get("unfit", {}).keys()
    for name, entry in checks.items():
        assert ("missing" in entry) != bool(entry.get("optional")), name


def words_of_context():
    """The words of context.py, as they stand in its source."""
    return set(re.findall(r'"(\w+)": ', Path(context.__file__).read_text()))


def test_no_chain_of_causes_is_a_circle():
    """Also if nothing is known of when a finding began."""
    effects = {rule.name: causes.Effect(-1, "", 1.0, [""], rule.follows_from) for rule in FACTS}
    ends = causes.roots(effects, [])
    for name, end in ends.items():
        assert ends[end] == end, name


FACTS = [rule for rule in rules.rules() if rule.reading[0] == "fact"]

# Remedies that fit

CONTEXTS = [
    dict(zip(("optimizer", "norm", "clip", "precision", "activation", "init"), values, strict=True))
    for values in itertools.product(
        ("sgd", "adamw", None),
        ("none", "batch", "layer"),
        (None, 1.0),
        ("fp32", "fp16"),
        ("relu", "gelu", "sigmoid"),
        ("auto", "he_normal"),
    )
]
STUDY_KEYS = r"\b(lr|init|clip|norm|activation|precision|warmup|batch_size|depth): |a \w+ lr\b"


def forbidden(facts):
    """Patterns that no advice may contain for a model of which these facts are known."""
    patterns = [r"\bnn\.", r"\btorch\."] if "run_id" in facts else [STUDY_KEYS]
    if facts["optimizer"] == "sgd":
        patterns.append(r"\bAdam\b")
    if facts["norm"] != "batch":
        patterns.append("batch norm")
    if facts["norm"] != "none":
        patterns.append("a norm before")
    if facts["norm"] == "layer":
        patterns.append("norm: layer")
    if facts["clip"]:
        patterns.append(r"\bclip\b")
    if facts["precision"] == "fp32":
        patterns.append("fp16|float16|bf16|bfloat16")
    if facts["init"] == "auto":
        patterns.append("init: auto")
    if facts["activation"] == "gelu":
        patterns.append(r"leaky_relu|LeakyReLU|nn\.GELU")
    return patterns


def spoken(rule, facts, step):
    """What a rule says of a value beyond its bound at a step; None if it does not fit."""
    known = context.words(facts)
    if not context.fits(rule.when, rule.unless, known):
        return None
    value = rule.high * 2 + 1 if rule.high < float("inf") else rule.low / 2
    return rules._apply(rule, {"place": {step: value}}, known, {})


@pytest.mark.parametrize("rule", rules.rules(), ids=lambda rule: f"{rule.name}-{rule.severity}")
@pytest.mark.parametrize("task", [None, "mlp", "vision", "lm"])
def test_remedies_fit_the_model_and_the_optimizer(rule, task):
    if rule.name in (ONLY_OF_RUNS if task is None else ONLY_OF_OWN_MODELS):
        return
    for facts in CONTEXTS:
        if task:
            norm = {"vision": "batch", "lm": "layer"}.get(task, facts["norm"])
            seen = facts | {"task": task, "run_id": "r"}
            if task != "mlp":
                seen["norm"] = "none"  # as in `runs`: their norms are inside
            facts = facts | {"run_id": "r", "norm": norm}
        else:
            seen = facts
        for step in (-1, 0, 7):
            finding = spoken(rule, seen, step)
            if finding is None:
                continue
            assert finding.remedies, (rule.name, seen)
            text = "\n".join([finding.text, *finding.remedies])
            for pattern in forbidden(facts):
                assert not re.search(pattern, text), (pattern, text, seen)


def test_forbidden_words_are_seen_without_their_conditions(monkeypatch):
    """The guard of the property above: remedies without conditions break it."""
    monkeypatch.setattr(context, "fits", lambda *_: True)
    (rule,) = [rule for rule in rules.rules() if rule.name == "small_batch"]
    with pytest.raises(AssertionError):
        test_remedies_fit_the_model_and_the_optimizer(rule, None)


def test_rules_are_silent_where_they_do_not_apply():
    batch = {"batch_size": 4}
    assert causes_of([], **batch, norm="layer") == causes_of([], **batch, task="lm") == {}
    assert causes_of([], **batch, task="vision") == {"small_batch": ""}
    loud = [row("model", "gradient_norm", 2e9)]
    assert causes_of(loud, optimizer="sgd") == {"gradient_norm": ""}
    assert causes_of(loud, optimizer="adamw") == causes_of(loud, optimizer="sgd", clip=1.0) == {}


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (net(nn.ReLU, 2), {"no_norm"}),
        (net(nn.ReLU, 2, nn.LayerNorm), set()),
        (net(nn.ReLU, 2, nn.BatchNorm1d), {"batch_norm"}),
        (net(nn.GELU, 2).half(), {"no_norm", "fp16"}),
    ],
    ids=["plain", "layer norm", "batch norm", "half"],
)
def test_a_monitor_knows_norms_and_precision(model, words):
    known = context.words(Monitor(model).facts)
    assert known & {"no_norm", "batch_norm", "fp16", "run"} == words


def test_a_monitor_knows_optimizer_clipping_and_functional_batch_norm():
    class Functional(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(10, 4)

        def forward(self, x):
            return functional.batch_norm(self.first(x), None, None, training=True).relu()

    model = Functional()
    optimizer = torch.optim.Adam(model.parameters())
    health = trained(model, optimizer, 2, 1)
    known = context.words(health.facts)
    assert {"adam", "batch_norm"} <= known
    assert not {"clipped", "no_norm"} & known
    with Monitor(model) as clipping:
        model(torch.ones(8, 10)).sum().backward()
        clipping.clip(1.0)
        clipping.step(1.0)
    assert "clipped" in context.words(clipping.facts)


def test_lightning_says_that_it_clips():
    pytest.importorskip("pytorch_lightning")
    from actstudy.health.lightning import HealthCallback

    for clip, words in ((0.5, {"clipped"}), (None, set())):
        callback = HealthCallback(every=1)
        trainer = SimpleNamespace(global_step=0, gradient_clip_val=clip)
        callback.on_train_start(trainer, plain_mlp())
        callback.on_train_end(trainer, None)
        assert context.words(callback.health.facts) & {"clipped"} == words


# Reports


HEALTHY = {
    "MLP, AdamW": (net(nn.ReLU, 3), torch.optim.AdamW, {}),
    "MLP, SGD": (net(nn.GELU, 3), torch.optim.SGD, {"lr": 0.1}),
    "tanh, Adam": (net(nn.Tanh, 2), torch.optim.Adam, {}),
    "batch norm, SGD": (net(nn.ReLU, 3, nn.BatchNorm1d), torch.optim.SGD, {"lr": 0.1}),
    "layer norm, AdamW": (net(nn.SiLU, 3, nn.LayerNorm), torch.optim.AdamW, {}),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_model_has_a_short_report_without_finding(name):
    model, optimizer, settings = HEALTHY[name]
    health = trained(model, optimizer(model.parameters(), **settings))
    lines = str(health).splitlines()
    assert lines[-1] == "nothing found"
    assert lines[1] == "checked:"
    assert len(lines) < 25
    assert repr(health).endswith("; nothing found>")
    assert len(repr(health)) < 120


def test_a_report_names_what_was_not_checked():
    model = net(nn.ReLU, 1)
    with Monitor(model) as health:
        loss = functional.cross_entropy(model(torch.randn(4, 10)), torch.arange(4))
        loss.backward()
        health.step()
    report_lines = [line.strip() for line in str(health).splitlines()]
    verdicts = {line.split("  ")[0]: line for line in report_lines}
    for name, why in (
        ("size of the loss", "no loss was read"),
        ("fall of the loss", "it takes three training losses"),
        ("dead units", "no site has 16 values or more for each of its units"),
        ("saturation", "no activation has a known flat part"),
        ("gradient flow", "it takes two sites"),
        ("size of updates", "no weight matrix changed"),
    ):
        assert f"not checked: {why}" in verdicts[name], name
    assert verdicts["finite values"].endswith("input, activations, gradients; not read: loss")
    sgd = trained(net(nn.ReLU, 1), torch.optim.SGD(model.parameters(), lr=0.1), 2, 1, clip=1.0)
    (norm,) = [line for line in str(sgd).splitlines() if line.startswith("  gradient norm")]
    assert "not judged: " in norm
    assert norm.endswith("before clipping, and gradients are clipped")


def test_each_check_is_told_if_all_is_read():
    """A value for each reading: no format fails, and each item has its line."""
    rows = [
        *sites_with_dead(a=(0.0, 0.0), b=(0.1, 0.1)),
        *[row("site", probe, 0.0, "a") for probe in ("nonfinite", "saturated_fraction")],
        row("site", "gradient_norm", 0.5, "a"),
        row("parameter", "gradient_nonfinite", 0.0, "a.weight"),
        row("parameter", "update_ratio", 1e-3, "a.weight"),
        *[row("model", "loss_scale", 65536.0, step=step) for step in (0, 1)],
        row("model", "flow_ratio", 1.0),
        row("model", "gradient_norm", 1.0),
        row("model", "logit_scale", 20.0),
        row("model", "input_nonfinite", 0.0),
        *[row("normalisation", probe, 1e-3, "loss(div)") for probe in ("divisor", "floor")],
    ]
    loss = {"epoch": 1, "split": "train", "metric": "loss"}
    curves = [{**loss, "step": step, "value": 2.0 - step / 100} for step in (0, 30, 60)]
    facts = {"initial_loss": 1.0, "leak": 0.0, "no_gradient": 0, "one_batch": 0.0}
    facts |= {"norm_epsilon": 1e-5, "norm": "batch", "batch_size": 64, "optimizer": "sgd"}
    facts |= {"targets_out_of_reach": 0.0, "initial_weights": 1.0, "first_update": 1e-2}
    facts |= {"largest_fp16": 20.0, "precision": "fp16", "contrastive": True, "pairs": 64}
    advice = rules.examine(rows, curves, facts)
    assert advice.findings == []
    checks = {check.name: check.verdict for check in report.checklist(advice, {})}
    others = {"accuracy", "R2", "warm-up", "depth without norm"}  # facts of some runs alone
    assert checks.keys() == rules.contents()["checks"].keys() - others
    assert all(verdict.startswith("nothing seen: ") for verdict in checks.values()), checks


def test_the_table_of_sites_is_bounded_and_begins_with_the_worst():
    shares = {f"layers.{k}": (0.0, k / 100) for k in range(9)}
    lines = report.sites(rules.examine(sites_with_dead(**shares), [], {}).series, {})
    assert " ".join(lines[0].split()) == "site, last finite reading dead saturated sd gradient norm"
    assert [line.split()[0] for line in lines[1:6]] == [f"layers.{k}" for k in (8, 7, 6, 5, 4)]
    assert lines[1].split() == ["layers.8", "8%", "-", "1", "-"]
    assert lines[6:] == ["  and 4 more"]
    assert len({len(line) for line in lines[:6]}) == 1


def test_a_monitor_that_was_never_opened_prints():
    health = Monitor(plain_mlp())
    assert "nothing was read" in str(health)
    assert repr(health).startswith("<Monitor of Sequential: 0 of 0 steps read, 0 sites")
