"""Rows of cost, as far as it is exact; seconds and memory are in costs.parquet."""

from __future__ import annotations

import math

from idto3d_eval.metrics.card import Measurement
from idto3d_eval.metrics.cost import trainable_share
from idto3d_eval.rows.context import Head, Measures, RowWriter


def head_rows(writer: RowWriter, head: Head, measures: Measures) -> None:
    """Guidance calls and trainable share, as far as they are known."""
    del measures
    if head.features is None and head.failure:
        writer.write("guidance_calls", head.missing())
        writer.write("trainable_share", head.missing())
        return
    calls = head.guidance_calls
    told = Measurement(math.nan, "its author does not say") if calls is None else Measurement(float(calls))
    writer.write("guidance_calls", told)
    share = trainable_share(0, 0) if head.trainable_share is None else Measurement(head.trainable_share)
    writer.write("trainable_share", share)
