"""A worker process: takes jobs as JSON lines, runs one at a time, answers with JSON lines.

Started as `python -m idto3d_eval.worker MODULE:STAGES` with its thread count pinned in the environment. A
method that crashes takes nothing with it, and a process that is killed leaves only a partial folder. It
ends when its parent does: the pipe it reads from closes.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO, cast

from idto3d.errors import UserError
from idto3d_eval.device import device_memory_mib, device_name, reset_device_memory
from idto3d_eval.disk import is_full_disk
from idto3d_eval.energy import energy_meter
from idto3d_eval.stage import Facts, Progress, Stage, StageCall, protocol_part
from idto3d_protocols.schema import Protocol

_PROGRESS_EVERY = 0.2  # seconds between two progress lines


def main() -> None:
    """Serve jobs until the parent closes the pipe."""
    module, name = sys.argv[1].split(":")
    stages = cast(Mapping[str, Stage], getattr(import_module(module), name))
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    for request in _requests():
        answer = run_request(request, stages, _progress_lines(request["job"], replies))
        replies.write(json.dumps(answer) + "\n")


def run_request(
    request: Mapping[str, Any], stages: Mapping[str, Stage], progress: Progress
) -> dict[str, Any]:
    """Does one job in this process, its output in its log; an executor's `Message.fields`.

    Args:
        request: as `Schedule` makes it.
        stages: the table of stages.
        progress: what the stage calls.
    """
    with _output_goes_to(Path(request["log"])):
        return _answer(request, stages, progress)


def _requests() -> Iterator[dict[str, Any]]:
    """Jobs as they come in; a thread reads them so that the end of the parent is noticed during a job."""
    waiting: queue.Queue[str] = queue.Queue()

    def read() -> None:
        for line in sys.stdin:
            waiting.put(line)
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    while True:
        yield json.loads(waiting.get())


def _answer(request: Mapping[str, Any], stages: Mapping[str, Stage], progress: Progress) -> dict[str, Any]:
    """Runs one job; an exception becomes a reason, a full disk is told apart."""
    started = time.perf_counter()
    _reset_peak_memory()
    reset_device_memory()
    meter = energy_meter()
    answer: dict[str, Any] = {"job": request["job"]}
    try:
        if request.get("own_weights"):
            _require_weights(Path(request["weights"]), request["own_weights"])
        call = _call(request, stages[request["stage"]], progress)
        facts = stages[request["stage"]].run(call)
        answer |= {"status": "done", "facts": _plain_facts(facts)}
    except Exception as error:
        traceback.print_exc()
        answer |= {"status": "full_disk" if is_full_disk(error) else "failed", "reason": _reason(error)}
        answer["retry"] = _is_of_memory(error)
    answer["seconds"] = time.perf_counter() - started
    answer["peak_memory_mib"] = _peak_memory_mib()
    energy = meter.stop()
    answer |= {"energy_joules": energy.joules, "energy_note": energy.note}
    answer |= {"device": device_name(), "device_memory_mib": device_memory_mib()}
    return answer


def _require_weights(weights: Path, named: str) -> None:
    if not weights.is_dir():
        raise UserError(
            f"Found no weights at {named}, expected the folder that the row names; train them into it, or "
            "take the row out."
        )


def _call(request: Mapping[str, Any], stage: Stage, progress: Progress) -> StageCall:
    keyed = request["key_inputs"]
    return StageCall(
        job=request["job"],
        label=request["label"],
        identity=keyed["identity"],
        seed=keyed["seed"],
        protocol=protocol_part(Protocol.model_validate_json(request["protocol"]), stage.fields),
        method=keyed["method"],
        parameters=keyed["parameters"],
        inputs={need: Path(folder) for need, folder in request["inputs"].items()},
        failures=request["failures"],
        weights=Path(request["weights"]),
        out=Path(request["out"]),
        progress=progress,
        origin=Path(request.get("origin", "")),
    )


def _progress_lines(job: str, replies: TextIO) -> Progress:
    last = 0.0

    def report(done: int, total: int, what: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _PROGRESS_EVERY:
            last = now
            line = {
                "job": job,
                "status": "progress",
                "done": int(done),
                "total": int(total),
                "what": str(what),
            }
            replies.write(json.dumps(line) + "\n")

    return report


def _plain_facts(facts: Facts | None) -> Facts:
    """What the stage reported, as far as JSON can carry it."""
    return cast(Facts, json.loads(json.dumps(facts or {}, default=str)))


def _is_of_memory(error: Exception) -> bool:
    """Whether there was too little memory, of the machine or of a device (PyTorch's class, by its name)."""
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"


def _reason(error: Exception) -> str:
    """One line that tells a reader of the table what went wrong."""
    text = " ".join(str(error).split()) or type(error).__name__
    told = text if isinstance(error, UserError) else f"{type(error).__name__}: {text}"
    told = f"memory ran out: {told}" if _is_of_memory(error) else told
    return told if len(told) <= 500 else told[:497] + "..."


@contextlib.contextmanager
def _output_goes_to(log: Path) -> Iterator[None]:
    """Sends what the job prints, C libraries included, to its log."""
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    except OSError:
        handle = os.open(os.devnull, os.O_WRONLY)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.close(handle)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()


def _reset_peak_memory() -> None:
    """Starts the kernel's high-water mark anew (proc(5), clear_refs), where the system allows it."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak_memory_mib() -> float:
    """Resident high-water mark since the last reset, in MiB; the process's own where /proc is missing."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return round(int(line.split()[1]) / 1024, 1)
    except OSError:
        pass
    import resource

    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


if __name__ == "__main__":
    main()
