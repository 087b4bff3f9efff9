"""The chapters of the site, and the lists of pages that stand at its side."""

import re
from itertools import filterfalse
from pathlib import Path

CHAPTERS = {  # caption -> its pages in the site's source -> their names in the list
    "Start here": {
        "index.md": "Quick start",
        "docs/demos.md": "Demos in seconds",
        "docs/gallery.md": "Gallery of figures",
        "docs/choose.md": "Which activation here?",
    },
    "Your own things": {
        "docs/own_data.md": "Your own data",
        "docs/adding.md": "Your own activation, model, task",
        "docs/judge.md": "Your own numbers, judged",
        "docs/agents.md": "A gate for agents and CI",
        "docs/health.md": "Health of your own training",
        "docs/losses.md": "Contrastive losses",
        "docs/bundles.md": "Handing a study on",
    },
    "Results": {
        "docs/results.md": "What studies say",
        "docs/guide.md": "What guides say, measured",
        "docs/frameworks.md": "PyTorch against Keras",
        "docs/properties.md": "Properties of activations",
        "docs/replication.md": "Published tables, replicated",
        "docs/example/README.md": "Example studies",
    },
    "Reference": {
        "docs/commands.md": "Commands and data sets",
        "docs/cluster.md": "On a cluster",
        "docs/storage.md": "Object storage, containers",
        "docs/config.md": "Keys of a study file",
        "config/index.md": "Study files of the project",
        "docs/metrics.md": "Metrics and probes",
        "docs/explorer.md": "The page to explore",
        "docs/api.md": "Python API",
        "CHANGELOG.md": "Changelog",
    },
    "Behind it": {
        "docs/statistics.md": "Statistics",
        "docs/recipes.md": "Recipes, searched",
        "docs/limitations.md": "Limitations",
        "docs/reliability.md": "What survives what",
        "docs/faults.md": "Silent faults and their tests",
        "docs/performance.md": "Performance",
        "docs/scale.md": "Large studies",
        "docs/design.md": "Design",
    },
}
NAMES = {  # of pages of example studies, whose own titles are sentences
    "docs/example/default/README.md": "The default study, to explore",
    "docs/example/contrastive/README.md": "Contrastive losses",
    "docs/example/contrastive_checklist/README.md": "Contrastive recommendations",
    "docs/example/contrastive_stability/README.md": "Which losses survive",
    "docs/example/depth/README.md": "Depth, 576 networks",
    "docs/example/frameworks/README.md": "PyTorch against Keras",
    "docs/example/gated/README.md": "Gated feed-forwards",
    "docs/example/guide/README.md": "Claims of guides",
    "docs/example/guide_full/README.md": "Claims at full size",
    "docs/example/learnt/README.md": "Activations that learn",
    "docs/example/sensitivity/README.md": "What moves the result",
    "docs/example/sigmoid/README.md": "Deep sigmoid networks",
    "docs/example/small_depth/README.md": "Depth, 96 networks",
    "docs/example/verdicts/README.md": "Eight activations, tuned",
    "summary.md": "The study's page",
    "details.md": "Its details",
    "claims.md": "Claims, one by one",
}
COMMENT = re.compile(r"(#.*\n)*")  # at the head of a study file
SENTENCE = re.compile(r"(.*?\?(?= |$))?.*?([.](?= |$)|$)")  # after a question what follows, too
NOT_SEARCHED = "nosearch: true"  # of a page: what it holds is in others, too
ALONE = "orphan: true"  # of a page that no list has


def contents(name: str, names: set[str]) -> str:
    """The lists of pages below a page: chapters, pages of example studies, study files.

    name: of the page; names: of all pages of the site.
    """
    if name == "index.md":
        return "".join(listed(pages, caption) for caption, pages in book(names).items())
    folder = Path(name).parent
    if name == "config/index.md":
        below = [other for other in sorted(names) if Path(other).parent == folder]
        return listed({other: Path(other).stem for other in below if other != name})
    if name.startswith("docs/example/") and Path(name).name == "README.md":
        near = [other for other in sorted(names) if is_next_to(other, folder) and other != name]
        below = sorted(filterfalse(is_source, near), key=place)
        return listed({other: NAMES.get(other, NAMES.get(Path(other).name, "")) for other in below})
    return ""


def book(names: set[str]) -> dict[str, dict[str, str]]:
    """The chapters, with a last one of those documents that none of them has, if there are any."""
    in_chapters = set().union(*CHAPTERS.values())
    documents = [name for name in sorted(names) if Path(name).parent == Path("docs")]
    others = [name for name in documents if name not in in_chapters]
    return {**CHAPTERS, "More": dict.fromkeys(others, "")} if others else CHAPTERS


def place(name: str) -> int:
    """Where a page stands among those of NAMES; others come last."""
    return [*NAMES, name].index(name)


def is_next_to(name: str, folder: Path) -> bool:
    """Whether a page lies in a folder, or is the first of a folder in it."""
    parent = Path(name).parent
    return parent == folder or (parent.parent == folder and Path(name).name == "README.md")


def is_source(name: str) -> bool:
    """Whether a page shows a source file: the site adds `.md` to the file's name."""
    return Path(Path(name).stem).suffix != ""


def listed(names: dict[str, str], caption: str = "") -> str:
    """A list that the site shows at its side: pages with the names that they have there."""
    if not names:
        return ""
    lines = ["", "```{toctree}", ":hidden:"]
    if caption:
        lines += [f":caption: {caption}"]
    for page, name in names.items():
        target = "self" if page == "index.md" else "/" + page.removesuffix(".md")
        lines.append(f"{name} <{target}>" if name else target)
    return "\n".join([*lines, "```", ""])


def study_files(texts: dict[str, str]) -> str:
    """The page that lists study files: name of each page -> the text of its study file.

    Each with the first statement of the comment that it begins with.
    """
    lines = ["# Study files of the project", "", "| study file | what it is |", "|---|---|"]
    for page, text in texts.items():
        comment = " ".join(COMMENT.match(text)[0].replace("#", " ").split())
        sentence = SENTENCE.match(comment)[0]
        lines.append(f"| [{Path(page).stem}]({Path(page).name}) | {sentence} |")
    return "\n".join([*lines, ""])


def marked(text: str, marks: list[str]) -> str:
    """A page's text with marks for Sphinx at its head."""
    return "\n".join(["---", *marks, "---", "", text])
