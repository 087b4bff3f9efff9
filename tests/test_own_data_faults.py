"""Own data that cannot be read: one line each, with file, row or key, and what is allowed."""

from pathlib import Path

import numpy as np
import own_files
import pyarrow as pa
import pytest
import yaml
from commands import command
from pyarrow import parquet

from actstudy.contract import own
from actstudy.contract.errors import StudyError
from actstudy.own_data import describe

ROWS = [[row, 2 * row, row % 2] for row in range(20)]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty present folder, and none of an earlier test's study file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(own, "_folders", [])
    return tmp_path


def refused(value, *parts):
    """Own data are refused in one line that has these parts and says what to do."""
    with pytest.raises(StudyError) as caught:
        describe.splits(describe.describe(value))
    line = str(caught.value)
    assert "\n" not in line
    for part in parts:
        assert part in line, line
    assert "allowed:" in line or "to fix:" in line, line
    assert len(line) < 400


def table(header="a,b,label", rows=ROWS, changes=()):
    """The file t.csv with some cells changed: (row, column) -> value."""
    changed = [list(row) for row in rows]
    for (row, column), value in dict(changes).items():
        changed[row][column] = value
    own_files.csv(Path("t.csv"), header, changed)


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ("./winne.csv", ["winne.csv: no such file or folder in", "did you mean 'wine.csv'?"]),
        ({"path": "wine.csv", "lable": "x"}, ["unknown key 'lable'", "did you mean 'label'?"]),
        ({"label": "x"}, ["path: missing"]),
        ({"path": "wine.csv", "split": [0.5, 0.5]}, ["split: got [0.5, 0.5]", "add up to 1"]),
        ({"path": "wine.csv", "split": [0.5, 0.5, 0.5]}, ["split: got", "add up to 1"]),
        ({"path": "wine.csv", "size": 28}, ["size: set, but read as table", "label, target"]),
        ({"path": "wine.csv", "missing": "drop"}, ["missing: got 'drop'", "'impute'"]),
        ({"path": "wine.csv", "kind": "images"}, ["kind: got 'images' for wine.csv", "table"]),
        ({"path": "wine.csv", "label": "clas"}, ["label: got 'clas'", "did you mean 'class'?"]),
        ({"path": "wine.csv", "drop": ["asch"]}, ["drop: got 'asch'", "did you mean 'ash'?"]),
        ({"path": "wine.csv", "categories": ["x"]}, ["categories: got 'x'"]),
        ({"path": "wine.csv", "group": "proline "}, ["group: got 'proline '", "'proline'"]),
        ({"path": "wine.csv", "split": "colour"}, ["row 2: column 'colour': got 'red'", "test"]),
        ({"path": "wine.csv", "target": "number", "label": "colour"}, ["target: got 'number'"]),
        ({"path": "wine.csv", "group": "colour"}, ["group: got a class in 2 groups", "at least 3"]),
    ],
)
def test_keys(folder, value, parts):
    own_files.wine(folder)
    refused(value, *parts)


@pytest.mark.parametrize(
    ("header", "changes", "parts"),
    [
        ("a,b,c", {}, ["t.csv: label: missing", "label, target, class or y", "a, b, c"]),
        ("a,a,label", {}, ["column 'a' is there 2 times"]),
        (",b,label", {}, ["column 1 has no name", "drop: ['']"]),
        ("a,b,label", {(3, 0): "tall"}, ["row 5: column 'a': got 'tall' among numbers (1 such of"]),
        ("a,b,label", {(3, 0): ""}, ["row 5: column 'a': missing (1 of 20 rows)", "impute"]),
        ("a,b,label", {(3, 0): "inf"}, ["row 5: column 'a': got 'inf'"]),
        ("a,b,label", {(3, 0): "1e999"}, ["row 5: column 'a': got inf", "finite"]),
        ("a,b,label", {(3, 2): "NaN"}, ["row 5: column 'label': label missing (1 of 20 rows)"]),
        ("a,b,label", {(3, 2): "red"}, ["row 5: column 'label': got 'red' among numbers"]),
        ("a,b,label", {(3, 2): 7}, ["got 20 examples of 3 classes, 1 of class '7'", "at least 3"]),
        ("a,b,label", {(3, 2): "1,5"}, ["Expected 3 columns, got 4"]),
    ],
)
def test_tables(header, changes, parts):
    table(header, changes=changes)
    refused("./t.csv", *parts)


def test_labels_of_one_value_or_of_too_many():
    table(rows=[[row, row, 1] for row in range(20)])
    refused("./t.csv", "label: got one class, '1'", "at least 2")
    table(rows=[[row, row, 0.5] for row in range(20)])
    refused("./t.csv", "column 'label': every label is 0.5")
    table(rows=[[row, row, f"n{row}"] for row in range(20)])
    refused("./t.csv", "got 20 examples of 20 classes, 1 of class 'n0'")


def test_classes_that_a_split_lacks():
    rows = [[row, row, row % 2, "train" if row < 15 else "test"] for row in range(20)]
    table("a,b,label,split", [[*row[:2], 0 if row[0] > 14 else row[2], row[3]] for row in rows])
    refused("./t.csv", "split test: no example of class '1'")
    table("a,b,label,split", [[*row[:2], 2 if row[0] > 16 else row[2], row[3]] for row in rows])
    refused("./t.csv", "split train: no example of class '2'")
    table("a,b,label,split", [[*row[:3], "train"] for row in rows])
    refused({"path": "./t.csv"}, "split: no example of test")


def test_decimal_commas_name_the_key():
    rows = [[f"{row},5", row, row % 2] for row in range(20)]
    own_files.csv(Path("t.csv"), "a;b;label", rows, mark=";")
    refused("./t.csv", "row 2: column 'a': got '0,5', a decimal comma", "decimal: ','")


def test_many_categories_and_an_empty_column():
    table(rows=[[f"n{row}", row, row % 2] for row in range(200)])
    refused("./t.csv", "column 'a' has 140 different texts", "at most 100", "drop: [a]")
    table(rows=[["", row, row % 2] for row in range(20)])
    refused({"path": "./t.csv", "missing": "impute"}, "column 'a' is empty", "drop: [a]")
    table("label", [[row % 2] for row in range(20)])
    refused("./t.csv", "got no column of inputs")


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("", ["t.csv: empty"]),
        ("a,b,label\n", ["got no rows"]),
        (b"a,b,label\n1,caf\xe9,2\n", ["t.csv: line 2: byte 0xe9 is not UTF-8"]),
        ("a,b,label\n1,2\n", ["Expected 3 columns, got 2"]),
        ("a,b\0,label\n1,2,3\n", ["line 1: a null byte"]),
    ],
)
def test_files_that_are_no_csv(folder, content, parts):
    own_files.write(folder / "t.csv", content)
    refused("./t.csv", *parts)


def test_parquet(folder):
    own_files.write(folder / "t.parquet", b"PAR1 not really")
    refused("./t.parquet", "not readable as Parquet")
    times = pa.array(range(20), pa.timestamp("s"))
    parquet.write_table(pa.table({"when": times, "label": [0, 1] * 10}), folder / "t.parquet")
    refused("./t.parquet", "column 'when' holds timestamp[ms]", "drop: [when]")


def test_passages():
    rows = [[text, row / 7] for row, text in enumerate(own_files.sentences(40))]
    table("text,label", rows)
    refused("./t.csv", "column 'label' holds numbers of many values", "target: class")
    table("text,label", [[text, row % 2] for row, (text, _) in enumerate(rows)], {(4, 0): " "})
    refused("./t.csv", "row 6: column 'text': empty")
    table("a,b,label")
    refused({"path": "./t.csv", "kind": "passages"}, "text: missing", "a, b")


def test_images(folder):
    own_files.images(folder / "pets", n=3)
    describe.splits(describe.describe("./pets"))
    (folder / "pets/cat/0.png").unlink()
    refused("./pets", "got 5 examples of 2 classes, 2 of class 'cat'")
    own_files.images(folder / "pets", n=4)
    own_files.write(folder / "pets/dog/x.png", "<html>no image</html>")
    refused("./pets", "dog/x.png: no image that can be read (starts with b'<html>no')")
    own_files.write(folder / "pets/dog/x.png", "")
    refused("./pets", "dog/x.png: no image that can be read (empty)")
    whole = (folder / "pets/dog/0.png").read_bytes()
    own_files.write(folder / "pets/dog/x.png", whole[: len(whole) // 2])
    refused("./pets", "dog/x.png: no image that can be read (", "to fix: replace or remove the")
    (folder / "pets/dog/x.png").rename(folder / "pets/x.png")
    refused("./pets", "x.png: in no class folder", "pets/CLASS/x.png")
    (folder / "pets/x.png").unlink()
    (folder / "pets/emu").mkdir()
    refused("./pets", "class folder emu holds no image")
    refused({"path": "./pets", "split": "part"}, "split: got 'part', and a folder has no columns")


def test_one_class_and_classes_missing_in_folders(folder):
    own_files.images(folder / "one", ["cat"])
    refused("./one", "label: got one class, 'cat'")
    for split in ("train", "val", "test"):
        own_files.images(folder / "pets" / split, n=3)
    own_files.images(folder / "pets/test", ["emu"], n=3)
    refused("./pets", "split train: no example of class 'emu'")
    refused({"path": "./pets", "split": [0.5, 0.3, 0.2]}, "split: set, and the folders test, train")
    for file in (folder / "pets/test").rglob("*.png"):
        file.unlink()
    refused("./pets", "class folder test/cat holds no image")


def test_texts(folder):
    own_files.write(folder / "a.txt", "one line\n")
    refused("./a.txt", "a.txt: got 1 line of text", "at least 3 documents")
    own_files.write(folder / "books/a.txt", "one")
    own_files.write(folder / "books/b.txt", "two")
    refused("./books", "got 2 files; allowed: at least 3")
    own_files.write(folder / "books/c.txt", " \n")
    refused("./books", "c.txt: empty")
    own_files.write(folder / "books/c.txt", bytes(range(256)))
    refused("./books", "c.txt: line 2: byte 0x80 is not UTF-8", "to fix: save it as UTF-8")
    own_files.write(folder / "books/c.txt", bytes(range(100)))
    refused("./books", "c.txt: line 1: a null byte")
    refused(".", ".: holds the present folder, where results are written")
    (folder / "empty").mkdir()
    refused("./empty", "an empty folder")


def test_a_study_with_bad_data_starts_no_job(folder):
    table(changes={(3, 0): "tall"})
    study = {"tasks": {"mlp": {"dataset": "t.csv", "seeds": 1}}, "axes": {"activation": ["relu"]}}
    own_files.write(folder / "s.yaml", yaml.safe_dump(study))
    done = command(folder, "status", "--config", "s.yaml")
    assert done.returncode == 2
    assert done.stderr.startswith("actstudy: s.yaml: tasks.mlp.dataset: t.csv: row 5:")
    assert done.stderr.count("\n") == 1
    assert not (folder / "results").exists()
    words = ["--task", "mlp", "--activation", "relu", "--dataset", "{path: t.csv, label: c}"]
    done = command(folder, "train", *words)
    assert done.returncode == 2
    assert "label: got 'c'; allowed: a, b, label" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_name_that_is_neither_a_data_set_nor_a_path(folder):
    done = command(folder, "train", "--task", "mlp", "--activation", "relu", "--dataset", "mnist2d")
    assert done.returncode == 2
    assert "did you mean 'mnist1d'?" in done.stderr
    assert "or a path such as ./mnist2d" in done.stderr


def test_nothing_of_a_failure_is_remembered(folder):
    table(changes={(3, 0): "tall"})
    refused("./t.csv", "got 'tall'")
    table()
    splits = describe.splits(describe.describe("./t.csv"))
    assert np.concatenate([splits[split]["y"] for split in splits]).shape == (20,)
