"""Studies whose runs ended badly: tables, figures and page hold, and name every run."""

import itertools
import json
import re
import warnings

import pytest
from made_up import ENDINGS, HAVE_RESULTS, build, study_of
from matplotlib import pyplot as plt

from actstudy.analysis import figures
from actstudy.analysis.decide import look
from actstudy.analysis.page import summary
from actstudy.contract import store

ACTIVATIONS = {"activation": ["relu", "tanh"]}
BRIEF = {"seeds": 2, "epochs": 3, "depth": 2, "width": 16, "warmup": 0, "targets": [0.4]}
SCALE = [{"factor": 1}, {"factor": 2}]
STUDIES = {
    "classes": {"axes": ACTIVATIONS, "tasks": {"mlp": BRIEF}},
    "tokens": {"axes": ACTIVATIONS, "tasks": {"lm": {"seeds": 2}}},
    "two tasks": {"axes": ACTIVATIONS, "tasks": {"mlp": BRIEF, "lm": {"seeds": 2}}},
    "one seed": {"axes": ACTIVATIONS, "tasks": {"mlp": {**BRIEF, "seeds": 1}}},
    "one level": {"axes": {"activation": ["relu"]}, "tasks": {"mlp": BRIEF}},
    "eight seeds": {"axes": ACTIVATIONS, "tasks": {"mlp": {**BRIEF, "seeds": 8}}},
    "depth": {"axes": {**ACTIVATIONS, "depth": [1, 2]}, "tasks": {"mlp": {"seeds": 2}}},
    "factor": {
        "axes": {**ACTIVATIONS, "init_args": SCALE},
        "tasks": {"mlp": {"seeds": 2, "init": "he_normal"}},
    },
    "rates": {"tune_lr": [0.001, 0.003, 0.01], "axes": ACTIVATIONS, "tasks": {"mlp": BRIEF}},
    "looks": {"looks": True, "axes": ACTIVATIONS, "tasks": {"mlp": {}}},
}
SCOPES = {
    "all runs": lambda run: True,
    "the baseline": lambda run: run.level == "relu",
    "one run": lambda run: run.level == "tanh" and run.spec.seed == 0,
}
NO_NUMBER = re.compile(r"\b(nan|inf)\b")


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    """No waiting for the disk; a warning is a failure."""
    monkeypatch.setattr(store, "flush", lambda path: None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ResourceWarning)  # files of other tests, closed now
        yield
    plt.close("all")


def tables_of(tmp_path, name, ending, scope="all runs"):
    """The tables of a study of STUDIES in which the runs of a scope have an ending."""
    study = study_of(tmp_path, {"baseline": "relu", **STUDIES[name]})
    return build(study, tmp_path, lambda run: ending if SCOPES[scope](run) else "completed")


def page_of(tables, folder):
    """The pages of a study; they show no number that is none."""
    drawn = folder / "figures"
    own = summary.content(tables, drawn, folder / "summary.md")
    page = summary.render(tables, drawn, folder / "summary.md", own=own)
    page += summary.render_details(tables, drawn, folder / "details.md", own)
    page += summary.render_appendix(tables, drawn, folder / "appendix.md")
    reasons = re.compile(r"completed, but its reported_\w+ is (nan|inf)")
    plain = reasons.sub("", page.replace("&#95;", "_").replace("\\_", "_"))
    assert [line for line in plain.splitlines() if NO_NUMBER.search(line)] == []
    return page


def check_runs(tables, page, ending):
    """Every run without a result is named on the page with its state; missing ones are counted."""
    runs = tables.frames["runs"]
    completed = int((runs["status"] == "completed").sum())
    assert f"{completed} of {len(runs)} runs completed" in page.splitlines()[0]
    incomplete = tables.frames["incomplete"]
    assert len(incomplete) == len(runs) - completed
    assert bool(len(incomplete)) == (ending not in HAVE_RESULTS)
    for status, part in incomplete.groupby("status"):
        seeds = r"\d+"
        n_rows = len(part)
        if status == "missing":
            seeds = r"\d+ runs"
            n_rows = part["task"].nunique()
        rows = re.findall(rf"^\|.*\| {seeds} \| {status.replace('_', '.+')} \|", page, re.MULTILINE)
        assert len(rows) == n_rows


CASES = [(ending, "all runs") for ending in ENDINGS]
CASES += itertools.product(("diverged", "chance", "inf", "damaged"), ("the baseline", "one run"))


@pytest.mark.parametrize(("ending", "scope"), CASES)
def test_a_study_of_any_ending_has_its_tables_and_its_page(tmp_path, ending, scope):
    tables = tables_of(tmp_path, "classes", ending, scope)
    page = page_of(tables, tmp_path)
    check_runs(tables, page, ending)
    assert ("accuracy at chance" in page) == (ending == "chance")
    assert ("patience ended" in page) == (ending == "short")


@pytest.mark.parametrize("ending", ["diverged", "inf", "last_inf"])
def test_a_study_of_tokens_holds_too(tmp_path, ending):
    tables = tables_of(tmp_path, "tokens", ending, "the baseline")
    check_runs(tables, page_of(tables, tmp_path), ending)


@pytest.mark.parametrize("name", STUDIES)
def test_no_study_needs_a_completed_run(tmp_path, name):
    tables = tables_of(tmp_path, name, "diverged")
    check_runs(tables, page_of(tables, tmp_path), "diverged")


@pytest.mark.parametrize("name", STUDIES)
def test_every_figure_draws_what_is_left(tmp_path, name):
    """Of each level one run at least is left; the others ended in all the ways that there are."""
    study = study_of(tmp_path, {"baseline": "relu", **STUDIES[name]})
    ways = iter(ENDINGS * 10)

    def ending(run):
        return "completed" if run.spec.seed == 0 else next(ways)

    tables = build(study, tmp_path, ending)
    page_of(tables, tmp_path)
    for task, settings in tables.plan.tasks.items():
        for figure in settings.figures:
            drawn = figures.TASK_FIGURES[figure].draw(tables, task)
            if drawn is None:
                continue
            picture, caption = drawn
            if name == "tokens":
                picture.draw_without_rendering()  # where limits of an axis are found
            plt.close(picture)
            assert "nan" not in caption
    for study_figure in figures.STUDY_FIGURES.values():
        study_figure.draw(tables)


def test_a_completed_run_without_a_number_counts_as_diverged(tmp_path):
    tables = tables_of(tmp_path, "classes", "inf", "one run")
    row = tables.frames["incomplete"].iloc[0]
    assert (row["level"], row["seed"], row["status"]) == ("tanh", 0, "diverged")
    assert row["reason"] == "completed, but its reported_accuracy is inf"
    cells = tables.reported("mlp").set_index("level")
    assert (cells.loc["tanh", "n"], cells.loc["relu", "n"]) == (1, 2)
    (line,) = [line for line in page_of(tables, tmp_path).splitlines() if "accuracy is inf" in line]
    assert re.match(r"\| mlp \| tanh \| 0 \| diverged \| completed, but its reported", line)


def test_a_look_counts_it_too(tmp_path):
    study = study_of(tmp_path, {"baseline": "relu", **STUDIES["looks"]})
    build(study, tmp_path, lambda run: "nan" if run.level == "tanh" else "completed")
    decision = look(study, "mlp", 1, tmp_path / "runs")
    assert json.dumps(decision, allow_nan=False)


def test_a_metric_that_is_infinite_at_the_last_step_alone_is_left_out_with_its_n(tmp_path):
    page = page_of(tables_of(tmp_path, "classes", "last_inf", "one run"), tmp_path)
    (row,) = [line for line in page.splitlines() if re.match(r"\| tanh +\| 2 of 2", line)]
    assert row.count("n = 1") == 1


def test_the_page_says_how_many_steps_each_level_trained(tmp_path, tmp_path_factory):
    tables = tables_of(tmp_path, "classes", "short", "one run")
    page = page_of(tables, tmp_path)
    assert "patience ended 1 of 4 completed runs before their last step" in page
    assert page.count("steps trained") == 2  # of results and of compute
    assert page.count("| 6 to 12 of 12") == 2
    assert page.count("| 12 of 12") == 2
    tables = tables_of(tmp_path_factory.mktemp("whole"), "classes", "completed")
    assert "steps trained" not in page_of(tables, tmp_path)


def test_an_activation_at_chance_is_a_finding_of_each_of_its_seeds(tmp_path):
    tables = tables_of(tmp_path, "classes", "chance", "the baseline")
    findings = tables.frames["findings"]
    at_chance = findings[findings["rule"] == "accuracy_at_chance"]
    assert at_chance["level"].tolist() == ["relu", "relu"]
    assert set(at_chance["severity"]) == {"error"}
    page = page_of(tables, tmp_path)
    in_short, row = [line for line in page.splitlines() if "accuracy at chance" in line]
    assert "Health: 1 error in 1 of 2 cells" in in_short
    assert "2 of 2" in row
    assert "the best validation accuracy, 0.1, is that of a guess" in row
