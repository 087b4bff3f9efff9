"""Text of others, as it may stand on a terminal."""


def visible(text: object) -> str:
    """The text with each character that does not print as its escape (`\\x1b`), so that none acts on a terminal."""
    return "".join(mark if mark.isprintable() else mark.encode("unicode_escape").decode() for mark in str(text))
