"""Time the operator by the driver's own events, without torch; the record is written case by case.

    python -m gpu.driver_timing RECORD [CASES]

A sample is one captured graph of 20 calls. Buffers are those of the call before, so that features
lie in the second-level cache, as they do behind the convolution that made them.
"""

import dataclasses
import functools
import itertools
import json
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from csakit.benchmarks import environment
from csakit.benchmarks.attention.cases import Case, make_problem
from csakit.plugins.abi import Chain, Direction, Dtype
from csakit.plugins.library import load
from csakit.plugins.reference import coherent_semantic_attention
from csakit.plugins.spec import SIMILARITIES
from csakit.runtime.files.atomic import atomic_write
from helpers.cuda_device import CudaDevice
from helpers.kernel_device import Device
from helpers.kernels import Buffers, Problem, error_limit

CALLS: Final = 20  # one alone is shorter than events resolve
SAMPLES: Final = 30
WARM_UP_SECONDS: Final = 0.5  # an H200 at rest has a sixth of its clock
# The sizes of the targets first, then a batch, then what the walk in order costs.
CASES: Final[tuple[tuple[Case, Chain], ...]] = tuple(
    (Case(holes=holes, batch=batch, dtype="float16", similarity=similarity), chain)
    for (holes, batch, chain), similarity in itertools.product(
        (
            *((225, 1, Chain.AUTO), (512, 1, Chain.AUTO), (225, 16, Chain.AUTO)),
            *((225, 1, Chain.SEQUENTIAL), (512, 1, Chain.SEQUENTIAL)),
        ),
        SIMILARITIES,
    )
)


def measure(device: Device, cases: Sequence[tuple[Case, Chain]]) -> Iterator[dict[str, Any]]:
    """Yield one entry a case: its size, the error of the first image, microseconds of each call."""
    for case, chain in cases:
        drawn = make_problem(case)
        problem = Problem(
            features=drawn.features,
            hole=drawn.hole,
            similarity=case.similarity,
            dtype=Dtype[case.dtype.upper()],
            chain=chain,
        )
        buffers = Buffers(device, problem, Direction.FORWARD)
        buffers.forward()  # loads the kernels
        device.finish()
        first = drawn.features[:1].astype(np.float32), drawn.hole[:1]
        expected = coherent_semantic_attention(*first, case.similarity)
        error = np.abs(problem.unpack(buffers.result)[:1] - expected).max() / np.abs(expected).max()
        replay = device.capture(functools.partial(_enqueue, buffers))
        stop = time.monotonic() + WARM_UP_SECONDS
        while time.monotonic() < stop:
            replay()
        samples = [1e3 * replay() / CALLS for _ in range(SAMPLES)]
        yield {
            **dataclasses.asdict(case),
            "chain": chain.name.lower(),
            "error": float(error),
            "right": bool(error <= error_limit(problem.dtype)),  # not a number is wrong too
            "median_us": statistics.median(samples),
            "samples_us": samples,
        }
        device.close()


def _enqueue(buffers: Buffers, stream: int) -> None:
    for _ in range(CALLS):
        buffers.forward(stream, with_matches=False)


def main(path: Path, cases: Sequence[tuple[Case, Chain]]) -> int:
    """Measure on the first GPU; return 1 if a result was wrong."""
    library, gpu = load(), environment.first_gpu()
    record: dict[str, Any] = {
        "date": environment.now(),
        "source": dataclasses.asdict(environment.source()),
        "gpu": gpu and dataclasses.asdict(gpu),
        "library": library.build_info(),
        "calls": CALLS,
        "cases": [],
    }
    for entry in measure(CudaDevice(library), cases):
        record["cases"].append(entry)
        with atomic_write(path) as temporary:
            temporary.write_text(json.dumps(record, indent=1))
        size = " ".join(str(entry[name]) for name in ("holes", "batch", "similarity", "chain"))
        verdict = "" if entry["right"] else ", WRONG"
        print(
            f"{size}: {entry['median_us']:.2f} us, error {entry['error']:.1e}{verdict}", flush=True
        )
    return 0 if all(entry["right"] for entry in record["cases"]) else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), CASES[: int(sys.argv[2]) if len(sys.argv) > 2 else None]))
