"""``csakit inpaint``: repair an image file, or a folder of them."""

import argparse
import contextlib
import logging
import sys
import time
from collections.abc import Iterable, Iterator, Sequence

from ...plugins.errors import ContractError, ExitCode
from ..batch.folder import list_jobs, make_folder
from ..batch.job import FileOptions, Job, check_job, repair_file
from ..batch.pipeline import Outcome, repair_files, working_on
from ..inpainter import Inpainter
from ..options import InpaintOptions
from .command import run_command
from .inpaint_arguments import PROGRAM, file_options, inpaint_options, inpaint_parser, join_blend


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
    run = _run_folder if args.image.is_dir() else _run_file
    with _warnings_as_lines() as lines:
        return run(args, options, files, lines)


def _run_file(
    args: argparse.Namespace, options: InpaintOptions, files: FileOptions, _: "_Lines"
) -> int:
    """Repair one image."""
    if args.format is not None:
        raise ContractError("--format is for folders; the suffix of OUT is the format of one image")
    for path in (args.image, args.mask):
        if not path.is_file():
            raise ContractError(f"IMAGE and MASK must be existing files; got {path}")
    job = Job(image=args.image, mask=args.mask, output=args.output)
    check_job(job, files)
    with _open(args, options) as inpaint:
        started = time.perf_counter()
        done = repair_file(inpaint, job, files)
    print(
        f"wrote {' and '.join(map(str, done.outputs))}: {done.size[1]} x {done.size[0]}, "
        f"{100 * done.coverage:.1f} % repaired in {time.perf_counter() - started:.1f} s"
    )
    return ExitCode.OK


def _run_folder(
    args: argparse.Namespace, options: InpaintOptions, files: FileOptions, lines: "_Lines"
) -> int:
    """Repair a folder of images; one that cannot be repaired is named and skipped."""
    suffix = None if args.format is None else f".{args.format}"
    listing = list_jobs(args.image, args.mask, args.output, suffix)
    if listing.ignored:
        _line(f"not images, ignored: {', '.join(path.name for path in listing.ignored)}")
    for image, reason in listing.skipped:
        _line(f"skipped {image.name}: {reason}")
    with _open(args, options) as inpaint:
        make_folder(args.output)
        started = time.perf_counter()
        skipped = len(listing.skipped) + _run_jobs(inpaint, listing.jobs, files, lines)
        seconds = time.perf_counter() - started
    repaired = len(listing.jobs) + len(listing.skipped) - skipped
    each = f", {seconds / repaired:.2f} s each" if repaired else ""
    print(f"{repaired} repaired, {skipped} skipped, in {seconds:.1f} s{each} -> {args.output}")
    return ExitCode.USAGE if skipped else ExitCode.OK


def _open(args: argparse.Namespace, options: InpaintOptions) -> Inpainter:
    """Open the model for one run among other work, not for the least time on an idle machine."""
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
    skipped = 0
    with contextlib.closing(repair_files(inpaint, jobs, files)) as outcomes:
        for outcome in _progress(outcomes, len(jobs)):
            lines.show(outcome.job)
            if outcome.problem is not None:
                _line(f"skipped {outcome.job.image.name}: {outcome.problem}")
                skipped += 1
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

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._held: dict[Job, list[str]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Show one record, or hold it."""
        text = f"{record.levelname.lower()}: {record.getMessage()}"
        job = working_on.get()
        if job is None:
            _line(text)
        else:
            self._held.setdefault(job, []).append(f"{job.image.name}: {text}")

    def show(self, job: Job) -> None:
        """Show what was held of a job."""
        for text in self._held.pop(job, []):
            _line(text)


@contextlib.contextmanager
def _warnings_as_lines() -> Iterator[_Lines]:
    """Print warnings while the command runs, and leave logging as it was."""
    logger, handler = logging.getLogger("csakit"), _Lines()
    logger.addHandler(handler)
    try:
        yield handler
    finally:
        logger.removeHandler(handler)
