"""What layers took, kept from one build for the next, which then need not time them again."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...plugins.errors import EngineError
from ...runtime.engine.tensorrt_module import plain
from ...runtime.files.atomic import staged
from .tensorrt_api import Api


@contextlib.contextmanager
def timing_cache(api: Api, made: Any, path: Path | None) -> Iterator[None]:  # noqa: ANN401
    """Build with what is known, and write what is known afterwards.

    Args:
        api: the flavour of TensorRT.
        made: its configuration.
        path: of the cache; None does nothing. An existing file is read, and replaced when the
            block ends without an error.

    Raises:
        ContractError: the path cannot be a file.
        EngineError: the file is no cache, or one of another GPU or version.
    """
    if path is None:
        yield
        return
    with staged(path) as file:  # opened first: what cannot be written is refused before the work
        known = path.read_bytes() if path.is_file() else b""
        api.log.clear()
        cache = made.create_timing_cache(known)
        # A damaged cache is replaced by an empty one, and only a warning tells.
        damaged = [text for text in api.log.complaints() if "deserialize timing cache" in text]
        if damaged or cache is None or not made.set_timing_cache(cache, False):
            reason = plain(damaged[0]) if damaged else api.log.reason()
            raise EngineError(
                f"{api.title} does not take the timing cache {path}: {reason}\n"
                "It is of another GPU or version, or damaged; name another file, or delete it."
            )
        yield
        file.write_bytes(memoryview(made.get_timing_cache().serialize()))
