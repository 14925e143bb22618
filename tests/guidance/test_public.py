"""The `public` profile: Stable Diffusion, a normal-adapted base and a face adapter, as its file says."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

import idto3d
from idto3d.asset import read_expression, read_manifest
from idto3d.errors import UserError
from idto3d.guidance.codec import NormalsOnBlack, PatchCodec
from idto3d.guidance.guidance import Guidance
from idto3d.guidance.priors import open_prior
from idto3d.identity.photo_folder import usable_photos
from idto3d.profile import EMBEDDED, PROFILE_FILE, PUBLIC, DetectorChoice, load_profile, write_profile
from idto3d_baselines.id_to_3d import generate, settings_of
from idto3d_baselines.specs import METHODS, GenerateRequest
from idto3d_baselines.subject import face_finders
from idto3d_eval.networks import NETWORKS
from idto3d_eval.pull import HEADS, pull
from idto3d_protocols.schema import Budget
from tests.guidance.models import conditions, face_adapter_weights
from tests.identity.test_recogniser import MOBILE_FACE_NET

SHIPPED = Path(idto3d.__file__).parent / "weights"
BUDGET = Budget(geometry_steps=2, texture_steps=2, fit_steps=0, geometry_batch=1, texture_batch=1, threads=1)


@pytest.fixture
def public_folder(sd_folder: Path, tmp_path: Path) -> Path:
    """What `models pull public` leaves, with small random networks: the normal-adapted base is a denoiser of
    its own in torch's `.bin`, as HumanNorm's is."""
    weights = tmp_path / "public"
    weights.mkdir()
    (weights / "stable-diffusion-v1-5").symlink_to(sd_folder)
    torch.manual_seed(7)
    unet = UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(sd_folder / "unet"))
    unet.save_pretrained(weights / "normal-adapted-sd1.5" / "unet", safe_serialization=False)
    adapter = weights / PUBLIC.face_adapter.file  # type: ignore[union-attr]
    adapter.parent.mkdir()
    torch.save(face_adapter_weights(unet, dimension=128, tokens=16), adapter)
    for shape in HEADS:
        (weights / shape).symlink_to(SHIPPED / shape)
    write_profile(weights, PUBLIC)
    return weights


def test_each_stage_opens_its_own_base_with_the_face_adapter(public_folder: Path, sd_folder: Path) -> None:
    shape, colour = open_prior(public_folder, "geometry"), open_prior(public_folder, "texture")
    plain = Guidance.from_folder(sd_folder)
    key = "conv_in.weight"
    assert torch.equal(colour.unet.state_dict()[key], plain.unet.state_dict()[key])
    assert not torch.equal(shape.unet.state_dict()[key], plain.unet.state_dict()[key])
    assert not any(parameter.requires_grad for parameter in shape.unet.parameters())
    z, t, told = torch.randn(2, 4, 8, 8), torch.tensor([300, 700]), conditions(2)
    for guidance in (shape, colour):
        heard = guidance.denoise(z, t, told)
        assert not torch.allclose(heard, guidance.denoise(z, t, told.without_identity()), atol=1e-4)
    (prompt, empty) = (shape.encoder.text.prompts(row)[0] for row in (told, _nothing(told)))  # type: ignore[attr-defined]
    assert prompt.startswith("photo of a person")
    assert prompt.endswith(", black background, normal map")
    assert empty == ""
    assert "normal map" not in colour.encoder.text.prompts(told)[0]  # type: ignore[attr-defined]


def test_what_a_pull_leaves_can_be_opened(
    public_folder: Path, sd_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a local folder of whole pipelines, HumanNorm's without safetensors, to both stages' guidance."""
    source, weights = tmp_path / "source", tmp_path / "weights"
    for name in ("stable-diffusion-v1-5", "normal-adapted-sd1.5"):
        shutil.copytree(sd_folder, source / name)
    adapted = source / "normal-adapted-sd1.5"
    for part, model in (("unet", UNet2DConditionModel), ("vae", AutoencoderKL)):
        loaded = model.from_pretrained(adapted / part)
        shutil.rmtree(adapted / part)
        loaded.save_pretrained(adapted / part, safe_serialization=False)
    adapter = PUBLIC.face_adapter.file  # type: ignore[union-attr]
    shutil.copytree((public_folder / adapter).parent, (source / adapter).parent)
    for name in ("buffalo_l/det_10g.onnx", "buffalo_l/w600k_r50.onnx", "antelopev2/glintr100.onnx"):
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_bytes(b"unread here")
    for network in list(NETWORKS.values()):
        monkeypatch.setitem(NETWORKS, network.name, replace(network, sha256={}))
    assert all(check.passed for check in pull("public", weights, source))
    for stage in ("geometry", "texture"):
        guidance = open_prior(weights, stage)  # type: ignore[arg-type]
        assert guidance.denoise(torch.randn(1, 4, 8, 8), torch.tensor([500]), conditions(1)).isfinite().all()


def test_normals_reach_the_base_on_black_and_the_surface_as_it_is() -> None:
    normals = torch.nn.functional.normalize(torch.randn(1, 3, 4, 4), dim=1)
    normals[..., :2] = 0.0  # background
    normals.requires_grad_(True)
    seen = NormalsOnBlack(PatchCodec(1)).encode(normals)
    torch.testing.assert_close(seen[..., :2], torch.full((1, 3, 4, 2), -1.0))
    torch.testing.assert_close(seen[..., 2:], normals[..., 2:])
    seen.sum().backward()
    assert torch.isfinite(normals.grad).all()  # type: ignore[arg-type]


def test_the_shipped_folder_is_the_embedded_profile() -> None:
    assert load_profile(SHIPPED) is EMBEDDED


def _spoil_json(weights: Path) -> None:
    (weights / PROFILE_FILE).write_text("{")


def _leave_the_folder(weights: Path) -> None:
    content = json.loads((weights / PROFILE_FILE).read_text())
    (weights / PROFILE_FILE).write_text(json.dumps({**content, "recogniser": "../recogniser.onnx"}))


def _lose_the_prior(weights: Path) -> None:
    (weights / "normal-adapted-sd1.5" / "unet").rename(weights / "elsewhere")


def _lose_the_adapter(weights: Path) -> None:
    (weights / PUBLIC.face_adapter.file).unlink()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_spoil_json, r"Found a wrong content in .*profile\.json.*models pull"),
        (_leave_the_folder, "Found a wrong recogniser .*inside the folder of weights"),
        (_lose_the_prior, "Found no unet/ in .*normal-adapted-sd1.5"),
        (_lose_the_adapter, "Found no face adapter at"),
    ],
)
def test_a_folder_that_does_not_hold_its_profile_gets_a_sentence(
    public_folder: Path, spoil: Callable[[Path], None], said: str
) -> None:
    spoil(public_folder)
    with pytest.raises(UserError, match=said):
        open_prior(public_folder, "geometry")


def test_guidance_scales_come_from_the_weights_and_yield_to_the_request(public_folder: Path) -> None:
    request = GenerateRequest("a", (), ("neutral",), 0, BUDGET, public_folder, public_folder / "out")
    assert settings_of(request).texture_guidance_scale == 10.0
    asked = GenerateRequest(
        "a",
        (),
        ("neutral",),
        0,
        BUDGET,
        public_folder,
        public_folder / "out",
        {"texture_guidance_scale": 2.0},
    )
    assert settings_of(asked).texture_guidance_scale == 2.0


@pytest.mark.shared_data
def test_plumbing_real_portraits_become_a_head_under_random_denoisers(
    public_folder: Path, shared_data: Path, tmp_path: Path
) -> None:
    """Plumbing, not quality: official portraits through a real detector and a real recogniser, then two steps
    a stage under random networks of Stable Diffusion's shape; the head is a head and says what made it."""
    _with_real_readers(public_folder, shared_data)
    photos = tuple(shared_data / "portraits" / name for name in ("obama.jpg", "obama2.jpg"))
    assert usable_photos(photos, *face_finders(public_folder)) == (list(photos), [])
    small = {"grid_resolution": 56, "faces": 3000, "texture_size": 64, "views": 2, "neutral_weight": 1.0}
    out = tmp_path / "head"
    generate(GenerateRequest("somebody", photos, ("neutral", "smile"), 0, BUDGET, public_folder, out, small))
    manifest = read_manifest(out)
    assert set(manifest.weights) == {
        "recogniser/MobileFaceNet.onnx",
        "yunet.onnx",
        "mean_head.npz",
        PUBLIC.face_adapter.file,  # type: ignore[union-attr]
        "normal-adapted-sd1.5/unet/diffusion_pytorch_model.bin",
        *(
            f"stable-diffusion-v1-5/{part}.safetensors"
            for part in ("unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model", "text_encoder/model")
        ),
    }
    # One view for each of two steps a stage, two terms of guidance each; and two references of an expression.
    assert manifest.guidance_calls == 2 * (2 + 2) + 2 * 2
    neutral = read_expression(out, "neutral")
    assert 150.0 < neutral.vertices[:, 1].max() - neutral.vertices[:, 1].min() < 400.0  # mm


@pytest.mark.shared_data
@pytest.mark.parametrize(
    "name",
    [
        pytest.param("fantasia3d", marks=pytest.mark.slow),
        "fantasia3d_token",
        "dreamfusion",
        pytest.param("humannorm", marks=pytest.mark.slow),
        pytest.param("tada", marks=pytest.mark.slow),
        "magic123",
        pytest.param("dreamcraft3d", marks=pytest.mark.slow),
        "sample_and_fit",
        "photo_projection",
    ],
)
def test_plumbing_baselines_run_in_the_paper_profile(
    name: str, public_folder: Path, shared_data: Path, tmp_path: Path
) -> None:
    """As above, for the adapted baselines: exactly their calls, and a head."""
    _with_real_readers(public_folder, shared_data)
    photos = tuple(shared_data / "portraits" / name for name in ("obama.jpg", "obama2.jpg"))
    small = {"grid_resolution": 56, "faces": 3000, "texture_size": 64}
    budget = BUDGET.model_copy(update={"guidance_calls": 13, "fit_steps": 4})
    out = tmp_path / "head"
    METHODS[name].load()(
        GenerateRequest("somebody", photos, ("neutral", "smile"), 0, budget, public_folder, out, small)
    )
    assert "paper" in METHODS[name].profiles
    assert read_manifest(out).guidance_calls == (13 if METHODS[name].needs_sds else 0)
    neutral = read_expression(out, "neutral")
    assert 150.0 < neutral.vertices[:, 1].max() - neutral.vertices[:, 1].min() < 400.0  # mm


def _with_real_readers(weights: Path, shared_data: Path) -> None:
    """A real recogniser and a real detector in a folder of weights."""
    recogniser = weights / "recogniser" / "MobileFaceNet.onnx"
    recogniser.parent.mkdir()
    recogniser.symlink_to(shared_data / "recogniser" / "MobileFaceNet.onnx")
    recogniser.with_name("MobileFaceNet.card.json").write_text(json.dumps(MOBILE_FACE_NET))
    (weights / "yunet.onnx").symlink_to(next((shared_data / "detector").glob("*640*.onnx")))
    parts = {
        "recogniser": "recogniser/MobileFaceNet.onnx",
        "detector": DetectorChoice(kind="yunet", file="yunet.onnx"),
    }
    write_profile(weights, PUBLIC.model_copy(update=parts))


def _nothing(told: object) -> object:
    return told.without_identity().without_text()  # type: ignore[attr-defined]
