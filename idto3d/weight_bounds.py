"""What networks from outside must keep to before a library decodes them: ONNX, safetensors, model folders.

The libraries check much themselves, but some of what they accept takes all memory, or reads other files: the
headers are looked at here first, and nothing is loaded.
"""

from __future__ import annotations

import json
import math
import os
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeGuard

from idto3d.errors import UserError

MAX_FILES = 10_000  # of a folder of weights
MAX_HEADER_BYTES = 16 * 2**20  # of safetensors; of the largest models it takes less than one
MAX_TENSORS = 20_000  # the largest models have some thousands
MAX_JSON_BYTES = 64 * 2**20  # a tokenizer's vocabulary takes up to twenty
MAX_CARD_BYTES = 4 * 2**20
MAX_CONFIG_NUMBER = 1_000_000  # vocabularies and timesteps stay below
MAX_LAYERS = 256  # of any list in a config, and of each number of layers
MAX_ONNX_BYTES = 2**31 - 1  # protobuf's own limit
MAX_NODES = 5_000  # of 20,000 in a row onnxruntime takes over half a minute to make a session
MAX_DEPTH = 8  # graphs within graphs
MAX_DIMENSIONS = 16
MAX_FOLDED = 2**26  # elements that a graph makes out of constants alone while it is loaded
DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
CONFIGS = ("config.json", "scheduler_config.json", "preprocessor_config.json")
LAYERS = ("layers", "blocks", "depth")
_TYPES = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 8),
    **dict.fromkeys(("F32", "I32", "U32"), 4),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 2),
    **dict.fromkeys(("I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 1),
}


class WeightsError(UserError):
    """A file of weights that must not be trusted."""


def check_weights(folder: Path) -> None:
    """Look at the headers of all files of a folder of weights.

    Args:
        folder: of networks and model folders, or one such file.

    Raises:
        WeightsError: with the first thing found.
    """
    for path in _files(folder):
        if path.suffix == ".safetensors":
            check_safetensors(path)
        elif path.suffix == ".onnx":
            check_onnx(path)
        elif path.suffix == ".json":
            _check_json(path)
        elif path.suffix in (".bin", ".pt", ".pth", ".ckpt"):
            check_torch_file(path)


def check_safetensors(path: Path) -> None:
    """The header of a safetensors file: as long as it says, of known types, and of no more than the file.

    Raises:
        WeightsError: with the first thing found.
    """
    safetensors_header(path)


def safetensors_header(path: Path, *, metadata: bool = False) -> dict[str, dict[str, Any]]:
    """Name -> type, shape and place of each tensor; with `__metadata__` where that is wanted.

    Raises:
        WeightsError: it promises what the file does not hold.
    """
    size = _size(path)
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 2 <= length <= min(MAX_HEADER_BYTES, size - 8):
            raise _refused(path, f"a header of {length} bytes in {size}", f"at most {MAX_HEADER_BYTES}")
        tensors = _parsed(file.read(length), path)
    told = tensors.pop("__metadata__", {})
    if len(tensors) > MAX_TENSORS:
        raise _refused(path, f"{len(tensors)} tensors", f"at most {MAX_TENSORS}")
    for name, tensor in tensors.items():
        what = f"the tensor {name!r:.60}"
        fields = tensor if isinstance(tensor, dict) else {}
        shape, place = fields.get("shape"), fields.get("data_offsets")
        if not _whole_numbers(shape) or not _whole_numbers(place) or len(place) != 2:
            raise _refused(path, f"{what} without a shape and a place", "both in whole numbers")
        begin, end = place
        kind = fields.get("dtype")
        if not isinstance(kind, str) or kind not in _TYPES:
            raise _refused(path, f"{what} of type {kind!r:.60}", f"one of {', '.join(sorted(_TYPES))}")
        need = math.prod(shape) * _TYPES[kind]
        if not begin <= end <= size - 8 - length or need > end - begin:
            raise _refused(path, f"{what} of shape {shape!r:.60} at {begin} to {end}", "what the file holds")
    covered = 0
    for begin, end in sorted(tensor["data_offsets"] for tensor in tensors.values()):
        if begin != covered:
            raise _refused(
                path, f"tensors with a hole or an overlap at byte {covered}", "one after the other"
            )
        covered = end
    if covered != size - 8 - length:
        raise _refused(path, f"{size - 8 - length - covered} bytes of no tensor", "none")
    return {"__metadata__": told, **tensors} if metadata else tensors


def check_torch_file(path: Path) -> None:
    """torch's own file: the zip that it writes since version 1.6, whose pickle is short.

    What the pickle says is left to torch, which reads nothing but tensors from it (`weights_only`).

    Raises:
        WeightsError: with the first thing found.
    """
    try:
        with zipfile.ZipFile(path) as packed:
            entries = packed.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        told = " ".join(str(error).split())[:100]
        raise _refused(path, f"no zip of tensors ({told})", "torch's format, or safetensors") from error
    pickles = [entry.file_size for entry in entries if entry.filename.endswith(".pkl")]
    packed_ones = [entry for entry in entries if entry.compress_type != zipfile.ZIP_STORED]
    if len(entries) > MAX_FILES * 10 or packed_ones or sum(pickles) > MAX_HEADER_BYTES:
        raise _refused(path, "members packed or too many", "tensors as torch writes them")


def check_onnx(path: Path) -> None:
    """The graph of an ONNX model: whole, within the file, of known operators, and bounded.

    Raises:
        WeightsError: with the first thing found.
    """
    import onnx

    if not 0 < _size(path) <= MAX_ONNX_BYTES:
        raise _refused(path, f"{_size(path)} bytes", f"1 to {MAX_ONNX_BYTES}")
    try:
        model = onnx.load_model(str(path), load_external_data=False)
    except Exception as error:  # a foreign file in a foreign parser: whatever it raises is one bad file
        told = " ".join(str(error).split())[:100] or type(error).__name__
        raise _refused(path, f"no model ({told})", "an ONNX file") from error
    used = {entry.domain for entry in model.opset_import}
    if not used <= DOMAINS:
        raise _refused(path, f"operators of {sorted(used - DOMAINS)[0]!r:.60}", "those of ONNX itself")
    _check_graph(model.graph, path, 0)


def _check_graph(graph: Any, path: Path, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise _refused(path, f"graphs {depth} deep in one another", f"at most {MAX_DEPTH}")
    if len(graph.node) > MAX_NODES:
        raise _refused(path, f"{len(graph.node)} nodes", f"at most {MAX_NODES}")
    for tensor in graph.initializer:
        _check_tensor(tensor, path)
    for value in (*graph.input, *graph.output):
        if len(value.type.tensor_type.shape.dim) > MAX_DIMENSIONS:
            raise _refused(path, f"{value.name!r:.40} of too many dimensions", f"at most {MAX_DIMENSIONS}")
    folded = _Folded(graph)
    for node in graph.node:
        for attribute in node.attribute:
            for tensor in (*([attribute.t] if attribute.HasField("t") else []), *attribute.tensors):
                _check_tensor(tensor, path)
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                _check_graph(inner, path, depth + 1)
        if (size := folded.made_by(node)) > MAX_FOLDED:
            raise _refused(path, f"a constant of {size} elements", f"at most {MAX_FOLDED}")


class _Folded:
    """How many elements a graph's constants have, as far as they follow from constants alone."""

    def __init__(self, graph: Any) -> None:
        self._sizes = {tensor.name: math.prod(tensor.dims) for tensor in graph.initializer}
        self._shapes = {tensor.name: _numbers(tensor) for tensor in graph.initializer}

    def made_by(self, node: Any) -> int:
        """Elements of a node's first result; 0 where they hang on the input."""
        for attribute in node.attribute:
            if node.op_type == "Constant" and attribute.name == "value":
                self._sizes[node.output[0]] = math.prod(attribute.t.dims)
                self._shapes[node.output[0]] = _numbers(attribute.t)
        sizes = [self._sizes.get(name, 0) for name in node.input]
        if node.op_type == "Constant" or not sizes or not all(sizes):
            return 0
        if node.op_type in ("ConstantOfShape", "Expand", "Tile"):
            shape = self._shapes.get(node.input[-1], ())
            size = math.prod(max(side, 0) for side in shape) * (sizes[0] if node.op_type == "Tile" else 1)
        else:
            size = sum(sizes)
        if node.output:
            self._sizes[node.output[0]] = size
        return size


def _numbers(tensor: Any) -> tuple[int, ...]:
    """A short list of whole numbers, such as a shape; () for all else."""
    if tensor.data_type != 7 or math.prod(tensor.dims) > MAX_DIMENSIONS:  # 7: 64-bit integers
        return ()
    if tensor.raw_data:
        count = len(tensor.raw_data) // 8
        return struct.unpack(f"<{count}q", tensor.raw_data[: 8 * count])
    return tuple(tensor.int64_data)


def _check_tensor(tensor: Any, path: Path) -> None:
    if tensor.data_location or tensor.external_data:
        raise _refused(path, f"{tensor.name!r:.40} in another file", "all weights inside it")
    held = len(tensor.raw_data) or 16 * sum(
        len(getattr(tensor, f"{kind}_data"))
        for kind in ("float", "int32", "string", "int64", "double", "uint64")
    )
    least = math.prod(tensor.dims) // 8  # of the smallest types there are, bits
    if len(tensor.dims) > MAX_DIMENSIONS or any(side < 0 for side in tensor.dims) or least > held:
        found = f"{tensor.name!r:.40} of shape {list(tensor.dims)!r:.60} in {held} bytes"
        raise _refused(path, found, "what the file holds")


def _check_json(path: Path) -> None:
    """A config's numbers, and where an index says that shards lie."""
    limit = MAX_CARD_BYTES if path.name.endswith(".card.json") else MAX_JSON_BYTES
    if _size(path) > limit:
        raise _refused(path, f"{_size(path)} bytes", f"at most {limit}")
    fields = _parsed(path.read_bytes(), path)
    if path.name in CONFIGS:
        _check_config(fields, path)
    shards = fields.get("weight_map") if path.name.endswith(".index.json") else {}
    if path.name.endswith(".index.json") and not isinstance(fields.get("metadata"), dict):
        raise _refused(path, "no metadata", "an index of shards with an object of that name")
    if not isinstance(shards, dict):
        raise _refused(path, "no map of weights", "tensors and the files they lie in")
    for shard in shards.values():
        if not isinstance(shard, str) or Path(shard).name != shard or not shard.endswith(".safetensors"):
            raise _refused(path, f"weights in {shard!r:.60}", "safetensors beside it")


def _check_config(fields: dict[str, Any], path: Path) -> None:
    for name, value in fields.items():
        values = value if isinstance(value, list) else [value]
        limit = (
            MAX_LAYERS
            if any(word in name for word in LAYERS) and "channels" not in name
            else MAX_CONFIG_NUMBER
        )
        wrong = [v for v in values if isinstance(v, int | float) and not (-limit <= v <= limit)]
        if wrong or (isinstance(value, list) and len(value) > MAX_CONFIG_NUMBER // 100):
            raise _refused(path, f"{name:.60} = {str(value)[:40]}", f"numbers within {limit}")


def _parsed(data: bytes, path: Path) -> dict[str, Any]:
    """A JSON object."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        told = " ".join(str(error).split())[:100]
        raise _refused(path, f"unreadable JSON ({told})", "a JSON object") from error
    if not isinstance(found, dict):
        raise _refused(path, "JSON that is no object", "one")
    return found


def _whole_numbers(value: Any) -> TypeGuard[list[int]]:
    """Whether it is a list of whole numbers from 0 on."""
    return isinstance(value, list) and all(type(part) is int and 0 <= part < 2**63 for part in value)


def _files(folder: Path) -> Iterator[Path]:
    """All files, in order of their names; folders that are links are not entered."""
    if folder.is_file():
        yield folder
        return
    count = 0
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            count += 1
            if count > MAX_FILES:
                raise WeightsError(
                    f"Found more than {MAX_FILES} files in '{folder}', expected a folder of weights; name it."
                )
            yield Path(place) / name


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise _refused(path, f"no readable file ({error.strerror})", "weights") from error


def _refused(path: Path, found: str, expected: str) -> WeightsError:
    return WeightsError(
        f"Found {found} in '{path}', expected {expected}; get this network again or name another."
    )
