"""Whole models on the GPU compute what torch computes, in every library that is there.

A library that is missing, or that does not support this GPU, skips its tests with its own answer.
What was found (largest difference, PSNR, latency) is in the properties of the JUnit report.
"""

import contextlib
import functools
import importlib.util
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from csakit.plugins.errors import ContractError, LibraryError
from csakit.runtime import EngineOptions, open_session
from csakit.runtime.contract import Precision
from csakit.runtime.device.open_device import BINDINGS, choose_binding
from gpu.reference_results import MAX_BATCH, MODELS, SIZE, check, load, prepared

pytestmark = pytest.mark.gpu

CUDA_PROVIDER = "CUDAExecutionProvider"
OPT_LEVEL = 2  # for time; TensorRT's own is 3
BUILDERS = {"tensorrt": "tensorrt", "tensorrt-rtx": "tensorrt_rtx"}  # builder: its module
Record = Callable[[str, object], None]

each_precision = pytest.mark.parametrize("precision", MODELS)


@each_precision
def test_onnxruntime_on_cuda_computes_what_torch_does(
    precision: Precision, record_property: Record
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    providers = onnxruntime.get_available_providers()
    if CUDA_PROVIDER not in providers:
        pytest.skip(f"onnxruntime {onnxruntime.__version__} has {', '.join(providers)} only")

    with contextlib.closing(open_session(prepared() / MODELS[precision], device="cuda")) as session:
        found = check(session.run, load(prepared()), precision)

    for name, value in found.items():
        record_property(name, value)


@pytest.mark.parametrize("binding", BINDINGS)
@pytest.mark.parametrize("builder", BUILDERS)
@each_precision
def test_an_engine_computes_what_torch_does(
    precision: Precision, builder: str, binding: str, record_property: Record
) -> None:
    for package in (BUILDERS[builder], "onnx"):
        if importlib.util.find_spec(package) is None:  # before anything slow is done
            pytest.skip(f"{package} is not installed")
    choice = choose_binding(binding)
    if choice.binding is None:
        pytest.skip(choice.reason)
    from csakit.benchmarks.engine_overhead import measure_engine

    engine, options = built(precision, builder), EngineOptions(binding=binding)
    with contextlib.closing(open_session(engine, engine=options)) as session:
        found = check(session.run, load(prepared()), precision)
    overhead = measure_engine(engine, options=options)

    found["engine_us"] = statistics.median(overhead.device_us)
    found["overhead_us"] = overhead.overhead_us  # beyond its target nothing fails
    for name, value in found.items():
        record_property(name, value)


@functools.cache
def built(precision: Precision, builder: str) -> Path:
    """Build an engine for this GPU, with the plugin where there is one; skip if unsupported."""
    from csakit.export.engine.build_engine import build_engine
    from csakit.export.engine.config import BuildConfig
    from csakit.runtime.engine.compatibility import this_machine
    from csakit.runtime.engine.shapes import Span

    config = BuildConfig(
        builder=builder,  # type: ignore[arg-type]
        batch=Span(1, 1, MAX_BATCH),
        size=Span(SIZE, SIZE, SIZE),
        opt_level=OPT_LEVEL,
        plugin=builder == "tensorrt" and this_machine().plugin,
    )
    engine = Path(tempfile.mkdtemp(prefix="csakit-engine-")) / f"{precision}.engine"
    try:
        return build_engine(prepared() / MODELS[precision], engine, config).engine
    except (ContractError, LibraryError) as error:  # TensorRT for RTX is for some GPUs only
        pytest.skip(f"{builder}: {error}")
