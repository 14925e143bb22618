"""What a stage is: a function from finished artefacts to a new one, and all that its result may depend on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:  # what a stage may read of it stands in its key by value, so its class need not
    from idto3d_protocols.schema import Protocol

Progress = Callable[[int, int, str], None]
Facts = dict[str, Any]  # what a stage reports beside its files; "guidance_calls" is one


@dataclass(frozen=True)
class StageCall:
    """All that a stage gets. `protocol` answers only for the fields that the job's key covers."""

    job: str
    label: str  # of the method row, "" for stages that belong to none
    identity: str
    seed: int
    protocol: Protocol
    method: Mapping[str, Any]
    parameters: Mapping[str, Any]
    inputs: Mapping[str, Path]  # upstream job -> its finished folder
    failures: Mapping[str, str]  # upstream job -> why it has none
    weights: Path
    out: Path  # an empty folder to write into
    progress: Progress
    origin: Path = Path()  # the folder of a method from outside

    def only_input(self) -> Path:
        """The folder of the one job that this one needs."""
        (folder,) = self.inputs.values()
        return folder


@dataclass(frozen=True)
class Stage:
    """A row of the table of stages.

    Attributes:
        run: does the work in a worker process; imports what it needs. Its code, with all that it reaches, is
            part of the key.
        fields: protocol fields that it may read, dotted names for parts.
        reads_weights: whether a weight file, by its name under the weights folder, can change the result.
        needs_weights: files without which no job of the stage can run.
        tolerates_failures: whether it runs although something that it needs has failed.
        seconds: what one job takes before anything was measured, for the first estimates.
    """

    run: Callable[[StageCall], Facts | None]
    fields: tuple[str, ...]
    reads_weights: Callable[[str], bool] = lambda _: False
    needs_weights: tuple[str, ...] = ()
    tolerates_failures: bool = False
    seconds: float = 2.0

    @property
    def entry(self) -> str:
        """`module:function` of what it runs."""
        return f"{self.run.__module__}:{self.run.__name__}"


class ProtocolPart:
    """A protocol that answers only for the fields a key covers."""

    def __init__(self, protocol: Protocol, fields: tuple[str, ...]) -> None:
        self._protocol = protocol
        self._allowed = {"name", "version", *(field.partition(".")[0] for field in fields)}
        self._allowed |= {"camera"} if "cameras" in fields else set()
        self._allowed |= {"light"} if "lights" in fields else set()

    def __getattr__(self, name: str) -> Any:
        if name not in self._allowed:
            raise AttributeError(
                f"found a stage reading protocol.{name}, expected one of {', '.join(sorted(self._allowed))}; "
                "add it to the stage's fields so that its key covers it"
            )
        return getattr(self._protocol, name)


def stage_table(name: str) -> Mapping[str, Stage]:
    """The table of stages that `module:name` says."""
    module, _, attribute = name.partition(":")
    return cast("Mapping[str, Stage]", getattr(import_module(module), attribute))


def protocol_part(protocol: Protocol, fields: tuple[str, ...]) -> Protocol:
    """The protocol with only the named fields (and name and version) to be read."""
    return cast("Protocol", ProtocolPart(protocol, fields))
