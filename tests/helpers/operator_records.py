"""Benchmark records of the operator alone, made by hand."""

from typing import Any

from csakit.benchmarks.record import DeviceTimes, Measurement, Record, Scalar

from .records import EXACT, record_of

H200_CASE = {
    "batch": 1,
    "channels": 512,
    "side": 32,
    "dtype": "float16",
    "similarity": "projection",
}


def timed(
    backend: str,
    holes: int,
    us: float,
    *,
    kernels_us: dict[str, float] | None = None,
    **case: Scalar,
) -> Measurement:
    """Return a measurement; of a backend with "cuda" in its name, on a GPU.

    The host's time is twice the device's, so that a mix-up shows.
    """
    ms = us / 1e3
    on_gpu = "cuda" in backend
    kernels = {name: value / 1e3 for name, value in (kernels_us or {}).items()}
    device = DeviceTimes(compute_ms=(ms,) * 3, kernels_ms=kernels)
    return Measurement(
        backend=backend,
        case={**H200_CASE, **case, "holes": holes},
        samples_ms=(2 * ms if on_gpu else ms,) * 3,
        parity=EXACT,
        device=device if on_gpu else None,
    )


def operator_record(*measurements: Measurement, **fields: Any) -> Record:  # noqa: ANN401
    """Return a record of kind "attention"."""
    return record_of(*measurements, **{"kind": "attention", **fields})
