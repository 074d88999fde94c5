"""The Ray actor that repairs chunks of jobs: one process with one open model."""

import contextlib
import dataclasses
import os
import socket
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ...plugins.errors import ContractError, CsakitError, LibraryError
from ...plugins.versions import installed
from ..files.atomic import sha256
from ..files.onnx_header import read_onnx_header
from ..host import DISTRIBUTION, physical_cores
from ..inpainter import Inpainter
from ..libraries import import_ray
from ..models.packaged import DEMO
from .job import FileOptions, Job
from .pipeline import Outcome, repair_files


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings that the driver sends to its workers."""

    open_model: Callable[..., Inpainter]  # called with model, threads and cache
    model: Path | None  # path; None is the packaged model
    threads: int | None  # per run; None takes the worker's share of its machine
    cache: bool  # keep an optimised copy of the model
    files: FileOptions  # how files are read and written
    folders: tuple[Path, ...]  # every worker must see these; the last exists during the run only
    output: Path  # folder of results, for messages
    here: Path | None  # working directory of relative paths; None if all are absolute
    cpus: int | None  # logical processors of this worker; None if it has a GPU
    hashes: Mapping[str, str] | None  # SHA-256 by file name; None: workers see the files
    version: str | None  # the driver's version of csakit


@dataclasses.dataclass(frozen=True, kw_only=True)
class Opened:
    """Machine and process of a worker that is ready."""

    host: str
    pid: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChunkResult:
    """Outcomes of some jobs, in order; fewer than jobs if the run was cancelled or failed."""

    outcomes: list[Outcome]
    seconds: float  # time they took
    failure: CsakitError | None = None  # error that ends the run


class Worker:
    """The actor; returns csakit's errors as values, because Ray would wrap exceptions."""

    def open(
        self, settings: Settings, sent: "Mapping[str, object] | None"
    ) -> Opened | CsakitError | None:
        """Check the folders, open the model; None if it must be ``sent``, as references by name."""
        try:
            _check(settings)
            if sent is not None:
                self._inpaint = _open_sent(settings, sent)
            elif _sees_model(settings):
                self._inpaint = _open(settings, settings.model, cache=settings.cache)
            else:
                return None
        except CsakitError as error:
            return type(error)(f"on {socket.gethostname()}: {error}")
        return Opened(host=socket.gethostname(), pid=os.getpid())

    def repair(self, jobs: Sequence[Job], files: FileOptions) -> ChunkResult:
        """Repair some images, as ``repair_files`` does; stop early when cancelled."""
        context = import_ray().get_runtime_context()
        started, outcomes, failure = time.perf_counter(), list[Outcome](), None
        with contextlib.closing(repair_files(self._inpaint, jobs, files)) as running:
            try:
                for outcome in running:
                    outcomes.append(outcome)
                    if context.is_canceled():
                        break
            except CsakitError as error:
                failure = type(error)(f"on {socket.gethostname()}: {error}")
        seconds = time.perf_counter() - started
        return ChunkResult(outcomes=outcomes, seconds=seconds, failure=failure)


def model_files(model: Path | None) -> list[Path]:
    """Return the files of a model; none for the packaged one."""
    if model is None or str(model) == DEMO:
        return []
    if not model.is_file():
        raise ContractError(f"the model must be an existing file; got {model}")
    if model.suffix != ".onnx":
        from ..engine.manifest import manifest_path  # deferred: the command starts without it

        return [path for path in (model, manifest_path(model)) if path.is_file()]
    return [model, *(model.parent / name for name in read_onnx_header(model).external)]


def _check(settings: Settings) -> None:
    """Refuse to work with another version of csakit, or without the driver's folders."""
    version = installed(DISTRIBUTION)
    if version != settings.version:
        raise LibraryError(
            f"csakit is {version}, but {settings.version} where the command runs\n"
            f"Install it there: pip install 'csakit[ray]=={settings.version}'"
        )
    if settings.here is not None and settings.here.is_dir():
        os.chdir(settings.here)
    for folder in (settings.here, *settings.folders):
        if folder is not None and not folder.exists():
            shown = settings.output if folder == settings.folders[-1] else folder
            raise ContractError(
                f"{shown} is not visible, or not the same folder\n"
                "Images, masks and results must lie on a file system that all workers mount at "
                "the same place."
            )


def _sees_model(settings: Settings) -> bool:
    """Report whether this machine has the same model files, by their hashes."""
    if settings.hashes is None or settings.model is None:
        return True
    paths = {settings.model.parent / name: value for name, value in settings.hashes.items()}
    return all(path.is_file() and sha256(path) == value for path, value in paths.items())


def _open_sent(settings: Settings, sent: Mapping[str, object]) -> Inpainter:
    """Open a model whose files were sent; they are deleted afterwards."""
    assert settings.model is not None
    ray = import_ray()
    with tempfile.TemporaryDirectory(prefix="csakit-") as folder:
        for name, reference in sent.items():
            (Path(folder) / name).write_bytes(ray.get(reference))
        return _open(settings, Path(folder) / settings.model.name, cache=False)


def _open(settings: Settings, model: Path | None, *, cache: bool) -> Inpainter:
    """Open a model with this worker's share of the cores."""
    threads, cores = settings.threads, physical_cores()
    if threads is None and settings.cpus is not None:
        threads = max(1, min(cores, settings.cpus * cores // (os.cpu_count() or 1)))
    return settings.open_model(model, threads=threads, cache=cache)
