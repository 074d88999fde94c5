"""An engine in TensorRT for RTX, which compiles kernels at the first run of a shape.

They are kept in ``model.engine.rtx-cache`` for the next start. It captures CUDA graphs itself, and
takes no plugins.
"""

import hashlib
import logging
from pathlib import Path
from typing import Any, Final

from ...plugins.errors import CsakitError
from ..files.atomic import atomic_write
from .manifest import Manifest
from .tensorrt_module import TensorRTModule
from .trt_engine import TensorRtEngine

CACHE_SUFFIX: Final = ".rtx-cache"
MOST_CACHE_BYTES: Final = 1 << 30  # larger files are not read

logger = logging.getLogger(__name__)


class RtxEngine(TensorRtEngine):
    """A loaded engine; see ``TensorRtEngine``."""

    manages_cuda_graphs = True

    def __init__(self, module: TensorRTModule, path: Path, manifest: Manifest) -> None:
        super().__init__(module, path, manifest)
        trt, engine = module.trt, self._engine
        config = engine.create_runtime_config()
        config.set_execution_context_allocation_strategy(
            trt.ExecutionContextAllocationStrategy.USER_MANAGED
        )
        config.cuda_graph_strategy = trt.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
        cache = config.create_runtime_cache()
        self._kept = CacheFile(path.with_name(f"{path.name}{CACHE_SUFFIX}"))
        if (stored := self._kept.read()) is not None and not cache.deserialize(stored):
            logger.info("%s is for another GPU, driver or version, and is replaced", self._kept)
        config.set_runtime_cache(cache)
        self._cache, self._config = cache, config

    def save_cache(self) -> None:
        """Store the kernels that the first run of a shape compiled."""
        cache = self._cache
        self._kept.write(bytes(memoryview(cache.serialize())))

    def close(self) -> None:
        """Free the engine and its resources."""
        self._config = self._cache = None
        super().close()

    def _context(self) -> Any:  # noqa: ANN401
        engine = self._engine
        return engine.create_execution_context(self._config)


class CacheFile:
    """The file of compiled kernels; problems with it cost only time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written = ""

    def __str__(self) -> str:
        return str(self._path)

    def read(self) -> bytes | None:
        """Return the content of the file, or None if it is absent or not trusted."""
        try:
            if self._path.stat().st_size > MOST_CACHE_BYTES:
                logger.warning("%s is too large for a cache and is not read", self._path)
                return None
            content = self._path.read_bytes()
        except OSError:
            return None
        self._written = _digest(content)
        return content

    def write(self, content: bytes) -> None:
        """Replace the file if the content changed; never raises."""
        if not content or _digest(content) == self._written:
            return
        try:
            with atomic_write(self._path) as temporary:
                temporary.write_bytes(content)
        except (CsakitError, OSError) as error:
            logger.info("compiled kernels are not kept: %s", error)
        self._written = _digest(content)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
