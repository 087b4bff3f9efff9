"""Numbers with their nouns in texts: `1 run`, `3 runs`."""


def counted(n: object, noun: str) -> str:
    """A number with its noun, in the plural unless it is 1; noun: in the singular.

    n: a number or its text, such as `1,000` or `over 100`, which is written as it is.

    >>> counted(1, "more seed"), counted(2, "entry")
    ('1 more seed', '2 entries')
    """
    return f"{n} {noun if str(n) == '1' else plural(noun)}"


def plural(noun: str) -> str:
    """The regular plural of a noun."""
    is_y = noun.endswith("y") and noun[-2:-1] not in "aeiou"
    return f"{noun[:-1]}ies" if is_y else f"{noun}s"
