"""Hostile protocols and method files: YAML bombs, tags that ask for code, nesting, wrong types and values."""

from __future__ import annotations

import re
from collections.abc import Iterator

from idto3d_protocols.loader import protocol_text
from tests.hostile.case import ACCEPTED, EITHER, REFUSED, Case, damaged, noise, one

METHOD = """schema_version: 1
name: a
summary: a method of the hostile corpus
conditioned_on: [one photo]
knows_population: false
licence: CC0-1.0
commit: null
source: this corpus
reproduction: own
profiles: [embedded]
install: ''
guidance_calls: 40
unit: m
normalise: none
kind: external-command
argv: [sh, "{spec}/a.sh", "{out}"]
heads: "{expression}.glb"
timeout_s: 60
disk_mib: 20
"""


def cases() -> Iterator[Case]:
    """The same for protocols and methods, then the fields of each."""
    for reader, sound in (("protocol", protocol), ("method", lambda: METHOD.encode())):
        yield one(f"{reader} sound", reader, "a.yaml", sound, ACCEPTED)
        yield from damaged(reader, reader, "a.yaml", sound, 5, 10)
        for name, data in _texts().items():
            yield one(f"{reader} {name}", reader, "a.yaml", data)
        for name, line in _values().items():
            yield one(
                f"{reader} name {name}", reader, "a.yaml", lambda s=sound, v=line: field(s(), "name", v)
            )
    for name, value in _counts().items():
        for place in ("version", "seeds", "expressions", "population", "cameras", "methods", "budget"):
            yield one(
                f"protocol {place} {name}",
                "protocol",
                "a.yaml",
                lambda place=place, value=value: field(protocol(), place, value),
                EITHER if (place, name) == ("version", "huge") else REFUSED,
            )
    for place, value in _method_fields():
        yield one(
            f"method {place} {value[:24]!r}",
            "method",
            "a.yaml",
            lambda place=place, value=value: field(METHOD.encode(), place, value.encode()),
        )


def protocol() -> bytes:
    """The smallest shipped protocol."""
    return protocol_text("smoke").encode()


def field(text: bytes, name: str, value: bytes) -> bytes:
    """A mapping's text with one of its fields replaced, whatever lines it had."""
    block = re.compile(rb"(?m)^" + name.encode() + rb":.*\n(?:(?:[ \t].*|\s*)\n)*")
    whole, found = block.subn(lambda _: name.encode() + b": " + value + b"\n", text, count=1)
    return whole if found else text + name.encode() + b": " + value + b"\n"


def _texts() -> dict[str, bytes]:
    laughs = b"a0: &a0 [ha]\n" + b"".join(
        b"a%d: &a%d [%s]\n" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 10)) for n in range(1, 10)
    )
    merges = b"m0: &m0 {k: 1}\n" + b"".join(
        b"m%d: &m%d {<<: [*m%d, *m%d]}\n" % (n, n, n - 1, n - 1) for n in range(1, 30)
    )
    return {
        "laughs": laughs,
        "merges": merges,
        "alias of itself": b"&a [*a]\n",
        "alias alone": b"a: &x 1\nb: *x\n",
        "python object": b"name: !!python/object/apply:os.system ['touch owned']\n",
        "python name": b"name: !!python/name:os.system\n",
        "python module": b"!!python/module:os\n",
        "unknown tag": b"name: !made_up 3\n",
        "binary tag": b"name: !!binary aGE=\n",
        "set tag": b"!!set {a, b}\n",
        "timestamp": b"name: 2026-01-01\n",
        "flow nesting": b"a: " + b"[" * 60_000 + b"]" * 60_000,
        "flow nesting of maps": b"{a: " * 30_000 + b"1" + b"}" * 30_000,
        "block nesting": b"".join(b" " * n + b"a:\n" for n in range(700)),
        "sequence nesting": b"- " * 60_000 + b"a",
        "question marks": b"? " * 60_000,
        "nesting unclosed": b"[" * 200_000,
        "large": b"a: 1\n" * 80_000,
        "huge key": b"a" * 200_000 + b": 1\n",
        "many keys": b"".join(b"k%d: 1\n" % n for n in range(20_000)),
        "key twice": b"name: a\nname: b\n",
        "key of a list": b"? [a, b]\n: 1\n",
        "key of a number": b"1: 2\n",
        "list": b"- a\n- b\n",
        "scalar": b"just words\n",
        "number": b"12\n",
        "null": b"~\n",
        "empty": b"",
        "comment alone": b"# nothing\n",
        "two documents": b"a: 1\n---\nb: 2\n",
        "tabs": b"a:\n\t- b\n",
        "unclosed quote": b"a: 'b\n",
        "not utf-8": b"a: \xff\xfe\n",
        "utf-16": "a: 1\n".encode("utf-16"),
        "nul": b"a: \0\n",
        "control characters": b"a: \x1b[2J\n",
        "byte order mark": b"\xef\xbb\xbfa: 1\n",
        "noise": noise(4_000),
        "lone surrogate": b'a: "\\ud800"\n',
        "json": b'{"a": {"b": [1, 2, {"c": null}]}}',
        "directive": b"%YAML 9.9\n---\na: 1\n",
        "directive unknown": b"%TAG ! tag:example.org,2000:\n---\n!a b\n",
        "huge number": b"a: " + b"9" * 100_000 + b"\n",
        "sexagesimal": b"a: " + b"1:" * 20_000 + b"1\n",
        "hexadecimal": b"a: 0x" + b"f" * 100_000 + b"\n",
        "long float": b"a: 1." + b"0" * 100_000 + b"e99999\n",
    }


def _values() -> dict[str, bytes]:
    return {
        "list": b"[a]",
        "map": b"{a: b}",
        "null": b"null",
        "number": b"3",
        "path": b"'../../owned'",
        "newline": b'"a\\nb"',
        "long": b"a" * 5_000,
        "empty": b"''",
        "spaces": b"'a b'",
        "unicode": "имя\u202eeman".encode(),
        "truth": b"true",
    }


def _counts() -> dict[str, bytes]:
    return {
        "text": b"many",
        "nan": b".nan",
        "infinity": b".inf",
        "negative": b"-1",
        "huge": b"1" + b"0" * 400,
        "empty list": b"[]",
        "list of lists": b"[[[[1]]]]",
        "list of nulls": b"[null, null]",
        "many": b"[" + b"0, " * 60_000 + b"0]",
        "map": b"{a: {b: {c: 1}}}",
    }


def _method_fields() -> list[tuple[str, str]]:
    return [
        ("kind", "native"),
        ("kind", "[external-assets]"),
        ("kind", "{a: 1}"),
        ("kind", "x" * 100_000),
        ("schema_version", "2"),
        ("schema_version", "'1'"),
        ("conditioned_on", "[truth]"),
        ("conditioned_on", "[]"),
        ("commit", "main"),
        ("profiles", "[cloud]"),
        ("guidance_calls", "-1"),
        ("guidance_calls", ".inf"),
        ("unit", "parsec"),
        ("heads", "'{identity.__class__}/{made_up}'"),
        ("heads", "''"),
        ("argv", "[]"),
        ("argv", "rm -rf"),
        ("argv", "['']"),
        ("argv", '["a\\0b"]'),
        ("argv", "['{made_up}']"),
        ("timeout_s", "0"),
        ("timeout_s", ".nan"),
        ("timeout_s", "1e400"),
        ("disk_mib", "-3"),
        ("environment", "{venv: a, conda: b}"),
        ("environment", "{container: '--privileged'}"),
        ("environment", "{conda: '-n base --'}"),
        ("pass_environment", "['A=B']"),
        ("variables", "{'LD PRELOAD': x}"),
        ("resources", "{gpus: .nan}"),
        ("resources", "{gpus: 9999}"),
        ("best_of", "0"),
        ("up", "+y"),
        ("normalise", "sometimes"),
        ("expressions", "[smile]"),
        ("unknown_field", "1"),
    ]
