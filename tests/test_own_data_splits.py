"""How own data are split: stated splits, whole groups, folders, shares that are reached."""

import own_files
import pytest

from actstudy.contract import own
from actstudy.contract.errors import StudyError
from actstudy.own_data import describe
from actstudy.own_data.options import SPLITS


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty present folder, and none of an earlier test's study file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(own, "_folders", [])
    return tmp_path


def splits_of(value):
    """The arrays of own data by split."""
    return describe.splits(describe.describe(value))


def refused(value, pattern):
    """Own data are refused in one line that has a pattern and says what to do."""
    with pytest.raises(StudyError, match=pattern) as caught:
        splits_of(value)
    line = str(caught.value)
    assert "\n" not in line
    assert "allowed:" in line or "to fix:" in line, line
    assert len(line) < 400


def test_val_is_drawn_from_a_stated_train_by_whole_groups(folder):
    rows = [[row, f"p{row // 4}", row % 2, "train" if row < 160 else "test"] for row in range(200)]
    own_files.csv(folder / "t.csv", "x,person,label,split", rows)
    splits = splits_of({"path": "t.csv", "group": "person"})
    persons = [set((splits[split]["x"] // 4).ravel()) for split in SPLITS]
    assert sum(map(len, persons)) == len(set.union(*persons)) == 50
    assert len(persons[1]) == 7  # 0.15 of 0.85 of 40


def test_a_group_in_two_stated_splits_is_refused(folder):
    rows = [[row, row // 4, row % 2, SPLITS[row % 3]] for row in range(60)]
    own_files.csv(folder / "t.csv", "x,person,label,split", rows)
    value = {"path": "t.csv", "group": "person"}
    refused(value, r"group: got '0' in train, val, test \(15 such of 15\); allowed: each group in")
    rows = [[*row[:3], SPLITS[min(2, row[0] // 20)]] for row in rows]
    own_files.csv(folder / "t.csv", "x,person,label,split", rows)
    assert [len(splits_of(value)[split]["y"]) for split in SPLITS] == [20, 20, 20]


@pytest.mark.parametrize("name", ["dev", "eval", "valid", "Validation", "val"])
def test_folders_of_val_in_any_spelling(folder, name):
    for split in ("train", name, "test"):
        own_files.images(folder / "pets" / split, n=4)
        for row, text in enumerate(own_files.sentences(4, seed=len(split))):
            own_files.write(folder / "books" / split / f"{row}.txt", f"{split} {text}")
    splits = splits_of("./pets")
    assert [len(splits[split]["y"]) for split in SPLITS] == [8, 8, 8]
    texts = splits_of("./books")
    for split, start in zip(SPLITS, ("train", name, "test"), strict=True):
        assert {text.split()[0] for text in texts[split]["x"]} == {start}


def test_folders_of_which_some_are_splits_are_refused(folder):
    for split in ("train", "test", "extra"):
        own_files.images(folder / "pets" / split, n=3)
        own_files.write(folder / "books" / split / "a.txt", f"a text of {split}")
    odd = "folders test, train are splits, and extra not; allowed: train, val and test alone"
    refused("./pets", odd)
    refused("./books", odd)
    (folder / "pets/test").rename(folder / "pets/other")
    refused("./pets", "folders train are splits, and extra, other not")
    for name in ("val", "test"):
        own_files.images(folder / "cats" / name, n=3)
    refused("./cats", "none is train of the folders test, val; allowed")
    own_files.images(folder / "vehicles", ["train", "plane"])  # a class may be called so
    assert set(splits_of("./vehicles")["test"]["y"]) == {0, 1}


def test_a_column_called_split_in_any_case_and_with_an_odd_value(folder):
    rows = [[row, row % 2, ("Train", "DEV", "test")[row // 20]] for row in range(60)]
    own_files.csv(folder / "t.csv", "x,label,split", rows)
    assert [len(splits_of("t.csv")[split]["y"]) for split in SPLITS] == [20, 20, 20]
    rows[50][2] = "holdout"
    own_files.csv(folder / "t.csv", "x,label,split", rows)
    refused("t.csv", "row 52: column 'split': got 'holdout'; allowed: train, val and test")


def test_texts_that_all_stand_in_train_are_refused(folder):
    own_files.write(folder / "song.txt", "\n".join(["one line", "two lines", "three lines"] * 20))
    refused(
        "song.txt", r"split val: no document of its own among 9 \(3 different ones of 60 in all"
    )
    for split in SPLITS:
        own_files.write(folder / f"books/{split}/a.txt", "the same text")
    refused("./books", "split val: no document of its own among 1")
    for row in range(3):
        own_files.write(folder / f"equal/{row}.txt", "the same text")
    refused("./equal", "split train: no document of its own among 0")
