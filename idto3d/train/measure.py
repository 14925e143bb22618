"""Accuracy on held-out people, written into a weight file's card under "heldout".

A recogniser's folder holds aligned.npy, person.npy and, for attribute-matched impostors, attributes.npy;
a reader's holds photos.npy (uint8 [N, S, S, 3]), landmarks.npy (float [N, 68, 2] in [0, 1] of the photo),
present.npy, actions.npy and attributes.npy: it is read as users' photos are, in all its passes.
"""

import argparse
from pathlib import Path

import numpy as np
from rich.progress import track

from idto3d.errors import UserError
from idto3d.identity.accuracy import (
    attribute_accuracy,
    expression_accuracy,
    landmark_error,
    recogniser_accuracy,
)
from idto3d.identity.reader import FaceReading, load_reader, read_faces
from idto3d.identity.recogniser import load_recogniser
from idto3d.train.cards import add_measurements

CHUNK = 64  # images read at a time


def measure_recogniser(weights: Path, data_folder: Path, *, name: str = "heldout") -> dict[str, object]:
    """Measure a recogniser on a folder of aligned faces and add the figures to its card.

    Args:
        weights: ONNX file with a card.
        data_folder: see the module.
        name: under which the card keeps the figures.

    Returns:
        The figures of `recogniser_accuracy`.

    Raises:
        UserError: an array is missing.
    """
    aligned, person = _array(data_folder, "aligned"), _array(data_folder, "person")
    words = data_folder / "attributes.npy"
    attributes = np.load(words, allow_pickle=False) if words.exists() else None
    recogniser = load_recogniser(weights)
    starts = track(range(0, len(aligned), CHUNK), f"embedding with {weights.stem}")
    embeddings = np.concatenate([recogniser.embed(np.asarray(aligned[i : i + CHUNK])) for i in starts])
    found: dict[str, object] = {
        "data": data_folder.name,
        **recogniser_accuracy(embeddings, person, attributes),
    }
    add_measurements(weights, {name: found})
    return found


def measure_reader(weights: Path, data_folder: Path, *, name: str = "heldout") -> dict[str, object]:
    """Measure a reader on whole photos and add the figures to its card.

    Args:
        weights: ONNX file with a card.
        data_folder: see the module.
        name: under which the card keeps the figures.

    Returns:
        Coverage of faces, false alarms, median and 90th percentile landmark error over the outer eye corners'
        distance, mean action error, preset accuracy, and each attribute's accuracy; over the faces read.

    Raises:
        UserError: an array is missing.
    """
    photos = _array(data_folder, "photos")
    landmarks, present = _array(data_folder, "landmarks"), _array(data_folder, "present").astype(bool)
    actions, attributes = _array(data_folder, "actions"), _array(data_folder, "attributes")
    reader, readings = load_reader(weights), []
    for start in track(range(0, len(photos), CHUNK), f"reading with {weights.stem}"):
        readings += read_faces(reader, list(np.asarray(photos[start : start + CHUNK])))
    read = np.array([isinstance(reading, FaceReading) for reading in readings])
    both = np.flatnonzero(read & present)
    hits = [reading for reading in (readings[i] for i in both) if isinstance(reading, FaceReading)]
    found: dict[str, object] = {"data": data_folder.name, "photos": len(photos), "faces": int(present.sum())}
    found["coverage"] = round(float(read[present].mean()), 5) if present.any() else None
    if not present.all():
        found["false_alarms"] = round(float(read[~present].mean()), 5)
    if hits:
        size = photos.shape[1]
        error = landmark_error(np.stack([hit.landmarks for hit in hits]) / size, landmarks[both])
        found["landmark_error_median"] = round(float(np.median(error)), 5)
        found["landmark_error_p90"] = round(float(np.quantile(error, 0.9)), 5)
        read_actions = np.stack([hit.actions for hit in hits])
        found["action_error"] = round(float(np.abs(read_actions - actions[both]).mean()), 5)
        presets_right = expression_accuracy(read_actions, actions[both])
        found["preset_accuracy"] = round(presets_right, 5) if np.isfinite(presets_right) else None
        words = np.stack([hit.attribute_probabilities for hit in hits])
        found["attributes"] = {
            group: round(share, 5) for group, share in attribute_accuracy(words, attributes[both]).items()
        }
    add_measurements(weights, {name: found})
    return found


def _array(folder: Path, name: str) -> np.ndarray:
    path = folder / f"{name}.npy"
    if not path.exists():
        raise UserError(f"Found no {path.name} in '{folder}', expected held-out people's data; make it.")
    found: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    return found


def main() -> None:
    """Command line: python -m idto3d.train.measure WEIGHTS.onnx --data FOLDER [--name heldout]."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--name", default="heldout")
    a = parser.parse_args()
    measure = measure_recogniser if (a.data / "aligned.npy").exists() else measure_reader
    for name, value in measure(a.weights, a.data, name=a.name).items():
        print(f"{name}: {value}")


if __name__ == "__main__":
    main()
