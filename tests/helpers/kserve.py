"""A small server that speaks the KServe v2 protocol over HTTP, as Triton does.

It serves the models of a repository of csakit with csakit's own session. Configurations are
read with Triton's schema, tensors travel in the binary extension of the protocol, and requests
that a configuration does not allow are refused as Triton refuses them.
"""

import contextlib
import http.server
import json
import math
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from csakit.runtime.sessions.ort_session import OrtSession
from google.protobuf import json_format, text_format

LENGTH = "Inference-Header-Content-Length"
_TYPES = {"UINT8": np.dtype(np.uint8), "FP32": np.dtype(np.float32)}


def read_config(path: Path) -> Any:  # noqa: ANN401 - a message of a generated module
    """Parse a ``config.pbtxt`` with Triton's schema; unknown fields are an error."""
    from tritonclient.grpc import model_config_pb2

    return text_format.Parse(path.read_text(), model_config_pb2.ModelConfig())


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_GET(self) -> None:
        parts = self.path.strip("/").split("/")
        if parts == ["v2", "health", "ready"]:
            self._answer(200, b"")
        elif len(parts) == 4 and parts[3] == "config" and parts[2] in self.server.models:
            config = self.server.models[parts[2]][0]
            values = json_format.MessageToDict(config, preserving_proto_field_name=True)
            self._answer(200, json.dumps(values).encode())
        else:
            self._answer(404, json.dumps({"error": f"no {self.path}"}).encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        name = self.path.strip("/").split("/")[2]
        try:
            if name not in self.server.models:
                raise ValueError(f"Request for unknown model: '{name}' is not found")
            config, session = self.server.models[name]
            tensors = _tensors(config, body, int(self.headers.get(LENGTH, len(body))))
            run = session.run_uint8 if session.io == "uint8" else session.run
            result = run(tensors["image"], tensors["mask"])
        except Exception as error:  # whatever it is, the client is to hear of it
            self._answer(400, json.dumps({"error": str(error)}).encode())
            return
        self.server.batches.append(len(result))
        data = result.tobytes()
        output = {
            "name": "output",
            "datatype": "UINT8" if session.io == "uint8" else "FP32",
            "shape": list(result.shape),
            "parameters": {"binary_data_size": len(data)},
        }
        head = json.dumps({"model_name": name, "model_version": "1", "outputs": [output]}).encode()
        self._answer(200, head + data, {LENGTH: str(len(head))})

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


def _tensors(config: Any, body: bytes, length: int) -> dict[str, Any]:  # noqa: ANN401
    """Read the inputs of a request, and refuse what the configuration does not declare."""
    head, at, found = json.loads(body[:length]), length, {}
    declared = {item.name: item for item in config.input}
    for item in head["inputs"]:
        name, shape, dtype = item["name"], item["shape"], _TYPES[item["datatype"]]
        wanted = [-1, *declared[name].dims] if config.max_batch_size else [*declared[name].dims]
        matches = len(shape) == len(wanted) and all(
            want in (-1, got) for got, want in zip(shape, wanted, strict=True)
        )
        if not matches or (config.max_batch_size and shape[0] > config.max_batch_size):
            raise ValueError(f"unexpected shape for input '{name}': expected {wanted}, got {shape}")
        size = item["parameters"]["binary_data_size"]
        if size != math.prod(shape) * dtype.itemsize or declared[name].data_type != (
            2 if item["datatype"] == "UINT8" else 11
        ):
            raise ValueError(f"input '{name}' has {size} bytes of {item['datatype']}")
        found[name] = np.frombuffer(body, dtype, math.prod(shape), at).reshape(shape)
        at += size
    return found


class _Server(http.server.ThreadingHTTPServer):
    models: dict[str, tuple[Any, OrtSession]]
    batches: list[int]


@contextlib.contextmanager
def served(models: Path) -> Iterator[str]:
    """Serve the ONNX models of the folder ``models`` of a repository; yield "host:port"."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.models, server.batches = {}, []
    for path in sorted(models.glob("*/1/model.onnx")):
        folder = path.parents[1]
        session = OrtSession.open(path, threads=2, cache=False, spin=False)
        server.models[folder.name] = (read_config(folder / "config.pbtxt"), session)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        for _, session in server.models.values():
            session.close()
