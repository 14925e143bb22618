"""Content keys: one sha256 over everything that can change a job's result, and nothing else."""

from __future__ import annotations

import functools
import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

SCHEMA_VERSION = 1  # raised when the meaning of an artefact's files changes
WEIGHT_SUFFIXES = frozenset({".onnx", ".safetensors", ".npz", ".npy", ".json", ".txt", ".bin", ".pt"})
CARD_SUFFIX = ".card.json"
FRAMES_KEPT = 10_000


class SharedFields(dict[str, Any]):
    """A mapping that many jobs' keys hold, and that nobody changes: its canonical JSON is made once."""

    @functools.cached_property
    def text(self) -> str:
        """Its canonical JSON."""
        return canonical_json(self)


@dataclass(frozen=True)
class KeyInputs:
    """Everything that can change the result of one job; times, worker counts and folders cannot."""

    stage: str
    protocol: Mapping[str, Any]  # the protocol's name, version and the fields this stage reads
    method: Mapping[str, Any] = field(default_factory=dict)  # the method's spec, {} for stages without one
    parameters: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, str] = field(default_factory=dict)  # file name -> sha256
    identity: str = ""
    seed: int = 0
    repeat: int = 0
    inputs: Mapping[str, str] = field(default_factory=dict)  # upstream job -> digest of its files
    code: str = ""  # see `code_version.code_version`
    libraries: Mapping[str, str] = field(default_factory=dict)
    threads: int = 0  # 0 where the thread count cannot matter
    schema: int = SCHEMA_VERSION

    def key(self) -> str:
        """The sha256, in hexadecimal, of these inputs as canonical JSON."""
        return self.key_with(self.inputs)

    def key_with(self, inputs: Mapping[str, str]) -> str:
        """The key with other digests of what the job needs."""
        frame = self._frame()
        if frame is None:
            members = (
                f'"{name}":{_text_of_digests(inputs) if name == "inputs" else _text(getattr(self, name))}'
                for name in _SORTED_FIELDS
            )
            text = f"{{{','.join(members)}}}"
        else:
            start, to_inputs, to_parameters, to_seed, end = frame
            text = (
                f"{start}{_quoted(self.identity)}{to_inputs}{_text_of_digests(inputs)}"
                f"{to_parameters}{_text(self.parameters)}{to_seed}{self.seed}{end}"
            )
        return hashlib.sha256(text.encode("ascii")).hexdigest()

    def _frame(self) -> tuple[str, ...] | None:
        """The canonical JSON around those fields in which a plan's jobs of one kind differ; None where other
        mappings than parameters are not shared either."""
        shared = (self.libraries, self.method, self.protocol, self.weights)
        alike = (*map(id, shared), self.stage, self.code, self.repeat, self.threads, self.schema)
        found = _FRAMES.get(alike)
        if found is None:
            if not all(isinstance(value, SharedFields) for value in shared):
                return None
            texts = {name: _text(getattr(self, name)) for name in _SORTED_FIELDS if name not in _VARYING}
            whole = ",".join(f'"{name}":{texts.get(name, _HOLE)}' for name in _SORTED_FIELDS)
            if len(_FRAMES) >= FRAMES_KEPT:
                _FRAMES.clear()
            # The mappings are kept with it, so that no other is ever at their address.
            found = _FRAMES[alike] = (tuple(f"{{{whole}}}".split(_HOLE)), shared)
        return found[0]


_SORTED_FIELDS = tuple(sorted(member.name for member in fields(KeyInputs)))
_quoted = json.encoder.encode_basestring_ascii
_VARYING = frozenset({"identity", "inputs", "parameters", "seed"})
_HOLE = "\0"  # which no JSON text holds
_FRAMES: dict[tuple[Any, ...], tuple[tuple[str, ...], tuple[Mapping[str, Any], ...]]] = {}


def canonical_json(value: Any) -> str:
    """JSON with sorted keys, no spaces and no NaN: equal values give equal text on every machine.

    Raises:
        TypeError: for anything that is not a mapping, sequence, string, number, bool, None or path.
        ValueError: for NaN and infinities, which have no JSON text.
    """
    return json.dumps(
        _plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True
    )


def content_key(value: Any) -> str:
    """sha256, in hexadecimal, of a value's canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode("ascii")).hexdigest()


def file_sha256(path: Path) -> str:
    """sha256, in hexadecimal, of a file's bytes.

    Raises:
        OSError: when the file cannot be read.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def folder_digest(folder: Path, exclude: Iterable[str] = ()) -> str:
    """sha256 over the relative names and contents of all files under a folder (or of one file).

    Args:
        folder: what to read; a plain file is its own digest.
        exclude: relative names that do not count.
    """
    if folder.is_file():
        return file_sha256(folder)
    skipped = set(exclude)
    files = {
        path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()
    }
    return content_key({name: file_sha256(path) for name, path in files.items() if name not in skipped})


def weights_sha256(paths: Iterable[Path]) -> dict[str, str]:
    """sha256 of each weight file, by file name; a folder stands for every weight file in it.

    Of a model card only the preprocessing counts: what was measured of a network changes no result of it.
    """
    hashes: dict[str, str] = {}
    for path in sorted(set(paths)):
        members = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        for member in members:
            name = f"{path.name}/{member.relative_to(path).as_posix()}" if path.is_dir() else path.name
            if name.endswith(CARD_SUFFIX):
                hashes[name] = _card_sha256(member)
            elif member.suffix in WEIGHT_SUFFIXES:
                hashes[name] = file_sha256(member)
    return hashes


def _card_sha256(card: Path) -> str:
    try:
        fields = json.loads(card.read_text(encoding="utf-8"))
        return content_key({name: fields.get(name) for name in ("preprocessing", "sha256")})
    except (ValueError, AttributeError):
        return file_sha256(card)


def _text(value: Any) -> str:
    """Canonical JSON, kept where many jobs share the value."""
    if isinstance(value, SharedFields):
        return value.text
    if type(value) is int:
        return str(value)
    if type(value) is str:
        return _quoted(value)
    return canonical_json(value)


def _text_of_digests(digests: Mapping[str, str]) -> str:
    members = [f"{_quoted(name)}:{_quoted(digests[name])}" for name in sorted(digests)]
    return f"{{{','.join(members)}}}"


def _plain(value: Any) -> Any:
    """The value in JSON's own types; -0.0 becomes 0.0 and whole floats stay floats."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"found {value} in a content key, expected a finite number")
        return value + 0.0
    if isinstance(value, Path):
        return value.as_posix()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(_plain(item) for item in value)
    raise TypeError(f"found a {type(value).__name__} in a content key, expected JSON's own types")
