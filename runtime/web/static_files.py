"""The page's files: a fixed table, read once. No path of a request is ever joined to a folder."""

import hashlib
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

_FOLDER: Final = Path(__file__).parent / "static"
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".jpg": "image/jpeg",
}


class StaticFiles:
    """All files of the page, by their URL path."""

    def __init__(self) -> None:
        self._files = {
            f"/{path.name}": (path.read_bytes(), _TYPES[path.suffix])
            for path in sorted(_FOLDER.iterdir())
            if path.suffix in _TYPES
        }
        self._files["/"] = self._files.pop("/index.html")
        self._tags = {
            name: f'"{hashlib.sha256(content).hexdigest()[:20]}"'
            for name, (content, _) in self._files.items()
        }

    @property
    def paths(self) -> tuple[str, ...]:
        """The URL paths."""
        return tuple(self._files)

    def serve(self, request: Request) -> Response:
        """Answer with one of them."""
        path = str(request.scope["path"])
        content, kind = self._files[path]
        headers = {"ETag": self._tags[path], "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == self._tags[path]:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=kind, headers=headers)
