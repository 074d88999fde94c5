"""``csakit web``: a page to repair photographs in, and an HTTP API."""

import argparse
import dataclasses
import logging
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from ...plugins.errors import ExitCode
from ..models.packaged import resolve_model
from ..options import MaskOptions
from ..web.options import TOKEN_BYTES, WebOptions
from . import inpaint_arguments
from .command import new_parser, run_command

PROGRAM: Final = "csakit web"

_EPILOG: Final = """\
examples:
  csakit web --open
  csakit web --host 0.0.0.0 --certificate cert.pem --key key.pem
  curl -F image=@photo.jpg -F mask=@mask.png localhost:8080/api/v1/inpaint -o repaired.jpg

Only this machine can reach the server unless --host is another address; then clients need a token,
which the printed address carries. Behind a name of its own it needs --allow-host NAME, and on a
public network a reverse proxy that limits slow clients. Ctrl-C stops it.

exit codes: 0 stopped by Ctrl-C; 2 wrong usage, or the port is taken; 3 something is not
installed, or the model cannot be run; 143 ended by SIGTERM.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    given = inpaint_arguments.join_blend(sys.argv[1:] if arguments is None else arguments)
    return run_command(web_parser(), _work, given)


def _work(args: argparse.Namespace) -> int:
    from ..web.fields import RequestOptions  # deferred: help needs no web framework
    from ..web.serve import describe_model, serve

    logging.basicConfig(level=logging.ERROR, format=f"{PROGRAM}: %(message)s")
    web = _web_options(args)
    open_model = inpaint_arguments.model_opener(args)
    path = resolve_model(args.model)
    with open_model(path, threads=args.threads, cache=args.cache) as inpaint:
        model = describe_model(inpaint, path, device=args.device, backend=args.backend)
        if args.precision:
            model = dataclasses.replace(model, precision=args.precision)

        def ready(address: str) -> None:
            facts = f"model {model.name}, {model.device}, {model.precision}"
            print(f"{address}  {facts}; open it in a browser, Ctrl-C stops", flush=True)
            if not web.loopback and web.certificate is None:
                _line("warning: without --certificate, pictures and token travel unencrypted")

        defaults = RequestOptions(inpaint=inpaint.options, mask=MaskOptions())
        serve(inpaint, model, web, defaults, ready=ready, browser=args.open)
    _line("stopped")
    return ExitCode.OK


def _line(text: str) -> None:
    print(f"{PROGRAM}: {text}", file=sys.stderr)


def _web_options(args: argparse.Namespace) -> WebOptions:
    """Return the options of the server; a host that others can reach gets a token."""
    names = {field.name for field in dataclasses.fields(WebOptions)} & vars(args).keys()
    given: dict[str, Any] = {name: getattr(args, name) for name in names}
    options = WebOptions(**given, allow_hosts=tuple(args.allow_host))
    if options.loopback or options.token is not None:
        return options
    return dataclasses.replace(options, token=secrets.token_urlsafe(TOKEN_BYTES))


def web_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line. Defaults are those of the option classes."""
    summary = "Serve a page to repair photographs in, and an HTTP API."
    parser = new_parser(PROGRAM, summary, _EPILOG)
    inpaint_arguments.add_model_option(parser)
    group = parser.add_argument_group("server")
    add = group.add_argument
    add("--host", default=WebOptions.host, help="address to listen on (default: %(default)s)")
    inpaint_arguments.add_number(group, "--port", WebOptions.port, None, "port; 0 takes a free one")
    add("--open", action="store_true", help="open the page in the browser")
    text = (
        "token that clients send as 'Authorization: Bearer TOKEN' (default: none for clients on "
        "this machine, otherwise a random one, printed at the start)"
    )
    add("--token", help=text)
    text = "additional host name that the server accepts; may be given several times"
    add("--allow-host", action="append", default=[], metavar="NAME", help=text)
    add("--certificate", type=Path, metavar="PEM", help="certificate for HTTPS")
    add("--key", type=Path, metavar="PEM", help="private key of the certificate")
    group = parser.add_argument_group("limits")
    for flag, default, metavar, text in (
        ("--max-upload", WebOptions.max_upload, "MIB", "largest request, in MiB"),
        ("--queue", WebOptions.queue, "N", "repairs that may wait; further ones get HTTP 503"),
        ("--deadline", WebOptions.deadline, "SECONDS", "time limit of a repair, with its wait"),
    ):
        inpaint_arguments.add_number(group, flag, default, metavar, text)
    inpaint_arguments.add_run_options(
        parser.add_argument_group("network, unless a request states otherwise")
    )
    return parser
