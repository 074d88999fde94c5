"""The demo model in the package, used if no model is named."""

import hashlib
import logging
from pathlib import Path
from typing import Final

from ...plugins.errors import EngineError

logger = logging.getLogger(__name__)

DEMO: Final = "demo"
FOLDER: Final = Path(__file__).parent
_REINSTALL: Final = "Install csakit again: pip install --force-reinstall --no-deps csakit"


def resolve_model(model: str | Path | None) -> Path:
    """Return the path of a model; None and "demo" are the packaged one."""
    if model is not None and str(model) != DEMO:
        return Path(model)
    path = FOLDER / f"{DEMO}.onnx"
    try:
        expected = path.with_suffix(".onnx.sha256").read_text(encoding="ascii").split()[0]
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except (OSError, ValueError, IndexError) as error:
        raise EngineError(f"the packaged model is missing: {path}\n{_REINSTALL}") from error
    if found != expected:
        raise EngineError(
            f"the packaged model is damaged: {path} has SHA-256 {found[:12]}..., expected "
            f"{expected[:12]}...\n{_REINSTALL}"
        )
    logger.info("model: the packaged one, %s", path)
    return path
