"""The one study that this process serves, where its pages find it, which Streamlit runs as scripts."""

from __future__ import annotations

from dataclasses import dataclass

from idto3d_dashboard.rating.files import StudyFiles
from idto3d_dashboard.rating.limits import CalmLog
from idto3d_eval.preference.service import StudyService


@dataclass(frozen=True)
class Served:
    """What a page needs of the study."""

    service: StudyService
    files: StudyFiles
    log: CalmLog


_served: Served | None = None


def serve(service: StudyService, files: StudyFiles, log: CalmLog) -> None:
    """Make a study the one that is served."""
    global _served
    _served = Served(service, files, log)


def served() -> Served:
    """The study that is served.

    Raises:
        RuntimeError: none is.
    """
    if _served is None:
        raise RuntimeError("no study is served here; idto3d-eval study serve starts one")
    return _served
