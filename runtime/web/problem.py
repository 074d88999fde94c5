"""Errors for clients: RFC 9457 problem details, with the remedy."""

import json
from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import Response

from ...plugins.errors import ContractError, CsakitError, ResourceError

GONE = 499  # the client has disconnected; nobody reads it


class Problem(Exception):  # noqa: N818 - the name of RFC 9457
    """A request that is refused or failed: status, detail with remedy, headers."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})


class ClientLeftError(Exception):
    """The client has disconnected."""


def problem_of(error: CsakitError) -> Problem:
    """Return the problem for an error of csakit."""
    if isinstance(error, ContractError):
        return Problem(422, str(error))
    if isinstance(error, ResourceError):
        return Problem(503, str(error), {"Retry-After": "10"})
    return Problem(500, str(error))


def problem_response(problem: Problem, request_id: str, *, errors: bool = False) -> Response:
    """Return the response; with ``errors``, also in the form that IOPaint's clients expect."""
    body: dict[str, object] = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "request_id": request_id,
    }
    if errors:
        body["errors"] = problem.detail
    content = json.dumps(body).encode()
    return Response(content, problem.status, problem.headers, "application/problem+json")
