"""A made-up study in the present folder, its bundle, and bundles that are wrong on purpose."""

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import made_up
import yaml

from actstudy.bundles import archive, checked, making
from actstudy.bundles.opened import opened
from actstudy.contract import store
from actstudy.contract.spec import RunSpec, canonical
from actstudy.study import planning
from actstudy.study.planning import Study

CONTENT: dict[str, Any] = {
    "axes": {"activation": ["relu", "tanh", "gelu"]},
    "tasks": {"mlp": {"seeds": 2, "depth": 2, "width": 8, "epochs": 1, "warmup": 0}},
}
PAGE = "# Study origin: 6 of 6 runs completed\n"


def whole(run: Any) -> str:
    """An ending: every run completes."""
    return "completed"


def study(
    ending: made_up.Ending = whole,
    shift: Callable[[RunSpec], float] = made_up.no_shift,
    name: str = "origin",
    content: dict[str, Any] = CONTENT,
) -> Study:
    """A study whose runs have ended, with tables, a page and a figure, in the present folder."""
    Path(f"{name}.yaml").write_text(yaml.safe_dump(content))
    planned = planning.load(f"{name}.yaml")
    made_up.build(planned, store.RESULTS, ending, shift)
    results = Path(planned.folder)
    shutil.rmtree(results / "tables", ignore_errors=True)
    results.mkdir(exist_ok=True)
    (store.RESULTS / "tables").rename(results / "tables")
    for run in planned.runs():
        folder = store.run_folder(run.spec)
        if folder.is_dir():
            (folder / "spec.json").write_text(canonical(run.spec))
            store.write_json(folder / "environment.json", {"torch": "2"})
    figures = results / "figures/mlp"
    figures.mkdir(parents=True, exist_ok=True)
    (figures / "loss_curves.png").write_bytes(b"a picture")
    (results / "summary.md").write_text(PAGE)
    return planned


def packed(planned: Study, **flags: Any) -> Path:
    """The bundle of a study, with its runs."""
    return making.make(planned, **{"runs": True, **flags}).path


def faults(path: Path) -> list[str]:
    """What `verify` says of a bundle."""
    with opened(path) as content:
        return checked.check(content).faults


def unpacked(path: Path, folder: Path) -> Path:
    """The folder that unzip makes of a bundle."""
    with zipfile.ZipFile(path) as content:
        content.extractall(folder)
    (inside,) = folder.iterdir()
    return inside


def packed_again(folder: Path, path: Path) -> Path:
    """A bundle of a changed folder whose hashes are right: only what they say is not."""
    contents: dict[str, archive.Content] = {}
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder).as_posix()
        if file.is_file() and name not in (archive.MANIFEST, archive.SUMS):
            contents[name] = file
    manifest = store.read_note(folder / archive.MANIFEST, {})
    archive.write(path, folder.name, contents, manifest)
    return path


def zip_of(path: Path, *entries: tuple[zipfile.ZipInfo | str, bytes]) -> Path:
    """A zip of some entries, beside a manifest."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as content:
        content.writestr("origin/manifest.json", "{}")
        for name, data in entries:
            content.writestr(name, data)
    return path
