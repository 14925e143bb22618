"""How well a recogniser or a reader reads, for its card: plain functions on arrays."""

from collections.abc import Sequence

import numpy as np

from idto3d.attributes import Attributes
from idto3d.expressions import presets

MATCHED_GROUPS = ("sex", "age", "skin", "hair", "beard")  # what an attribute-matched impostor shares


def pair_similarities(
    embeddings: np.ndarray, person: np.ndarray, attributes: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Cosine of all pairs of photos.

    Args:
        embeddings: float [N, D], rows of length one.
        person: int [N].
        attributes: int [N, 6] class indices; where given, impostors are pairs that share `MATCHED_GROUPS`.

    Returns:
        Genuine and impostor similarities, float32 [G] and [I]; each pair once.
    """
    genuine, impostor = [], []
    columns = [list(Attributes.GROUPS).index(name) for name in MATCHED_GROUPS]
    for start in range(0, len(embeddings), 512):
        rows = np.arange(start, min(start + 512, len(embeddings)))
        similarity = (embeddings[rows] @ embeddings.T).astype(np.float32)
        later = np.arange(len(embeddings))[None] > rows[:, None]
        same = person[rows][:, None] == person[None]
        other = ~same
        if attributes is not None:
            matched = attributes[:, columns]
            other &= (matched[rows][:, None] == matched[None]).all(-1)
        genuine.append(similarity[same & later])
        impostor.append(similarity[other & later])
    return np.concatenate(genuine), np.concatenate(impostor)


def tar_at_far(genuine: np.ndarray, impostor: np.ndarray, far: float) -> tuple[float, float, str]:
    """Share of genuine pairs above the similarity that a share `far` of impostor pairs passes.

    Args:
        genuine: similarities of one person's pairs.
        impostor: similarities of different people's pairs.
        far: false accept rate, in (0, 1).

    Returns:
        TAR in [0, 1], threshold, and "" — or NaN, NaN and the reason: below 10 / FAR impostor pairs the
        threshold rests on fewer than ten of them.
    """
    if len(impostor) < 10.0 / far or len(genuine) == 0:
        reason = f"{len(impostor)} impostor pairs, expected at least {10.0 / far:.0f}"
        return float("nan"), float("nan"), reason if len(genuine) else "no genuine pairs"
    passed = int(far * len(impostor))
    threshold = float(np.partition(impostor, len(impostor) - 1 - passed)[len(impostor) - 1 - passed])
    return float((genuine > threshold).mean()), threshold, ""


def recogniser_accuracy(
    embeddings: np.ndarray,
    person: np.ndarray,
    attributes: np.ndarray | None = None,
    fars: Sequence[float] = (1e-2, 1e-3),
) -> dict[str, float | int | str]:
    """What a recogniser's card says of one set of people.

    Args:
        embeddings: float [N, D], rows of length one.
        person: int [N].
        attributes: int [N, 6]; adds the figures on attribute-matched impostors.
        fars: false accept rates.

    Returns:
        TAR and threshold at each FAR (or the reason for none), counts of people, photos and pairs, rank-1.
    """
    found: dict[str, float | int | str] = {"people": len(np.unique(person)), "photos": len(person)}
    sets = [("", None)] if attributes is None else [("", None), ("_matched", attributes)]
    for suffix, matched in sets:
        genuine, impostor = pair_similarities(embeddings, person, matched)
        found[f"impostor_pairs{suffix}"] = len(impostor)
        for far in fars:
            tar, threshold, reason = tar_at_far(genuine, impostor, far)
            if reason:
                found[f"tar_at_far_{far:g}{suffix}_reason"] = reason
            else:
                found[f"tar_at_far_{far:g}{suffix}"] = round(tar, 5)
                found[f"threshold_at_far_{far:g}{suffix}"] = round(threshold, 5)
    found["rank1"] = round(rank1(embeddings, person), 5)
    return found


def rank1(embeddings: np.ndarray, person: np.ndarray) -> float:
    """Share of photos whose most similar other photo is of the same person."""
    nearest = np.empty(len(person), np.int64)
    for start in range(0, len(person), 512):
        similarity = embeddings[start : start + 512] @ embeddings.T
        similarity[np.arange(len(similarity)), start + np.arange(len(similarity))] = -np.inf
        nearest[start : start + 512] = similarity.argmax(1)
    return float((person[nearest] == person).mean())


def landmark_error(read: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Mean distance over 68 landmarks, over the true distance of the outer eye corners (Sagonas 2013).

    Args:
        read: [N, 68, 2].
        true: [N, 68, 2], in the same units.

    Returns:
        [N], a share: 0.05 is five per cent.
    """
    between = np.linalg.norm(true[:, 36] - true[:, 45], axis=-1)
    return np.asarray(np.linalg.norm(read - true, axis=-1).mean(1) / np.maximum(between, 1e-9))


def nearest_preset(actions: np.ndarray) -> np.ndarray:
    """Index of the preset with the least L2 distance; [N, 52] -> int64 [N], in the order of EXPRESSIONS."""
    return np.asarray(np.linalg.norm(actions[:, None] - presets()[None], axis=-1).argmin(1))


def expression_accuracy(read: np.ndarray, true: np.ndarray) -> float:
    """Share of right presets among rows whose true actions are a preset's; NaN where there is none.

    Args:
        read: [N, 52] in [0, 1].
        true: [N, 52] in [0, 1].
    """
    own = nearest_preset(true)
    exact = np.abs(true - presets()[own]).max(1) < 0.02
    return float((nearest_preset(read) == own)[exact].mean()) if exact.any() else float("nan")


def attribute_accuracy(probabilities: np.ndarray, true: np.ndarray) -> dict[str, float]:
    """Share of right words a group, where known.

    Args:
        probabilities: [N, K] probabilities or logits.
        true: int [N, groups], -1 unknown.
    """
    found, start = {}, 0
    for group, (name, words) in enumerate(Attributes.GROUPS.items()):
        known = true[:, group] >= 0
        if known.any():
            right = probabilities[:, start : start + len(words)].argmax(1) == true[:, group]
            found[name] = float(right[known].mean())
        start += len(words)
    return found
