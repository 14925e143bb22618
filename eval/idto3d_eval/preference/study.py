"""A study's folder: what it asks, of whom, and which file holds what."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from idto3d.errors import UserError
from idto3d.whole_file import write_whole
from idto3d_eval.preference.questions import QUESTIONS

SCHEMA_VERSION: Literal[1] = 1
STUDY, PLAN, ASSETS, SECRET, LINKS = "study.json", "plan.parquet", "assets.parquet", "secret", "links.csv"
FILES = "files"  # what browsers get, under names that say nothing
DATABASE, ANSWERS, ANALYSIS, ANALYSIS_TEXT = "votes.db", "answers.parquet", "analysis.json", "analysis.md"
PREFERENCES = "preferences.json"  # the analysis as a run's folder keeps it, for its report and dashboard
SECRET_BYTES = 32

CONSENT = (
    "You will see pairs of 3D heads and say which of two fits a question better. Your answers, how long "
    "each took and how far you turned the heads are stored under a random number, and nothing else about "
    "you. You may stop at any time, and the answers that you have given can be erased on request."
)
INSTRUCTIONS = (
    "Turn the heads before you answer: drag one of them, and both turn together. The answers open after "
    "you have turned them some way. There is no right answer to most pairs; say what you see. Now and then "
    "a pair comes that has one, to see that the heads are being looked at."
)


class SurveyItem(BaseModel):
    """One thing that raters are asked at the end; free text where no options are given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")
    label: str = Field(min_length=1, max_length=200)
    options: tuple[str, ...] = ()


SURVEY = (
    SurveyItem(
        name="experience",
        label="How often do you work with 3D models or pictures of faces?",
        options=("never", "sometimes", "often"),
    ),
    SurveyItem(name="remarks", label="Is there anything that we should know?"),
)


class Study(BaseModel):
    """What a study asks, of how many, and what raters read.

    Raises:
        ValidationError: a value that no study can have.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = SCHEMA_VERSION
    title: str = Field("Which head?", min_length=1, max_length=80)
    run: str = Field(description="the run's name; its folder lies beside or is named when analysed")
    run_folder: str = Field("", description="relative to the study's folder")
    seed: int = Field(0, ge=0)
    questions: tuple[str, ...] = Field(min_length=1)
    methods: tuple[str, ...] = Field(min_length=2)
    identities: tuple[str, ...] = Field(min_length=1)
    expressions: tuple[str, ...] = Field(min_length=1)
    raters: int = Field(ge=1, le=100_000)
    pairs: int = Field(ge=1, le=1000, description="a rater, attention pairs and repeats not counted")
    attention: int = Field(ge=0, le=100)
    repeats: int = Field(ge=0, le=100)
    most_of_one_person: int = Field(ge=1, description="pairs of one identity that a rater sees at most")
    reference: str = Field("", description='row with true heads, hidden in attention pairs; "" for none')
    scheduling: Literal["balanced", "adaptive"] = "balanced"
    ties: bool = True
    neither: bool = True
    turn_deg: float = Field(60.0, ge=0, le=720, description="to turn both heads before a vote opens")
    least_seconds: float = Field(2.0, ge=0, le=60, description="before a vote opens")
    panel: Literal["links", "prolific", "mturk"] = "links"
    keep_panel_ids: bool = Field(False, description="whether the panel's own ids are stored, to pay by")
    completion_url: str = Field("", max_length=500)
    consent: str = CONSENT
    instructions: str = INSTRUCTIONS
    contact: str = Field("", max_length=200)
    survey: tuple[SurveyItem, ...] = SURVEY

    @field_validator("questions")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(names) - set(QUESTIONS))
        if unknown:
            raise ValueError(f"unknown questions {', '.join(unknown)}, expected of {', '.join(QUESTIONS)}")
        return names

    @field_validator("completion_url")
    @classmethod
    def _address(cls, address: str) -> str:
        if address and not address.startswith("https://"):
            raise ValueError("a completion_url begins with https://")
        return address

    @property
    def answers(self) -> tuple[str, ...]:
        """What a rater may answer."""
        return ("left", "right", *(("tie",) if self.ties else ()), *(("neither",) if self.neither else ()))


def read_study(folder: Path) -> Study:
    """The study of a folder.

    Raises:
        UserError: there is none, or none that this version reads.
    """
    path = folder / STUDY
    try:
        return Study.model_validate_json(path.read_bytes())
    except OSError:
        raise UserError(
            f"Found no {STUDY} in {folder}, expected a study; make one by idto3d-eval study create."
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "it"
        raise UserError(
            f"Found {path} with a fault at {place} ({first['msg']}), expected a study of version "
            f"{SCHEMA_VERSION}; mend the file or make the study again."
        ) from None


def write_study(folder: Path, study: Study) -> None:
    """Write `study.json`, whole or not at all."""
    write_whole(folder / STUDY, study.model_dump_json(indent=1) + "\n")


def read_secret(folder: Path) -> bytes:
    """The key that links and names of files are made with.

    Raises:
        UserError: it is missing or no such key.
    """
    try:
        key = bytes.fromhex((folder / SECRET).read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        key = b""
    if len(key) != SECRET_BYTES:
        raise UserError(
            f"Found no key in {folder / SECRET}, expected {SECRET_BYTES} bytes in hexadecimal; links cannot "
            "be checked without it, restore it from the copy that was made with the study."
        )
    return key


def write_secret(folder: Path) -> bytes:
    """A new key, readable by its owner alone; one that is there stays."""
    path = folder / SECRET
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return read_secret(folder)
    key = secrets.token_bytes(SECRET_BYTES)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(key.hex() + "\n")
        file.flush()
        os.fsync(file.fileno())
    return key
