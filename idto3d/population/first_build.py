"""The head model's first build on a machine, in a fraction of the time that it takes by itself.

`anny` reads its blend shapes from text, a tensor a line: minutes, once a machine. The same numbers are read
here a file at once, and by one process while others wait for it.
"""

from __future__ import annotations

import fcntl
import gzip
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import PathLike
from typing import Any

import numpy as np

from idto3d.cache import cache_folder

COLUMNS = 4  # of a line: the vertex, and its displacement in decimetres


def build_elsewhere(told: Callable[[str], object] = lambda _: None) -> None:
    """Have the head model built by a process of its own, with one thread, where none is in the cache.

    So whoever asks need not load what builds it, nor what knows which version it has to be: one of another
    version counts here, and is built anew when it is needed. So it is where the process fails.

    Args:
        told: called with a sentence before it begins.
    """
    if not any(cache_folder().glob("head-model-*.npz")):
        told("Building the model of heads, once on this machine, up to a minute …")
        threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        command = [sys.executable, "-m", "idto3d.population.first_build"]
        subprocess.run(command, env={**os.environ, **threads}, capture_output=True, check=False)


def build_head_model() -> None:
    """Put the head model into the cache unless it is there; whoever comes second waits for the first."""
    from idto3d.population.head_model import SCHEMA, load_head_model

    built = cache_folder() / f"head-model-{SCHEMA}.npz"
    with (cache_folder() / "head-model.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not built.exists():
            with quick_targets():
                load_head_model()


@contextmanager
def quick_targets() -> Iterator[None]:
    """`anny` reads its targets by `read_target`, where this version of it has the function to replace."""
    from anny.models import full_model

    its_own: Callable[..., Any] | None = getattr(full_model, "load_blend_shape", None)
    if its_own is not None:
        full_model.load_blend_shape = read_target
    try:
        yield
    finally:
        if its_own is not None:
            full_model.load_blend_shape = its_own


def read_target(
    filename: str | PathLike[str], vertices_count: int, world_transformation: Any, dtype: Any
) -> Any:
    """A blend shape [V, 3] in Anny's own units and axes, the same bits as Anny's own reader gives.

    Args:
        filename: gzipped lines of a vertex's number and displacement.
        vertices_count: V.
        world_transformation: with `apply`, from the file's units and axes to Anny's.
        dtype: of the tensor.

    Raises:
        ValueError: a line of other than four numbers, or a vertex that there is not.
    """
    import torch

    with gzip.open(filename, "rb") as packed:
        numbers = np.array(packed.read().split(), dtype=np.float64).reshape(-1, COLUMNS)
    vertex = numbers[:, 0].astype(np.int64)
    if len(vertex) and not 0 <= vertex.min() <= vertex.max() < vertices_count:
        raise ValueError(f"Found vertices up to {vertex.max()} in {filename}, expected {vertices_count}.")
    shape = np.zeros((vertices_count, 3))
    shape[vertex] = numbers[:, 1:]
    return world_transformation.apply(torch.as_tensor(shape, dtype=dtype))


if __name__ == "__main__":
    build_head_model()
