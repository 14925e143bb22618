"""What of a protocol, and of a method's spec, stands in the keys of a plan's jobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from idto3d.errors import UserError
from idto3d_baselines.specs import MethodSpec
from idto3d_protocols.schema import MethodRow, Protocol


def protocol_fields(protocol: Protocol, fields: Iterable[str]) -> dict[str, Any]:
    """The named fields of a protocol in JSON's types; a dotted name reaches into a part."""
    whole = protocol.model_dump(mode="json")
    found: dict[str, Any] = {}
    for name in fields:
        value: Any = whole
        for part in name.split("."):
            value = value[part]
        found[name] = value
    return found


def method_fields(spec: MethodSpec) -> dict[str, Any]:
    """What of a spec can change a head: not its summary nor where it is cited from."""
    fields = asdict(spec)
    kept = {name: fields[name] for name in ("name", "entry", "commit", "conditioned_on", "needs_sds")}
    # The whole of a file from outside: which of its fields matters to a program that nobody here knows?
    settings = {name: value for name, value in fields["settings"].items() if name != "resources"}
    return {**kept, "settings": settings} if spec.outside else kept


def spec_of(row: MethodRow, protocol: Protocol, methods: Mapping[str, MethodSpec]) -> MethodSpec:
    """The method of a row.

    Raises:
        UserError: it is unknown, is not for the protocol's profile, or cannot make what the row asks for.
    """
    if row.method not in methods:
        raise UserError(
            f"Protocol {protocol.name} names the method {row.method!r}, expected one of {', '.join(methods)}."
        )
    spec = methods[row.method]
    if protocol.profile not in spec.profiles:
        raise UserError(
            f"Protocol {protocol.name} asks for {row.method!r} in the profile {protocol.profile!r}, expected "
            f"{' or '.join(spec.profiles)}; take the row out."
        )
    if spec.kind == "external-assets" and row.photos_of != "own":
        raise UserError(
            f"Protocol {protocol.name} gives {row.method!r} another person's photos, expected photos_of: "
            "own: its heads were made beforehand; take the row out."
        )
    if spec.needs_truth and protocol.population.label != "synthetic":
        raise UserError(
            f"Method {row.method!r} needs the true heads, found a population of "
            f"{protocol.population.label}, expected a synthetic one; take the row out."
        )
    return spec
