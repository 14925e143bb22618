"""What is read for appearance: shipped networks, a user's ONNX and a user's CLIP, with hashes and "
"preprocessing."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from idto3d.errors import UserError
from idto3d_eval.appearance_readings import FILE, PHOTOS, load_looks, read_head_looks, read_photo_looks
from idto3d_eval.feature_networks import load_feature_network, reader_trunk, resize
from idto3d_eval.features import HeadFeatures, load_scoring_models
from idto3d_eval.named_networks import FOLDER, NamedNetworks, named_networks
from idto3d_eval.reference import Reference
from idto3d_eval.rows.context import Head
from idto3d_eval.score import score_method
from idto3d_eval.single import shipped_weights
from idto3d_protocols.loader import load_protocol

NONE = NamedNetworks(None, None)


def pictures(count: int, size: int = 40) -> list[np.ndarray]:
    rng = np.random.default_rng(count)
    return [rng.integers(0, 256, (size, size, 3), dtype=np.uint8) for _ in range(count)]


def views_folder(folder: Path, images: list[np.ndarray], expressions: tuple[str, ...], views: int) -> Path:
    """A folder as the renderer writes it, with pictures of one's own."""
    stored = {"yaw": 0.0, "pitch": 0.0, "roll": 0.0, "distance_mm": 1.0, "fovy": 0.3, "target_mm": [0, 0, 0]}
    names = [f"view{index}" for index in range(views)]
    manifest = {
        "schema_version": 1,
        "expressions": list(expressions),
        "views": [
            {
                "name": name,
                "frontal": index < 2,
                "camera": {**stored, "resolution": 40},
                "light": {"sh": [[1.0] * 3] * 9},
            }
            for index, name in enumerate(names)
        ],
    }
    left = iter(images)
    for expression in expressions:
        (folder / expression).mkdir(parents=True)
        for name in names:
            Image.fromarray(next(left)).save(folder / expression / f"{name}.png")
    (folder / "views.json").write_text(json.dumps(manifest))
    return folder


def mean_colour_network(path: Path, size: int = 16) -> Path:
    """An ONNX whose feature is the mean of each channel."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["x"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["y"]),
        ],
        "mean",
        [helper.make_tensor_value_info("x", kind, ["n", 3, size, size])],
        [helper.make_tensor_value_info("y", kind, ["n", 3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, str(path))
    card = {"name": "mean", "preprocessing": {"mean": [0, 0, 0], "std": [255, 255, 255], "colour": "BGR"}}
    path.with_name(path.stem + ".card.json").write_text(json.dumps(card))
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random CLIP with a tokenizer of its own."""
    import torch
    from transformers import (
        CLIPConfig,
        CLIPImageProcessor,
        CLIPModel,
        CLIPProcessor,
        CLIPTextConfig,
        CLIPTokenizer,
        CLIPVisionConfig,
    )

    folder = tmp_path_factory.mktemp("clip")
    letters = "abcdefghijklmnopqrstuvwxyz,"
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: index for index, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = CLIPTextConfig(
        vocab_size=len(words), max_position_embeddings=77, bos_token_id=54, eos_token_id=55, **sizes
    )
    vision = CLIPVisionConfig(image_size=32, patch_size=16, **sizes)
    torch.manual_seed(0)
    model = CLIPModel(
        CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=8)
    )
    images = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    model.save_pretrained(folder)
    CLIPProcessor(image_processor=images, tokenizer=tokenizer).save_pretrained(folder)
    return folder


def test_a_users_network_is_read_as_its_card_says(tmp_path: Path) -> None:
    path = mean_colour_network(tmp_path / "mean.onnx")
    network = load_feature_network(path)
    images = pictures(9, 16)
    plain = np.stack([image.reshape(-1, 3).mean(axis=0)[::-1] / 255.0 for image in images])
    assert network.read(images) == pytest.approx(plain, abs=1e-5)
    assert network.card["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert network.card["preprocessing"]["colour"] == "BGR"
    assert network.card["size"] == 16
    assert "bicubic" in network.card["resize"]
    larger = pictures(1, 50)[0]
    shrunk = np.asarray(Image.fromarray(larger).resize((16, 16), Image.Resampling.BICUBIC))
    assert np.array_equal(resize(larger, 16), shrunk)


def test_what_stands_beside_a_picture_changes_no_bit() -> None:
    trunk = reader_trunk(shipped_weights())
    images = pictures(11)
    together = trunk.read(images)
    assert together.shape == (11, 256)
    assert np.array_equal(trunk.read(images[4:5])[0], together[4])


def test_a_file_that_is_no_such_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected one input"):
        load_feature_network(mean_colour_network(tmp_path / "open.onnx", size="s"))  # type: ignore[arg-type]


def test_networks_are_found_by_name_and_missing_ones_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    protocol = load_protocol("smoke")
    monkeypatch.delenv(FOLDER, raising=False)
    assert named_networks(protocol) == NONE
    monkeypatch.setenv(FOLDER, str(tmp_path))
    assert named_networks(protocol) == NONE
    default = mean_colour_network(tmp_path / "features.onnx")
    assert named_networks(protocol).features == default
    assert set(named_networks(protocol).sha256()) == {"features.onnx", "features.card.json"}
    asking = protocol.model_copy(
        update={"appearance": protocol.appearance.model_copy(update={"features": "dino"})}
    )
    with pytest.raises(UserError, match=r"no network 'dino\.onnx'"):
        named_networks(asking)


def test_looks_of_a_head_come_back_with_their_cards(tmp_path: Path, clip: Path) -> None:
    images = pictures(6)
    folder = views_folder(tmp_path / "views", images, ("neutral", "smile"), 3)
    named = NamedNetworks(mean_colour_network(tmp_path / "mean.onnx"), clip)
    texts = ("neutral", "smile", "anger")
    read_head_looks(folder, texts, shipped_weights(), named, tmp_path / FILE)
    looks = load_looks(tmp_path / FILE)
    assert looks.spaces["view"].shape == (2, 3, 256)
    assert looks.spaces["named"].shape == (2, 3, 3)
    assert looks.cosines is not None
    assert looks.cosines.shape == (2, 2, 3)
    assert np.abs(looks.cosines).max() <= 1.0
    assert looks.cosines.std() > 0.0
    assert "model.safetensors" in " ".join(looks.cards["image_text"]["sha256"])
    assert looks.cards["view"]["sha256"] != looks.cards["named"]["sha256"]
    smile = looks.space("view", ["smile"])
    assert smile is not None
    assert np.array_equal(smile, looks.spaces["view"][1])


def test_a_folder_without_a_clip_is_told(tmp_path: Path) -> None:
    folder = views_folder(tmp_path / "views", pictures(2), ("neutral",), 2)
    with pytest.raises(UserError, match="no CLIP"):
        read_head_looks(
            folder, ("neutral",), shipped_weights(), NamedNetworks(None, tmp_path), tmp_path / FILE
        )


PEOPLE = ("one", "two", "three", "four")


def head(name: str, folder: Path) -> Head:
    rng = np.random.default_rng(len(name))
    features = HeadFeatures(
        ("neutral",),
        ("view0", "view1", "view2"),
        np.array([True, True, False]),
        rng.normal(size=(1, 3, 128)).astype(np.float32),
        np.full((1, 3, 68, 2), np.nan, np.float32),
        np.zeros((1, 3, 52), np.float32),
        np.ones((1, 3), np.float32),
        np.full((1, 3), ""),
        {},
    )
    return Head(name, 0, features, readings={"appearance": folder})


def test_rows_hold_what_was_read_and_say_what_was_not(tmp_path: Path) -> None:
    models = load_scoring_models(shipped_weights())
    references, looks, heads = {}, {}, []
    for index, name in enumerate(PEOPLE):
        images = pictures(3 + index)[:3]
        own, held = tmp_path / name / "own", tmp_path / name / "held"
        own.mkdir(parents=True)
        held.mkdir()
        folder = views_folder(tmp_path / name / "views", images, ("neutral",), 3)
        read_head_looks(folder, ("neutral",), shipped_weights(), NONE, own / FILE)
        read_photo_looks(images, models, shipped_weights(), NONE, held / FILE)
        assert load_looks(held / FILE).source == PHOTOS
        references[name] = Reference(np.ones((1, 128), np.float32))
        looks[name] = held
        heads.append(head(name, own))
    heads.append(Head("five", 0, None, "the loss is NaN"))
    references["five"] = Reference(np.ones((1, 128), np.float32))
    rows = score_method(heads, references, None, ("neutral",), ("appearance",), looks=looks)
    found = {(row.metric, row.identity): row for row in rows}
    for name in PEOPLE:
        assert found["kid_view", name].value == pytest.approx(0.0, abs=1e-9)
        assert found["image_text_agreement", name].reason == "no CLIP is given"
        assert found["kid_named", name].reason == "no feature network is named"
    assert found["kid_view", "five"].reason == "the loss is NaN"
    assert "12 images for 256 features" in found["fid_view", ""].reason
    assert all(math.isnan(row.value) == bool(row.reason) for row in rows)
