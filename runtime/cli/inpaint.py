"""``csakit inpaint``: repair an image file, or a folder of them."""

import argparse
import contextlib
import itertools
import logging
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from ...plugins.errors import ContractError, ExitCode
from ..batch.folder import list_jobs, make_folder
from ..batch.job import FileOptions, Job, Repaired, repair_file
from ..batch.pipeline import Outcome, repair_files, working_on
from ..files.failures import is_file, is_folder
from ..images.encode import OUTPUT_FORMATS
from ..inpainter import Inpainter
from ..options import CHANNELS, STRATEGIES, InpaintOptions, MaskOptions
from ..sessions.session import BACKENDS
from .command import run_command

PROGRAM: Final = "csakit inpaint"

_EPILOG: Final = """\
examples:
  csakit inpaint photo.jpg mask.png -o repaired.png
  csakit inpaint photos/ masks/ -o repaired/ --model model.onnx --blend none

In a folder run the mask of cat.jpg is cat.*, cat_mask.* or cat_mask001.* among the masks; one
mask file serves all images. Pixels outside of the mask do not change; only a lossy format (JPEG,
WebP) changes them a little when it encodes the result.

exit codes: 0 all repaired; 2 wrong usage or input, or some images were skipped;
3 something is not installed, or the model failed; 130, 143, 129 ended by a signal.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: of the command line; None takes those of this process.

    Returns:
        The exit code; see ``ExitCode``.
    """
    given = _join_blend(sys.argv[1:] if arguments is None else arguments)
    return run_command(inpaint_parser(), _work, given)


def _work(args: argparse.Namespace) -> int:
    """Check what is cheap to check, open the model once, and run."""
    options, files = _inpaint_options(args), _file_options(args)
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


def inpaint_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line. Defaults are those of the option classes."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Repair what a mask marks in white.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    text: dict[str, Any] = {"type": Path}
    parser.add_argument("image", metavar="IMAGE", help="image file, or folder of them", **text)
    parser.add_argument(
        "mask", metavar="MASK", help="mask file (white = missing), or folder of them", **text
    )
    parser.add_argument(
        *("-o", "--output"),
        required=True,
        metavar="OUT",
        help="output file, whose suffix is its format; or folder, for a folder of images",
        **text,
    )
    parser.add_argument(
        "--model",
        metavar="MODEL",
        help=".onnx from `csakit export`, .engine from `csakit build`, or 'demo', the model that "
        "comes along (default: demo)",
        **text,
    )
    _add_run_options(parser.add_argument_group("how the network is run"))
    _add_mask_options(parser.add_argument_group("how masks are read"))
    _add_output_options(parser.add_argument_group("how results are written"))
    return parser


def _join_blend(arguments: Sequence[str]) -> list[str]:
    """Join into one argument ``feather PX``, which argparse cannot tell from IMAGE and MASK."""
    given = list(arguments)
    for at, pair in enumerate(itertools.pairwise(given[:-1])):
        if pair == ("--blend", "feather") and not given[at + 2].startswith("-"):
            return [*given[:at], f"--blend=feather {given[at + 2]}", *given[at + 3 :]]
    return given


def _inpaint_options(args: argparse.Namespace) -> InpaintOptions:
    """Return how an image reaches the network."""
    return InpaintOptions(
        strategy=args.strategy, margin=args.margin, blend=args.blend, max_side=args.max_side
    )


def _file_options(args: argparse.Namespace) -> FileOptions:
    """Return how files are read and written."""
    return FileOptions(
        mask=MaskOptions(
            channel=args.mask_channel,
            threshold=args.mask_threshold,
            invert=args.mask_invert,
            dilate=args.dilate,
        ),
        quality=args.quality,
        overwrite=args.overwrite or args.resume,  # what is whole is not begun again
        side_by_side=args.side_by_side,
    )


def _add_run_options(group: argparse._ArgumentGroup) -> None:
    """Describe ``InpaintOptions`` and the threads."""
    group.add_argument(
        "--strategy",
        choices=STRATEGIES,
        default=InpaintOptions.strategy,
        help="crop: each region with its surroundings, at the scale that the model was trained "
        "for; resize: the whole image, scaled down; whole: the whole image as it is "
        "(default: %(default)s)",
    )
    _number(group, "--margin", InpaintOptions.margin, "PX", "least known surroundings of a region")
    group.add_argument(
        "--blend",
        default=InpaintOptions.blend,
        metavar="HOW",
        help="seamless: continue the network's error at the edge harmonically into the hole; "
        "feather PX: let that correction fade out over so many pixels; none: the network's own "
        "pixels (default: %(default)s)",
    )
    _number(
        *(group, "--max-side", InpaintOptions.max_side, "PX"),
        "longest side of the network's input with --strategy resize, a multiple of 256",
    )
    group.add_argument(
        "--device",
        metavar="NAME",
        help="cpu, cuda or cuda:N; nothing falls back to the CPU (default: cpu for .onnx, cuda "
        "for .engine)",
    )
    group.add_argument(
        "--backend",
        choices=BACKENDS,
        help="what runs an .onnx model; openvino is for CPUs, and needs 'csakit[openvino]' "
        f"(default: {BACKENDS[0]})",
    )
    group.add_argument(
        "--precision",
        choices=("fp32", "bf16"),
        help="of openvino: bf16 is several times faster where the CPU has it, and refused where "
        "not (default: that of the model, fp32)",
    )
    group.add_argument("--threads", type=int, metavar="N", help="default: one per physical core")
    group.add_argument(
        "--no-cache",
        action="store_false",
        dest="cache",
        help="keep no copy of the model that is optimised for this processor; without one, every "
        "start optimises anew (it lies in .csakit-cache beside the model, or in ~/.cache/csakit)",
    )


def _add_mask_options(group: argparse._ArgumentGroup) -> None:
    """Describe ``MaskOptions``."""
    group.add_argument(
        "--mask-channel",
        choices=CHANNELS,
        default=MaskOptions.channel,
        help="what marks: grey: white is missing; alpha: what is transparent; red, green, blue: "
        "what is painted in that colour (default: %(default)s)",
    )
    group.add_argument("--mask-invert", action="store_true", help="the other pixels are missing")
    _number(
        *(group, "--mask-threshold", MaskOptions.threshold, "GREY"),
        "missing from this grey level on, 1 to 255",
    )
    _number(group, "--dilate", MaskOptions.dilate, "PX", "grow the hole on all sides")


def _add_output_options(group: argparse._ArgumentGroup) -> None:
    """Describe ``FileOptions`` and the format of folder runs."""
    _number(group, "--quality", FileOptions.quality, "N", "of JPEG and WebP, 1 to 100")
    group.add_argument(
        "--format",
        choices=[suffix[1:] for suffix in OUTPUT_FORMATS],
        help="of all results of a folder (default: that of each input)",
    )
    group.add_argument(
        "--side-by-side",
        action="store_true",
        help="also write input, mask and result in one picture, OUT_side_by_side.png",
    )
    group.add_argument("--overwrite", action="store_true", help="replace outputs that exist")
    group.add_argument(
        "--resume",
        action="store_true",
        help="take up a folder run that was interrupted: what is there already is left alone",
    )
    group.add_argument(
        "--recursive",
        action="store_true",
        help="also repair what is in sub-folders, with masks and results in folders of the same "
        "names",
    )


def _number(
    group: argparse._ArgumentGroup, flag: str, default: int, metavar: str, text: str
) -> None:
    """Describe one whole number."""
    help_text = f"{text} (default: %(default)s)"
    group.add_argument(flag, type=int, default=default, metavar=metavar, help=help_text)
