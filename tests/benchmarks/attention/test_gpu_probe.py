"""What a GPU can do is measured within what GPUs can do; without one nothing is imported."""

import re
import subprocess
import sys

import pytest
import torch
from csakit.benchmarks.attention import gpu_probe
from csakit.benchmarks.attention.forms import Prepared


class Event:
    """What the profiler tells of a kernel."""

    def __init__(self, key: str, us: float) -> None:
        self.key, self.self_device_time_total = key, us


class Profiler:
    """A profiler that saw this; its names are those that CUDA gives to templates."""

    def __enter__(self) -> "Profiler":
        return self

    def __exit__(self, *_: object) -> None: ...

    def key_averages(self) -> list[Event]:
        inside = "csakit::(anonymous namespace)"
        return [
            Event(f"void {inside}::chainKernel<__half, false>(csakit::Attention<__half>)", 600.0),
            Event(f"void {inside}::matchKernel<__half, 64>(csakit::Attention<__half>)", 100.0),
            Event(f"void {inside}::matchKernel<__half, 128>(csakit::Attention<__half>)", 40.0),
            Event("void at::native::vectorized_elementwise_kernel<4>(int)", 999.0),
            Event("Memset (Device)", 5.0),
        ]


def test_kernels_are_told_apart_by_name_and_shared_among_calls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[None] = []
    monkeypatch.setattr(torch.profiler, "profile", lambda activities: Profiler())
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)

    found = gpu_probe.kernel_times(Prepared(lambda: calls.append(None), lambda: None))  # type: ignore[arg-type,return-value]

    timed = len(calls) - 1  # the first is not profiled
    assert found == pytest.approx({"chain": 0.6 / timed, "match": 0.14 / timed})


def test_every_kernel_has_a_name_that_is_told_apart() -> None:
    from csakit.plugins.sources import CSRC

    text = "".join(path.read_text() for path in CSRC.glob("*.cu"))

    names = re.findall(r"__global__ void __launch_bounds__\([^{]*?(\w+)\(\s*const Attention", text)
    assert len(names) >= 8
    assert all(name.endswith("Kernel") for name in names)
    assert "chainKernel" in names


def test_planning_loads_no_framework() -> None:
    program = (
        "import sys, csakit.benchmarks.attention_cli, csakit.benchmarks.attention.measure\n"
        "sys.exit('torch' in sys.modules or 'onnxruntime' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.gpu
def test_limits_are_within_what_gpus_can_do() -> None:
    if not torch.cuda.is_available():
        pytest.skip("this torch is built without CUDA")

    limits = gpu_probe.measure_limits()

    assert 10 < limits["copy_gb_per_s"] < 20000
    assert 1 < limits["float16_tflops"] < 10000
    assert 0.1 < limits["float32_tflops"] <= limits["float16_tflops"]
    assert 300 < limits["sm_mhz"] < 4000
