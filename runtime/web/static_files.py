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
        self._files = {}
        for path in sorted(_FOLDER.iterdir()):
            if kind := _TYPES.get(path.suffix):
                content = path.read_bytes()
                tag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'
                url = "/" if path.name == "index.html" else f"/{path.name}"
                self._files[url] = content, kind, {"ETag": tag, "Cache-Control": "no-cache"}
        self.paths = tuple(self._files)

    def serve(self, request: Request) -> Response:
        """Answer with one of them."""
        content, kind, headers = self._files[request.scope["path"]]
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=kind, headers=headers)
