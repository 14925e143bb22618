"""Feeds readers with changed files until the time is over, and keeps each file that one fails on.

    python -m tests.hostile.fuzz --minutes 10 [READER …]

What is kept lies in `found/` and is a case of the corpus from then on. The same seed gives the same files.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import os
import random
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.hostile import folders, networks, packed, pictures, plain_meshes, scenes, sound_run, tables, yamls
from tests.hostile.case import ACCEPTED, EITHER, Case
from tests.hostile.jail import Jail, Outcome
from tests.hostile.mutations import mutated
from tests.hostile.regressions import FOLDER

LARGEST_KEPT = 64 * 1024  # bytes; larger findings are told and not kept


@dataclass(frozen=True)
class Seed:
    """A sound file that is changed.

    Attributes:
        file: its name when it is read.
        make: its content.
        kind: of change, see `mutations.mutated`.
    """

    file: str
    make: Callable[[], bytes]
    kind: str = "bytes"


def _pictures() -> tuple[Seed, ...]:
    return tuple(
        Seed(f"a.{suffix}", functools.partial(pictures.encoded, pictures.picture(48, 40), form))
        for form, suffix in pictures.SUFFIXES.items()
    )


SEEDS: dict[str, tuple[Seed, ...]] = {
    "photo": _pictures(),
    "mesh": (
        Seed("a.glb", scenes.glb, "glb"),
        Seed("a.obj", lambda: plain_meshes.OBJ, "text"),
        Seed("a.ply", plain_meshes.ply_text, "text"),
        Seed("a.ply", plain_meshes.ply_binary),
    ),
    "head": (Seed("neutral.glb", scenes.glb, "glb"),),
    "protocol": (Seed("a.yaml", yamls.protocol, "text"),),
    "method": (Seed("a.yaml", lambda: yamls.METHOD.encode(), "text"),),
    "recogniser": (Seed("a.onnx", networks.recogniser),),
    "face_adapter": (Seed("a.safetensors", networks.adapter, "safetensors"),),
    "directions": (Seed("word_directions.safetensors", networks.directions, "safetensors"),),
    "scores": (
        Seed("scores.parquet", lambda: sound_run.file("scores.parquet")),
        Seed("summary.json", lambda: sound_run.file("summary.json"), "json"),
        Seed("protocol.json", lambda: sound_run.file("protocol.json"), "json"),
    ),
    "archive": (Seed("a.zip", packed.archive),),
    "record": (Seed("a.json", lambda: tables.json.dumps(tables.RECORD).encode(), "json"),),
    "manifest": (Seed("asset.json", lambda: tables.json.dumps(tables.MANIFEST).encode(), "json"),),
    "weights": (
        Seed(folders.UNET, lambda: folders.shipped(folders.UNET), "json"),
        Seed(folders.ENCODER, lambda: folders.shipped(folders.ENCODER), "json"),
        Seed(folders.INDEX, lambda: folders.shipped(folders.INDEX), "json"),
        Seed(folders.LORA, lambda: folders.shipped(folders.LORA), "safetensors"),
    ),
}


def changed(reader: str, seed: int) -> Iterator[Case]:
    """Endless changed files of a reader's sound ones, the same for the same seed."""
    chance = random.Random(zlib.crc32(f"{reader} {seed}".encode()))
    sound = [(each, each.make()) for each in SEEDS[reader]]
    for number in itertools.count():
        each, data = chance.choice(sound)
        new = mutated(data, chance, each.kind)
        yield Case(f"fuzz {reader} {number}", reader, lambda file=each.file, new=new: {file: new}, EITHER)


def main() -> None:
    """Fuzzes readers one after the other and tells what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("readers", nargs="*", default=list(SEEDS))
    parser.add_argument("--minutes", type=float, default=10.0, help="of each reader")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HOSTILE_RUN"] = str(sound_run.make(Path(folder) / "run"))
        with Jail(asked.readers, {"HOSTILE_RUN": os.environ["HOSTILE_RUN"]}) as jail:
            failures = sum(fuzz(jail, reader, asked.minutes * 60.0, asked.seed) for reader in asked.readers)
    raise SystemExit(1 if failures else 0)


def fuzz(jail: Jail, reader: str, seconds: float, seed: int) -> int:
    """Fuzzes one reader for so long; returns how many different faults were found."""
    until, kept, done, taken = time.monotonic() + seconds, set[str](), 0, 0
    for case in changed(reader, seed):
        outcome = jail.read(case)
        done, taken = done + 1, taken + (outcome.outcome == ACCEPTED)
        if faults := outcome.faults():
            known = _alike(outcome, faults)
            if known not in kept:
                kept.add(known)
                print(f"{reader}: {faults[0][:900]}\n  {_keep(case)}", flush=True)
        if time.monotonic() > until:
            break
    told = f"{done} files in {seconds:.0f} s (seed {seed}), {taken} accepted, {len(kept)} faults"
    print(f"{reader}: {told}", flush=True)
    return len(kept)


def _alike(outcome: Outcome, faults: list[str]) -> str:
    """What two findings have in common when they are one fault: where it was raised."""
    lines = [line.strip() for line in outcome.trace.splitlines() if line.lstrip().startswith("File ")]
    return lines[-1] if lines else faults[0][:60]


def _keep(case: Case) -> str:
    """Keeps a finding, and tells where."""
    ((file, data),) = case.make().items()
    if len(data) > LARGEST_KEPT:
        return f"not kept: {len(data)} bytes"
    name = f"{case.reader}.{zlib.crc32(data):08x}.{file.replace('/', '+')}"
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / name).write_bytes(data)
    return f"found/{name}"


if __name__ == "__main__":
    main()
