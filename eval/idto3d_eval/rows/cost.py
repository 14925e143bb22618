"""Rows of cost, as far as it is exact; seconds, memory and energy are in costs.parquet."""

from __future__ import annotations

import math

from idto3d_eval.metrics.card import Measurement
from idto3d_eval.metrics.cost import asset_size, trainable_share
from idto3d_eval.rows.context import Head, Measures, RowWriter

SIZES = ("asset_bytes", "triangles", "texels")


def head_rows(writer: RowWriter, head: Head, measures: Measures) -> None:
    """Guidance calls and trainable share, as far as they are known, and the size of the head."""
    del measures
    if head.features is None and head.failure:
        for name in ("guidance_calls", "trainable_share", *SIZES):
            writer.write(name, head.missing())
        return
    calls = head.guidance_calls
    told = Measurement(math.nan, "its author does not say") if calls is None else Measurement(float(calls))
    writer.write("guidance_calls", told)
    share = trainable_share(0, 0) if head.trainable_share is None else Measurement(head.trainable_share)
    writer.write("trainable_share", share)
    if head.asset is None:
        sizes = [Measurement(math.nan, "the head's files are not kept")] * len(SIZES)
    else:
        sizes = [Measurement(float(size)) for size in asset_size(head.asset)]
    for name, size in zip(SIZES, sizes, strict=True):
        writer.write(name, size)
