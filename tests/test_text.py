"""Text: tokens give the text back, splits by address, perplexities by hand, references."""

import itertools
import json
import math

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from actstudy.contract import errors, spec
from actstudy.data import prepared, text
from actstudy.data.sets import sotu, sotu_eras, sotu_text
from actstudy.tasks import cls, lm

DOCUMENTS = ["the cat sat on the mat. " * 30, "a dog ran to the cat, and the dog sat. " * 20, "mat"]


def raw(kind):
    """Splits of text as a data set's file makes them: the same documents in every split."""
    arrays = {"x": np.array(DOCUMENTS, np.object_)}
    if kind == "passages":
        arrays["y"] = np.array([0, 1, 0])
    return dict.fromkeys(prepared.SPLITS, arrays)


def toy(kind="text", vocabulary=270, context=16, folder=None):
    """Toy splits of tokens."""
    return text.tokenize(raw(kind), vocabulary, context, folder, "toy")


def test_windows_predict_every_token_once_and_give_the_text_back(tmp_path):
    made = toy(folder=tmp_path)["test"]
    tokenizer = Tokenizer.from_file(str(tmp_path / text.FILE))
    for index, document in enumerate(DOCUMENTS):
        x, y = (made[part][made["document"] == index] for part in ("x", "y"))
        tokens = y[y != text.IGNORED]
        assert tokenizer.decode(tokens.tolist()).removeprefix(" ") == document
        assert x[0, 0] == text.START
        assert np.array_equal(
            x.flatten()[: len(tokens)], [text.START, *tokens[:-1]]
        )  # what comes before each
        assert made["words"][index] == len(document.split())
    assert not np.isin(made["y"], [text.PAD, text.START]).any()


def test_passages_are_cut_and_padded(tmp_path):
    x = toy("passages", folder=tmp_path)["val"]["x"]
    assert x.shape == (3, 16)
    assert (x[:2] != text.PAD).all()
    assert [*text.texts_of(x, tmp_path)][2].strip() == "mat"
    assert (x[2] == text.PAD).sum() >= 13


@pytest.mark.parametrize("kind", ["passages", "text"])
def test_no_test_text_is_in_the_vocabulary(kind, tmp_path):
    """With val and test texts exchanged for others the tokenizer is the same in every byte."""
    splits = raw(kind)
    saved = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        text.tokenize(splits, 270, 16, tmp_path / name, "toy")
        saved.append((tmp_path / name / text.FILE).read_bytes())
        for split in ("val", "test"):
            others = ["zebra xylophone " * 20] * len(DOCUMENTS)
            splits[split] = {**splits[split], "x": np.array(others, np.object_)}
    assert saved[0] == saved[1]
    assert b"zebra" not in saved[0]


def test_no_address_is_in_two_splits():
    table = sotu.addresses()
    assert table.groupby("split").size().to_dict() == {"train": 163, "val": 30, "test": 40}
    assert table["text"].is_unique
    assert table.groupby("split")["era"].nunique().eq(4).all()
    whole = {
        split: " \n ".join(" ".join(t.split()) for t in part["text"])
        for split, part in table.groupby("split")
    }
    made = sotu_eras.prepare()
    for split, other in itertools.permutations(prepared.SPLITS, 2):
        some = made[split]["x"][:: len(made[split]["x"]) // 200]
        assert all(passage in whole[split] for passage in some)
        assert not any(passage in whole[other] for passage in some)


@pytest.mark.parametrize(
    ("vocabulary", "context", "message"),
    [
        (
            100_000,
            16,
            r"toy: vocabulary: got 100000; allowed: at most \d+, "
            "all that the train split's text supports",
        ),
        (270, 100_000, r"toy: context: got 100000; allowed: at most \d+, the longest train text"),
    ],
)
def test_what_the_text_does_not_support_is_one_line(tmp_path, vocabulary, context, message):
    with pytest.raises(errors.StudyError, match=message) as caught:
        toy("text", vocabulary, context, tmp_path)
    assert "\n" not in str(caught.value)


def test_an_empty_text_is_one_line(tmp_path):
    arrays = {"x": np.array(["some words here", ""], np.object_)}
    with pytest.raises(errors.StudyError, match="toy: train text 1 is empty"):
        text.tokenize(dict.fromkeys(prepared.SPLITS, arrays), 258, 2, tmp_path, "toy")


def test_a_context_may_be_longer_than_val_texts(tmp_path):
    splits = {"train": {"x": np.array(["a b c d e f g h i j"], np.object_)}}
    splits |= {split: {"x": np.array(["a b"], np.object_)} for split in ("val", "test")}
    assert text.tokenize(splits, 258, 12, tmp_path, "toy")["val"]["x"].shape == (1, 12)


def test_data_names_join_and_part():
    one = spec.RunSpec(
        task="lm", dataset="sotu_text", activation="relu", seed=0, vocabulary=512, context=64
    )
    assert spec.data_parts(spec.data_name(one)) == ("sotu_text", {"vocabulary": 512, "context": 64})
    assert spec.data_parts("mnist1d") == ("mnist1d", {})


def test_perplexity_per_word_by_hand(tmp_path):
    """A model that gives every token 1/270: nats are tokens x ln 270, shared by the words."""
    made = {name: torch.from_numpy(array) for name, array in toy(folder=tmp_path)["test"].items()}
    found = lm.evaluate(lambda x: torch.zeros(*x.shape, 270), made)
    tokens, words = (
        int((made["y"] >= 0).sum()),
        sum(len(document.split()) for document in DOCUMENTS),
    )
    assert found.scores["perplexity"] == pytest.approx(270, rel=1e-5)
    assert found.scores["word_perplexity"] == pytest.approx(
        math.exp(tokens * math.log(270) / words), rel=1e-5
    )
    assert sum(found.predictions["tokens"]) == tokens
    assert found.predictions["words"] == made["words"].tolist()
    assert found.predictions["nll"][2] == pytest.approx(
        found.predictions["tokens"][2] * math.log(270), rel=1e-5
    )


def test_evaluation_equals_the_probability_of_each_token(tmp_path):
    """Random logits: the sum over documents of -log p, token by token."""
    made = {name: torch.from_numpy(array) for name, array in toy(folder=tmp_path)["test"].items()}
    table = torch.randn(270, 270, generator=torch.Generator().manual_seed(0)).double()
    found = lm.evaluate(lambda x: table[x.long()], made)
    log_p, nll = table.log_softmax(1), 0.0
    for x_row, y_row in zip(made["x"].tolist(), made["y"].tolist(), strict=True):
        nll -= sum(
            log_p[x, y].item() for x, y in zip(x_row, y_row, strict=True) if y != text.IGNORED
        )
    assert found.scores["loss"] == pytest.approx(nll / int((made["y"] >= 0).sum()), rel=1e-6)


def test_a_diverged_language_model_has_an_infinite_perplexity():
    assert lm.perplexities(1e6, 10, 10)["word_perplexity"] == math.inf


def test_loss_leaves_padding_out():
    logits = torch.randn(2, 3, 7, generator=torch.Generator().manual_seed(0))
    y = torch.tensor([[1, 2, -100], [3, -100, -100]])
    log_p = logits.log_softmax(2)
    expected = -(log_p[0, 0, 1] + log_p[0, 1, 2] + log_p[1, 0, 3]) / 3
    assert lm.loss(logits, y).item() == pytest.approx(expected.item(), rel=1e-6)


def toy_data(tmp_path, kind, **sizes):
    """The toy splits as a prepared data set on disk."""
    splits = toy(kind, folder=tmp_path, **sizes)
    arrays = {
        f"{split}_{name}": array for split, parts in splits.items() for name, array in parts.items()
    }
    manifest = {
        "vocabulary": 270,
        "context": 16,
        "counts": {s: len(p["x"]) for s, p in splits.items()},
        "classes": 2,
    }
    return prepared.Prepared(tmp_path, manifest, arrays, "")


def test_the_bigram_reference_is_its_definition(tmp_path):
    data = toy_data(tmp_path, "text")
    counts = np.zeros((270, 270))
    pairs = [
        (x, y)
        for x, y in zip(data.arrays["train_x"].flat, data.arrays["train_y"].flat, strict=True)
        if y >= 0
    ]
    for pair in pairs:
        counts[pair] += 1
    p = (counts + 1) / (counts.sum(1, keepdims=True) + 270)
    assert p.sum(1) == pytest.approx(1)
    nll = -sum(math.log(p[pair]) for pair in pairs)
    words = sum(len(document.split()) for document in DOCUMENTS)
    assert lm.reference(data)["test"] == pytest.approx(math.exp(nll / words))


def test_the_bag_of_words_reads_what_the_model_sees(tmp_path):
    arrays = {
        "x": np.array(["peace treaty senate"] * 20 + ["jobs energy americans"] * 20, np.object_)
    }
    arrays["y"] = np.repeat([0, 1], 20)
    splits = text.tokenize(dict.fromkeys(prepared.SPLITS, arrays), 270, 4, tmp_path, "toy")
    named = {
        f"{split}_{name}": array for split, parts in splits.items() for name, array in parts.items()
    }
    data = prepared.Prepared(tmp_path, {"counts": {}}, named, "")
    assert cls.reference(data)["test"] == 1.0


def test_a_tokenizer_that_was_damaged_is_named(tmp_path, monkeypatch):
    documents = {
        split: [f"{split}: {document}" for document in DOCUMENTS] for split in prepared.SPLITS
    }
    splits = {split: {"x": np.array(texts, np.object_)} for split, texts in documents.items()}
    monkeypatch.setattr(sotu_text, "prepare", lambda: splits)
    prepared.prepare("sotu_text-v270-t16", tmp_path)
    assert json.loads((tmp_path / "manifest.json").read_text())["context"] == 16
    (tmp_path / text.FILE).write_text("{}")
    with pytest.raises(
        Exception, match=r"tokenizer\.json is missing or does not have its checksum; to fix"
    ):
        prepared.load(tmp_path)
