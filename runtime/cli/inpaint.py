"""``csakit inpaint``: repair an image file, or a folder of them."""

import argparse
import contextlib
import logging
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ...plugins.errors import ContractError, ExitCode
from ..batch.folder import list_jobs, make_folder
from ..batch.job import FileOptions, Job, Repaired, repair_file
from ..batch.pipeline import Outcome, repair_files, working_on
from ..files.failures import is_file, is_folder
from ..inpainter import Inpainter
from ..options import InpaintOptions
from .command import run_command
from .inpaint_arguments import (
    PROGRAM,
    file_options,
    inpaint_options,
    inpaint_parser,
    join_blend,
)


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
    folder = is_folder(args.image)
    with _warnings_as_lines(args.image if folder else None) as lines:
        return (_run_folder if folder else _run_file)(args, options, files, lines)


def _run_file(
    args: argparse.Namespace, options: InpaintOptions, files: FileOptions, _: "_Lines"
) -> int:
    """Repair one image."""
    for flag in ("format", "resume", "recursive"):
        if getattr(args, flag):
            rest = "; the suffix of OUT is the format of one image" if flag == "format" else ""
            raise ContractError(f"--{flag} is for folders{rest}")
    for path in (args.image, args.mask):
        if not is_file(path):
            raise ContractError(f"IMAGE and MASK must be existing files; got {path}")
    if args.image.samefile(args.mask):
        raise ContractError(f"IMAGE and MASK must be two files; got {args.image} for both")
    job = Job(image=args.image, mask=args.mask, output=args.output)
    job.check(files)
    with _open(args, options) as inpaint:
        started = time.perf_counter()
        done = repair_file(inpaint, job, files)
    print(f"{_describe(done)} in {time.perf_counter() - started:.1f} s")
    return ExitCode.OK


def _describe(done: Repaired) -> str:
    """Return what was written."""
    return (
        f"wrote {' and '.join(map(str, done.outputs))}: {done.size[1]} x {done.size[0]}, "
        f"{100 * done.coverage:.1f} % repaired"
    )


def _run_folder(
    args: argparse.Namespace, options: InpaintOptions, files: FileOptions, lines: "_Lines"
) -> int:
    """Repair a folder of images; one that cannot be repaired is named and skipped."""
    suffix = None if args.format is None else f".{args.format}"
    listing = list_jobs(args.image, args.mask, args.output, suffix, recursive=args.recursive)
    for what, paths in (
        ("not images, ignored", listing.ignored),
        ("folders, not entered (see --recursive)", listing.folders),
        ("masks of no image, ignored", listing.unused),
    ):
        if paths:
            _line(f"{what}: {', '.join(path.name for path in paths)}")
    for image, reason in listing.skipped:
        _line(f"skipped {image.relative_to(args.image)}: {reason}")
    before = [job for job in listing.jobs if args.resume and job.done(files)]
    jobs = [job for job in listing.jobs if job not in before]
    started, skipped = time.perf_counter(), len(listing.skipped)
    if jobs:
        with _open(args, options) as inpaint:
            for folder in sorted({job.output.parent for job in jobs}):
                make_folder(folder)
            started = time.perf_counter()
            skipped += _run_jobs(inpaint, jobs, files, lines)
    seconds = time.perf_counter() - started
    repaired = len(jobs) + len(listing.skipped) - skipped
    each = f", {seconds / repaired:.2f} s each" if repaired else ""
    earlier = f", {len(before)} done before" if args.resume else ""
    print(
        f"{repaired} repaired, {skipped} skipped{earlier}, in {seconds:.1f} s{each} -> "
        f"{args.output}"
    )
    return ExitCode.USAGE if skipped else ExitCode.OK


def _open(args: argparse.Namespace, options: InpaintOptions) -> Inpainter:
    """Open the model for one run among other work, not for the least time on an idle machine."""
    if args.model is None:
        _line("using the model that comes along, demo; --model names another")
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


def _run_jobs(inpaint: Inpainter, jobs: list[Job], files: FileOptions, lines: "_Lines") -> int:
    """Run all jobs; return how many were skipped. A failing model ends the run."""
    skipped, quiet = 0, sys.stderr.isatty()  # a bar shows how far it is
    with contextlib.closing(repair_files(inpaint, jobs, files)) as outcomes:
        for outcome in _progress(outcomes, len(jobs)):
            lines.show(outcome.job)
            if outcome.problem is not None:
                _line(f"skipped {lines.name_of(outcome.job)}: {outcome.problem}")
                skipped += 1
            elif outcome.repaired is not None and not quiet:
                _line(_describe(outcome.repaired))
    return skipped


def _progress(outcomes: Iterable[Outcome], total: int) -> Iterable[Outcome]:
    """Show a bar on a terminal, if tqdm is installed."""
    if not sys.stderr.isatty():
        return outcomes
    try:
        from tqdm import tqdm
    except ImportError:
        return outcomes
    bar: Iterable[Outcome] = tqdm(outcomes, total=total, unit="image", disable=None, leave=False)
    return bar


def _line(text: str) -> None:
    """Print one line to stderr, above the bar if there is one."""
    text = f"{PROGRAM}: {text}"
    if "tqdm" in sys.modules:
        sys.modules["tqdm"].tqdm.write(text, file=sys.stderr)
    else:
        print(text, file=sys.stderr)


class _Lines(logging.Handler):
    """Show the warnings of the library as lines of this command.

    In a folder run several images are in work at once; what concerns one of them is shown when
    its turn comes.
    """

    def __init__(self, root: Path | None) -> None:
        super().__init__(logging.WARNING)
        self._root = root  # of a folder run
        self._held: dict[Job, list[str]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Show one record, or hold it."""
        text = f"{record.levelname.lower()}: {record.getMessage()}"
        job = working_on.get()
        if job is None:
            _line(text)
        else:
            self._held.setdefault(job, []).append(f"{self.name_of(job)}: {text}")

    def name_of(self, job: Job) -> str:
        """Return the name of an image within the folder."""
        return str(job.image.relative_to(self._root) if self._root else job.image)

    def show(self, job: Job) -> None:
        """Show what was held of a job."""
        for text in self._held.pop(job, []):
            _line(text)


@contextlib.contextmanager
def _warnings_as_lines(root: Path | None) -> Iterator[_Lines]:
    """Print warnings while the command runs, and leave logging as it was."""
    logger, handler = logging.getLogger("csakit"), _Lines(root)
    logger.addHandler(handler)
    try:
        yield handler
    finally:
        logger.removeHandler(handler)
