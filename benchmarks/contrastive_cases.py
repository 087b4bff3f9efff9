"""Cases of the advisor's contrastive rules: per rule those with its fault, and sound ones."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import torch
from contrastive_towers import (
    CLAMPED,
    DIVIDES,
    F_NORMALIZE,
    LOG,
    N_WITHOUT,
    PLAIN,
    UNITS,
    Fixed,
    Prototypes,
    Returning,
    Towers,
    WithLoss,
    Written,
    halved,
    in_the_loop,
    learnt_temperature,
    linear,
    padded,
    plain_loss,
    scaled,
    silenced,
    spoken,
    without_bias,
)
from torch import nn

from actstudy.advice import rules
from actstudy.losses import LOSSES, ContrastiveLoss, make

Cases = dict[str, Callable[[], set[str]]]  # name -> the rules that speak
SGD = torch.optim.SGD
RUN = {"run_id": "r", "task": "contrastive", "optimizer": "adamw", "betas": "[0.9, 0.999]"}


def of(model: Callable[..., nn.Module], *args: Any, **options: Any) -> Callable[[], set[str]]:
    """A case: the rules that speak of the training of a model."""
    return lambda: spoken(model(*args), **options)


def of_loss(name: str = "clip", **options: Any) -> Callable[..., nn.Module]:
    """Towers with a loss of actstudy.losses."""
    return lambda: WithLoss(ContrastiveLoss(name, **options))


def of_run(curves: Mapping[str, float] | None = None, **facts: Any) -> Callable[[], set[str]]:
    """A case: the rules that speak of a run with these settings and last values of curves."""
    rows = []
    for metric, value in (curves or {}).items():
        for step in (100, 200):
            point = {"step": step, "epoch": step / 100, "split": "train"}
            rows.append({**point, "metric": metric, "value": value})
    return lambda: {finding.rule for finding in rules.advise([], rows, {**RUN, **facts})}


def logit_scale() -> tuple[Cases, Cases]:
    """A scale above 100, or one that is learnt and below 14."""
    faulty: Cases = {"temperature 0.005 in the code": of(Fixed, 0.005)}
    sound: Cases = {f"temperature {t} in the code": of(Fixed, t) for t in (0.5, 0.1, 0.07, 0.01)}
    for code in (LOG, PLAIN, DIVIDES):
        for value in (5, 12, 110, 500):
            faulty[f"{code}, scale {value}"] = of(
                Towers, 1 / value if code == DIVIDES else value, code
            )
        for value in (14.3, 50, 99.9):
            sound[f"{code}, scale {value}"] = of(
                Towers, 1 / value if code == DIVIDES else value, code
            )
    for value in (8, 300):
        faulty[f"exponential in the loop, scale {value}"] = of(Returning, value, LOG)
    for code, value in ((LOG, 20), (LOG, 90), (PLAIN, 20), (PLAIN, 90)):
        use = "exponential" if code == LOG else "product"
        sound[f"{use} in the loop, scale {value}"] = of(Returning, value, code)
    for value in (5, 300):
        faulty[f"parameter temperature, scale {value}"] = of(learnt_temperature(1 / value))
    sound["parameter temperature, scale 20"] = of(learnt_temperature(0.05))
    faulty["ContrastiveLoss, scale 5"] = of(of_loss(scale=5))
    faulty["ContrastiveLoss without max_scale, 150"] = of(of_loss(scale=150, max_scale=None))
    faulty["run, scale 9"] = of_run({"logit_scale": 9.0}, loss="clip")
    faulty["run, scale 240"] = of_run({"logit_scale": 240.0}, loss="clip_without_clamp")
    sound["clamped at 100, parameter ln 200"] = of(Towers, 200, CLAMPED)
    for name in LOSSES:
        sound[f"ContrastiveLoss({name!r})"] = of(of_loss(name))
    sound["ContrastiveLoss, scale 100"] = of(of_loss(scale=100))
    sound["ContrastiveLoss, fixed scale 5"] = of(of_loss(scale=5, learn_scale=False))
    sound["run, siglip at 10"] = of_run({"logit_scale": 10.0}, loss="siglip")
    sound["run, scale 60"] = of_run({"logit_scale": 60.0}, loss="clip")
    return faulty, sound


def contrastive_loss() -> tuple[Cases, Cases]:
    """A loss above 1000, of features that are not normalised or of a scale that ran away."""
    faulty: Cases = {}
    sound: Cases = {}
    for times in (30, 100, 1000):
        for code in (LOG, PLAIN):
            faulty[f"{code}, features times {times}"] = of(Towers, 14.3, code, scaled(times))
        faulty[f"temperature 0.07, features times {times}"] = of(Fixed, 0.07, scaled(times))
    for value in (3e3, 1e5):
        faulty[f"{PLAIN}, scale {value:g}"] = of(Towers, value, PLAIN)
    faulty["loss in the loop, features times 100"] = of(Returning, 14.3, LOG, scaled(100))
    faulty["ContrastiveLoss without normalize"] = of(plain_loss(100.0))
    faulty["run, loss 5000"] = of_run({"loss": 5000.0}, loss="clip_without_max")
    for code in (LOG, PLAIN, CLAMPED):
        for value in (14.3, 100):
            sound[f"{code}, scale {value}"] = of(Towers, value, code)
    for name in LOSSES:
        sound[f"ContrastiveLoss({name!r}), scale 100"] = of(of_loss(name, scale=100))
    sound["features times 3"] = of(Towers, 14.3, LOG, scaled(3))
    sound["run, loss 200"] = of_run({"loss": 200.0}, loss="clip")
    sound["another task, loss 5000"] = of_run({"loss": 5000.0}, task="tabular_regression")
    return faulty, sound


def few_pairs() -> tuple[Cases, Cases]:
    """Fewer than eight pairs at once."""
    faulty: Cases = {}
    sound: Cases = {}
    for cases, batches in ((faulty, (2, 4, 7)), (sound, (8, 9, 32))):
        for batch in batches:
            cases[f"{LOG}, {batch}"] = of(Towers, 14.3, batch=batch)
            cases[f"temperature 0.1, {batch}"] = of(Fixed, 0.1, batch=batch)
            cases[f"ContrastiveLoss, {batch}"] = of(of_loss(), batch=batch)
            cases[f"loss in the loop, {batch}"] = of(Returning, 14.3, batch=batch)
            cases[f"run, {batch}"] = of_run(loss="clip", batch_size=batch)
    sound["loss over devices, pairs=256 said"] = of(Towers, 14.3, batch=4, pairs=256)
    sound["prototypes, 4"] = of(Prototypes, 14.3, batch=4)
    sound["prototypes, 7"] = of(Prototypes, 14.3, batch=7)
    sound["another task, 4"] = of_run(task="vision", batch_size=4, model=None)
    return faulty, sound


def short_warmup() -> tuple[Cases, Cases]:
    """Adam whose first update is over 1% of the weights, and a warm-up under 2 / (1 - beta2)."""
    faulty: Cases = {}
    sound: Cases = {}
    adams = {"Adam": torch.optim.Adam, "AdamW": torch.optim.AdamW}
    for name, adam in adams.items():
        for lr in (3e-3, 1e-2):
            plain = {"optimizer": adam, "lr": lr, "steps": 6}
            faulty[f"{name}, rate {lr}, none"] = of(Towers, 14.3, **plain)
            falling = {**plain, "factor": lambda step: 0.5**step}
            faulty[f"{name}, rate {lr}, falling"] = of(of_loss(), **falling)
            rising = {**plain, "lr": 10 * lr, "factor": lambda step: min(1.0, (step + 1) / 3)}
            faulty[f"{name}, rate {10 * lr}, 2 steps"] = of(Fixed, 0.1, **rising)
            enough = {"optimizer": functools.partial(adam, betas=(0.9, 0.9)), "lr": lr}
            enough |= {"steps": 30, "factor": lambda step: min(1.0, (step + 8) / 30)}
            sound[f"{name}, rate {lr}, 22 steps, beta2 0.9"] = of(Towers, 14.3, **enough)
            small = {"optimizer": adam, "lr": lr / 100, "steps": 6}
            sound[f"{name}, rate {lr / 100}, none"] = of(Towers, 14.3, **small)
            long = {**plain, "factor": lambda step: (step + 1) / 2000}
            sound[f"{name}, rate {lr}, still rising"] = of(Towers, 14.3, **long)
    sound["SGD, none"] = of(Towers, 14.3, optimizer=SGD, lr=0.5)
    return faulty, sound


def norm_without_epsilon() -> tuple[Cases, Cases]:
    """A division by a norm to which nothing is added, or what is 0 in its dtype."""
    faulty: Cases = {}
    sound: Cases = {}
    for number, (code, unit) in enumerate(UNITS.items()):
        cases = faulty if number < N_WITHOUT else sound
        cases[code] = of(Towers, 14.3, LOG, unit)
        if code in (F_NORMALIZE, "x / (x.norm() + 1e-8)"):
            faulty[f"{code}, float16"] = of(halved(unit), optimizer=SGD)
            sound[f"{code}, bfloat16"] = of(halved(unit, torch.bfloat16), optimizer=SGD)
    for name in LOSSES:
        sound[f"ContrastiveLoss({name!r})"] = of(of_loss(name))
    faulty["in an autograd.Function"] = of(Towers, 14.3, LOG, Written.apply)
    faulty["x / x.norm() in the loop"] = of(in_the_loop(UNITS["x / x.norm()"]))
    sound["F.normalize(x) in the loop"] = of(in_the_loop(UNITS[F_NORMALIZE]))
    sound["ContrastiveLoss, eps 1e-6"] = of(of_loss(eps=1e-6))
    sound["prototypes"] = of(Prototypes, 14.3)
    for name in ("clip", "siglip", "cosine_mean"):
        faulty[f"{name}_without_eps"] = of(
            lambda name=name: WithLoss(make(f"{name}_without_eps", {}))
        )
        faulty[f"run, {name}_without_eps"] = of_run(loss=f"{name}_without_eps")
        sound[f"run, {name}"] = of_run(loss=name)
    return faulty, sound


def small_norm() -> tuple[Cases, Cases]:
    """A division by less than 1e-6, the norm of features that are zero or nearly."""
    faulty: Cases = {}
    sound: Cases = {}
    for code in (*list(UNITS)[:4], F_NORMALIZE, "x / (x.norm() + 1e-8)"):
        faulty[f"{code}, a tower of zeros"] = of(silenced(UNITS[code]))
        faulty[f"{code}, one example of zeros"] = of(without_bias(UNITS[code]), change=padded)
        sound[code] = of(without_bias(UNITS[code]))
        sound[f"{code}, features of 1e-4"] = of(
            without_bias(UNITS[code]), change=lambda x: 1e-4 * x
        )
    faulty["F.normalize(x), features of 1e-9"] = of(
        without_bias(UNITS[F_NORMALIZE]), change=lambda x: 1e-9 * x
    )
    for name in LOSSES:
        sound[f"ContrastiveLoss({name!r}), one example of zeros"] = of(
            lambda name=name: linear(WithLoss(ContrastiveLoss(name))), change=padded
        )
    return faulty, sound


RULES = (logit_scale, contrastive_loss, few_pairs, short_warmup, norm_without_epsilon, small_norm)
