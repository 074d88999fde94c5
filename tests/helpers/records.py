"""Benchmark records made by hand."""

from collections.abc import Sequence
from typing import Any

from csakit.benchmarks.environment import Environment, Gpu, Source
from csakit.benchmarks.record import Backend, ColdStart, Measurement, Model, Parity, Record, Scalar

EXACT = Parity(reference="the torch model, float32", images=1, max_abs=0.0)
NEAR = Parity(
    reference="the torch model, float32",
    images=1,
    max_abs=2e-5,
    psnr_db=110.0,
    max_abs_limit=1e-4,
    psnr_db_limit=80.0,
)
MACHINE = Environment(
    cpu="A processor",
    logical_cpus=8,
    cpus_used=(0, 1),
    ram_bytes=1 << 34,
    system="Linux 6.1 x86_64",
    gpu=None,
    load_average=0.1,
)
GPU = Gpu(name="A GPU", memory_bytes=1 << 37, compute_capability="9.0", driver="580.1")
SHA256 = "0123456789abcdef" * 4
CENTRE = {"size": 256, "batch": 1, "holes": "center", "hole_ratio": 0.2197, "feature_holes": 252.0}


def strokes(ratio: float) -> dict[str, Scalar]:
    """Describe a case of strokes."""
    return CENTRE | {"holes": f"{ratio}", "hole_ratio": ratio, "feature_holes": 1024 * ratio}


def measured(
    backend: str,
    samples_ms: Sequence[float] = (10.0, 11.0, 12.0, 13.0),
    case: dict[str, Scalar] | None = None,
    **fields: Any,  # noqa: ANN401
) -> Measurement:
    """Return a measurement of the model "demo"."""
    given: dict[str, Any] = {"model": "demo", "parity": NEAR} | fields
    return Measurement(backend=backend, case=case or CENTRE, samples_ms=tuple(samples_ms), **given)


def record_of(*measurements: Measurement, **fields: Any) -> Record:  # noqa: ANN401
    """Return a latency record that describes what was measured."""
    names = dict.fromkeys((m.model, m.backend) for m in measurements)
    start = ColdStart(
        import_ms=100.0, load_ms=50.0, first_ms=30.0, total_ms=250.0, peak_host_bytes=100 << 20
    )
    given: dict[str, Any] = {
        "kind": "latency",
        "date": "2026-01-31T12:00:00Z",
        "source": Source(version="0.1.0", commit="c0ffee" * 7, dirty=False),
        "environment": MACHINE,
        "libraries": {"numpy": "2.4.6"},
        "settings": {"rounds": 4, "threads": 2},
        "models": tuple(
            Model(
                name=model,
                sha256=SHA256,
                width=16,
                attention="csa",
                similarity="cosine",
                weights_bytes=1000,
            )
            for model in dict.fromkeys(m.model for m in measurements)
            if model is not None
        ),
        "backends": tuple(
            Backend(
                name=backend,
                model=model,
                description=f"{backend} in words",
                options={"precision": "fp32"},
                cold_starts=(start,),
                peak_host_bytes=300 << 20,
            )
            for model, backend in names
        ),
        "measurements": measurements,
    } | fields
    return Record(**given)
