"""Triton itself serves the ONNX models, where a server is at hand.

CSAKIT_TRITONSERVER is the command that starts it, such as ``tritonserver`` in its container;
options for the folder of the backends may follow. No package index has a server with the
backend for ONNX Runtime, so these tests are skipped elsewhere.
"""

import os
import shlex
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from csakit.export.serving.options import ServingOptions
from csakit.export.serving.repository import write_repository
from csakit.runtime.sessions.ort_session import OrtSession
from helpers.exported import Subject

COMMAND = os.environ.get("CSAKIT_TRITONSERVER", "")
PORT = 18764  # and the next two
START_S = 120.0

pytestmark = pytest.mark.skipif(not COMMAND, reason="CSAKIT_TRITONSERVER is not set")


@pytest.fixture(scope="module")
def url(packed: Subject, fixed: Subject, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a server with a model of free batches and a fixed one; give its address."""
    root = tmp_path_factory.mktemp("triton")
    write_repository(packed.path, None, root / "free", ServingOptions(threads=2))
    write_repository(fixed.path, None, root / "fixed", ServingOptions(name="fixed", instances=2))
    command = [
        *shlex.split(COMMAND),
        *(f"--model-repository={root / name / 'models'}" for name in ("free", "fixed")),
        *(f"--{kind}-port={PORT + i}" for i, kind in enumerate(("http", "grpc", "metrics"))),
    ]
    with (root / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        _wait(server, f"http://localhost:{PORT}/v2/health/ready", root / "log")
        yield f"localhost:{PORT}"
    finally:
        server.terminate()
        server.wait(60)


def _wait(server: subprocess.Popen[bytes], address: str, log: Path) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.5)
    pytest.fail(f"the server did not become ready:\n{log.read_text(errors='replace')[-4000:]}")


def test_the_server_forms_batches_and_answers_as_csakit_does(
    url: str, packed: Subject, rng: np.random.Generator
) -> None:
    import tritonclient.http as triton

    server = triton.InferenceServerClient(url, concurrency=16, network_timeout=120.0)
    session = OrtSession.open(packed.path, cache=False)
    images = rng.integers(0, 256, (16, 1, 256, 256, 3), dtype=np.uint8)
    holes = np.zeros((16, 1, 256, 256, 1), dtype=np.uint8)
    for index, hole in enumerate(holes):
        hole[0, 100 : 104 + 4 * index, 90:150] = 1

    waiting = []
    for image, hole in zip(images, holes, strict=True):
        inputs = [
            triton.InferInput(n, x.shape, "UINT8") for n, x in (("image", image), ("mask", hole))
        ]
        inputs[0].set_data_from_numpy(image)
        inputs[1].set_data_from_numpy(hole)
        waiting.append(server.async_infer("csa_onnx", inputs))

    for image, hole, one in zip(images, holes, waiting, strict=True):
        result = one.get_result().as_numpy("output").astype(int)
        assert np.abs(result - session.run_uint8(image, hole)).max() <= 1
    statistics = server.get_inference_statistics("csa_onnx")["model_stats"][0]["batch_stats"]
    assert max(entry["batch_size"] for entry in statistics) > 1
    session.close()
    server.close()


def test_the_client_repairs_a_picture_with_each_model(url: str) -> None:
    import tritonclient.http as triton
    from csakit.export.serving.client import repair
    from helpers.pictures import gradient

    server = triton.InferenceServerClient(url, network_timeout=120.0)
    photo, hole = gradient(280, 300), np.zeros((300, 280), dtype=bool)
    hole[120:200, 90:170] = True

    for model in ("csa_onnx", "fixed_onnx"):
        result = repair(server, model, photo, hole)
        assert (result[~hole] == photo[~hole]).all()
        assert (result[hole] != photo[hole]).any()
    server.close()
