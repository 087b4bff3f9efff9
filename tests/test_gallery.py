"""The gallery of figures is that of its table, complete, and names what makes each picture."""

import itertools
import re
import sys

import pandas as pd
import pytest
import yaml
from runs import ROOT

from actstudy.analysis import tables
from actstudy.contract import demos, registry
from actstudy.study import planning, tries

sys.path.insert(0, str(ROOT / "docs"))
import gallery
import quoted
import refresh

PAGE = (ROOT / "docs/gallery.md").read_text()
TABLE = gallery.table()
PARTS = [*itertools.chain.from_iterable(TABLE["chapters"].values())]  # pictures in order
STUDIES = sorted({entry["study"] for entry in TABLE["makers"].values() if "study" in entry})
TODAY = {}  # a picture of docs/images -> the name that its study gives it
for pictures in refresh.PICTURES.values():
    TODAY.update({name: source for source, name in pictures.items()})


def test_the_gallery_is_that_of_its_table():
    """To fix: python docs/gallery.py > docs/gallery.md."""
    assert gallery.text() == PAGE


def test_every_picture_of_the_documents_is_in_it_once():
    in_parts = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", PAGE)
    listed = re.findall(r"(?<!!)\[[^\]]+\]\(([^)]+\.png)\)", PAGE)
    assert sorted([*in_parts, *listed]) == gallery.pictures()
    assert in_parts == PARTS
    in_images = [name for name in gallery.pictures() if name.startswith("images/")]
    assert set(in_images) <= set(in_parts)


def test_a_picture_without_a_maker_or_a_caption_is_refused(monkeypatch):
    with pytest.raises(SystemExit, match=r"docs/example/new/.*forest\.png: no maker"):
        gallery.maker("example/new/figures/study/forest.png", TABLE["makers"])
    bare = {"makers": TABLE["makers"], "chapters": {"New": {"images/forest.png": {"title": "A"}}}}
    monkeypatch.setattr(gallery, "table", lambda: bare)
    with pytest.raises(SystemExit, match=r"docs/images/forest\.png: no caption"):
        gallery.text()


@pytest.mark.parametrize("study", STUDIES)
def test_a_study_of_the_gallery_draws_the_figures_that_are_shown_of_it(study):
    plan = planning.load(str((ROOT / "docs" / study).resolve())).plan()
    drawn = set(registry.study_figures())
    for task in plan.tasks.values():
        drawn.update(task.figures)
    own = [name for name in PARTS if gallery.maker(name, TABLE["makers"]).file == study]
    names = {TODAY.get(name.removeprefix("images/"), name) for name in own}
    assert own
    assert {re.sub(r".*/|\.png", "", name) for name in names} <= drawn


def test_what_makes_a_picture_exists():
    for picture in gallery.pictures():
        of = gallery.maker(picture, TABLE["makers"])
        assert (ROOT / "docs" / of.page).is_file(), picture
        assert of.file is None or (ROOT / "docs" / of.file).is_file(), picture
        files = re.findall(r"(?:--configfile |python )(\S+\.(?:yaml|py))", of.command)
        assert [name for name in files if not (ROOT / name).is_file()] == []
        if of.file and of.file.endswith(".yaml") and "--configfile" in of.command:
            (file,) = files
            assert of_results(ROOT / file) == of_results(ROOT / "docs" / of.file), picture


def of_results(file):
    """What a study file says, but for keys that change no result."""
    content = yaml.safe_load(file.read_text())
    return {key: value for key, value in content.items() if key not in tries.HOST_KEYS}


def test_demos_of_the_gallery_are_those_that_there_are():
    names = re.findall(r"^python -m actstudy demo (\w+)$", PAGE, re.MULTILINE)
    assert sorted(names) == sorted(demos.DEMOS)


def test_whole_tables_of_the_default_study_are_of_the_runs_that_documents_quote():
    """To fix: `make study`, then python docs/refresh.py --from results."""
    whole = tables.read(quoted.DEFAULT / "explorer")
    plans = [quoted.DEFAULT / "explorer/plan.json", quoted.DEFAULT / "plan.json"]
    assert plans[0].read_text() == plans[1].read_text()
    for name, keys in (("cells", ["checkpoint"]), ("contrasts", ["family", "baseline"])):
        csv = pd.read_csv(quoted.DEFAULT / f"{name}.csv").set_index(["task", "level", *keys])
        frame = whole.frames[name].set_index(["task", "level", *keys])
        assert list(frame.index) == list(csv.index)
        assert frame["mean"].tolist() == pytest.approx(csv["mean"].tolist(), rel=1e-9, nan_ok=True)
    seconds = pd.read_csv(quoted.DEFAULT / "runs.csv").set_index("run_id")["train_seconds"]
    runs = whole.frames["runs"].set_index("run_id")["train_seconds"]
    assert runs.tolist() == pytest.approx(seconds[runs.index].tolist(), rel=1e-9)
