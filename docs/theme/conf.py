"""Sphinx's settings of the site; docs/website.py writes its source and calls Sphinx."""

from pathlib import Path

from docutils import nodes
from pygments.lexers.special import TextLexer

project = "actstudy"
html_title = "actstudy"
root_doc = "index"
extensions = ["myst_parser"]
myst_heading_anchors = 6  # a link may name any heading, by the rules of code hosts
smartquotes = False  # options of commands keep their two hyphens
highlight_language = "none"
html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_use_index = False
html_show_search_summary = False  # it would fetch pages, which browsers refuse for files
html_search_scorer = str(Path(__file__).with_name("scorer.js"))
html_theme_options = {"top_of_page_buttons": []}


def setup(app):
    """Pictures lead to themselves at full size; texts of data stand as they are."""
    app.add_lexer("csv", TextLexer)
    app.connect("doctree-read", widen_pictures)


def widen_pictures(app, doctree):
    """Give pictures a width: Sphinx links those that have one to their files."""
    for picture in doctree.findall(nodes.image):
        picture["width"] = "100%"
