"""Packs of one run, and the same run alone, in float64: what they compute must agree."""

import dataclasses
from types import SimpleNamespace

import torch
from runs import quiet

from actstudy.tasks import classification
from actstudy.training import wiring
from actstudy.training.wiring import make_job, make_pack

CPU = torch.device("cpu")


def work(spec, data, folder):
    return make_pack([spec], [folder], data, CPU, quiet())


def in_float64(spec, data, folder, monkeypatch):
    """A pack's job and its spec's job alone, both in float64."""
    monkeypatch.setattr(
        classification,
        "losses",
        lambda logits, y, smoothing: (
            torch.nn.functional.cross_entropy(
                logits.flatten(0, 1), y.flatten(), reduction="none", label_smoothing=smoothing
            )
            .view_as(y)
            .mean(1)
        ),
    )
    alone = make_job(
        dataclasses.replace(spec, engine="eager", pack_width=1),
        folder / "alone",
        data,
        CPU,
        quiet(),
    )
    alone.task = SimpleNamespace(
        loss=lambda z, y, smoothing: torch.nn.functional.cross_entropy(
            z, y, label_smoothing=smoothing
        ),
        train_scores=alone.task.train_scores,
    )
    alone.model.double()
    with monkeypatch.context() as patch:
        patch.setattr(wiring, "make_model", doubled(wiring.make_model))
        packed = make_pack([spec], [folder / "pack"], data, CPU, quiet())
    for job in (alone, packed):
        job.inputs = lambda x, inputs=job.inputs: inputs(x).double()
    return packed, alone


def doubled(member):
    def doubled_member(spec, data):
        model, sites = member(spec, data)
        return model.double(), sites

    return doubled_member


def step(pack, number, batch):
    return {name: value[0].item() for name, value in pack.train(number, batch).items()}
