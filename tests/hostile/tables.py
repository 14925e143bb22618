"""Hostile tables and JSON of runs: parquet that is cut, of other types or endless; summaries, records."""

from __future__ import annotations

import functools
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import polars

from tests.hostile.case import ACCEPTED, EITHER, Case, damaged, noise, one

SCORES = "scores.parquet"
COLUMNS = ("protocol", "method", "identity", "expression", "view", "seed", "metric", "value", "reason")
MANIFEST = {"method": "a", "identity": "b", "seed": 1, "expressions": ["neutral"], "schema_version": 1}
RECORD = {"job": "a", "key": "0" * 64, "status": "failed", "digest": ""}


def cases() -> Iterator[Case]:
    """Of the score table, then of each JSON file."""
    yield one("scores sound", "scores", SCORES, table, ACCEPTED)
    yield from damaged("scores", "scores", SCORES, table, 6, 12)
    for name, data in _bytes().items():
        yield one(f"scores {name}", "scores", SCORES, data)
    for name, change in _tables().items():
        yield one(f"scores {name}", "scores", SCORES, lambda change=change: written(change(rows())))
    for name, change in _odd_tables().items():
        yield one(f"scores {name}", "scores", SCORES, lambda change=change: written(change(rows())), EITHER)
    yield one("scores 21 million rows", "scores", SCORES, lambda: _endless(21))
    yield one("scores two million rows", "scores", SCORES, lambda: _endless(2), EITHER)
    for reader, file in (("scores", "summary.json"), ("scores", "protocol.json")):
        for name, data in texts().items():
            yield one(f"{file} {name}", reader, file, data)
    for reader, file, sound in (("record", "a.json", RECORD), ("manifest", "asset.json", MANIFEST)):
        expected = EITHER if reader == "record" else "refused"
        yield one(f"{reader} sound", reader, file, json.dumps(sound).encode(), ACCEPTED)
        for name, data in texts().items():
            yield one(f"{reader} {name}", reader, file, data, expected)
        for name, value in _values().items():
            for field in list(sound)[:4]:
                changed = json.dumps({**sound, field: value}).encode()
                yield one(f"{reader} {field} {name}", reader, file, changed, EITHER)


def rows() -> polars.DataFrame:
    """A few rows as a run writes them."""
    who = [(method, person) for method in ("good", "mean") for person in ("heldout-0000", "heldout-0001")]
    return polars.DataFrame(
        [
            ("fake", method, person, "neutral", "front", 0, "similarity", 0.25 * place, "")
            for place, (method, person) in enumerate(who)
        ],
        schema=dict(
            zip(
                COLUMNS,
                [polars.String] * 5 + [polars.Int64, polars.String, polars.Float64, polars.String],
                strict=True,
            )
        ),
        orient="row",
    )


@functools.cache
def table() -> bytes:
    """The rows as parquet."""
    return written(rows())


def written(frame: polars.DataFrame, **options: Any) -> bytes:
    """A table as parquet."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer, **options)
    return buffer.getvalue()


def _bytes() -> dict[str, bytes | Callable[[], bytes]]:
    def footer(length: int) -> bytes:
        return b"PAR1" + noise(400) + length.to_bytes(4, "little") + b"PAR1"

    return {
        "empty": b"",
        "magic alone": b"PAR1PAR1",
        "noise": noise(20_000),
        "footer noise": footer(400),
        "footer beyond": footer(2**32 - 1),
        "footer of nothing": footer(0),
        "encrypted": b"PARE" + noise(200) + b"\x10\0\0\0PARE",
        "csv": b"protocol,method\na,b\n",
        "json": b'[{"protocol": "a"}]',
        "arrow": b"ARROW1\0\0" + noise(300),
        "footer of nested structures": b"PAR1"
        + b"\x1c" * 100_000
        + (100_000).to_bytes(4, "little")
        + b"PAR1",
        "footer of long lists": b"PAR1"
        + b"\x19\xfc\xff\xff\xff\xff\x0f" * 40
        + (280).to_bytes(4, "little")
        + b"PAR1",
    }


def _tables() -> dict[str, Callable[[polars.DataFrame], polars.DataFrame]]:
    """Tables of another form."""
    column = polars.col
    return {
        "no columns": lambda frame: frame.select([]),
        "no values": lambda frame: frame.drop("value"),
        "no methods": lambda frame: frame.drop("method"),
        "no reasons": lambda frame: frame.drop("reason"),
        "values as text": lambda frame: frame.with_columns(column("value").cast(polars.String)),
        "values as lists": lambda frame: frame.with_columns(polars.concat_list("value")),
        "values as structures": lambda frame: frame.with_columns(polars.struct("value").alias("value")),
        "values as truth": lambda frame: frame.with_columns(column("value") > 0),
        "values as dates": lambda frame: frame.with_columns(
            column("value").cast(polars.Int64).cast(polars.Date)
        ),
        "methods as numbers": lambda frame: frame.with_columns(polars.lit(1).alias("method")),
        "methods as bytes": lambda frame: frame.with_columns(column("method").cast(polars.Binary)),
        "identities missing": lambda frame: frame.with_columns(
            polars.lit(None, polars.String).alias("identity")
        ),
        "methods missing": lambda frame: frame.with_columns(polars.lit(None, polars.String).alias("method")),
        "seeds as text": lambda frame: frame.with_columns(column("seed").cast(polars.String)),
        "reasons as numbers": lambda frame: frame.with_columns(polars.lit(3).alias("reason")),
        "columns renamed": lambda frame: frame.rename({"metric": "Metric"}),
    }


def _odd_tables() -> dict[str, Callable[[polars.DataFrame], polars.DataFrame]]:
    column = polars.col
    return {
        "no rows": lambda frame: frame.head(0),
        "infinite values": lambda frame: frame.with_columns(polars.lit(float("inf")).alias("value")),
        "huge values": lambda frame: frame.with_columns(polars.lit(1e308).alias("value")),
        "values missing": lambda frame: frame.with_columns(polars.lit(None, polars.Float64).alias("value")),
        "single precision": lambda frame: frame.with_columns(column("value").cast(polars.Float32)),
        "rows twice": lambda frame: polars.concat([frame, frame]),
        "rows backwards": lambda frame: frame.reverse(),
        "unknown methods": lambda frame: frame.with_columns(polars.lit("../../owned").alias("method")),
        "unknown metrics": lambda frame: frame.with_columns(polars.lit("<script>").alias("metric")),
        "long text": lambda frame: frame.with_columns(polars.lit("a" * 3_000_000).alias("reason")),
        "more columns": lambda frame: frame.with_columns(polars.lit(1).alias("more")),
        "many columns": lambda frame: frame.with_columns(
            [polars.lit(n).alias(f"c{n}") for n in range(3_000)]
        ),
        "categories": lambda frame: frame.with_columns(column("method").cast(polars.Categorical)),
    }


def _endless(millions: int) -> bytes:
    """As many equal rows: a few kilobytes a million on disk."""
    import pyarrow
    from pyarrow import parquet

    count = 1_000_000
    same = {
        name: pyarrow.DictionaryArray.from_arrays(np.zeros(count, np.int8), ["a"])
        if name not in ("seed", "value")
        else np.zeros(count, np.int64 if name == "seed" else np.float64)
        for name in COLUMNS
    }
    rows, buffer = pyarrow.table(same), io.BytesIO()
    with parquet.ParquetWriter(buffer, rows.schema, compression="zstd", store_schema=False) as writer:
        for _ in range(millions):
            writer.write_table(rows, row_group_size=count)
    return buffer.getvalue()


def texts() -> dict[str, bytes]:
    """What is no JSON object, or one that should not be read whole."""
    return {
        "empty": b"",
        "cut": b'{"schema_version": 2, "rows": [{"label',
        "list": b"[1, 2, 3]",
        "text": b'"words"',
        "null": b"null",
        "nested lists": b"[" * 100_000 + b"]" * 100_000,
        "nested objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        "long number": b'{"schema_version": ' + b"9" * 100_000 + b"}",
        "not utf-8": b'{"name": "\xff\xfe"}',
        "nan": b'{"schema_version": NaN}',
        "other fields": b'{"made": "up"}',
        "noise": noise(3_000),
        "nul": b'{"a": "\0"}',
        "surrogate": b'{"name": "\\ud800"}',
        "byte order mark": b"\xef\xbb\xbf{}",
    }


def _values() -> dict[str, Any]:
    return {
        "null": None,
        "list": [1, [2, [3]]],
        "object": {"a": {}},
        "long": "a" * 1_000_000,
        "path": "../../../owned",
        "number": 3,
        "huge": 10**300,
        "nan": float("nan"),
        "truth": True,
    }
