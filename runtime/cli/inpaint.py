"""``csakit inpaint``: repair an image file, or a folder of them."""

import argparse
import contextlib
import itertools
import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from pathlib import Path

from ...plugins.errors import ContractError, ExitCode
from ...plugins.versions import installed
from ..batch.folder import make_folder
from ..batch.job import FileOptions, Job, run_job
from ..batch.pipeline import Outcome, repair_files
from ..batch.ray import RayPool, model_hashes
from ..batch.ray_cluster import RayOptions, connected, share
from ..batch.ray_worker import Settings
from ..files.atomic import staged_folder
from ..files.failures import is_file, is_folder, is_same, named
from ..host import DISTRIBUTION
from ..inpainter import Inpainter
from . import inpaint_arguments
from .command import run_command
from .folder_run import FolderRun, describe, line, warnings_as_lines, with_folders

OpenModel = Callable[..., Inpainter]
Repair = Callable[[Iterable[Job]], Generator[Outcome, None, None]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    given = inpaint_arguments.join_blend(sys.argv[1:] if arguments is None else arguments)
    return run_command(inpaint_arguments.inpaint_parser(), _work, given)


def _work(args: argparse.Namespace) -> int:
    open_model = inpaint_arguments.model_opener(args)
    files, ray = inpaint_arguments.file_options(args), inpaint_arguments.ray_options(args)
    with warnings_as_lines():
        if not is_folder(args.image):
            return _run_file(args, open_model, files)
        run = FolderRun(args, files)
        started, jobs = time.perf_counter(), run.jobs()
        if (first := next(jobs, None)) is not None:
            with _repairing(args, open_model, files, ray) as repair:
                started = time.perf_counter()
                run.follow(repair(with_folders(itertools.chain([first], jobs))))
        run.report(time.perf_counter() - started)
    return ExitCode.USAGE if run.skipped else ExitCode.OK


def _run_file(args: argparse.Namespace, open_model: OpenModel, files: FileOptions) -> int:
    for flag in ("format", "resume", "recursive", "ray"):
        if getattr(args, flag):
            rest = "; the suffix of OUT is the format of one image" if flag == "format" else ""
            raise ContractError(f"--{flag} is for folders{rest}")
    for path in (args.image, args.mask):
        if not is_file(path):
            raise ContractError(f"IMAGE and MASK must be existing files; got {named(path)}")
    if is_same(args.image, args.mask):
        raise ContractError(f"IMAGE and MASK must be two files; got {args.image} for both")
    job = Job(image=args.image, mask=args.mask, output=args.output)
    job.check(files)
    _name_demo(args)
    with open_model(args.model, threads=args.threads, cache=args.cache) as inpaint:
        started = time.perf_counter()
        done = run_job(inpaint, job, files)
    print(f"{describe(done)} in {time.perf_counter() - started:.1f} s")
    return ExitCode.OK


@contextlib.contextmanager
def _repairing(
    args: argparse.Namespace, open_model: OpenModel, files: FileOptions, ray: RayOptions | None
) -> Iterator[Repair]:
    """Yield the function that repairs a folder's jobs: with a model here, or on Ray workers."""
    _name_demo(args)
    if ray is None:
        with open_model(args.model, threads=args.threads, cache=args.cache) as inpaint:
            yield lambda jobs: repair_files(inpaint, jobs, files)
        return
    hashes = model_hashes(args.model, ray)
    with connected(ray):
        part = share(ray, args.threads, on_gpu=inpaint_arguments.runs_on_gpu(args))
        make_folder(args.output)
        with staged_folder(args.output / "run") as mark:  # workers must see it
            paths = [path for path in (args.image, args.mask, mark, args.model) if path is not None]
            settings = Settings(
                open_model=open_model,
                model=args.model,
                threads=args.threads,
                cache=args.cache,
                files=files,
                folders=(args.image, args.mask, mark),
                output=args.output,
                here=None if all(path.is_absolute() for path in paths) else Path.cwd(),
                cpus=None if part.gpus else part.cpus,
                hashes=hashes,
                version=installed(DISTRIBUTION),
            )
            pool = RayPool(settings, part)
            yield pool.repair_files
            for text in pool.throughput():
                line(text)


def _name_demo(args: argparse.Namespace) -> None:
    if args.model is None:
        line("using the demo model of the package; choose another with --model")
