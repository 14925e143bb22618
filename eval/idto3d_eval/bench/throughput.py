"""How fast faces are read: our path from photograph to embedding against the bare ONNX Runtime session.

Processor time of this process, since every session runs on one thread: neighbours on the machine change
nothing then. What is compared takes turns, round by round, and each round's ratio stands for itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from idto3d.identity.align import align
from idto3d.identity.recogniser import load_recogniser
from idto3d.identity.sessions import FIXED_BATCH
from idto3d_eval.bench.bars import Bar

PEOPLE = 16  # whose photographs are read, over and over
SHARE = 0.9  # of the bare session's faces a second that our path must reach
Crops = NDArray[np.uint8]


@dataclass(frozen=True)
class Throughput:
    """Seconds a round of each way over the same faces.

    Attributes:
        faces: read in a round.
        seconds: way -> [R] processor seconds.
    """

    faces: int
    seconds: dict[str, NDArray[np.float64]]

    def rate(self, way: str) -> float:
        """Faces a second, the median round's."""
        return self.faces / float(np.median(self.seconds[way]))

    def share(self, way: str, of: str = "session") -> float:
        """The median over rounds of a way's speed over another's in the same round."""
        return float(np.median(self.seconds[of] / self.seconds[way]))

    def rows(self) -> list[dict[str, str]]:
        """The ways as a table shows them."""
        return [
            {
                "way": _WAYS[way],
                "faces a second": f"{self.rate(way):,.0f}",
                "milliseconds a face": f"{1000.0 / self.rate(way):.3f}",
                "over the session": f"{self.share(way):.3f}",
            }
            for way in self.seconds
        ]

    def bars(self) -> list[Bar]:
        """The bound for both ways of ours."""
        note = f"{self.faces} faces, batch {FIXED_BATCH}, {len(self.seconds['session'])} rounds"
        return [
            Bar(f"{_WAYS[way]}, over the session", self.share(way), SHARE, least=True, note=note)
            for way in ("embed", "align and embed")
        ]


_WAYS = {
    "session": "bare session: the faces and their mirror images, made before",
    "embed": "embedding: aligned faces to unit vectors",
    "align and embed": "photographs with landmarks to unit vectors",
    "align": "of that, alignment",
    "prepare": "of that, pixels to the network's input, both images",
}


def measure_throughput(weights: Path, faces: int, rounds: int) -> Throughput:
    """Time our reading path and the bare session in turns, in one process.

    Args:
        weights: the folder of weights.
        faces: a round; a multiple of the fixed batch, so that no padding is timed.
        rounds: of each way, after one that warms up.

    Returns:
        Processor seconds of each round.

    Raises:
        ValueError: faces is no multiple of the fixed batch.
    """
    from idto3d_eval.features import RECOGNISER

    if faces < 1 or faces % FIXED_BATCH:
        raise ValueError(f"Found {faces} faces, expected a multiple of {FIXED_BATCH}; choose another number.")
    recogniser = load_recogniser(weights / RECOGNISER)
    session, preprocessing = recogniser.model.session, recogniser.card.preprocessing
    photos = _photographs()
    chosen = [photos[index % len(photos)] for index in range(faces)]
    crops = np.stack([align(image, landmarks) for image, landmarks in chosen])
    name = session.get_inputs()[0].name

    def prepare() -> list[NDArray[np.float32]]:
        both = [crops, crops[:, :, ::-1]] if preprocessing.mirrored_sum else [crops]
        return [preprocessing.blob(each) for each in both]

    blobs = [
        np.ascontiguousarray(blob[start : start + FIXED_BATCH])
        for blob in prepare()
        for start in range(0, faces, FIXED_BATCH)
    ]
    ways: dict[str, Callable[[], object]] = {
        "session": lambda: [session.run(None, {name: blob}) for blob in blobs],
        "embed": lambda: recogniser.embed(crops),
        "align and embed": lambda: recogniser.embed(np.stack([align(*each) for each in chosen])),
        "align": lambda: np.stack([align(*each) for each in chosen]),
        "prepare": prepare,
    }
    for run in ways.values():
        run()
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, run in ways.items():
            start = time.process_time()
            run()
            seconds[way].append(time.process_time() - start)
    return Throughput(faces, {way: np.array(values) for way, values in seconds.items()})


def _photographs() -> list[tuple[Crops, NDArray[np.float32]]]:
    """Validation people's photographs with their true landmarks."""
    from idto3d.population.people import draw_person
    from idto3d.population.photos import draw_photo

    drawn = [draw_photo(draw_person("validation", index), 0) for index in range(PEOPLE)]
    return [(photo.image, photo.landmarks) for photo in drawn]
