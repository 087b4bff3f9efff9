"""Official files, read as they unpack and as they are downloaded.

Faults and downloads are in tests/test_data_faults.py.
"""

import gzip
import hashlib
import io
import json
import pickle
import shutil
import struct
import tarfile
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets

from actstudy.contract import class_names, registry, store
from actstudy.data import download, official, prepared, text
from actstudy.data.sets import (
    ag_news,
    cifar,
    cifar10,
    cifar100,
    fashion_mnist,
    mnist,
    tiny_imagenet,
    wikitext2,
)

GOOD = gzip.compress(b"the whole file")


@pytest.fixture
def raw(tmp_path, monkeypatch):
    """An empty data/raw, and data sets without checksums, so that files may be small ones."""
    whole = registry.dataset
    monkeypatch.setattr(official, "RAW", tmp_path)
    monkeypatch.setattr(
        registry,
        "dataset",
        lambda name: whole(name) | {"files": {file: {} for file in whole(name).get("files", ())}},
    )
    return tmp_path


@pytest.fixture
def declared(tmp_path, monkeypatch):
    """Declares one file `a/file` with whatever is given; data/raw is empty."""
    monkeypatch.setattr(official, "RAW", tmp_path)
    return lambda **what: monkeypatch.setattr(
        registry, "dataset", lambda name: {"files": {"a/file": what}, "source": "a shelf"}
    )


def test_faults_of_files_are_one_line(declared, tmp_path):
    declared(sha256="0" * 64)
    with pytest.raises(store.Damaged, match=r"a/file is missing \(its source: a shelf\)"):
        official.content("x", "a/file")
    (tmp_path / "a").mkdir()
    (tmp_path / "a/file.gz").write_bytes(GOOD[:-9])
    with pytest.raises(store.Damaged, match=r"a/file\.gz is damaged .*; to fix: rm it") as caught:
        official.content("x", "a/file")
    assert "\n" not in str(caught.value)
    (tmp_path / "a/file").write_bytes(b"another")
    with pytest.raises(
        store.Damaged, match=r"a/file is not the official file .*damaged or another edition"
    ):
        official.content("x", "a/file")


def idx(array):
    sizes = b"".join(int(size).to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


@pytest.mark.parametrize(("dataset", "folder"), [(mnist, "MNIST"), (fashion_mnist, "FashionMNIST")])
def test_idx_files_plain_or_packed(raw, dataset, folder):
    (raw / folder / "raw").mkdir(parents=True)
    rng = np.random.default_rng(0)
    made = {}
    for split, n in (("train", 240), ("t10k", 20)):
        images, labels = (
            rng.integers(0, 256, (n, 28, 28)).astype(np.uint8),
            (np.arange(n) % 10).astype(np.uint8),
        )
        made[split] = images
        (raw / folder / f"raw/{split}-images-idx3-ubyte").write_bytes(idx(images))
        (raw / folder / f"raw/{split}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    splits = dataset.prepare()
    assert {name: len(arrays["y"]) for name, arrays in splits.items()} == {
        "train": 220,
        "val": 20,
        "test": 20,
    }
    assert np.array_equal(splits["test"]["x"][:, 0], made["t10k"])
    assert np.bincount(splits["val"]["y"]).tolist() == [2] * 10
    together = np.concatenate([splits[name]["x"] for name in ("train", "val")])
    assert {x.tobytes() for x in together} == {x.tobytes() for x in made["train"]}


def test_news_are_title_and_description_and_a_subset_says_so(raw, tmp_path):
    (raw / "ag_news_csv").mkdir()
    for split, first in (("train", 100), ("test", 0)):
        lines = [
            f'"{k % 4 + 1}","","Prices rose \\ for ""oil"" and cars {first + k}"\n'
            for k in range(80)
        ]
        (raw / f"ag_news_csv/{split}.csv").write_text("".join(lines))
    splits = ag_news.prepare()
    assert splits["test"]["x"][2] == 'Prices rose for "oil" and cars 2'
    assert splits["test"]["y"][:5].tolist() == [0, 1, 2, 3, 0]
    folder = tmp_path / "prepared"
    folder.mkdir()
    prepared.prepare("ag_news-v270-t8", folder)
    assert (
        json.loads((folder / "manifest.json").read_text())["subset"]
        == "a subset: 80 of 120,000 train rows"
    )


def test_articles_are_cut_at_their_headings(raw):
    one = (
        " \n = Lobster = \n \n A <unk> lobster . \n = 4 cm = is its length . \n \n"
        " = = Range = = \n \n The sea . \n \n"
    )
    two = " = M @-@ 82 = \n \n A road . \n \n"
    assert wikitext2.articles(one + two) == [one, two]
    (raw / "wikitext-2").mkdir()
    for split in ("train", "valid", "test"):
        (raw / f"wikitext-2/wiki.{split}.tokens").write_text((one + two) * 3)
    splits = wikitext2.prepare()
    assert len(splits["val"]["x"]) == 6
    made = text.tokenize(splits, 258, 4, raw, "toy")
    whole = (one + two) * 3
    assert made["test"]["words"].sum() == len(whole.split()) + whole.count(
        "\n"
    )  # as published counts have it


@pytest.mark.parametrize(
    ("dataset", "key", "classes"), [(cifar10, "labels", 10), (cifar100, "fine_labels", 100)]
)
def test_cifar_as_it_unpacks(raw, tmp_path, monkeypatch, dataset, key, classes):
    """Files like the official ones, their own checksums declared; torchvision is the reference."""
    kind = getattr(datasets, f"CIFAR{classes}")
    (raw / kind.base_folder).mkdir()
    rng, sums, whole = np.random.default_rng(0), {}, registry.dataset

    def pickled(name, content):
        data = pickle.dumps(content)
        (raw / kind.base_folder / name).write_bytes(data)
        return hashlib.md5(data).hexdigest()

    for attribute in ("train_list", "test_list"):
        listed = []
        for name, _ in getattr(kind, attribute):
            x = rng.integers(0, 256, (10 * classes, 3072)).astype(np.uint8)
            listed.append(
                [name, pickled(name, {"data": x, key: [k % classes for k in range(len(x))]})]
            )
            sums[f"{kind.base_folder}/{name}"] = {"md5": listed[-1][1]}
        monkeypatch.setattr(kind, attribute, listed)
    meta = {
        **kind.meta,
        "md5": pickled(kind.meta["filename"], {kind.meta["key"]: list(range(classes))}),
    }
    monkeypatch.setattr(kind, "meta", meta)
    monkeypatch.setattr(registry, "dataset", lambda name: whole(name) | {"files": sums})
    splits = dataset.prepare()
    of_train, of_test = (
        (one.data.transpose(0, 3, 1, 2), np.array(one.targets))
        for one in (kind(raw, True), kind(raw, False))
    )
    reference = prepared.with_val(of_train, of_test, len(of_train[1]) // 10)
    for split, arrays in reference.items():
        assert all(np.array_equal(splits[split][part], array) for part, array in arrays.items())
    assert len(splits["train"]["x"]) == 9 * classes * len(kind.train_list)
    prepared.prepare(dataset.__name__.rsplit(".", 1)[1], tmp_path)
    data = prepared.load(tmp_path)
    x = data.inputs(torch.device("cpu"))(data.on(torch.device("cpu"), "train")["x"])
    assert x.mean((0, 2, 3)).abs().max() < 1e-4
    assert (x.std((0, 2, 3)) - 1).abs().max() < 1e-3


@pytest.mark.parametrize(("dataset", "classes"), [("cifar10", 10), ("cifar100", 100)])
def test_cifars_checksums_are_those_that_torchvision_knows(dataset, classes):
    kind = getattr(datasets, f"CIFAR{classes}")
    about = registry.dataset(dataset)
    assert about["archive"] == {"file": kind.filename, "url": kind.url}
    listed = {
        f"{kind.base_folder}/{name}": {"md5": md5}
        for name, md5 in [*kind.train_list, *kind.test_list]
    }
    assert about["files"] == listed


def test_a_pickle_of_python_2_is_read(raw):
    """The official CIFAR files are such, byte strings included; this one is written by hand."""
    x = np.arange(20 * 3072).astype(np.uint8).reshape(20, 3072)
    made = b"\x80\x02}q\x01(U\x0bbatch_labelq\x02U\x03oneq\x03U\x06labelsq\x04]q\x05("
    made += b"".join(bytes([75, k % 10]) for k in range(20)) + b"eU\x04dataq\x06"
    made += (
        b"cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08K\x00\x85U\x01b\x87Rq\t"
    )
    made += b"(K\x01K\x14M\x00\x0c\x86"
    made += b"cnumpy\ndtype\nq\nU\x02u1K\x00K\x01\x87Rq\x0b(K\x03U\x01|NNN"
    made += b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
    made += b"T" + struct.pack("<i", x.size) + x.tobytes() + b"tbu."
    (raw / "cifar-10-batches-py").mkdir()
    (raw / "cifar-10-batches-py/test_batch").write_bytes(made)
    images, labels = cifar.batch("cifar10", "cifar-10-batches-py/test_batch", "labels")
    assert np.array_equal(images, x.reshape(20, 3, 32, 32))
    assert labels.tolist() == [k % 10 for k in range(20)]


@pytest.fixture
def tiny_raw(raw, monkeypatch):
    """Tiny-ImageNet as it unpacks, ten train images and one of val per class; one is greyscale."""
    monkeypatch.setattr(tiny_imagenet, "N_TRAIN", 2000)
    monkeypatch.setattr(tiny_imagenet, "N_TEST", 200)
    root, rng = raw / "tiny-imagenet-200", np.random.default_rng(0)
    wnids = [f"n{label:08d}" for label in rng.permutation(200)]
    (root / "val/images").mkdir(parents=True)
    (root / "wnids.txt").write_text("".join(f"{wnid}\n" for wnid in wnids))
    for label, wnid in enumerate(wnids):
        (root / "train" / wnid / "images").mkdir(parents=True)
        blue = 60 + 20 * (label % 5)  # classes next to each other would be equal after compression
        for k in range(10):
            colour = (label, 10 * k, blue) if label or k else 7
            image = Image.new("RGB" if label or k else "L", (64, 64), colour)
            image.save(root / f"train/{wnid}/images/{wnid}_{k}.JPEG", quality=95)
        Image.new("RGB", (64, 64), (label, 200, blue)).save(
            root / f"val/images/val_{label}.JPEG", quality=95
        )
    notes = [f"val_{label}.JPEG\t{wnid}\t0\t0\t63\t63\n" for label, wnid in enumerate(wnids)]
    (root / "val/val_annotations.txt").write_text("".join(notes))
    return root


def test_words_of_tiny_imagenet_are_beside_its_manifest(tiny_raw, tmp_path):
    """They change no checksum; without them a text tower says what is missing."""
    prepared.prepare("tiny_imagenet", tmp_path / "without")
    with pytest.raises(store.Damaged, match=r"names\.json is missing; to fix: put words"):
        class_names.of("tiny_imagenet", tmp_path / "without")
    wnids = (tiny_raw / "wnids.txt").read_text().split()
    lines = [f"{wnid}\tname {wnid}, other\n" for wnid in sorted([*wnids, "n99999999"])]
    (tiny_raw / "words.txt").write_text("".join(lines))
    prepared.prepare("tiny_imagenet", tmp_path / "made")
    names = class_names.of("tiny_imagenet", tmp_path / "made")
    assert names == [f"name {wnid}, other" for wnid in wnids]
    manifests = [(tmp_path / name / "manifest.json").read_bytes() for name in ("without", "made")]
    assert manifests[0] == manifests[1]
    (tiny_raw / "words.txt").write_text("".join(lines[:5]))
    assert tiny_imagenet.class_names() is None


def test_tiny_imagenet_as_it_unpacks(tiny_raw, tmp_path):
    prepared.prepare("tiny_imagenet", tmp_path / "made")
    data = prepared.load(tmp_path / "made")
    assert data.manifest["counts"] == {"train": 1800, "val": 200, "test": 200}
    assert data.manifest["class_counts"] == {
        "train": [9] * 200,
        "val": [1] * 200,
        "test": [1] * 200,
    }
    for (
        split
    ) in prepared.SPLITS:  # red is the class: labels follow wnids.txt, and images their labels
        x, y = data.arrays[f"{split}_x"], data.arrays[f"{split}_y"]
        assert x.dtype == np.uint8
        assert np.abs(x[:, 0].mean((1, 2)) - y)[y > 0].max() < 4
    grey = [x for split in ("train", "val") for x in data.arrays[f"{split}_x"] if (x == 7).all()]
    assert len(grey) == 1
    x = data.inputs(torch.device("cpu"))(data.on(torch.device("cpu"), "train")["x"])
    assert x[:, :2].mean((0, 2, 3)).abs().max() < 1e-4
    assert (x[:, :2].std((0, 2, 3)) - 1).abs().max() < 1e-3


@pytest.mark.parametrize("fault", ["fewer", "damaged", "no list"])
def test_a_partial_tiny_imagenet_is_one_line(tiny_raw, fault):
    one = next(tiny_raw.glob("train/*/images/*_3.JPEG"))
    if fault == "fewer":
        one.unlink()
        message = (
            "data/raw/tiny-imagenet-200 has 1,999 train and 200 val images "
            "instead of 2,000 and 200; to fix"
        )
    elif fault == "damaged":
        one.write_bytes(one.read_bytes()[:99])
        place = one.relative_to(tiny_raw.parent)
        message = f"data/raw/{place} is damaged \\(.*; to fix: rm it and put it there again"
    else:
        (tiny_raw / "wnids.txt").unlink()
        message = (
            "data/raw/tiny-imagenet-200/wnids.txt is missing .*; "
            "to fix: put the official file there"
        )
    with pytest.raises(store.Damaged, match=message) as caught:
        tiny_imagenet.prepare()
    assert "\n" not in str(caught.value)


def sort_into_classes(folder, root):
    for line in (root / "val/val_annotations.txt").read_text().splitlines():
        name, wnid, *_ = line.split("\t")
        (folder / wnid).mkdir()
        (root / "val/images" / name).rename(folder / wnid / name)


def rename_images(root):
    for image in root.glob("val/images/*.JPEG"):
        image.rename(image.with_suffix(".jpg"))


def nest(root):
    root.rename(root.with_name("inner"))
    root.mkdir()
    root.with_name("inner").rename(root / root.name)


def flatten(root):
    for image in root.glob("train/*/images/*.JPEG"):
        image.rename(image.parents[1] / image.name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda root: sort_into_classes(root / "val", root), "val is sorted into folders of class"),
        (lambda root: sort_into_classes(root / "val/images", root), "val is sorted into folders"),
        (rename_images, r"the images of val are no \.JPEG files"),
        (flatten, "the folders of train have no folder images"),
        (nest, "the files are one folder too deep"),
    ],
)
def test_a_known_layout_of_tiny_imagenet_is_named(tiny_raw, change, message):
    change(tiny_raw)
    with pytest.raises(
        store.Damaged, match=f"^data/raw/tiny-imagenet-200: {message}.*; to fix: rm"
    ):
        tiny_imagenet.prepare()


def packed(raw, archive, folder):
    """Packs a folder of data/raw as it is downloaded, and removes it."""
    if archive.endswith(".zip"):
        with zipfile.ZipFile(raw / archive, "w", zipfile.ZIP_DEFLATED) as made:
            for path in (raw / folder).rglob("*"):
                made.write(path, path.relative_to(raw))
    else:
        with tarfile.open(raw / archive, "w:gz") as made:
            made.add(raw / folder, folder)
    shutil.rmtree(raw / folder)


@pytest.mark.parametrize("dataset", ["cifar10", "cifar100", "ag_news", "wikitext2"])
def test_an_archive_is_read_as_what_it_unpacks_to(raw, dataset):
    about = registry.dataset(dataset)
    made = {file: f"what {file} holds".encode() * 99 for file in about["files"]}
    for file, content in made.items():
        (raw / file).parent.mkdir(exist_ok=True)
        (raw / file).write_bytes(content)
    packed(raw, about["archive"]["file"], file.split("/")[0])
    assert {file: official.content(dataset, file) for file in made} == made
    assert [path.name for path in raw.iterdir()] == [
        about["archive"]["file"]
    ]  # nothing was unpacked


def test_tiny_imagenet_as_it_is_downloaded(tiny_raw):
    made = tiny_imagenet.prepare()
    packed(tiny_raw.parent, "tiny-imagenet-200.zip", "tiny-imagenet-200")
    for split, arrays in tiny_imagenet.prepare().items():
        assert all(np.array_equal(array, made[split][part]) for part, array in arrays.items())
    assert not tiny_raw.exists()


def test_tiny_imagenet_of_linked_folders(tiny_raw):
    made = tiny_imagenet.prepare()
    elsewhere = tiny_raw.parent / "elsewhere"
    (tiny_raw / "train").rename(elsewhere)
    (tiny_raw / "train").mkdir()
    for folder in elsewhere.iterdir():
        (tiny_raw / "train" / folder.name).symlink_to(folder)
    assert np.array_equal(tiny_imagenet.prepare()["train"]["x"], made["train"]["x"])


@pytest.mark.parametrize("kept", ["folder", "archive"])
def test_only_the_folder_images_holds_images(tiny_raw, kept):
    shutil.copy(
        next(tiny_raw.glob("train/*/images/*.JPEG")),
        next(tiny_raw.glob("train/*")) / "thumbnail.JPEG",
    )
    if kept == "archive":
        packed(tiny_raw.parent, "tiny-imagenet-200.zip", "tiny-imagenet-200")
    assert len(tiny_imagenet.prepare()["train"]["x"]) == 1800


def test_images_of_an_archive_are_read_in_their_turn(monkeypatch):
    read, noted, made = [], [], io.BytesIO()
    Image.new("RGB", (64, 64)).save(made, "JPEG")

    def tracked(parts, *_, **__):
        for part in parts:
            noted.append(len(read))
            yield part

    monkeypatch.setattr(tiny_imagenet, "track", tracked)
    monkeypatch.setattr(tiny_imagenet, "CHUNK", 2)
    monkeypatch.setattr(tiny_imagenet, "MAX_WAITING", 3)
    names = [f"{k}.JPEG" for k in range(39)]
    assert tiny_imagenet.images(names, lambda name: read.append(name) or made.getvalue()).shape == (
        39,
        3,
        64,
        64,
    )
    assert noted[:3] == [8, 10, 12]
    assert read == names


def test_missing_cifar_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(official, "RAW", tmp_path)
    monkeypatch.setattr(download, "PAUSES", (None,))
    monkeypatch.setenv("ACTSTUDY_MIRROR", "https://127.0.0.1:9")
    with pytest.raises(
        store.Damaged,
        match=r"data/raw/cifar-10-batches-py/data_batch_1 is missing "
        r"\(https://127\.0\.0\.1:9/cifar-10-python\.tar\.gz: .*\); "
        r"to fix: put the official file there \(md5 c99c\w+\), "
        r"or https://www\.cs\.toronto\.edu/~kriz/cifar-10-python\.tar\.gz "
        r"as data/raw/cifar-10-python\.tar\.gz$",
    ) as caught:
        cifar10.prepare()
    assert "\n" not in str(caught.value)
