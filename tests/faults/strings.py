"""Sixty strings that somebody may give as a name, each of which means something to some program on
its way.
"""

PATHS = [
    "../../out",
    "../../../../out",
    "{root}/out",
    "~",
    "~root/out",
    ".",
    "..",
    ".hidden",
    "a/b",
]
SHELL = [
    "; touch MARK;",
    "$(touch MARK)",
    "`touch MARK`",
    "| touch MARK",
    "&& touch MARK",
    "a & touch MARK &",
]
SHELL += [
    "> MARK",
    "'; touch MARK; '",
    '"; touch MARK; "',
    "$HOME",
    "${IFS}x",
    "*",
    "?[a-z]",
    "a b  c",
    "-rf",
    "--help",
]
SHELL += ["#x"]
CONTROL = [
    "a\nb",
    "a\r\ntouch MARK",
    "a\tb",
    "a\x00b",
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "\x08\x7f",
]
CONTROL += ["\u202egnp.exe", "zero\u200bwidth", "line\u2028end"]
NAMES = ["con", "nul", "r\u0435lu", "\U0001f600", "e\u0301", "x" * 300]
FORMATS = ["{x}", "{{7*7}}", "{wildcards.id}", "%s%n", "{output:q}"]
MARKUP = ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "[x](javascript:alert(1))"]
MARKUP += ["![x](data:text/html,x)", "]]>|</td>*_b_*", "# head", "[red]bold[/red]"]
SHEETS = ["=cmd|'/C calc'!A1", "@SUM(1)"]
TEX = ["$\\frac{1}{0}$", "\\input{/etc/passwd}"]
YAML = ["a: {b: [c", '", "seed": 7, "x": "']

STRINGS = [*PATHS, *SHELL, *CONTROL, *NAMES, *FORMATS, *MARKUP, *SHEETS, *TEX, *YAML]
