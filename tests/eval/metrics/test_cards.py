"""Every metric says what it is, and says so without heavy imports."""

import subprocess
import sys

import pytest

from idto3d_eval.metrics import METRICS
from idto3d_eval.metrics.cost import guidance_calls, trainable_share
from idto3d_eval.single import shipped_weights


@pytest.mark.parametrize("name", METRICS)
def test_a_card_is_complete(name):
    card = METRICS[name]
    assert card.name == name
    assert all((card.title, card.definition.endswith("."), card.source, card.unit))
    assert card.low < card.high
    assert card.failure_modes
    assert all(mode.endswith(".") for mode in card.failure_modes)
    assert card.preprocessing.endswith(".")


FACES = {"recogniser_b.onnx", "reader_scoring.onnx"}


@pytest.mark.parametrize(
    ("networks", "names"),
    [
        (
            FACES,
            "identity_similarity identity_counted identity_floor identity_ceiling calibrated_identity "
            "own_cross_gap rank1 tar_at_far_1e-2 tar_at_far_1e-3 identity_drift joint relighting_drop",
        ),
        ({"reader_scoring.onnx"}, "face_coverage expression_accuracy expression_error"),
        (set(), "baked_light baked_light_excess guidance_calls trainable_share"),
    ],
)
def test_a_card_names_the_networks_that_it_reads_with(networks, names):
    for name in names.split():
        assert set(METRICS[name].networks) == networks, name


@pytest.mark.parametrize("name", METRICS)
def test_the_networks_of_a_card_are_shipped(name):
    for file in METRICS[name].networks:
        assert (shipped_weights() / file).is_file(), file


def test_reading_cards_loads_neither_torch_nor_open3d():
    code = (
        "import sys, idto3d_eval.metrics; "
        "sys.exit(', '.join({'torch', 'open3d', 'scipy', 'trimesh'} & set(sys.modules)) or 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_guidance_calls_multiply():
    assert guidance_calls(images=2, evaluations=300) == 600
    with pytest.raises(ValueError, match="counts of 0 or more"):
        guidance_calls(-1, 3)


def test_a_share_needs_a_base():
    assert trainable_share(2, 1000).value == 0.002
    assert trainable_share(2, 0).reason
