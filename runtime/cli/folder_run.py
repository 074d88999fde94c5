"""Folder runs of ``csakit inpaint``: jobs, outcomes, the summary, and all printed lines."""

import argparse
import collections
import contextlib
import logging
import re
import sys
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Final

from ..batch.folder import Unmatched, list_folders, make_folder
from ..batch.job import FileOptions, Job, Repaired
from ..batch.pipeline import Outcome, working_on
from .command import printable
from .inpaint_arguments import PROGRAM

_SHOWN_REASONS: Final = 5


class FolderRun:
    """The images of a folder, and how many were repaired, skipped or done before."""

    def __init__(self, args: argparse.Namespace, files: FileOptions) -> None:
        self.skipped = 0
        self._args = args
        self._files = files
        self._repaired = 0
        self._before = 0
        self._expected = 0  # jobs listed so far
        self._reasons: collections.Counter[str] = collections.Counter()
        self._examples: dict[str, str] = {}

    def jobs(self) -> Iterator[Job]:
        """Yield the jobs while the folder is listed; report what is skipped."""
        args = self._args
        suffix = None if args.format is None else f".{args.format}"
        for listing in list_folders(
            args.image, args.mask, args.output, suffix, recursive=args.recursive
        ):
            for what, paths in (
                ("not images, ignored", listing.ignored),
                ("folders, not entered (see --recursive)", listing.folders),
                ("masks of no image, ignored", listing.unused),
            ):
                if paths:
                    line(f"{what}: {', '.join(path.name for path in paths)}")
            self._expected += listing.count
            for entry in listing.entries:
                if isinstance(entry, Unmatched):
                    self._expected -= 1
                    self._skip(entry.image, entry.reason)
                elif args.resume and entry.done(self._files):
                    self._expected -= 1
                    self._before += 1
                else:
                    yield entry

    def follow(self, outcomes: Generator[Outcome, None, None]) -> None:
        """Print and count the outcomes of the jobs. A failing model ends the run."""
        quiet = sys.stderr.isatty()  # the bar shows the progress
        with contextlib.closing(outcomes):
            for outcome in self._progress(outcomes):
                for text in outcome.warnings:
                    line(f"{self._name(outcome.job.image)}: {text}")
                if outcome.problem is not None:
                    self._skip(outcome.job.image, str(outcome.problem))
                elif outcome.repaired is not None:
                    self._repaired += 1
                    if not quiet:
                        line(describe(outcome.repaired))

    def report(self, seconds: float) -> None:
        """Print the summary."""
        for kind, count in self._reasons.most_common(_SHOWN_REASONS):
            if count > 1:
                line(f"skipped {count} times, first {self._examples[kind]}")
        each = f", {seconds / self._repaired:.2f} s each" if self._repaired else ""
        earlier = f", {self._before} done before" if self._args.resume else ""
        print(
            f"{self._repaired} repaired, {self.skipped} skipped{earlier}, in {seconds:.1f} s{each} "
            f"-> {self._args.output}"
        )

    def _skip(self, image: Path, reason: str) -> None:
        text = f"{self._name(image)}: {reason}"
        line(f"skipped {text}")
        self.skipped += 1
        own = rf"(?<![^\W_]){re.escape(image.stem)}(?![^\W_])"
        kind = re.sub(rf"{own}|\d+", "", reason.partition("\n")[0])
        self._reasons[kind] += 1
        self._examples.setdefault(kind, text.partition("\n")[0])

    def _name(self, image: Path) -> str:
        return _on_one_line(image.relative_to(self._args.image))

    def _progress(self, outcomes: Iterable[Outcome]) -> Iterable[Outcome]:
        if not sys.stderr.isatty():
            yield from outcomes
            return
        try:
            from tqdm import tqdm
        except ImportError:
            yield from outcomes
            return
        with tqdm(total=self._expected, unit="image", leave=False) as bar:
            for outcome in outcomes:
                bar.total = self._expected  # grows while folders are entered
                bar.update()
                yield outcome


def with_folders(jobs: Iterable[Job]) -> Iterator[Job]:
    """Create the folder of each result before its job is taken."""
    last = None
    for job in jobs:
        if job.output.parent != last:
            last = job.output.parent
            make_folder(last)
        yield job


def describe(done: Repaired) -> str:
    """Return a line about the files written."""
    return (
        f"wrote {' and '.join(map(_on_one_line, done.outputs))}: {done.size[1]} x {done.size[0]}, "
        f"{100 * done.coverage:.1f} % repaired"
    )


def _on_one_line(path: Path) -> str:
    return printable(path).replace("\n", "\\n")


def line(text: str) -> None:
    """Print one line to stderr, above the bar if there is one."""
    text = f"{PROGRAM}: {printable(text)}"
    if "tqdm" in sys.modules:
        sys.modules["tqdm"].tqdm.write(text, file=sys.stderr)
    else:
        print(text, file=sys.stderr)


class _Lines(logging.Handler):
    """Log handler that prints warnings; those about a job of a folder come with its outcome."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record."""
        if working_on.get() is None:
            line(f"{record.levelname.lower()}: {record.getMessage()}")


@contextlib.contextmanager
def warnings_as_lines() -> Iterator[None]:
    """Print warnings while the command runs, and leave logging as it was."""
    logger, handler = logging.getLogger("csakit"), _Lines(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
