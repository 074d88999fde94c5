"""``csakit bench table``: records as Markdown, on the terminal or in a document."""

import argparse
from pathlib import Path

from ..plugins.errors import ContractError, ExitCode
from .record_file import read_record
from .table import is_stale, markdown, rewrite


def add_to(benchmarks: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the tables to the command."""
    parser = benchmarks.add_parser(
        "table",
        help="latency records as Markdown; writes README's tables from their records",
        description="Print latency records as Markdown. Or, with --into, write every table of a "
        "document that stands between '<!-- benchmark: RECORD.json -->' and "
        "'<!-- end of benchmark -->' from the record that the mark names. With a record too, "
        "the document's one mark names that record from now on.",
    )
    parser.add_argument("records", nargs="*", type=Path, metavar="RECORD.json")
    parser.add_argument("--into", type=Path, metavar="README.md", help="the document")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit code 1 when a table is stale"
    )
    parser.set_defaults(work=_table)


def _table(args: argparse.Namespace) -> int:
    if args.into is None:
        if args.check or not args.records:
            raise ContractError("give records to print, or --into DOCUMENT (and --check)")
        for path in args.records:
            print(markdown(read_record(path)), end="")
        return ExitCode.OK
    if len(args.records) > (0 if args.check else 1):
        raise ContractError("--into takes one record, and --check takes none")
    if args.check:
        stale = is_stale(args.into)
        print(f"{args.into} is {'stale' if stale else 'as its records have it'}")
        return ExitCode.CHECK_FAILED if stale else ExitCode.OK
    changed = rewrite(args.into, args.records[0] if args.records else None)
    print(f"{args.into}: {'written again' if changed else 'nothing to change'}")
    return ExitCode.OK
