"""A Ray task on a machine that does not see the run's folder: it takes what it needs from the shared store,
and its files go back in its answer.

The process that runs the command stays the one writer: it places the files that come back, and sends them to
the store, as if the job had been done beside it.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from idto3d.errors import UserError
from idto3d_eval.disk import is_full_disk
from idto3d_eval.environment import with_dropped
from idto3d_eval.sender import digest_of, files_of
from idto3d_eval.shared_objects import PATIENCE, SharedObjects
from idto3d_eval.stage import Progress, Stage
from idto3d_eval.worker import run_request

ASKED_AGAIN_S = 0.2  # for inputs that are still on their way to the store
LOG_BYTES = 2**20  # the end of a log that goes back


def run_by_store(
    request: Mapping[str, Any], stages: Mapping[str, Stage], progress: Progress
) -> dict[str, Any]:
    """Does a job in a folder of this machine.

    Args:
        request: as `Schedule` makes it; its `store` says where each input lies, with its digest.
        stages: the table of stages.
        progress: what the stage calls.

    Returns:
        An executor's `Message.fields`, with the files that the job made and its log.
    """
    here = Path(tempfile.mkdtemp(prefix="idto3d-job-"))
    try:
        inputs = {}
        with with_dropped():  # the store's credentials, which the job itself is not to see
            objects = SharedObjects(request["store"]["url"])
            for number, (need, (place, digest)) in enumerate(request["store"]["inputs"].items()):
                inputs[need] = str(_brought(objects, place, digest, here / f"input-{number}"))
        (here / "out").mkdir()
        own = {**request, "inputs": inputs, "out": str(here / "out"), "log": str(here / "log")}
        answer = run_request(own, stages, progress)
        log = (here / "log").read_bytes()[-LOG_BYTES:] if (here / "log").is_file() else b""
        return {**answer, "files": files_of(here / "out"), "log": log}
    except UserError as error:
        return {"job": request["job"], "status": "failed", "reason": str(error), "retry": True}
    finally:
        shutil.rmtree(here, ignore_errors=True)


def place_files(answer: dict[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
    """Writes what came back to where the job's request wanted it; an answer without files stays as it is."""
    brought = {Path(request["out"]) / name: content for name, content in answer.pop("files", {}).items()}
    if "log" in answer:
        brought[Path(request["log"])] = answer.pop("log")
    try:
        for path, content in brought.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    except OSError as error:
        if not is_full_disk(error):
            raise
        return {**answer, "status": "full_disk"}
    return answer


def _brought(objects: SharedObjects, place: str, digest: str, folder: Path) -> Path:
    """An input from the store; one that was just made is waited for, as it is sent beside the run.

    Raises:
        UserError: it does not come, or the store does not answer.
    """
    since = time.monotonic()
    while True:
        found = objects.get(objects.names(place))
        files = {name[len(place) + 1 :]: content for name, content in found.items()}
        if digest_of(files) == digest:
            break
        if time.monotonic() - since > PATIENCE.limit_s:
            raise UserError(
                f"Found no whole {place} in {objects.url}, expected what the run sent there; give the "
                "command again with --check."
            )
        time.sleep(ASKED_AGAIN_S)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    folder.mkdir(exist_ok=True)
    return folder
