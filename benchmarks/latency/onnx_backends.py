"""Exported models on the CPU, through csakit's runtime, as its users run them."""

from pathlib import Path

from ...runtime import Session, open_session


def open_onnxruntime(file: Path, threads: int) -> Session:
    """Open an exported model in ONNX Runtime."""
    return open_session(file, threads=threads)


def open_openvino(file: Path, threads: int) -> Session:
    """Open an exported model in OpenVINO, in float32."""
    return open_session(file, threads=threads, backend="openvino")


def open_openvino_bf16(file: Path, threads: int) -> Session:
    """Open an exported model in OpenVINO, in bfloat16."""
    return open_session(file, threads=threads, backend="openvino", precision="bf16")
