"""Hostile networks: ONNX and safetensors that are cut, promise more than they hold, or refer to elsewhere."""

from __future__ import annotations

import functools
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.hostile.case import ACCEPTED, EITHER, Case, damaged, noise, one

WEIGHTS = Path(__file__).parents[2] / "idto3d" / "weights"
ADAPTER = "face_adapter"


def cases() -> Iterator[Case]:
    """For recognisers, face readers, and files of tensors."""
    yield one("recogniser sound", "recogniser", "a.onnx", recogniser, ACCEPTED)
    yield from damaged("recogniser", "recogniser", "a.onnx", recogniser, 6, 10)
    yield from damaged("reader", "reader", "a.onnx", recogniser, 4, 0)
    for name, make in _onnx().items():
        yield one(f"recogniser {name}", "recogniser", "a.onnx", make)
    for name, make in _odd_onnx().items():
        yield one(f"recogniser {name}", "recogniser", "a.onnx", make, EITHER)
    for name in ("external data", "if bomb", "constant bomb", "huge initialiser", "nested graphs"):
        yield one(f"reader {name}", "reader", "a.onnx", {**_onnx(), **_odd_onnx()}[name], EITHER)
    for name, card in _cards().items():
        yield Case(
            f"recogniser card {name}",
            "recogniser",
            lambda card=card: {"a.onnx": recogniser(), "a.card.json": card},
        )
    yield one("adapter sound", ADAPTER, "a.safetensors", adapter, ACCEPTED)
    for reader, make in ((ADAPTER, adapter), ("directions", directions)):
        yield from damaged(reader, reader, "word_directions.safetensors", make, 6, 8)
        for name, data in _tensors().items():
            yield one(f"{reader} {name}", reader, "word_directions.safetensors", data)
    for name, data in _pickles().items():
        yield one(f"adapter bin {name}", ADAPTER, "a.bin", data)


def network(nodes: list[Any], initialisers: list[Any] = (), **options: Any) -> bytes:
    """An ONNX model from 112 × 112 faces to embeddings."""
    shape = options.pop("shape", [None, 3, 112, 112])
    face = helper.make_tensor_value_info("face", TensorProto.FLOAT, shape)
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, options.pop("out", [None, 8]))
    graph = helper.make_graph(nodes, "g", [face], [out], list(initialisers))
    opset = helper.make_opsetid("", options.pop("opset", 13))
    model = helper.make_model(graph, opset_imports=[opset, *options.pop("opsets", [])], ir_version=8)
    data: bytes = model.SerializeToString()
    return data


@functools.cache
def recogniser() -> bytes:
    """A sound one: the mean of each channel, times a matrix."""
    matrix = numpy_helper.from_array(np.arange(24, dtype=np.float32).reshape(3, 8), "m")
    pooled = helper.make_node("GlobalAveragePool", ["face"], ["pooled"])
    flat = helper.make_node("Flatten", ["pooled"], ["flat"])
    return network([pooled, flat, helper.make_node("MatMul", ["flat", "m"], ["out"])], [matrix])


def tensors(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    """A safetensors file of a header that may be any JSON, or bytes."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def adapter() -> bytes:
    """A sound file of two dictionaries, as a face adapter's is."""
    names = ("image_proj.proj.0.weight", "ip_adapter.1.to_k_ip.weight")
    header = {
        name: {"dtype": "F32", "shape": [2, 2], "data_offsets": [16 * n, 16 * n + 16]}
        for n, name in enumerate(names)
    }
    return tensors(header, bytes(32))


def directions() -> bytes:
    """The shipped directions of words."""
    return (WEIGHTS / "guidance" / "word_directions.safetensors").read_bytes()


def _constant_bomb(side: int) -> list[Any]:
    size = helper.make_tensor("size", TensorProto.INT64, [3], [side, side, side])
    return [
        helper.make_node("Constant", [], ["size"], value=size),
        helper.make_node("ConstantOfShape", ["size"], ["big"]),
        helper.make_node("ReduceSum", ["big"], ["sum"], keepdims=0),
        helper.make_node("Flatten", ["face"], ["flat"]),
        helper.make_node("Add", ["flat", "sum"], ["out"]),
    ]


def _huge_initialiser() -> bytes:
    big = TensorProto(name="m", data_type=TensorProto.FLOAT, dims=[2**31, 2**31])
    big.raw_data = bytes(16)
    return network([helper.make_node("MatMul", ["face", "m"], ["out"])], [big])


def _external(place: str) -> bytes:
    big = TensorProto(name="m", data_type=TensorProto.FLOAT, dims=[112, 8])
    big.data_location = TensorProto.EXTERNAL
    for key, value in (("location", place), ("offset", "0"), ("length", "3584")):
        big.external_data.add(key=key, value=value)
    return network([helper.make_node("MatMul", ["face", "m"], ["out"])], [big])


def _nested(depth: int) -> bytes:
    true = helper.make_tensor_value_info("o", TensorProto.FLOAT, None)
    node = helper.make_node("Constant", [], ["o"], value=numpy_helper.from_array(np.float32(1)))
    for _ in range(depth):
        inner = helper.make_graph([node], "b", [], [true])
        node = helper.make_node("If", ["c"], ["o"], then_branch=inner, else_branch=inner)
    node.output[0] = "out"
    return network([node], [numpy_helper.from_array(np.array(True), "c")])


def _chain(length: int) -> bytes:
    nodes = [helper.make_node("Relu", [f"n{n}" if n else "face"], [f"n{n + 1}"]) for n in range(length)]
    return network([*nodes, helper.make_node("Flatten", [f"n{length}"], ["out"])])


def _doubling(times: int) -> bytes:
    """A constant that each node makes twice as long: small to write, exponential to fold."""
    nodes = [helper.make_node("Concat", [f"d{n}", f"d{n}"], [f"d{n + 1}"], axis=0) for n in range(times)]
    ends = [
        helper.make_node("ReduceMean", [f"d{times}"], ["mean"], keepdims=0),
        helper.make_node("Flatten", ["face"], ["flat"]),
        helper.make_node("Add", ["flat", "mean"], ["out"]),
    ]
    return network([*nodes, *ends], [numpy_helper.from_array(np.ones(1_000, np.float32), "d0")])


def _onnx() -> dict[str, Any]:
    relu = helper.make_node("Relu", ["face"], ["out"])
    return {
        "empty": b"",
        "text": b"this is no model\n" * 30,
        "noise": noise(20_000),
        "huge field": b"\x3a\xff\xff\xff\xff\x07" + bytes(50),
        "huge varint": b"\xff" * 4_000,
        "groups nested": b"\x0b" * 100_000,
        "messages nested": lambda: functools.reduce(
            lambda inner, _: b"\x3a" + _varint(len(inner)) + inner, range(3_000), b""
        ),
        "another size": lambda: network([relu], shape=[None, 3, 64, 64], out=None),
        "other rank": lambda: network([relu], shape=[7], out=[7]),
        "no inputs": lambda: network([helper.make_node("Relu", ["nothing"], ["out"])]),
        "unknown operator": lambda: network([helper.make_node("MadeUp", ["face"], ["out"])]),
        "foreign domain": lambda: network(
            [helper.make_node("Run", ["face"], ["out"], domain="org.example")],
            opsets=[helper.make_opsetid("org.example", 1)],
        ),
        "long chain": lambda: _chain(20_000),
        "opset of the future": lambda: network([relu], opset=9_999),
        "cycle": lambda: network(
            [helper.make_node("Add", ["face", "b"], ["a"]), helper.make_node("Relu", ["a"], ["b"])]
        ),
        "output twice": lambda: network([relu, relu]),
        "huge initialiser": _huge_initialiser,
        "external data": lambda: _external("../../../../etc/passwd"),
        "external absolute": lambda: _external("/etc/passwd"),
        "external missing": lambda: _external("weights.bin"),
    }


def _odd_onnx() -> dict[str, Any]:
    matrix = TensorProto(name="m", data_type=TensorProto.FLOAT, dims=[-3, 8])
    return {
        "constant bomb": lambda: network(_constant_bomb(1_000), out=None),
        "constant larger": lambda: network(_constant_bomb(2**20), out=None),
        "doubling": lambda: _doubling(26),
        "if bomb": lambda: _nested(10),
        "nested graphs": lambda: _nested(13),
        "chain": lambda: _chain(800),
        "negative shape": lambda: network([helper.make_node("MatMul", ["face", "m"], ["out"])], [matrix]),
        "long names": lambda: network([helper.make_node("Relu", ["face"], ["out"], name="n" * 3_000_000)]),
        "wrong output": lambda: network([helper.make_node("Relu", ["face"], ["out"])], out=[1]),
        "named dimensions": lambda: network(
            [helper.make_node("Relu", ["face"], ["out"])], shape=["a", "b", "c", "d"], out=None
        ),
        "many dimensions": lambda: network(
            [helper.make_node("Identity", ["face"], ["out"])], shape=[1] * 3_000, out=None
        ),
    }


def _varint(value: int) -> bytes:
    parts = []
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def _cards() -> dict[str, bytes]:
    return {
        "nested": b"[" * 100_000 + b"]" * 100_000,
        "list": b"[1, 2]",
        "text": b"a card",
        "not utf-8": b'{"name": "\xff"}',
        "of another file": json.dumps({"name": "a", "sha256": "0" * 64}).encode(),
        "preprocessing text": b'{"preprocessing": "as usual"}',
        "preprocessing short": b'{"preprocessing": {"mean": [1]}}',
        "huge": b'{"name": "' + b"a" * 30_000_000 + b'"}',
        "number": b'{"measured": ' + b"9" * 50_000 + b"}",
        "cut": b'{"name": "a", "sha',
    }


def _tensors() -> dict[str, bytes]:
    def of(**change: Any) -> bytes:
        return tensors(
            {"directions": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **change}}, bytes(8)
        )

    assert onnx.__version__
    return {
        "empty": b"",
        "short": b"\1\2\3",
        "giant header": tensors(b"{}", length=2**62),
        "header beyond": tensors(b"{}", length=10_000),
        "header of 90 MB": tensors(b"{" + b" " * 90_000_000 + b"}"),
        "header nested": tensors(b'{"a":' * 100_000),
        "header list": tensors([1, 2]),
        "header noise": tensors(noise(300)),
        "header not utf-8": tensors(b'{"\xff": 1}'),
        "no tensors": tensors({}),
        "huge shape": of(shape=[2**40, 2**40]),
        "shape overflow": of(shape=[2**63, 2]),
        "negative shape": of(shape=[-2]),
        "fractional shape": of(shape=[0.5]),
        "offsets beyond": of(data_offsets=[0, 2**40]),
        "offsets backwards": of(data_offsets=[8, 0]),
        "offsets negative": of(data_offsets=[-8, 8]),
        "unknown type": of(dtype="F7"),
        "endless type": of(dtype="a" * 200_000),
        "endless field": of(**{"a" * 200_000: 1}),
        "missing shape": tensors({"directions": {"dtype": "F32", "data_offsets": [0, 8]}}, bytes(8)),
        "hole": of(data_offsets=[4, 12]),
        "other names": of(),
        "many tensors": tensors(
            {f"t{n}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for n in range(100_000)}
        ),
        "metadata of numbers": tensors({"__metadata__": {"a": 1}}),
        "pickle": b"\x80\x04cos\nsystem\n(S'touch owned'\ntR.",
    }


def _pickles() -> dict[str, bytes]:
    return {
        "system": b"\x80\x04cos\nsystem\n(S'touch owned'\ntR.",
        "old torch": b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.",
        "empty": b"",
        "noise": noise(5_000),
        "zip": b"PK\x03\x04" + noise(800),
        "deep": b"\x80\x04" + b"]" * 100_000 + b"a" * 99_999 + b".",
        "memory": b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"a.",
        "list": b"\x80\x04]q\0.",
        "number": b"\x80\x04K\x07.",
    }
