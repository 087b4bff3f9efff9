"""Reads a page to explore as its script does, and judges its HTML."""

import re
from html.parser import HTMLParser

from actstudy.analysis.explorer import columns

DATA = re.compile(r'<script type="application/octet-stream" id="data">([^<]*)</script>')


def model(page):
    """What the page's script opens: levels, tasks, parts, tables."""
    return columns.opened(DATA.search(page)[1])


class Page(HTMLParser):
    """Tags, attributes and texts of a page; scripts and styles by their content."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags = []
        self.attributes = []
        self.words = []
        self.inside = {"script": [], "style": []}
        self.raw = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        self.raw = tag if tag in self.inside else None
        if self.raw:
            self.inside[tag].append("")

    def handle_endtag(self, tag):
        self.raw = None

    def handle_data(self, data):
        if self.raw:
            self.inside[self.raw][-1] += data
        else:
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())
