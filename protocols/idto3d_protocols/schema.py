"""What a protocol says: on whom, with which methods, views, budget, metrics and statistics.

Every number that can change a result stands in the YAML file; nothing here has a default that could.
Angles are degrees and lengths millimetres, as the names of the fields say; axes are those of `idto3d.render`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

SCHEMA_VERSION = 1

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
IdentityId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=64)]
Row9 = Annotated[tuple[tuple[float, float, float], ...], Field(min_length=9, max_length=9)]
Folder = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*)*$", max_length=200)
]
Parameter = bool | int | float | str
Said = Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")]


class Model(BaseModel):
    """A frozen part of a protocol that refuses fields it does not know and values of another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Population(Model):
    """The people a protocol is about; the photos that condition and those that score never overlap."""

    label: Literal["synthetic", "photographs"]
    split: Name
    """The set that they are of, as a table names it; "mixed" where ids name several."""
    population_seed: Annotated[int, Field(ge=0)]
    identities: Annotated[tuple[IdentityId, ...], Field(min_length=1, max_length=10_000)]
    conditioning_photos: Annotated[int, Field(ge=1, le=64)]
    scoring_photos: Annotated[int, Field(ge=1, le=64)]
    seen: Annotated[tuple[Name, ...], Field(max_length=16)] = ()
    """Splits whose people methods' networks were trained on, and who are here because of it. People of any
    other split who were trained on are an overlap and refused; those whom scoring networks saw always are."""


class BudgetChange(Model):
    """What one row changes of the protocol's budget; None leaves the protocol's number."""

    geometry_steps: Annotated[int, Field(ge=0)] | None = None
    texture_steps: Annotated[int, Field(ge=0)] | None = None
    fit_steps: Annotated[int, Field(ge=0)] | None = None
    guidance_calls: Annotated[int, Field(ge=0)] | None = None
    threads: Annotated[int, Field(ge=1, le=256)] | None = None


class Budget(Model):
    """What a method may spend on one head of one person, counted in steps and never in seconds."""

    geometry_steps: Annotated[int, Field(ge=0)]
    """Optimiser steps of stage 1 (SDS on normals), all expressions together."""
    texture_steps: Annotated[int, Field(ge=0)]
    """Optimiser steps of stage 2 (SDS on shaded colour)."""
    fit_steps: Annotated[int, Field(ge=0)]
    """Optimiser steps of methods that fit a photograph instead of asking a diffusion model."""
    geometry_batch: Annotated[int, Field(ge=1)]
    """Views a step of stage 1."""
    texture_batch: Annotated[int, Field(ge=1)]
    """Views a step of stage 2."""
    threads: Annotated[int, Field(ge=1)]
    """CPU threads that generation pins itself to, since their number moves the last bits."""
    guidance_calls: Annotated[int, Field(ge=0)] | None = None
    """Images × network evaluations a head: methods by distillation spend exactly these, others at most, as
    measured in the denoiser. None where a protocol compares no methods, and declares none."""

    def changed(self, change: BudgetChange) -> Budget:
        """This budget with the numbers that `change` names."""
        return self.model_copy(update=change.model_dump(exclude_none=True))


class MethodRow(Model):
    """One row of the result table: a method, its parameters, and the name that the row goes by."""

    method: Name
    label: Name
    parameters: dict[Name, Parameter] = {}
    budget: BudgetChange = BudgetChange()
    photos_of: Literal["own", "next"] = "own"
    """Whose photos condition it: "next" takes those of the next identity in the list, round its end."""
    repeat: Annotated[int, Field(ge=0, le=1000)] = 0
    """Which session makes it: rows that differ in nothing else are made anew, each by other processes."""
    weights: Folder | None = None
    """Folder of other weights that this row's heads are made with, beside where the run is started. Where it
    is not there the row has no heads and says so."""


class CameraView(Model):
    """A named camera; yaw > 0 stands to the person's left (+X), pitch > 0 above."""

    name: Name
    yaw_deg: Annotated[float, Field(ge=-180, le=180)]
    pitch_deg: Annotated[float, Field(ge=-89, le=89)]
    distance_mm: Annotated[float, Field(gt=0, le=10_000)]
    fovy_deg: Annotated[float, Field(gt=0, lt=120)]
    target_mm: tuple[float, float, float]


class LightView(Model):
    """A named environment: nine RGB radiance coefficients of real spherical harmonics, in the order
    Y00, Y1-1, Y10, Y11, Y2-2, Y2-1, Y20, Y21, Y22 (Ramamoorthi & Hanrahan 2001, eq. 3)."""

    name: Name
    sh: Row9


class View(Model):
    """One image of a head that every method is drawn in."""

    camera: Name
    light: Name
    frontal: bool
    """Frontal views give the expression its vote and are the ones on which landmarks are read."""

    @property
    def name(self) -> str:
        """The name that scores and files carry, such as `front-even`."""
        return f"{self.camera}-{self.light}"


class AppearanceNetworks(Model):
    """Networks for appearance that are not shipped, by their names in the folder of networks."""

    features: Name | None = None
    """An ONNX of image features for FID and KID, such as Inception or DINO."""
    image_text: Name | None = None
    """A folder with a CLIP in transformers' format."""


class Statistics(Model):
    """How uncertainty is drawn: resamples of identities, the level of the interval, impostors an identity."""

    bootstrap: Annotated[int, Field(ge=100, le=1_000_000)]
    level: Annotated[float, Field(gt=0.5, lt=1)]
    impostors: Annotated[int, Field(ge=1, le=1000)]
    gallery: Annotated[int, Field(ge=2, le=100_000)]


class PaperNumber(Model):
    """A number as a paper prints it. It stands in a block of its own and enters no rank, test, interval or
    picture: it is of other people, read with another ruler."""

    label: Name
    """What the line goes by; one label may carry several numbers."""
    method: Said
    metric: Said
    value: float
    source: Said
    """The paper or repository that prints it."""
    place: Said
    """The table, figure or section in it, or that it is not known."""
    read: Literal["first-hand", "second-hand"]
    """Whether whoever entered it saw it in the source itself."""
    population: Said
    """Whose heads were measured, and how many."""
    recogniser: Said
    """Which network measured, or that none did or it is not named."""
    note: Annotated[str, Field(max_length=400)] = ""


class Protocol(Model):
    """A versioned evaluation. Results of two versions, or of two protocols, are never compared."""

    schema_version: Literal[1]
    name: Name
    version: Annotated[int, Field(ge=1)]
    profile: Literal["embedded", "paper"]
    question: Annotated[str, Field(max_length=200)] = ""
    """What the protocol is run to find out, in one sentence; protocols from before this field have none."""
    description: Annotated[str, Field(min_length=1, max_length=2000)]
    population: Population
    methods: Annotated[tuple[MethodRow, ...], Field(min_length=1, max_length=100)]
    expressions: Annotated[tuple[Name, ...], Field(min_length=1, max_length=64)]
    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1, max_length=100)]
    budget: Budget
    cameras: Annotated[tuple[CameraView, ...], Field(min_length=1, max_length=100)]
    lights: Annotated[tuple[LightView, ...], Field(min_length=1, max_length=100)]
    views: Annotated[tuple[View, ...], Field(min_length=1, max_length=500)]
    resolution: Annotated[int, Field(ge=32, le=2048)]
    metrics: Annotated[tuple[Name, ...], Field(min_length=1, max_length=100)]
    recognisers: Annotated[tuple[Name, ...], Field(max_length=16)] = ()
    """Other face recognisers that read the same crops, shown beside the one that scores; none decides."""
    appearance: AppearanceNetworks = AppearanceNetworks()
    """Networks that a user brings for the family `appearance`."""
    statistics: Statistics
    paper_numbers: Annotated[tuple[PaperNumber, ...], Field(max_length=200)] = ()
    """Numbers from papers, to stand under the result; they change none of it."""

    @model_validator(mode="after")
    def _names_fit_together(self) -> Protocol:
        """Every name is said once, and every name that is referred to is there."""
        _each_once("population.identities", self.population.identities)
        _each_once("methods.label", (row.label for row in self.methods))
        _each_once("expressions", self.expressions)
        _each_once("seeds", (str(seed) for seed in self.seeds))
        _each_once("cameras.name", (camera.name for camera in self.cameras))
        _each_once("lights.name", (light.name for light in self.lights))
        _each_once("views", (view.name for view in self.views))
        _each_once("metrics", self.metrics)
        _each_once("recognisers", self.recognisers)
        _known("views.camera", (view.camera for view in self.views), [camera.name for camera in self.cameras])
        _known("views.light", (view.light for view in self.views), [light.name for light in self.lights])
        _apart("paper_numbers.label", (number.label for number in self.paper_numbers), self.methods)
        if "neutral" not in self.expressions:
            raise ValueError(
                "expressions lacks 'neutral', expected it among them, since drift is measured from it"
            )
        if not any(view.frontal for view in self.views):
            raise ValueError(
                "views has none with frontal: true, expected at least one for the expression's vote"
            )
        if len(self.population.identities) < 2 and any(row.photos_of == "next" for row in self.methods):
            raise ValueError(
                "methods.photos_of is 'next' with one identity, expected at least two identities"
            )
        return self

    def camera(self, name: str) -> CameraView:
        """The camera called `name`."""
        return next(camera for camera in self.cameras if camera.name == name)

    def light(self, name: str) -> LightView:
        """The light called `name`."""
        return next(light for light in self.lights if light.name == name)

    def row(self, label: str) -> MethodRow:
        """The method's row called `label`."""
        return next(row for row in self.methods if row.label == label)

    def budget_of(self, row: MethodRow) -> Budget:
        """The protocol's budget with what this row changes of it."""
        return self.budget.changed(row.budget)

    def conditioning_identity(self, row: MethodRow, identity: str) -> str:
        """The identity whose photos condition `row` when it makes the head that is scored as `identity`."""
        identities = self.population.identities
        step = 1 if row.photos_of == "next" else 0
        return identities[(identities.index(identity) + step) % len(identities)]


def json_schema() -> dict[str, Any]:
    """The JSON schema of a protocol's YAML, as `protocol.schema.json` publishes it."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Protocol.model_json_schema(),
        "title": "Protocol of idto3d-eval",
    }


def _each_once(field: str, names: Iterable[str]) -> None:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise ValueError(f"{field} says {repeated[0]!r} more than once, expected each name once")


def _apart(field: str, names: Iterable[str], rows: Iterable[MethodRow]) -> None:
    measured = {row.label for row in rows}
    for name in names:
        if name in measured:
            raise ValueError(
                f"{field} says {name!r}, which is a row that is measured here, expected another name"
            )


def _known(field: str, names: Iterable[str], known: list[str]) -> None:
    for name in names:
        if name not in known:
            raise ValueError(f"{field} names {name!r}, expected one of {', '.join(known)}")
