"""Benchmark of ``csakit inpaint``: start-up time, peak memory, and rate of whole folders.

Every start is a process of ``csakit inpaint``. Starts with the optimised copy, without it, and the
first one, which makes it, are interleaved. Letters: H W sides in pixels.
"""

import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from PIL import Image

from ..export.config import ExportConfig
from ..export.exporter import export_onnx
from ..export.parity.cases import Case, verify_cases
from ..plugins.errors import ContractError, EngineError
from ..runtime import Inpainter
from ..runtime.batch.job import FileOptions, Job, run_job
from ..runtime.batch.pipeline import repair_files
from ..runtime.host import core_processors
from ..runtime.sessions.model_cache import BESIDE
from ..train import ModelConfig, checkpoint
from .inputs import random_model
from .latency.models import demo_checkpoint
from .stats import interleaved
from .targets import Target

STARTS: Final = 11  # an odd number, so that the median is one of them
IMAGES: Final = 200
WIDTH: Final = 64  # the published network

_DEMO_SECONDS: Final = 1.0
_FULL_SECONDS: Final = 2.5
_MEMORY_FACTOR: Final = 1.3  # of the weights
_MEMORY_BYTES: Final = 300_000_000  # besides the weights
_RATE: Final = 0.9  # of what the latency of one image allows
_SIDE: Final = 256
_LATENCY_CALLS: Final = 15  # before the folder, and as many after it

# Starts a process and prints its seconds, processor seconds, peak bytes and exit code. A process
# of its own, because a child's peak begins with that of its parent, which here has loaded torch.
_LAUNCHER: Final = """
import json, os, sys, time
quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
command = [sys.executable, *sys.argv[1:]]
begin = time.perf_counter()
process = os.posix_spawn(command[0], command, os.environ, file_actions=quiet)
_, status, usage = os.wait4(process, 0)
seconds = time.perf_counter() - begin
code = os.waitstatus_to_exitcode(status)
print(json.dumps([seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, code]))
"""


class Start(NamedTuple):
    """One process: its wall and processor time, its peak memory, the file it wrote."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    result: bytes


def measure(
    threads: int, *, width: int = WIDTH, starts: int = STARTS, images: int = IMAGES
) -> Iterator[Target]:
    """Yield every target once measured, on ``threads`` cores; ``width`` is the large network's."""
    if min(threads, starts, images) < 1:
        raise ContractError(
            f"threads, starts and images must be at least 1; got {threads}, {starts}, {images}"
        )
    case = next(verify_cases((_SIDE, _SIDE)))
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        if hasattr(os, "sched_setaffinity"):
            stack.callback(os.sched_setaffinity, 0, os.sched_getaffinity(0))
            os.sched_setaffinity(0, core_processors()[:threads])
        folder = Path(name)
        Image.fromarray(case.image).save(folder / "photo.png")
        Image.fromarray(case.hole.astype(np.uint8) * 255).save(folder / "mask.png")
        weights = folder / "full.safetensors"
        checkpoint.save(random_model(ModelConfig(width=width)), weights)
        for source, what, seconds in (
            (demo_checkpoint(), "the demo model", _DEMO_SECONDS),
            (weights, f"the model of width {width}", _FULL_SECONDS),
        ):
            model = folder / f"{source.stem}.onnx"
            exported = export_onnx(source, model, ExportConfig(target="ort", external_weights=True))
            assert exported.weights is not None, "asked for above"
            size = exported.weights.stat().st_size
            yield from _starts(model, size, what, seconds, threads, starts)
            yield _rate(model, case, what, threads, images)


def _starts(
    model: Path, size: int, what: str, target: float, threads: int, starts: int
) -> Iterator[Target]:
    """Yield the targets of time and peak memory of ``csakit inpaint`` on one image."""
    _start(model, threads, cache=False)  # brings the files into memory
    kinds: dict[str, list[Start]] = {"first": [], "cached": [], "plain": []}
    for _ in range(starts):
        shutil.rmtree(model.parent / BESIDE, ignore_errors=True)
        for kind, found in kinds.items():
            found.append(_start(model, threads, cache=kind != "plain"))
    if len({start.result for found in kinds.values() for start in found}) != 1:
        raise EngineError(f"starts with and without the optimised copy of {model} differ")
    s = {kind: statistics.median(s.seconds for s in found) for kind, found in kinds.items()}
    cpu = statistics.median(start.cpu_seconds for start in kinds["cached"])
    yield Target(
        what=f"csakit inpaint, one {_SIDE}x{_SIDE} image, {what}, {threads} threads",
        target=f"under {target} s, everything included",
        found=f"{s['cached']:.2f} s ({cpu:.2f} s of processor time); without the optimised copy "
        f"{s['plain']:.2f} s, the first start, which makes it, {s['first']:.2f} s",
        met=s["cached"] < target,
    )
    limit = (_MEMORY_FACTOR * size + _MEMORY_BYTES) / 1e6
    mb = {kind: max(s.peak_bytes for s in found) / 1e6 for kind, found in kinds.items()}
    yield Target(
        what=f"peak host memory of csakit inpaint, {what}",
        target=f"at most 1.3x the weights ({size / 1e6:.0f} MB) + 300 MB = {limit:.0f} MB",
        found=f"{mb['cached']:.0f} MB; without the copy {mb['plain']:.0f} MB, the first start "
        f"{mb['first']:.0f} MB",
        met=max(mb.values()) <= limit,
    )


def _start(model: Path, threads: int, *, cache: bool = True) -> Start:
    """Run the command once."""
    photo, mask, out = (model.parent / name for name in ("photo.png", "mask.png", "out.png"))
    out.unlink(missing_ok=True)
    arguments = ["-m", "csakit.runtime.cli", "inpaint", photo, mask, "-o", out, "--model", model]
    arguments += ["--threads", str(threads), *([] if cache else ["--no-cache"])]
    launched = subprocess.check_output([sys.executable, "-c", _LAUNCHER, *map(str, arguments)])
    seconds, cpu_seconds, peak_bytes, code = json.loads(launched)
    if code != 0:
        raise EngineError(f"csakit inpaint failed with {model}; its message is above")
    return Start(seconds, cpu_seconds, peak_bytes, out.read_bytes())


def _rate(model: Path, case: Case, what: str, threads: int, images: int) -> Target:
    """Return the target of a folder's rate, against one image's latency before and after it."""
    folder, mask = model.parent / f"folder-{model.stem}", model.parent / "mask.png"
    folder.mkdir()
    jobs = []
    for index in range(images):  # images that differ
        image, output = folder / f"{index:04}.png", folder / f"{index:04}-out.png"
        Image.fromarray(np.roll(case.image, index, axis=1)).save(image)
        jobs.append(Job(image=image, mask=mask, output=output))
    options = FileOptions(overwrite=True)
    with Inpainter.open(model, threads=threads, spin=False) as inpaint:
        calls: dict[str, Callable[[], object]] = {
            "alone": lambda: inpaint(case.image, case.hole),
            "file": lambda: run_job(inpaint, jobs[0], options),
        }
        before = interleaved(calls, _LATENCY_CALLS)
        start, cpu_start = time.perf_counter(), time.process_time()
        for outcome in repair_files(inpaint, jobs, options):
            if outcome.problem is not None:
                raise EngineError(f"a folder run failed: {outcome.problem}")
        each = (time.perf_counter() - start) / images
        cpu_each = (time.process_time() - cpu_start) / images
        after = interleaved(calls, _LATENCY_CALLS)
    first, last = before["alone"], after["alone"]
    latency = statistics.median(first.wall_ms + last.wall_ms) / 1e3
    cpu = statistics.median(first.processor_ms + last.processor_ms) / 1e3
    whole = statistics.median(before["file"].wall_ms + after["file"].wall_ms) / 1e3
    return Target(
        what=f"a folder of {images} images of {_SIDE}x{_SIDE}, {what}, {threads} threads",
        target=f"at least {_RATE} of 1 / latency of the model",
        found=f"{latency / each:.2f}: {1 / each:.1f} images/s, latency {1e3 * latency:.0f} ms, "
        f"whose share of the processor time is {cpu / cpu_each:.2f}; {whole / each:.2f} of the "
        f"latency from file to file, {1e3 * whole:.0f} ms",
        met=latency / each >= _RATE,
    )
