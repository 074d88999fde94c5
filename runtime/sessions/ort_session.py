"""ONNX Runtime on the CPU."""

import logging
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...plugins.errors import ContractError, CsakitError
from ..contract import IMAGE, MASK, OUTPUT
from ..files.failures import failure, failures_as_errors, is_file, named, stand_in
from ..files.onnx_header import read_onnx_header
from ..files.onnx_weights import require_finite_weights
from ..host import physical_cores
from ..libraries import import_onnxruntime
from ..tensors.conversion import Array, require_checkable
from ..tensors.signature import Signature, read_signature
from .base import LoadedSession
from .model_cache import WEIGHTS_FILE, CachedModel

_PROVIDERS = ["CPUExecutionProvider"]

# How an optimised model is written. An external weights file is mapped into memory; weights inside
# the model would be read and copied.
_SAVING = {
    "session.optimized_model_external_initializers_file_name": WEIGHTS_FILE,
    "session.optimized_model_external_initializers_min_size_in_bytes": "1024",
}
logger = logging.getLogger(__name__)

_TOO_NEW = re.compile(
    r"Unsupported model IR version|guarantees\* support|till opset|not a registered function/op"
    "|No Op registered for|Could not find an implementation"
)
_LOG_FATAL_ONLY = 4  # failures reach the caller as exceptions
_PLACE = re.compile(r"\S+\.(cc|cpp|h):\d+ [\w:~]+(\(.*?\))?( const)? ?")  # source locations


class OrtSession(LoadedSession):
    """A model on ONNX Runtime; see ``csakit.runtime.sessions.session.Session``."""

    library = "ONNX Runtime"

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
        """Load a model; see ``open_session``."""
        require_file(path)
        ort, threads = import_onnxruntime(), threads or physical_cores()
        session = _load_copy(ort, path, threads, spin=spin) if cache else None
        checked = session is not None  # when its copy was created
        session = session or load(ort, path, make_options(ort, threads, spin=spin))
        signature, metadata = describe(path, session, check_finite=check_finite)
        if signature.io == "uint8" and not checked:
            require_finite_weights(path)
        return cls(path, signature, metadata, session, check_finite)

    def _answer(self, model: Any, image: Array, mask: Array) -> Array:  # noqa: ANN401
        answer: Array = model.run([OUTPUT], {IMAGE: image, MASK: mask})[0]
        return answer

    def _reason(self, error: Exception) -> str:
        return reason(error)


def require_file(path: Path) -> None:
    """Refuse a model that is absent or cannot be read."""
    if not is_file(path):
        raise ContractError(f"the model must be an existing file; got {named(path)}")
    with failures_as_errors(f"read {path}"):
        path.open("rb").close()


def describe(path: Path, session: Any, *, check_finite: bool) -> tuple[Signature, dict[str, str]]:  # noqa: ANN401
    """Return signature and metadata of an opened model; ContractError if it is not of csakit."""
    metadata = dict(session.get_modelmeta().custom_metadata_map)
    signature = read_signature(
        path, metadata, inputs=session.get_inputs(), outputs=session.get_outputs()
    )
    require_checkable(signature.io, check_finite=check_finite)
    return signature, metadata


def load(ort: Any, path: Path, options: Any, providers: Sequence[Any] = _PROVIDERS) -> Any:  # noqa: ANN401
    """Open an exported file; ContractError if it is no complete model."""
    try:
        contents = _read_weights(path, options)
        session = _create(ort, path, options, providers)
        del contents  # needed until here
        return session
    except Exception as error:  # onnxruntime's classes share no base but this one
        if problem := failure(error, f"open {path}") or stand_in(path):
            raise problem from error
        if _TOO_NEW.search(str(error)):
            raise ContractError(
                f"{path} is of a version that onnxruntime {ort.__version__} does not read: "
                f"{reason(error)}\nUpdate it: pip install --upgrade onnxruntime; or export it "
                "again with `csakit export`."
            ) from error
        raise ContractError(
            f"{path} must be a complete ONNX model: {reason(error)}\n"
            "Copy it again, with the .weights file beside it if it has one, or export it again "
            "with `csakit export`."
        ) from error


def _read_weights(path: Path, options: Any) -> list[bytes]:  # noqa: ANN401
    """Read the weights beside a model; onnxruntime before 1.19 maps them.

    Mapped weights would change with a file written in place. Keep the result until the session is
    open. The list is empty if anything is wrong, which opening the model reports.
    """
    if not hasattr(options, "add_external_initializers_from_files_in_memory"):
        return []
    try:
        names = list(read_onnx_header(path).external)
        if not all(name == Path(name).name and is_file(path.parent / name) for name in names):
            return []  # left to onnxruntime
        contents = [(path.parent / name).read_bytes() for name in names]
    except (CsakitError, OSError):
        return []
    if names:
        sizes = [len(content) for content in contents]
        options.add_external_initializers_from_files_in_memory(names, contents, sizes)
    return contents


def _load_copy(ort: Any, path: Path, threads: int, *, spin: bool) -> Any:  # noqa: ANN401
    """Open the cached optimised copy of a model, or create it; return None if that fails."""
    build = {"onnxruntime": ort.__version__, "build": ort.get_build_info(), **_SAVING}
    copy = CachedModel.of(path, build)
    optimised = copy.find()
    options = make_options(ort, threads, spin=spin)
    if optimised is None:
        loaded: list[Any] = []
        copy.make(lambda target: loaded.append(_optimise(ort, path, target, options)))
        return loaded[0] if loaded else None
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL  # done before
    try:
        return _create(ort, optimised, options)
    except Exception as error:  # onnxruntime's classes share no base but this one
        if problem := failure(error, f"open {path}"):
            raise problem from error  # the copy is not to blame
        text = "the optimised copy of %s in %s is removed: %s"
        logger.warning(text, path, optimised.parent, reason(error))
        shutil.rmtree(optimised.parent, ignore_errors=True)
        return None


def _optimise(ort: Any, path: Path, target: Path, options: Any) -> Any:  # noqa: ANN401
    """Open a model, and write the form optimised for this processor."""
    options.optimized_model_filepath = str(target)
    for name, value in _SAVING.items():
        options.add_session_config_entry(name, value)
    session = _create(ort, path, options)
    if any(one.type == "tensor(uint8)" for one in session.get_outputs()):
        require_finite_weights(path)  # NaN becomes a colour in uint8 outputs
    return session


def make_options(ort: Any, threads: int, *, spin: bool) -> Any:  # noqa: ANN401
    """Return the ``SessionOptions`` for a CPU."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1  # the graph is a chain; its operators cannot overlap
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    # The blocked NCHWc layout comes with the last level: 10 to 25 % against the one below it.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.enable_cpu_mem_arena = True  # without it, page faults add 25 % to every run
    # A memory pattern per size adds a second arena, 100 MB at full width, without a gain in
    # time.
    options.enable_mem_pattern = False
    options.log_severity_level = _LOG_FATAL_ONLY
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spin)))
    return options


def _create(ort: Any, path: Path, options: Any, providers: Sequence[Any] = _PROVIDERS) -> Any:  # noqa: ANN401
    """Open a file by its path, not its bytes: external weights are then found and mapped."""
    chosen = list(providers)
    return ort.InferenceSession(str(path), options, providers=chosen, enable_fallback=0)


def reason(error: BaseException) -> str:
    """Return the first line of an error of onnxruntime, without its codes."""
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    return _PLACE.sub("", text.split(" : ")[-1])
