"""What is known of a model and its optimizer, as words by which rules and remedies are chosen.

A word stands for what is known to be so; what is not known has no word.
"""

import json
from collections.abc import Collection, Mapping
from typing import Any

ADAM = ("adam", "adamw", "nadam", "radam", "adamax", "adafactor", "sparseadam")
ADAPTIVE = (*ADAM, "rmsprop", "adagrad", "adadelta", "rprop", "lion")
UNBOUNDED = ("relu", "gelu", "silu")  # what replaces an activation that saturates
NOT_ZERO_CUT = ("leaky_relu", "gelu", "silu")  # what replaces one whose units die
# Tasks and models that have it inside.
WITH_BATCH_NORM = ("vision", "resnet50", "mobilenetv2", "contrastive", "siamese", "dual")
MLPS = ("mlp", "tabular", "tabular_regression")  # tasks whose model is the MLP


AT_START = "at_start"  # the word for a finding that begins at step 0


def words(facts: Mapping[str, Any]) -> frozenset[str]:
    """The words that hold; facts: as in `rules.advise`."""
    optimizer = str(facts.get("optimizer", "")).lower()
    activation = facts.get("activation")
    task = facts.get("task")
    if isinstance(facts.get("model"), str):
        task = facts["model"]  # whatever the task; of an own model's parts nothing is known
    norm = facts.get("norm") if task in (None, *MLPS) else None  # the field is the MLP's alone
    is_known = {
        "run": "run_id" in facts,
        "mlp": task in MLPS,
        "adam": optimizer in ADAM,
        "adaptive": optimizer in ADAPTIVE,
        "clipped": facts.get("clip") is not None,
        "fp16": facts.get("precision") == "fp16",
        "no_norm": norm == "none",
        "batch_norm": norm == "batch" or task in WITH_BATCH_NORM or bool(facts.get("batch_norm")),
        "auto_init": facts.get("init") == "auto",
        "sigmoid": activation == "sigmoid",
        "unbounded": activation in UNBOUNDED,
        "not_zero_cut": activation in NOT_ZERO_CUT,
        "contrastive": is_contrastive(facts),
        "fixed_scale": not _learns_scale(facts),
        "sigmoid_pairs": str(facts.get("loss")).startswith("siglip"),
    }
    return frozenset(word for word, holds in is_known.items() if holds)


def is_contrastive(facts: Mapping[str, Any]) -> bool:
    """Whether a run is of the task, or a Monitor has seen such a loss or was told of it."""
    return facts.get("task") == "contrastive" or bool(facts.get("contrastive"))


def _learns_scale(facts: Mapping[str, Any]) -> bool:
    """Whether the scale of logits is learnt, as far as known."""
    args = facts.get("loss_args") or {}
    if isinstance(args, str):  # JSON text in `runs`
        args = json.loads(args)
    return bool(facts.get("learns_scale", args.get("learn_scale", True)))


def fits(when: Collection[str], unless: Collection[str], known: frozenset[str]) -> bool:
    """Whether all words of `when` are known to hold, and none of `unless`."""
    return known.issuperset(when) and known.isdisjoint(unless)
