"""The table of methods: complete, honest, and in step with the protocols."""

from __future__ import annotations

import pytest

from idto3d.errors import UserError
from idto3d_baselines.specs import METHODS, method_spec
from idto3d_protocols.loader import load_protocol, protocol_names


@pytest.mark.parametrize("name", protocol_names())
def test_protocols_name_known_methods_of_their_profile(name: str) -> None:
    protocol = load_protocol(name)
    assert all(protocol.profile in METHODS[row.method].profiles for row in protocol.methods)


def test_only_brackets_and_ceilings_receive_the_truth() -> None:
    """Decision 2: a method that is compared has photos, never the person's parameters."""
    assert {name for name, spec in METHODS.items() if spec.needs_truth} == {"impostor", "oracle"}
    assert all(spec.kind in ("bracket", "ceiling") for spec in METHODS.values() if spec.needs_truth)
    assert all(spec.knows_population for spec in METHODS.values() if spec.needs_truth)


@pytest.mark.parametrize("name", list(METHODS))
def test_every_entry_is_a_function_of_a_request(name: str) -> None:
    assert callable(METHODS[name].load())


def test_unknown_method_lists_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"'id_to_4d'.*id_to_3d, text_sds"):
        method_spec("id_to_4d")
