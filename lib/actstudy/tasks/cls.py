"""The task `cls`: a Transformer encoder that classifies passages of text."""

from collections.abc import Callable
from typing import Any

from torch import nn

from actstudy.contract.spec import RunSpec
from actstudy.data.prepared import SPLITS, Prepared
from actstudy.data.text import PAD, texts_of
from actstudy.nets.encoder import Encoder
from actstudy.tasks.classification import evaluate, logistic_regression, loss, train_scores

__all__ = ["TASK", "build", "evaluate", "loss", "reference", "train_scores"]

TASK = {
    "title": "Transformer encoder",
    "takes": ["passages"],
    "metric": "accuracy",
    "unit": "share of test passages",
    "higher_is_better": True,
    "net": "transformer",
    "model_fields": ["vocabulary", "context", "depth", "width", "heads", "dropout"],
    "predicts": "classes",
    "x_axis": "step",
    "throughput_unit": "passages/s",
    "targets": [0.57, 0.6],
    "margin": 0.005,
    "margin_reason": (
        "the standard error, over the 40 test addresses, of the difference between two runs "
        "of a seed"
    ),
    "defaults": {
        "dataset": "sotu_eras",
        "vocabulary": 8192,
        "context": 24,
        "depth": 1,
        "width": 64,
        "heads": 4,
        "dropout": 0.1,
        "optimizer": "adamw",
        "lr": 0.003,
        "betas": [0.9, 0.999],
        "eps": 1e-8,
        "weight_decay": 0.05,
        "clip": 1.0,
        "schedule": "cosine",
        "warmup": 0.1,
        "epochs": 1,
        "eval_every": 100,
        "batch_size": 100,
    },
}


def build(spec: RunSpec, data: Prepared, make_act: Callable[[str], nn.Module]) -> nn.Module:
    """The untrained model of a spec, for data of the manifest's vocabulary, context and classes."""
    return Encoder(
        vocabulary=data.manifest["vocabulary"],
        context=data.manifest["context"],
        classes=data.manifest["classes"],
        depth=spec.depth or 0,
        width=spec.width or 0,
        heads=spec.heads,
        dropout=spec.dropout,
        make_act=make_act,
        pad=PAD,
    )


def reference(data: Prepared) -> dict[str, Any]:
    """Logistic regression on the word counts (tf-idf) of what the model sees of each passage."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    bag = TfidfVectorizer(sublinear_tf=True)
    texts = {}
    labels = {}
    for split in SPLITS:
        texts[split] = list(texts_of(data.arrays[f"{split}_x"], data.folder))
        labels[split] = data.arrays[f"{split}_y"]
    bag.fit(texts["train"])
    words = {split: bag.transform(part) for split, part in texts.items()}
    return logistic_regression("bag of words, linear", words, labels)
