"""ONNX Runtime on the CPU. The only module that imports onnxruntime, when a model is opened.

Letters: B images, H W sides in pixels.
"""

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ..plugins.errors import ContractError, EngineError, LibraryError
from .cache_folder import remove
from .contract import HOLE, IMAGE, RESULT, Io
from .cpu import physical_cores
from .forms import (
    Array,
    Prepared,
    prepare_floats,
    prepare_pixels,
    require_checkable,
    require_finite,
)
from .model_cache import WEIGHTS_FILE, CachedModel
from .pixels import Float32, Uint8
from .signature import Signature, read_signature
from .tensors import check_floats, check_pixels

_PROVIDERS = ["CPUExecutionProvider"]

# How an optimised model is written. The weights' own file is mapped into memory; a model that
# holds its weights would be read and copied.
_SAVING = {
    "session.optimized_model_external_initializers_file_name": WEIGHTS_FILE,
    "session.optimized_model_external_initializers_min_size_in_bytes": "1024",
}
logger = logging.getLogger(__name__)
T = TypeVar("T", bound=Array)

_LOG_ERRORS_ONLY = 3  # failures reach the caller as exceptions; its warnings are no one's remedy


@dataclasses.dataclass
class OrtSession:
    """A model on ONNX Runtime; see ``csakit.runtime.session.Session``.

    Attributes:
        path: of the model.
        signature: what it takes.
        metadata: what the export wrote into it.
        check_finite: whether answers with NaN or infinity are refused.
    """

    path: Path
    signature: Signature
    metadata: Mapping[str, str]
    _session: Any  # onnxruntime.InferenceSession, which may run in several threads; None: closed
    check_finite: bool = False

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        threads: int | None = None,
        cache: bool = True,
        spin: bool = True,
        check_finite: bool = False,
    ) -> "OrtSession":
        """Load a model.

        Args:
            path: of the ``.onnx`` file; external weights lie beside it.
            threads: of one run; None takes one per physical core.
            cache: keep an optimised copy of it; see ``csakit.runtime.model_cache``.
            spin: see ``csakit.runtime.session.open_session``.
            check_finite: see ``csakit.runtime.session.open_session``.

        Returns:
            The session.

        Raises:
            ContractError: the file is absent, unreadable, or not a model of csakit.
            LibraryError: onnxruntime is not installed or cannot be imported.
        """
        require_file(path)
        ort, threads = library(), threads or physical_cores()
        session = _load_copy(ort, path, threads, spin=spin) if cache else None
        session = session or load(ort, path, make_options(ort, threads, spin=spin))
        return cls(path, *describe(path, session, check_finite=check_finite), check_finite)

    @property
    def io(self) -> Io:
        """The form the model takes by itself."""
        return self.signature.io

    @property
    def batch(self) -> int | None:
        """The one batch the model takes; None if it takes any."""
        return self.signature.batch

    @property
    def size(self) -> tuple[int, int] | None:
        """The one (H, W) the model takes; None if it takes all multiples of 256."""
        return self.signature.size

    def run(self, image: Float32, hole: Float32) -> Float32:
        """Inpaint a batch of network numbers; see ``Session.run``."""
        check_floats(image, hole)
        self.signature.check(image.shape[0], image.shape[2:])
        return self._finish(prepare_floats(self.io, image, hole))

    def run_uint8(self, image: Uint8, hole: Uint8) -> Uint8:
        """Inpaint a batch of 8-bit images; see ``Session.run_uint8``."""
        check_pixels(image, hole)
        self.signature.check(image.shape[0], image.shape[1:3])
        return self._finish(prepare_pixels(self.io, image, hole))

    def close(self) -> None:
        """Release the model; a run in another thread still ends well."""
        self._session = None

    def _finish(self, prepared: Prepared[T]) -> T:
        """Run the model on tensors of its own form, and turn its answer into the caller's."""
        session = self._session
        if session is None:
            raise EngineError(f"the session of {self.path} is closed; open it again")
        try:
            answer = self._answer(session, prepared.image, prepared.hole)
        except Exception as error:  # onnxruntime's classes share no base but this one
            shape = prepared.image.shape
            raise EngineError(f"{self.path} failed on {shape}: {reason(error)}") from error
        if self.check_finite:
            require_finite(answer, self.path)
        return prepared.finish(answer)

    def _answer(self, session: Any, image: Array, hole: Array) -> Array:  # noqa: ANN401
        answer: Array = session.run([RESULT], {IMAGE: image, HOLE: hole})[0]
        return answer


def require_file(path: Path) -> None:
    """Refuse a model that is not there.

    Raises:
        ContractError: it is not.
    """
    if not path.is_file():
        raise ContractError(f"the model must be an existing file; got {path}")


def describe(
    path: Path,
    session: Any,  # noqa: ANN401
    *,
    check_finite: bool,
) -> tuple[Signature, Mapping[str, str], Any]:
    """Check that an opened model is one of csakit's, and say what it takes.

    Args:
        path: of the model, for messages.
        session: of onnxruntime.
        check_finite: whether finite answers are asked for.

    Returns:
        Signature, metadata, and the session itself.

    Raises:
        ContractError: it is not one, or finite answers cannot be checked.
    """
    metadata = dict(session.get_modelmeta().custom_metadata_map)
    signature = read_signature(
        path, metadata, inputs=session.get_inputs(), outputs=session.get_outputs()
    )
    require_checkable(signature.io, check_finite=check_finite)
    return signature, metadata, session


def load(ort: Any, path: Path, options: Any, providers: Sequence[Any] = _PROVIDERS) -> Any:  # noqa: ANN401
    """Open the file that was exported.

    Args:
        ort: the module.
        path: of the model.
        options: from ``make_options``.
        providers: as onnxruntime takes them.

    Returns:
        Its session.

    Raises:
        ContractError: the file is no complete model.
    """
    try:
        return _create(ort, path, options, providers)
    except Exception as error:  # onnxruntime's classes share no base but this one
        raise ContractError(
            f"{path} must be a complete ONNX model: {reason(error)}\n"
            "Copy it again, with the .weights file beside it if it has one, or export it again "
            "with `csakit export`."
        ) from error


def _load_copy(ort: Any, path: Path, threads: int, *, spin: bool) -> Any:  # noqa: ANN401
    """Open the optimised copy of a model; make it while loading the model if there is none.

    None if neither can be done; what is wrong with a model shows when it is loaded plainly.
    """
    build = {"onnxruntime": ort.__version__, "build": ort.get_build_info(), **_SAVING}
    copy = CachedModel.of(path, build)
    optimised = copy.find()
    options = make_options(ort, threads, spin=spin)
    if optimised is None:
        loaded: list[Any] = []
        copy.make(lambda target: loaded.append(_optimise(ort, path, target, options)))
        return loaded[0] if loaded else None
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL  # it was done
    try:
        return _create(ort, optimised, options)
    except Exception as error:  # onnxruntime's classes share no base but this one
        logger.warning(
            "the optimised copy of %s in %s is removed: %s",
            *(path, optimised.parent, reason(error)),
        )
        remove(optimised.parent)
        return None


def _optimise(ort: Any, path: Path, target: Path, options: Any) -> Any:  # noqa: ANN401
    """Open a model, and write what it is optimised to for this processor."""
    options.optimized_model_filepath = str(target)
    for name, value in _SAVING.items():
        options.add_session_config_entry(name, value)
    return _create(ort, path, options)


def make_options(ort: Any, threads: int, *, spin: bool) -> Any:  # noqa: ANN401
    """Choose the options that matter on a CPU.

    Args:
        ort: the module.
        threads: of one run.
        spin: whether they wait without sleeping.

    Returns:
        ``SessionOptions``.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1  # the graph is a chain; its operators cannot overlap
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    # The blocked NCHWc layout comes with the last level: 10 to 25 % against the one below it.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.enable_cpu_mem_arena = True  # without it, every run pays the page faults: +25 %
    # A plan of one size's memory adds a second arena to the first: 100 MB at full width, and
    # no gain in time.
    options.enable_mem_pattern = False
    options.log_severity_level = _LOG_ERRORS_ONLY
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spin)))
    return options


def _create(ort: Any, path: Path, options: Any, providers: Sequence[Any] = _PROVIDERS) -> Any:  # noqa: ANN401
    """Open a file by its path, not its bytes: external weights are then found and mapped."""
    chosen = list(providers)
    return ort.InferenceSession(str(path), options, providers=chosen, enable_fallback=0)


def library() -> Any:  # noqa: ANN401
    """Import onnxruntime.

    Raises:
        LibraryError: it is not installed or broken.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise LibraryError(
            f"running an .onnx model needs onnxruntime: {error}\n"
            "Install it with: pip install 'csakit[runtime]'   (`csakit doctor` says more)"
        ) from error
    return onnxruntime


def reason(error: BaseException) -> str:
    """Return the first line of what onnxruntime said, without its codes."""
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    return text.split(" : ")[-1]
