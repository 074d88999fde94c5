"""Call the C++ and the Python plugin in the same way, as TensorRT calls them."""

import ctypes
import functools
import tempfile
from pathlib import Path
from typing import Protocol

import pytest
from csakit.plugins.abi import Dtype, Layout
from csakit.plugins.python_layer import Foreign, layer_class

from .kernel_device import Device, SimtDevice
from .kernels import Problem
from .trt_plugin import CPP, compile_program, native_plugin, plugin_on_cpu


class Plugin(Protocol):
    """A plugin that is prepared for the shapes of one problem."""

    workspace_bytes: int

    def enqueue(self, features: int, hole: int, output: int, workspace: int, stream: int) -> None:
        """Put the work on a stream; arguments are addresses."""


class PythonPlugin:
    """``csakit.plugins.python_layer`` over the base classes of TensorRT for RTX."""

    def __init__(self, device: Device, problem: Problem) -> None:
        trt = pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx is not installed")
        self._tensors = [_tensor(trt, problem, hole=hole) for hole in (False, True)]
        profile = []
        for tensor in self._tensors:
            dynamic = trt.DynamicPluginTensorDesc()
            dynamic.desc, dynamic.max = tensor, tensor.dims
            profile.append(dynamic)
        built = layer_class(trt)(device.library, problem.similarity)
        assert all(built.supports_format_combination(at, profile, 2) for at in range(2))
        built.configure_plugin(profile, [])
        self.workspace_bytes: int = built.get_workspace_size(profile, [])
        self._plugin = built.attach_to_context(None)
        self._plugin.on_shape_change(self._tensors, [])

    def enqueue(self, features: int, hole: int, output: int, workspace: int, stream: int) -> None:
        outputs = [self._tensors[0]]
        self._plugin.enqueue(self._tensors, outputs, [features, hole], [output], workspace, stream)


class _Tensors(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_int32)
        for name in (
            *("batch", "channels", "height", "width"),
            *("type", "hole_type", "channels_last"),
        )
    ]


class CppPlugin:
    """libcsakit_trt, through ``cpp/caller.cpp``."""

    def __init__(self, device: Device, problem: Problem) -> None:
        simulated = isinstance(device, SimtDevice)
        library = _simt_plugin(device.library.path) if simulated else native_plugin()
        self._caller = _caller()
        similarity = problem.similarity.encode()
        self._handle = self._caller.caller_open(str(library).encode(), similarity)
        tensors = _Tensors(
            *problem.features.shape,
            problem.dtype,
            problem.hole_dtype,
            problem.layout == Layout.NHWC,
        )
        size = ctypes.c_size_t()
        arguments = (ctypes.byref(tensors), ctypes.byref(size))
        self._check(self._caller.caller_prepare(self._handle, *arguments))
        self.workspace_bytes = size.value

    def enqueue(self, features: int, hole: int, output: int, workspace: int, stream: int) -> None:
        addresses = (features, hole, output, workspace, stream)
        self._check(self._caller.caller_enqueue(self._handle, *addresses))

    def _check(self, status: int) -> None:
        assert status == 0, self._caller.caller_message().decode()


def _tensor(trt: Foreign, problem: Problem, *, hole: bool) -> Foreign:
    batch, channels, height, width = problem.features.shape
    kinds = {Dtype.FLOAT32: trt.DataType.FLOAT, Dtype.FLOAT16: trt.DataType.HALF}
    last = problem.layout == Layout.NHWC and not hole
    tensor = trt.PluginTensorDesc()
    tensor.dims = trt.Dims((batch, 1 if hole else channels, height, width))
    tensor.type = kinds[problem.hole_dtype if hole else problem.dtype]
    channels_last = {Dtype.FLOAT32: trt.TensorFormat.HWC, Dtype.FLOAT16: trt.TensorFormat.HWC8}
    tensor.format = channels_last[problem.dtype] if last else trt.TensorFormat.LINEAR
    return tensor


@functools.cache
def _temporary() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="csakit-plugin-")  # removed when Python ends


@functools.cache
def _caller() -> ctypes.CDLL:
    folder = Path(_temporary().name)
    fake = compile_program([CPP / "fake_tensorrt.cpp"], folder / "libfake_tensorrt.so", "-shared")
    options = ("-shared", str(fake), f"-Xlinker=-rpath,{folder}")
    caller = ctypes.CDLL(str(compile_program([CPP / "caller.cpp"], folder / "caller.so", *options)))
    pointer = ctypes.c_void_p
    caller.caller_message.restype = ctypes.c_char_p
    caller.caller_open.restype = pointer
    caller.caller_open.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
    caller.caller_prepare.argtypes = [pointer] * 3
    caller.caller_enqueue.argtypes = [pointer] * 6
    return caller


@functools.cache
def _simt_plugin(kernels: Path) -> Path:
    return plugin_on_cpu(kernels, Path(_temporary().name) / f"trt-{kernels.name}")
