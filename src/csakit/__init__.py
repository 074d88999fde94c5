"""Deploy CSA image inpainting: one ONNX file, TensorRT engines, a runtime without torch.

What programs use is in ``csakit.runtime``; the command ``csakit`` has the rest.
"""

TYPE_CHECKING = False  # as typing's, whose import takes longer than all else here
if TYPE_CHECKING:
    __version__: str

__all__ = ["__version__"]


def __getattr__(name: str) -> str:
    """Return the installed version, looked up when it is asked for."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version

    return version("csakit")


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__
