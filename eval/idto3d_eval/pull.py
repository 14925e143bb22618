"""Bring public networks into a folder of weights, and hash again what lies there.

Every file is hashed before its network gets its name in the folder: against the table's sha256 where it has
one, and otherwise for the first time, into `models.lock.json`, so that a later change is seen.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from idto3d.errors import UserError
from idto3d.profile import PROFILES, write_profile
from idto3d_eval.networks import NETWORKS, PRESETS, Network, preset_networks
from idto3d_eval.single import shipped_weights

LOCK = "models.lock.json"
HEADS = ("mean_head.npz", "head_basis.npz")  # shipped shapes that heads start from
CHUNK = 8 * 2**20  # bytes

Told = Callable[[str, int, int], None]
"""Called with (what is being brought, bytes done, bytes in all)."""


@dataclass(frozen=True)
class FileCheck:
    """What one file turned out to be."""

    network: str
    file: str
    state: str
    passed: bool
    sha256: str = ""

    def row(self) -> dict[str, str]:
        """The check as a table shows it."""
        return {
            "network": self.network,
            "file": self.file,
            "": "ok" if self.passed else "FAILED",
            "found": self.state,
            "sha256": self.sha256[:12],
        }


def pull(name: str, to: Path, source: Path | None = None, told: Told | None = None) -> list[FileCheck]:
    """Brings a preset's networks, or one, into `to/<network>/`; what is there and whole stays as it is.

    A preset also gets its `profile.json` and the shipped mean head: the folder is then what
    `idto3d-eval generate --weights` takes.

    Args:
        name: a name in `PRESETS` or in `NETWORKS`.
        to: folder of weights.
        source: folder that already holds the networks, each under its name or as the hub's cache keeps it;
            the hub, or insightface's release, where None.
        told: called while files are copied.

    Returns:
        One row a file.

    Raises:
        UserError: an unknown name, no such files, no hub at hand, or a file with another hash.
    """
    networks = preset_networks(name)
    if source is not None and not source.is_dir():
        raise UserError(
            f"Found no folder at '{source}', expected one with downloaded networks; name another."
        )
    to.mkdir(parents=True, exist_ok=True)
    found: list[FileCheck] = []
    for network in networks:
        target = to / network.name
        if not target.exists():
            _bring(network, target, source, len(networks) == 1, told)
        checks = check_network(network, to)
        failed = next((check for check in checks if not check.passed), None)
        if failed is not None:
            raise UserError(
                f"Found {failed.state} for {network.name}/{failed.file} in '{to}', expected the pulled file; "
                f"remove '{target}' and pull again."
            )
        found += checks
    if name in PRESETS:
        for shape in HEADS:
            shutil.copyfile(shipped_weights() / shape, to / shape)
        write_profile(to, PROFILES[name])
    return found


def verify(name: str | Path, told: Told | None = None) -> list[FileCheck]:
    """Hashes every file again: of a folder of weights, of one network in `weights/public`, or of what is
    shipped.

    Args:
        name: a folder, or the name of a pulled or a shipped network, or "shipped".
        told: called while files are hashed.

    Raises:
        UserError: neither a folder with pulled networks nor a known name.
    """
    folder = Path(name)
    if folder.is_dir():
        there = [network for network in NETWORKS.values() if (folder / network.name).is_dir()]
        if not there:
            raise UserError(
                f"Found no pulled network in '{folder}', expected some of {', '.join(NETWORKS)}; "
                "pull them first: idto3d-eval models pull public."
            )
        return [check for network in there for check in check_network(network, folder, told)]
    if str(name) in NETWORKS:
        return check_network(NETWORKS[str(name)], default_folder(str(name)), told)
    return _check_shipped(str(name))


def default_folder(name: str) -> Path:
    """Where a preset or a network is pulled to: every network here belongs to the one preset."""
    return Path("weights") / (name if name in PRESETS else "public")


def check_network(network: Network, folder: Path, told: Told | None = None) -> list[FileCheck]:
    """One row a file of `folder/<network>/`, hashed against the table or the lock."""
    inside = folder / network.name
    recorded = _read_lock(folder).get(network.name, {})
    present = _chosen(network, inside)
    checks = [
        FileCheck(network.name, pattern, "nothing there", False)
        for pattern in network.files
        if not any(fnmatch(path, pattern) for path in present)
    ]
    checks += [
        FileCheck(network.name, path, "nothing there, though it was pulled", False)
        for path in recorded
        if path not in present
    ]
    for path in present:
        sha256 = hash_file(inside / path, f"{network.name}/{path}", told)
        checks.append(_judge(network, path, sha256, recorded.get(path)))
    return checks


def hash_file(path: Path, what: str = "", told: Told | None = None) -> str:
    """sha256 of a file, read in pieces."""
    digest, total, done = hashlib.sha256(), path.stat().st_size, 0
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            digest.update(piece)
            done += len(piece)
            if told is not None:
                told(what or path.name, done, total)
    return digest.hexdigest()


def _judge(network: Network, path: str, sha256: str, recorded: str | None) -> FileCheck:
    """A hash beside what the table says, or what the lock recorded."""
    pinned = network.sha256.get(path)
    if pinned is not None:
        state = "as pinned" if sha256 == pinned else f"sha256 {sha256[:12]}… instead of {pinned[:12]}…"
        return FileCheck(network.name, path, state, sha256 == pinned, sha256)
    if recorded is None:
        return FileCheck(network.name, path, "not pinned: no hash recorded, pull it", False, sha256)
    if sha256 != recorded:
        state = f"sha256 {sha256[:12]}… instead of {recorded[:12]}… at first pull"
        return FileCheck(network.name, path, state, False, sha256)
    return FileCheck(network.name, path, "not pinned: hash recorded at first pull", True, sha256)


def _bring(network: Network, target: Path, source: Path | None, alone: bool, told: Told | None) -> None:
    """Files into a folder beside the target, hashed and recorded, then renamed to it.

    What an interrupted download left in that folder is gone on with; a wrong file takes it away.
    """
    partial = target.with_name(f".{target.name}.partial")
    partial.mkdir(exist_ok=True)
    try:
        if source is not None:
            _copy(network, _find(network, source, alone), partial, told)
        elif network.hub is not None:
            _from_hub(network, partial)
        else:
            _from_insightface(network, partial, told)
    finally:
        if not any(partial.iterdir()):
            partial.rmdir()
    hashes = {path: hash_file(partial / path, network.name, told) for path in _chosen(network, partial)}
    for path, sha256 in hashes.items():
        pinned = network.sha256.get(path, sha256)
        if sha256 != pinned:
            shutil.rmtree(partial)
            raise UserError(
                f"Found {network.name}/{path} of sha256 {sha256[:12]}…, expected {pinned[:12]}…; "
                "it is another version or damaged: get it again."
            )
    _record(target.parent, network.name, hashes)
    partial.rename(target)


def _find(network: Network, source: Path, alone: bool) -> Path:
    """The folder below `source` that holds all files of a network."""
    places = [source / network.name, source / f"{network.name}/{network.name}"]
    if network.hub is not None:
        owner, short = network.hub.split("/")
        snapshots = source / f"models--{owner}--{short}" / "snapshots"
        revisions = [snapshots / network.revision] if network.revision else sorted(snapshots.glob("*"))
        places += [source / network.hub, source / short, *revisions]
    if alone:
        places.append(source)
    for place in places:
        present = _chosen(network, place)
        if all(any(fnmatch(path, pattern) for path in present) for pattern in network.files):
            return place
    raise UserError(
        f"Found no {network.name} below '{source}' with all of its files, expected a folder "
        f"'{network.name}' with {', '.join(network.files[-3:])}; put it there or pull it without --from."
    )


def _copy(network: Network, place: Path, partial: Path, told: Told | None) -> None:
    files = _chosen(network, place)
    total = sum((place / path).stat().st_size for path in files)
    done = 0
    for path in files:
        (partial / path).parent.mkdir(parents=True, exist_ok=True)
        with (place / path).open("rb") as read, (partial / path).open("wb") as written:
            while piece := read.read(CHUNK):
                written.write(piece)
                done += len(piece)
                if told is not None:
                    told(network.name, done, total)
            written.flush()
            os.fsync(written.fileno())


def _from_hub(network: Network, partial: Path) -> None:
    """The network's files by huggingface_hub, which shows its own progress."""
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise UserError(
            f"Found no huggingface_hub, expected it to get {network.name} from the hub; "
            "pip install huggingface_hub, or name a folder that holds the files with --from."
        ) from error
    try:
        snapshot_download(
            str(network.hub),
            revision=network.revision,
            allow_patterns=list(network.files),
            local_dir=partial,
        )
    except Exception as error:
        raise UserError(
            f"Found no way to {network.hub} ({type(error).__name__}), expected the hub to answer; "
            "check the network and HF_HUB_OFFLINE, or name a folder that holds the files with --from."
        ) from error
    shutil.rmtree(partial / ".cache", ignore_errors=True)


def _from_insightface(network: Network, partial: Path, told: Told | None) -> None:
    """A pack of insightface's release, by insightface itself."""
    shutil.rmtree(partial / "pack", ignore_errors=True)  # half a pack would be taken for a whole one
    try:
        from insightface.utils import storage

        with redirect_stdout(sys.stderr):  # it prints where it downloads to
            storage.download("models", network.name, root=str(partial / "pack"))
    except Exception as error:
        raise UserError(
            f"Found no way to insightface's pack {network.name} ({type(error).__name__}), expected its "
            "release to answer; download and unpack it, and name the folder above it with --from."
        ) from error
    _copy(network, _find(network, partial / "pack" / "models", alone=False), partial, told)
    shutil.rmtree(partial / "pack")


def _chosen(network: Network, place: Path) -> list[str]:
    """Paths below a folder that a network's patterns match, in order."""
    if not place.is_dir():
        return []
    inside = (path.relative_to(place).as_posix() for path in sorted(place.rglob("*")) if path.is_file())
    return [path for path in inside if any(fnmatch(path, pattern) for pattern in network.files)]


def _read_lock(folder: Path) -> dict[str, dict[str, str]]:
    """Hashes recorded at first pull: network -> file -> sha256."""
    path = folder / LOCK
    if not path.is_file():
        return {}
    try:
        content: dict[str, dict[str, str]] = json.loads(path.read_text(encoding="utf-8"))["networks"]
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise UserError(f"Found no lock in '{path}', expected JSON; remove it and pull again.") from error
    return content


def _record(folder: Path, name: str, hashes: Mapping[str, str]) -> None:
    """Add a network to the lock: what it was at its first pull."""
    networks = {**_read_lock(folder), name: dict(hashes)}
    content: dict[str, Any] = {"schema": 1, "networks": networks}
    partial = folder / f"{LOCK}.partial"
    partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    partial.replace(folder / LOCK)


def _check_shipped(name: str) -> list[FileCheck]:
    """The shipped networks' files beside the sha256 of their cards."""
    from idto3d_eval.catalogue import card_file, model_cards

    cards = model_cards()
    chosen: Sequence[str] = list(cards) if name == "shipped" else [name]
    if not set(chosen) <= set(cards):
        known = ", ".join(["shipped", *cards, *NETWORKS])
        raise UserError(
            f"Found no folder and no network called {name!r}, expected a folder or one of {known}."
        )
    checks = []
    for each in chosen:
        path = card_file(shipped_weights(), each)
        sha256 = hash_file(path) if path.is_file() else ""
        good = sha256 == cards[each].get("sha256")
        state = "as its card says" if good else "another file than its card's" if sha256 else "nothing there"
        checks.append(FileCheck(each, path.name, state, good, sha256))
    return checks
