"""Environment files and command lines, with what systemd 252 and 257 make of them.

The tables are compared with a running systemd in tests/test_daemon_take_over.py.
"""

from __future__ import annotations

# The text of a file, and its variables.
FILES: dict[str, tuple[str, dict[str, str]]] = {
    "plain": ("A=plain value   \n B = spaced \nC=\n", {"A": "plain value", "B": "spaced", "C": ""}),
    "single quotes": ("A='a # \\ \"b\" '\nB='a' tail ", {"A": 'a # \\ "b" ', "B": "atail"}),
    "double quotes": (
        'A="a \\" \\$ \\` \\\\ \\x \nb" after',
        {"A": 'a " $ ` \\ \\x \nbafter'},
    ),
    "continued in quotes": ('A="a\\\nb"\nB="\\\r\n"', {"A": "ab", "B": "\\\r\n"}),
    "continued": ("A=a  \\\n  b  \nB=1", {"A": "a    b", "B": "1"}),
    "CRLF": ("A=1\r\nB=x\\\r\ny\r\nC=3\r\n", {"A": "1", "B": "x", "C": "3"}),
    "escapes": ("A=un\\ quoted\\n\nB=a\\  \nC=a\\\\  ", {"A": "un quotedn", "B": "a ", "C": "a\\"}),
    "quotes within": ("A=a 'b' \"c\" # d", {"A": "a 'b' \"c\" # d"}),
    "quotes in a row": ('A="a"\'b\' "" c " d"  ', {"A": 'abc " d"'}),
    "comments": ("# A=1\n ; A=2\nB=#x\n", {"B": "#x"}),
    "twice": ("A=1\nB=2\nA=3\n", {"A": "3", "B": "2"}),
    "ignored": ("A\nexport A=1\n=A=1\n1A=1\nB=1\nC-D=1\nC", {"B": "1"}),
    "no end": ("A=1\nB='x\nC=2", {"A": "1", "B": "x\nC=2"}),
    "no end of an escape": ("A=a  \\", {"A": "a  "}),
    "no end in quotes": ('A="a\\', {"A": "a"}),
    "the old page": (
        "# Docker's\n\nDOCKER_OPTS=\"--tlsverify -H tcp://0.0.0.0:2376 --label 'a b'\"\n",
        {"DOCKER_OPTS": "--tlsverify -H tcp://0.0.0.0:2376 --label 'a b'"},
    ),
}
VARIABLES = {"A": "-H a  --q 'x y' --r=\"a b\" z\\ w \\n '\\'' 'open", "B": "two words"}
# A word of a command line, and the arguments that it becomes with VARIABLES.
WORDS: dict[str, tuple[str, ...]] = {
    "plain": ("plain",),
    "$A": ("-H", "a", "--q", "x y", "--r=a b", "z w", "n", "'", "open"),
    "${A}": (VARIABLES["A"],),
    "$B": ("two", "words"),
    "${B}": ("two words",),
    "x$B": ("x$B",),
    "x${B}y${B}": ("xtwo wordsytwo words",),
    "$NO": (),
    "${NO}": ("",),
    "$$A": ("$A",),
    "a$${B}": ("a${B}",),
    "$B:": (),
    "${B": ("${B",),
    "${A:-b}": ("${A:-b}",),
    "$": (),
    "$1": (),
}
