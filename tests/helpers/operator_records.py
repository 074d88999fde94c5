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
    """Make a measurement; of a backend with "cuda" in its name, on a GPU.

    The host's time is twice the device's, so that a mix-up shows.
    """
    ms = us / 1e3
    on_gpu = "cuda" in backend
    kernels = {name: value / 1e3 for name, value in (kernels_us or {}).items()}
    device = DeviceTimes(
        to_device_ms=(0.0,) * 3, compute_ms=(ms,) * 3, to_host_ms=(0.0,) * 3, kernels_ms=kernels
    )
    return Measurement(
        backend=backend,
        case={**H200_CASE, **case, "holes": holes},
        samples_ms=(2 * ms if on_gpu else ms,) * 3,
        parity=EXACT,
        device=device if on_gpu else None,
    )


def operator_record(*measurements: Measurement, **fields: Any) -> Record:  # noqa: ANN401
    """Make a record of kind "attention"."""
    limits = {
        "copy_gb_per_s": 4000.0,
        "float16_tflops": 800.0,
        "float32_tflops": 50.0,
        "sm_mhz": 2000.0,
    }
    return record_of(*measurements, **{"kind": "attention", "settings": limits, **fields})
