"""What the GPU at hand can do, measured in the same run: bandwidth, products, clock, kernels."""

import re
from collections.abc import Callable
from typing import Final

import torch

from .forms import Prepared

_COPY_BYTES: Final = 1 << 30  # many times the second-level cache
_PRODUCT: Final = 8192  # rows and columns: fills every multiprocessor many times
_REPEATS: Final = range(5)
_CYCLES: Final = 20_000_000  # about 10 ms
_PROFILED_CALLS: Final = 20


def event_ms(work: Callable[[], object]) -> float:
    """Time work on the device, by events on the current stream.

    Args:
        work: enqueues it.

    Returns:
        Milliseconds between its begin and its end on the device.
    """
    begin = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    end = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    begin.record()
    work()
    end.record()
    end.synchronize()
    return float(begin.elapsed_time(end))


def measure_limits() -> dict[str, str | int | float | bool]:
    """Measure what bounds any kernel here.

    Returns:
        "copy_gb_per_s", read and written bytes of a copy; "float16_tflops" and
        "float32_tflops", of a large product; "sm_mhz", the clock meanwhile; "multiprocessors".
    """
    rates = {f"{name}_tflops": round(_product(name), 1) for name in ("float16", "float32")}
    return {
        "copy_gb_per_s": round(_bandwidth(), 1),
        **rates,
        "sm_mhz": round(_clock_mhz(), 1),
        "multiprocessors": torch.cuda.get_device_properties(0).multi_processor_count,
    }


def kernel_times(prepared: Prepared) -> dict[str, float]:
    """Profile the kernels of libcsakit. Do it last: the profiler slows later launches.

    Args:
        prepared: the form ``cuda``.

    Returns:
        Milliseconds of each kernel in one call, by name without "Kernel"; empty where the
        profiler sees nothing.
    """
    activities = [torch.profiler.ProfilerActivity.CUDA]
    prepared.call()
    torch.cuda.synchronize()
    with torch.profiler.profile(activities=activities) as profiler:
        for _ in range(_PROFILED_CALLS):
            prepared.call()
        torch.cuda.synchronize()
    found: dict[str, float] = {}
    for event in profiler.key_averages():
        if named := re.search(r"\bcsakit::.*?(\w+)Kernel\b", event.key):
            ms = event.self_device_time_total / 1e3 / _PROFILED_CALLS
            found[named[1]] = found.get(named[1], 0.0) + ms
    return found


def _bandwidth() -> float:
    """Give GB/s, read and written, of a copy within the device."""
    free, _ = torch.cuda.mem_get_info()
    source = torch.ones(min(_COPY_BYTES, free // 4), dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    return 2 * source.numel() / min(event_ms(lambda: target.copy_(source)) for _ in _REPEATS) / 1e6


def _product(name: str) -> float:
    """Give TFLOP/s of a square product; on random values, because zeros run faster."""
    side = _PRODUCT if name == "float16" else _PRODUCT // 2
    a = torch.randn(side, side, device="cuda", dtype=getattr(torch, name))
    a @ a
    return 2 * side**3 / min(event_ms(lambda: a @ a) for _ in _REPEATS) / 1e9


def _clock_mhz() -> float:
    """Let the GPU count cycles for a while, twice as many the second time; divide."""
    _sleep(_CYCLES)
    short = min(event_ms(lambda: _sleep(_CYCLES)) for _ in _REPEATS)
    long = min(event_ms(lambda: _sleep(2 * _CYCLES)) for _ in _REPEATS)
    return _CYCLES / (long - short) / 1e3


def _sleep(cycles: int) -> None:
    torch.cuda._sleep(cycles)  # type: ignore[no-untyped-call]
