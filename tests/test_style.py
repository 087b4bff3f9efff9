"""The ratchet of style: what a file carries per line may only fall; and the rules of counting."""

import json

import floors
import pytest
import style
from style_rules import count_text, function_lengths

ALLOWED = json.loads(style.BASELINE.read_text())
FILES = [path for folder in style.FOLDERS for path in style.python_files(style.ROOT / folder)]
NAMES = [path.relative_to(style.ROOT).as_posix() for path in FILES]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_not_denser_than_before(name):
    counts = count_text((style.ROOT / name).read_text())
    for rule in style.RATCHET:
        allowed = ALLOWED.get(name, {}).get(rule, 0)
        assert counts[rule] <= allowed, (
            f"{name}: {counts[rule]} x {rule}, allowed: {allowed}; "
            f"see them with `python tests/style.py --list {name}`"
        )


def test_the_library_keeps_its_budgets():
    counts = style.total(style.python_files(style.ROOT / "lib"))
    for rule, budget in style.BUDGET.items():
        assert style.per_thousand(counts, rule) <= budget, rule


def test_the_package_has_no_import_circles():
    files = floors.import_graph(style.ROOT / "lib/actstudy")
    assert len(files) > 100
    assert floors.circles(files) == []
    assert floors.circles(floors.rooms(files)) == []


@pytest.mark.parametrize(
    ("text", "rule", "count"),
    [
        ("a, settings = x, y", "unrelated", 1),
        ("row['a'], data = x, y", "unrelated", 1),
        ("low, high = x, y", "unrelated", 0),
        ("p_low, p_high = x, y", "unrelated", 0),
        ("low_p, high_q = x, y", "unrelated", 1),
        ("w1, w2 = x, y", "unrelated", 0),
        ("B, T = 2, 3", "unrelated", 0),
        ("spec, plan = plan, spec", "unrelated", 0),
        ("spec, plan = load()", "packings", 0),
        ("low, high = x, y", "packings", 1),
        ("[f(i) for i in x]", "nested", 0),
        ("[i for row in x for i in row]", "nested", 1),
        ("[[i for i in row] for row in x]", "nested", 1),
        ("[[i for i in row] for row in x]", "comprehensions", 2),
        ("a if b else c", "ifs", 1),
        ("head |= tail", "unions", 1),
        ("['lr'] * (a in b)", "times_bool", 1),
        ("bool(a) * 'text'", "times_bool", 1),
        ("['lr'] * n", "times_bool", 0),
        ("n * (a < b)", "times_bool", 0),
        ("found = 1", "banned", 1),
        ("def _told(mine): return said", "banned", 2),
        ("spec.made = 1", "banned", 1),
        ("print(found.made)", "banned", 0),
        ("MOST = 1\nmost = 2", "banned", 1),
        ("for one in rows: pass", "banned", 1),
        ('def f():\n    """Text."""', "statements", 2),
    ],
)
def test_what_is_counted(text, rule, count):
    assert count_text(text)[rule] == count


def test_a_function_is_as_long_as_its_code():
    text = 'def f():\n    """First.\n\n    More.\n    """\n    x = 1\n    return x\n'
    assert function_lengths(text) == [3]


def test_floors_and_circles_of_a_graph():
    graph = {"a": set(), "b": {"a"}, "c": {"b", "d"}, "d": {"c"}, "e": {"a", "d"}}
    assert floors.circles(graph) == [{"c", "d"}]
    assert floors.floors(graph) == {"a": 1, "b": 2, "c": 3, "d": 3, "e": 4}


def test_the_baseline_only_falls(tmp_path, monkeypatch):
    monkeypatch.setattr(style, "ROOT", tmp_path)
    monkeypatch.setattr(style, "BASELINE", tmp_path / "baseline.json")
    (tmp_path / "lib").mkdir()
    first = tmp_path / "lib/first.py"
    first.write_text("found = made = 1")
    style.write_baseline()
    assert json.loads(style.BASELINE.read_text()) == {"lib/first.py": {"banned": 2}}
    first.write_text("found = made = told = 1")
    (tmp_path / "lib/second.py").write_text("found = 1")
    style.write_baseline()
    assert json.loads(style.BASELINE.read_text()) == {"lib/first.py": {"banned": 2}}
    first.write_text("found = 1")
    style.write_baseline()
    assert json.loads(style.BASELINE.read_text()) == {"lib/first.py": {"banned": 1}}
