"""Each guard switched off: what it guards does break, so the proofs of `tests/faults` can fail."""

import contextlib
import fcntl
import random
import shutil

import matplotlib as mpl
import pandas as pd
import pytest
import torch
from faults import flips, forks, hostile, kills, labels, pages, proofs, shells
from faults.strings import STRINGS
from matplotlib import pyplot as plt
from runs import ROOT

from actstudy.analysis import figures, markdown
from actstudy.analysis.export import latex, spreadsheet
from actstudy.analysis.page import template
from actstudy.contract import locks, store
from actstudy.training import checkpoint, job, run


@pytest.fixture
def folder():
    with forks.scratch() as root:
        yield root


@contextlib.contextmanager
def in_place(path):
    """`replacing` without its rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    yield path


@contextlib.contextmanager
def flushed_late(path):
    """`replacing` that flushes after its rename."""
    store._make_folder(path.parent)
    draft = path.with_name(f".{path.name}.tmp")
    yield draft
    draft.rename(path)
    store.flush(path)
    store.flush(path.parent)


def test_without_the_rename_a_kill_leaves_half_a_file(folder, monkeypatch):
    assert not proofs.a_writer_that_dies(folder)
    monkeypatch.setattr(store, "replacing", in_place)
    assert "half a fi" in proofs.a_writer_that_dies(folder)


@pytest.mark.parametrize(
    ("guard", "off", "wrong"),
    [
        ("replacing", in_place, "in place"),
        ("replacing", flushed_late, "before its content"),
        ("flush", lambda _: None, "before its content"),
        ("_make_folder", lambda made: made.mkdir(parents=True, exist_ok=True), "never on disk"),
    ],
    ids=["rename", "order", "flush", "folder"],
)
def test_without_the_order_of_flushes_a_power_cut_leaves_half_a_file(
    folder, monkeypatch, guard, off, wrong
):
    with monkeypatch.context() as patch:
        assert not proofs.power_cuts(folder / "on", patch)
    monkeypatch.setattr(store, guard, off)
    with monkeypatch.context() as patch:
        (folder / "off").mkdir()
        assert wrong in proofs.power_cuts(folder / "off", patch)


def test_without_the_lock_two_write_at_once(folder, monkeypatch):
    assert not proofs.two_writers(folder / "a")
    monkeypatch.setattr(fcntl, "flock", lambda *_: None)
    assert proofs.two_writers(folder / "a") == "two writers at once"


def test_without_a_lock_file_that_stays_a_removed_one_is_held_twice(folder, monkeypatch):
    """A folder's lock outlives the folder: a lock inside it would go with it, and be held twice."""
    a = folder / "a"
    with locks.locked(a):
        (a / "x").touch()
    with locks.locked(a):
        shutil.rmtree(a)
        with pytest.raises(BlockingIOError), locks.locked(a, wait=False):
            pass
    monkeypatch.setattr(locks, "lock_file", lambda held: held / "in" / ".lock")
    with locks.locked(a):
        shutil.rmtree(a)
        with locks.locked(a, wait=False):
            pass


KILL = kills.Kill("step", step=23)


@pytest.mark.parametrize("off", ["dropout", "optimizer", "best", "window"])
def test_without_its_whole_state_a_killed_run_ends_in_other_bits(folder, monkeypatch, off):
    if off == "dropout":  # drawn on and on, not from (seed, step)
        monkeypatch.setattr(job, "generator", lambda _: torch.Generator())
    elif off == "optimizer":
        monkeypatch.setattr(job, "restore", lambda optimizer, state: None)
    else:
        names = {"best": ("best_value", 9.0), "window": ("window", {})}[off]
        plain = run.resume

        def forgetful(engine, *where):
            plain(engine, *where)
            if engine.step:
                setattr(engine.progress[0], *names)

        monkeypatch.setattr(run, "resume", forgetful)
    assert "differs" in proofs.resumed(folder, KILL)


def test_with_its_whole_state_it_does_not(folder):
    assert not proofs.resumed(folder, KILL)


def test_without_the_checksum_of_checkpoints_flipped_bits_are_accepted(folder, monkeypatch):
    def trusting(path, device):
        return torch.load(path, map_location=device, weights_only=True)

    files, rng = [path for path in flips.made(folder) if path.suffix == ".pt"], random.Random(0)
    assert all(flips.damaged(rng.choice(files), rng, cut=False) for _ in range(30))
    monkeypatch.setattr(checkpoint, "read", trusting)
    silent = 0
    for _ in range(30):
        with contextlib.suppress(Exception):
            silent += not flips.damaged(rng.choice(files), rng, cut=False)
    assert silent


def test_without_the_checksum_of_tables_flipped_bits_are_accepted(folder, monkeypatch):
    files, rng = (
        [path for path in flips.made(folder) if path.suffix == ".parquet"],
        random.Random(0),
    )
    monkeypatch.setattr(store, "sha256", lambda path: store._checksums(path.parent)[path.name])
    silent = 0
    for _ in range(60):
        with contextlib.suppress(Exception):
            silent += not flips.damaged(rng.choice(files), rng, cut=False)
    assert silent


@pytest.mark.parametrize("command", shells.commands(ROOT), ids=shells.name)
def test_without_quotes_the_shell_runs_what_a_value_says(command, tmp_path):
    bare = command.replace(":q}", "}")
    for program in ("PYTHON", "SCRIPTS"):
        bare = bare.replace(f"{{{program}}}", f"{{{program}:q}}")
    assert "$(touch MARK)" in shells.misread(bare, STRINGS, tmp_path)
    assert (tmp_path / "MARK").exists()


def test_without_escapes_a_page_has_scripts_and_blocks_of_others(monkeypatch):
    monkeypatch.setattr(markdown, "SPECIAL", {})
    page = pages.rendered("\n\n".join(map(markdown.prose, STRINGS)))
    assert len(page.scripts) == 2  # the renderer itself refuses links to javascript
    assert {"code", "del"} & page.tags
    assert pages.rendered(markdown.markdown([{"one": one} for one in STRINGS])).scripts


def test_without_escapes_at_the_start_a_line_is_a_heading(monkeypatch):
    assert pages.rendered(markdown.prose("# head")).tags == {"p"}
    assert pages.rendered(markdown.escaped("# head")).tags == {"h1"}


def test_without_its_finalizer_the_summary_has_scripts(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "draw_page", lambda *_: None)
    monkeypatch.setattr(template, "prose", str)
    sandbox = hostile.Sandbox(tmp_path)
    labels.through(sandbox, ["<script>alert(1)</script>"])
    assert sandbox.found["script"]


def test_without_an_apostrophe_a_csv_computes(tmp_path, monkeypatch):
    monkeypatch.setattr(spreadsheet, "FORMULA", ())
    spreadsheet.write_csv(pd.DataFrame({"one": STRINGS}), tmp_path / "a.csv")
    assert pages.formulas(tmp_path / "a.csv") == ["-rf", "--help", "=cmd|'/C calc'!A1", "@SUM(1)"]


def test_without_escapes_a_cell_of_a_csv_may_begin_another_row(tmp_path, monkeypatch):
    monkeypatch.setattr(spreadsheet, "visible", str)
    spreadsheet.write_csv(pd.DataFrame({"one": ["a\r=1"]}), tmp_path / "a.csv")
    assert pages.formulas(tmp_path / "a.csv") == ["=1"]


def test_without_plain_text_a_label_is_mathematics(tmp_path, monkeypatch):
    figure, ax = plt.subplots()
    ax.set_title("$\\nothing$")
    figures.save(figure, "", tmp_path / "on")
    with mpl.rc_context({"text.parse_math": True}):
        figure, ax = plt.subplots()
        ax.set_title("$\\nothing$")
        with pytest.raises(ValueError, match="Unknown symbol"):
            figures.save(figure, "", tmp_path / "off")
    monkeypatch.setattr(figures, "plain_powers", lambda _: None)
    figure, ax = plt.subplots()
    ax.plot([1, 2], [1, 1000])
    ax.set_yscale("log")
    figures.save(figure, "", tmp_path / "powers")
    assert any("$" in label.get_text() for label in ax.get_yticklabels())


def test_without_escapes_latex_has_commands(monkeypatch):
    monkeypatch.setattr(latex, "SPECIAL", {})
    assert "\\input{" in latex.escaped("\\input{/etc/passwd}")
