"""``csakit inpaint``: repair an image file, or a folder of them."""

import argparse
import itertools
import sys
import time
from collections.abc import Sequence

from ...plugins.errors import ContractError, ExitCode
from ..batch.job import FileOptions, Job, run_job
from ..batch.pipeline import repair_files
from ..files.failures import is_file, is_folder, is_same
from ..inpainter import Inpainter
from ..options import InpaintOptions
from .command import run_command
from .folder_run import FolderRun, describe, line, warnings_as_lines, with_folders
from .inpaint_arguments import file_options, inpaint_options, inpaint_parser, join_blend


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: of the command line; None takes those of this process.

    Returns:
        The exit code; see ``ExitCode``.
    """
    given = join_blend(sys.argv[1:] if arguments is None else arguments)
    return run_command(inpaint_parser(), _work, given)


def _work(args: argparse.Namespace) -> int:
    """Check what is cheap to check, open the model once, and run."""
    options, files = inpaint_options(args), file_options(args)
    with warnings_as_lines():
        return (_run_folder if is_folder(args.image) else _run_file)(args, options, files)


def _run_file(args: argparse.Namespace, options: InpaintOptions, files: FileOptions) -> int:
    """Repair one image."""
    for flag in ("format", "resume", "recursive"):
        if getattr(args, flag):
            rest = "; the suffix of OUT is the format of one image" if flag == "format" else ""
            raise ContractError(f"--{flag} is for folders{rest}")
    for path in (args.image, args.mask):
        if not is_file(path):
            raise ContractError(f"IMAGE and MASK must be existing files; got {path}")
    if is_same(args.image, args.mask):
        raise ContractError(f"IMAGE and MASK must be two files; got {args.image} for both")
    job = Job(image=args.image, mask=args.mask, output=args.output)
    job.check(files)
    with _open(args, options) as inpaint:
        started = time.perf_counter()
        done = run_job(inpaint, job, files)
    print(f"{describe(done)} in {time.perf_counter() - started:.1f} s")
    return ExitCode.OK


def _run_folder(args: argparse.Namespace, options: InpaintOptions, files: FileOptions) -> int:
    """Repair a folder of images; one that cannot be repaired is named and skipped."""
    run = FolderRun(args, files)
    started, jobs = time.perf_counter(), run.jobs()
    if (first := next(jobs, None)) is not None:
        with _open(args, options) as inpaint:
            started = time.perf_counter()
            run.follow(repair_files(inpaint, with_folders(itertools.chain([first], jobs)), files))
    run.report(time.perf_counter() - started)
    return ExitCode.USAGE if run.skipped else ExitCode.OK


def _open(args: argparse.Namespace, options: InpaintOptions) -> Inpainter:
    """Open the model for one run among other work, not for the least time on an idle machine."""
    if args.model is None:
        line("using the model that comes along, demo; --model names another")
    return Inpainter.open(
        args.model,
        options=options,
        device=args.device,
        threads=args.threads,
        cache=args.cache,
        spin=False,
        backend=args.backend,
        precision=args.precision,
    )
