"""daemon.json as people have it: merged as it was, or refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockertls_vault.docker.daemon_json import parse
from dockertls_vault.errors import ConfigurationError

ADDED = {"tlsverify": True, "tlscacert": "/etc/docker/tls/ca.pem"}
ONE_LINE = '"tlsverify": true, "tlscacert": "/etc/docker/tls/ca.pem"'
LINES = ',\n  "tlsverify": true,\n  "tlscacert": "/etc/docker/tls/ca.pem"'
FILLED = LINES.removeprefix(",")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param('{\n  "debug": true\n}\n', f'{{\n  "debug": true{LINES}\n}}\n', id="2 spaces"),
        pytest.param(
            '{\n    "debug": true\n}',
            f'{{\n    "debug": true{LINES}\n}}'.replace("\n  ", "\n    ").replace("      ", "    "),
            id="4 spaces, no line break at the end",
        ),
        pytest.param(
            '{\n\t"debug":\ttrue\n}\n',
            f'{{\n\t"debug":\ttrue{LINES}\n}}\n'.replace(": ", ":\t").replace("  ", "\t"),
            id="tabs",
        ),
        pytest.param(
            '{\r\n  "debug": true\r\n}\r\n',
            f'{{\n  "debug": true{LINES}\n}}\n'.replace("\n", "\r\n"),
            id="CRLF",
        ),
        pytest.param('{"a":1}', '{"a":1,' + ONE_LINE.replace(" ", "") + "}", id="compact"),
        pytest.param('{"a": 1}', f'{{"a": 1, {ONE_LINE}}}', id="one line"),
        pytest.param('{ "a": 1 }', f'{{ "a": 1, {ONE_LINE} }}', id="one line with spaces"),
        pytest.param(
            '{"a": 1,  "b": 2}',
            f'{{"a": 1,  "b": 2,  {ONE_LINE}}}'.replace(', "tlsc', ',  "tlsc'),
            id="two spaces after a comma",
        ),
        pytest.param(
            '{\n  "a": 1,\n\n  "b": {\n    "c": []\n  }\n}\n',
            f'{{\n  "a": 1,\n\n  "b": {{\n    "c": []\n  }}{LINES}\n}}\n',
            id="an empty line, and an object within",
        ),
        pytest.param(
            '{\n  "no-such-key": {"x": null}, "y": 1.50\n}',
            f'{{\n  "no-such-key": {{"x": null}}, "y": 1.50, {ONE_LINE}\n}}',
            id="unknown keys, two in a line",
        ),
        pytest.param(
            '{\n  "a": 1\n, "b": 2\n}\n',
            f'{{\n  "a": 1\n, "b": 2, {ONE_LINE}\n}}\n',
            id="comma first",
        ),
        pytest.param("{\n}\n", f"{{{FILLED}\n}}\n", id="an empty object of two lines"),
        pytest.param("{\r\n}", f"{{{FILLED}\n}}".replace("\n", "\r\n"), id="the same with CRLF"),
    ],
)
def test_keys_are_added_in_the_style_of_the_file(before: str, after: str) -> None:
    """Every other byte stays, and without the keys it is what it was."""
    merged = parse(before.encode()).merged(ADDED)
    assert merged.decode() == after
    assert parse(merged).merged(ADDED) == merged
    assert parse(merged).without(ADDED) == before.encode()
    assert list(json.loads(merged).items()) == [*json.loads(before).items(), *ADDED.items()]


@pytest.mark.parametrize("before", ["", "\n", " \r\n", "{}", "{}\n", " { } \n", "{  \t}"])
def test_empty_file_becomes_an_object(before: str) -> None:
    """Of any spelling: each key has a line of its own."""
    merged = parse(before.encode()).merged(ADDED)
    assert merged.decode().strip() == f"{{{FILLED}\n}}".replace(
        "\n", "\r\n" if "\r" in before else "\n"
    )
    if "}" in before:
        assert merged.decode().endswith(before.partition("}")[2])
    assert json.loads(parse(merged).without(ADDED)) == {}


@pytest.mark.parametrize(
    ("before", "key", "value", "after"),
    [
        ('{ "tls" :false, "a": 1}', "tls", True, '{ "tls" :true, "a": 1}'),
        ('{"live\\u002drestore": false}', "live-restore", True, '{"live\\u002drestore": true}'),
        ('{"hosts": [\n "fd://"\n], "a": 1}', "hosts", ["a"], '{"hosts": ["a"], "a": 1}'),
        ('{"hosts": [ "fd://" ]}', "hosts", ["fd://"], '{"hosts": [ "fd://" ]}'),
        ('{"tlsverify": 1}', "tlsverify", True, '{"tlsverify": true}'),
        ('{"log-opts": {"b": "1", "a": "2"}}', "log-opts", {"a": "2", "b": "1"},
         '{"log-opts": {"b": "1", "a": "2"}}'),
        ('{"tlscert": "/a"}', "tlscert", 'b"\n', '{"tlscert": "b\\"\\n"}'),
    ],
)  # fmt: skip
def test_value_is_replaced_in_place(before: str, key: str, value: Any, after: str) -> None:
    """A value that is there already is not written again."""
    assert parse(before.encode()).merged({key: value}).decode() == after


def test_values_are_replaced_and_added_at_once() -> None:
    """Those that are there keep their places."""
    found = parse(b'{"live-restore": false, "tlsverify": false, "a": 1}')
    merged = found.merged({"tlsverify": True, "tls": True, "live-restore": True})
    assert merged == b'{"live-restore": true, "tlsverify": true, "a": 1, "tls": true}'


@pytest.mark.parametrize(
    ("keys", "after"),
    [
        ("", '{\n  "a": 1,\n  "b": [2, 3] ,\n  "c": "}"\n}\n'),
        ("a", '{\n  "b": [2, 3] ,\n  "c": "}"\n}\n'),
        ("b", '{\n  "a": 1 ,\n  "c": "}"\n}\n'),
        ("c", '{\n  "a": 1,\n  "b": [2, 3]\n}\n'),
        ("ab", '{\n  "c": "}"\n}\n'),
        ("bc", '{\n  "a": 1\n}\n'),
        ("ca", '{\n  "b": [2, 3]\n}\n'),
        ("abc", "{\n}\n"),
        ("x", '{\n  "a": 1,\n  "b": [2, 3] ,\n  "c": "}"\n}\n'),
    ],
)
def test_keys_are_removed_with_their_lines(keys: str, after: str) -> None:
    """First, last, in between, all, and those that are not there."""
    document = parse(b'{\n  "a": 1,\n  "b": [2, 3] ,\n  "c": "}"\n}\n')
    assert document.without(keys).decode() == after


def test_nothing_is_removed_from_an_empty_object() -> None:
    """Nor from an empty file."""
    assert parse(b"{ }\n").without({"a"}) == b"{ }\n"
    assert parse(b"").without({"a"}) == b""


def test_line_of_a_key() -> None:
    """It is that of the key, not of a value that looks like it."""
    document = parse(b'{\r\n  "a": "hosts",\r\n\r\n  "hosts":\r\n []}')
    assert (document.line("a"), document.line("hosts")) == (2, 4)
    with pytest.raises(KeyError):
        document.line("b")


REFUSED = {
    "a comment": (b'{\n  // of mine\n  "a": 1}', "daemon.json, line 2, column 3: JSON has no comm"),
    "a comment of a shell": (b'{\n# x\n"a": 1}', "line 2, column 1: JSON has no comments"),
    "a comment behind a value": (b'{"a": 1 /* x */}', "column 9: JSON has no comments"),
    "a comma at the end": (b'{\n  "a": 1,\n}', "JSON allows no comma before a closing bracket"),
    "a comma in a list": (b'{"a": [1,2, ]}', "JSON allows no comma before a closing bracket"),
    "a duplicate key": (b'{"a": 1,\n "b": 2,\n "a": 1}', "line 3, column 2: 'a' is there twice"),
    "a duplicate in disguise": (b'{"a": 1, "\\u0061": 1}', "column 10: 'a' is there twice"),
    "an array": (b"\n [1]", "line 2, column 2: this is not an object"),
    "a string": (b'"a"', "column 1: this is not an object"),
    "null": (b"null", "column 1: this is not an object"),
    "NaN": (b'{"NaN": "\\"NaN",\n"a": NaN}', "line 2, column 6: NaN is not JSON"),
    "Infinity": (b'{"a": -Infinity}', "column 7: -Infinity is not JSON"),
    "a byte order mark": (b"\xef\xbb\xbf{}", "byte order mark, which Docker 20.10 cannot read"),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), "is in UTF-16, which Docker 20.10 cannot read"),
    "Latin-1": (b'{\n "a": "\xe9"}', "line 2, column 8: this is not UTF-8"),
    "two objects": (b'{"a": 1}\n{"b": 2}', "line 2, column 1: extra data"),
    "a brace too many": (b'{"a": 1}}', "column 9: extra data"),
    "a brace too few": (b'{"a": 1', "column 8: expecting ',' delimiter"),
    "no quotes": (b"{a: 1}", "column 2: expecting property name enclosed in double quotes"),
    "other quotes": (b"{'a': 1}", "column 2: expecting property name enclosed in double quotes"),
    "no colon": (b'{"a" 1}', "column 6: expecting ':' delimiter"),
    "no comma": (b'{"a": 1\n "b": 2}', "line 2, column 2: expecting ',' delimiter"),
    "no value": (b'{"a": }', "column 7: expecting value"),
    "a string without end": (b'{"a": "', "column 7: unterminated string"),
    "a tab in a string": (b'{"a": "\t"}', "column 8: invalid control character"),
    "octal": (b'{"a": 01}', "column 8: expecting ',' delimiter"),
    "a form feed": (b"\x0c{}", "column 1: expecting value"),
    "a zero byte": (b"{}\0", "column 3: extra data"),
    "a number without end": (b'{"a": ' + b"1" * 5000 + b"}", "has a number that is too long"),
    "depth": (b'{"a": ' + b"[" * 99999 + b"]" * 99999 + b"}", "is nested too deeply"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_a_dockerd_rejects_is_refused(what: str) -> None:
    """The message says what is wrong, and where."""
    data, message = REFUSED[what]
    with pytest.raises(ConfigurationError) as caught:
        parse(data)
    assert message in caught.value.message
    assert caught.value.message.startswith("daemon.json")


def test_message_has_the_path_of_the_file() -> None:
    """Of the file that was given."""
    with pytest.raises(ConfigurationError, match=r"^/etc/docker/daemon\.json, line 1, column 2: "):
        parse(b"{,}", "/etc/docker/daemon.json")


BLANKS = st.text(" \t\r\n", max_size=3)
KEYS = st.text(max_size=3) | st.sampled_from(["tls", "hosts", "live-restore"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(KEYS, each, max_size=3),
    max_leaves=5,
)
INDENTS = st.sampled_from([None, 1, 4])
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=4)


@st.composite
def files(draw: st.DrawFn, objects: st.SearchStrategy[dict[str, Any]]) -> str:
    """Draw a file with any whitespace in it."""
    members = [
        f"{draw(BLANKS)}{json.dumps(key, ensure_ascii=draw(st.booleans()))}{draw(BLANKS)}:"
        f"{draw(BLANKS)}{json.dumps(value, indent=draw(INDENTS))}{draw(BLANKS)}"
        for key, value in draw(objects).items()
    ]
    return f"{draw(BLANKS)}{{{','.join(members) or draw(BLANKS)}}}{draw(BLANKS)}"


@given(files(OBJECTS), OBJECTS)
def test_any_object_is_merged(before: str, values: dict[str, Any]) -> None:
    """The result has all values in the order of before, and a second time changes nothing."""
    merged = parse(before.encode()).merged(values)
    assert list(json.loads(merged).items()) == list({**json.loads(before), **values}.items())
    assert parse(merged).merged(values) == merged


@given(files(OBJECTS.filter(bool)), OBJECTS)
def test_any_addition_is_taken_back(before: str, values: dict[str, Any]) -> None:
    """To the byte."""
    found = parse(before.encode())
    added = {key: value for key, value in values.items() if key not in found.values}
    assert parse(found.merged(added)).without(added) == before.encode()


@given(files(OBJECTS), st.sets(KEYS))
def test_any_keys_are_removed(before: str, keys: set[str]) -> None:
    """What remains keeps its values and its order."""
    left = json.loads(parse(before.encode()).without(keys))
    wanted = {key: value for key, value in json.loads(before).items() if key not in keys}
    assert list(left.items()) == list(wanted.items())


@given(st.binary() | st.text('{}[]",:1\\ \n').map(str.encode))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """With no other error."""
    try:
        document = parse(data)
    except ConfigurationError:
        return
    assert document.merged({}) == data
