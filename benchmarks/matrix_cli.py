"""``csakit bench matrix``: what was tested where and when, on the terminal or in a document."""

import argparse
from pathlib import Path

from ..plugins.errors import ContractError, ExitCode
from .matrix import is_stale, markdown, read_records, rewrite


def add_to(benchmarks: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the matrix to the command."""
    parser = benchmarks.add_parser(
        "matrix",
        help="what was tested where and when, by committed records",
        description="Print what the records of a folder say was tested, by platform. Or, with "
        "--into, write every table of a document that stands between '<!-- tested: FOLDER -->' "
        "and '<!-- end of tested -->' from the folder that the mark names.",
    )
    parser.add_argument("records", nargs="?", type=Path, metavar="FOLDER")
    parser.add_argument("--into", type=Path, metavar="edge.md", help="the document")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit code 1 when a table is stale"
    )
    parser.set_defaults(work=_matrix)


def _matrix(args: argparse.Namespace) -> int:
    if bool(args.records) == bool(args.into) or (args.check and not args.into):
        raise ContractError("give a folder of records to print, or --into DOCUMENT (and --check)")
    if args.records:
        print(markdown(read_records(args.records)), end="")
        return ExitCode.OK
    if args.check:
        stale = is_stale(args.into)
        print(f"{args.into} is {'stale' if stale else 'as its records have it'}")
        return ExitCode.CHECK_FAILED if stale else ExitCode.OK
    print(f"{args.into}: {'written again' if rewrite(args.into) else 'nothing to change'}")
    return ExitCode.OK
