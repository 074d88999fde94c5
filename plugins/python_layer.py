"""The TensorRT plugin's layer in Python: types, shapes, formats, workspace, enqueue.

The twin of ``csrc/tensorrt/csa_plugin.cpp``. Letters: B images, C channels, H W feature sides.
"""

import functools
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Any, Final, TypeAlias

import numpy as np

from . import spec
from .abi import AttentionDesc, Direction, Dtype, Layout, attention_desc
from .errors import ContractError
from .library import Library
from .spec import Similarity

RANK: Final = 4  # (B, C, H, W), also where the channels lie last in memory
# Channels per group of HWC8. Where C is a multiple the format is a dense (B, H, W, C); else it
# is padded, which csakit.h does not know.
CHANNEL_GROUP: Final = 8

Foreign: TypeAlias = Any  # an object of TensorRT, which this module does not import


def make_class(trt: ModuleType, own: type, *bases: type) -> type:
    """Return a class that inherits from ``own`` and then from TensorRT's bases."""

    def initialise(self: object, *arguments: object) -> None:
        for base in bases:
            base.__init__(self)  # type: ignore[misc]
        own.__init__(self, *arguments)  # type: ignore[misc]

    members = {"trt": trt, "__init__": initialise}
    return type(f"Csa{own.__name__.strip('_')}", (own, *bases), members)


@functools.cache
def layer_class(trt: ModuleType) -> type:
    """Return the plugin class of a TensorRT module; instances take library and similarity."""
    capabilities = (trt.IPluginV3OneCore, trt.IPluginV3OneBuild, trt.IPluginV3OneRuntime)
    return make_class(trt, _Layer, trt.IPluginV3, *capabilities)


def fields_of(trt: ModuleType, value: str) -> Foreign:
    """Return a ``PluginFieldCollection`` with the one field, a zero-terminated string."""
    return _kept_fields(trt, value)[-1]


@functools.cache  # for the life of the process: TensorRT keeps addresses of the parts only
def _kept_fields(trt: ModuleType, value: str) -> tuple[object, Foreign, Foreign]:
    data = np.frombuffer(value.encode() + b"\0", dtype=np.int8)
    field = trt.PluginField(spec.ATTRIBUTE, data, trt.PluginFieldType.CHAR)
    return data, field, trt.PluginFieldCollection([field])


class _Layer:
    """The layer's methods in the order TensorRT calls them; an exception fails the plugin."""

    trt: Foreign

    def __init__(self, library: Library, similarity: Similarity) -> None:
        self.library = library
        self.similarity = similarity
        self.plugin_name = spec.NAME
        self.plugin_version = spec.VERSION
        self.plugin_namespace = spec.NAMESPACE
        self.num_outputs = len(spec.OUTPUTS)

    @property
    def timing_cache_id(self) -> str:
        """Key of the timing cache beside shapes and formats: the field and the kernels' sources."""
        return f"{self.similarity}-{self.library.build_info()['source_hash'][:12]}"

    def get_capability_interface(self, _type: object) -> "_Layer":
        """Return the object with a capability: this one has all."""
        return self

    def clone(self) -> "_Layer":
        """Return a copy that shares only the library."""
        return type(self)(self.library, self.similarity)

    def get_output_data_types(self, input_types: Sequence[Foreign]) -> list[Foreign]:
        """Return the type of the features."""
        for name, given in zip(spec.INPUTS, input_types, strict=True):
            _dtype(self.trt, given, name)
        return [input_types[0]]

    def get_output_shapes(
        self, inputs: Sequence[Foreign], _shapes: object, _builder: object
    ) -> list[Foreign]:
        """Return the shape of the features, in TensorRT's expressions: any size stays free."""
        ranks = [len(shape) for shape in inputs]
        if ranks != [RANK, RANK]:
            raise ContractError(f"features and hole must have 4 dimensions each; got {ranks}")
        return [self.trt.DimsExprs(inputs[0])]

    def supports_format_combination(
        self, position: int, tensors: Sequence[Foreign], _inputs: int
    ) -> bool:
        """Report whether a tensor's type and format are supported, given those before it."""
        features, asked = tensors[0].desc, tensors[position].desc
        if position == 0:
            return _takes_features(self.trt, asked)
        if position == 1:
            return _takes_hole(self.trt, asked)
        return bool(asked.type == features.type and asked.format == features.format)

    def configure_plugin(self, inputs: Sequence[Foreign], _outputs: object) -> None:
        """Refuse a profile above the limits of the kernels while the engine is being built."""
        self.get_workspace_size(inputs, ())

    def get_workspace_size(self, inputs: Sequence[Foreign], _outputs: object) -> int:
        """Return the bytes that the largest shape of the profile needs."""
        features, hole = inputs
        return self._bytes_for(self._describe(features.desc, hole.desc, features.max, hole.max))

    def get_fields_to_serialize(self) -> Foreign:
        """Return the fields from which ``create_plugin`` creates this plugin again."""
        return fields_of(self.trt, self.similarity)

    def attach_to_context(self, _context: object) -> "_Layer":
        """Return a new plugin for an execution context."""
        return self.clone()

    def set_tactic(self, _tactic: int) -> None:
        """Accept the only tactic."""

    def on_shape_change(self, inputs: Sequence[Foreign], _outputs: object) -> None:
        """Refuse shapes that do not fit each other or are above the limits of the kernels."""
        self._bytes_for(self._describe(*inputs, *(tensor.dims for tensor in inputs)))

    def enqueue(
        self,
        input_desc: Sequence[Foreign],
        _output_desc: object,
        inputs: Sequence[int],
        outputs: Sequence[int],
        workspace: int,
        stream: int,
    ) -> None:
        """Enqueue the work on the stream; no allocation, no synchronisation."""
        desc = self._describe(*input_desc, *(tensor.dims for tensor in input_desc))
        self.library.forward(
            desc,
            features=inputs[0],
            hole=inputs[1],
            output=outputs[0],
            workspace=workspace,
            # TensorRT passes no size. It is what the largest shape needs, which csakit.h
            # promises to be enough for this one.
            workspace_bytes=self._bytes_for(desc),
            stream=stream,
        )

    def _bytes_for(self, desc: AttentionDesc) -> int:
        return self.library.workspace_bytes(desc, Direction.FORWARD)

    def _describe(
        self, features: Foreign, hole: Foreign, shape: Iterable[int], hole_shape: Iterable[int]
    ) -> AttentionDesc:
        """Return the description of a call; ContractError if shapes or formats do not fit."""
        shape, hole_shape = tuple(shape), tuple(hole_shape)
        if len(shape) != RANK or hole_shape != (shape[0], 1, *shape[2:]):
            raise ContractError(
                f"features must be (B, C, H, W) and hole (B, 1, H, W); got {shape}, {hole_shape}"
            )
        if not (_takes_features(self.trt, features) and _takes_hole(self.trt, hole)):
            raise ContractError(
                f"takes no features of {features.type}, {features.format} with a hole of "
                f"{hole.type}, {hole.format}"
            )
        batch, channels, height, width = shape
        channels_last = features.format != self.trt.TensorFormat.LINEAR
        return attention_desc(
            (batch, channels, height, width),
            dtype=_dtype(self.trt, features.type, "features"),
            hole_dtype=_dtype(self.trt, hole.type, "hole"),
            similarity=self.similarity,
            layout=Layout.NHWC if channels_last else Layout.NCHW,
        )


def _dtype(trt: Foreign, given: Foreign, name: str) -> Dtype:
    if not _is_floating(trt, given):
        raise ContractError(f"{name} must be float32 or float16; got {given}")
    return Dtype.FLOAT32 if given == trt.DataType.FLOAT else Dtype.FLOAT16


def _is_floating(trt: Foreign, given: Foreign) -> bool:
    return given in (trt.DataType.FLOAT, trt.DataType.HALF)


def _takes_features(trt: Foreign, features: Foreign) -> bool:
    """Report whether features are linear or channels-last, float32 or float16."""
    if features.format == trt.TensorFormat.LINEAR:
        return _is_floating(trt, features.type)
    if features.format == trt.TensorFormat.HWC:  # dense for any C
        return bool(features.type == trt.DataType.FLOAT)
    dims = tuple(features.dims)
    grouped = len(dims) == RANK and dims[1] > 0 and dims[1] % CHANNEL_GROUP == 0
    is_half = features.type == trt.DataType.HALF
    return bool(features.format == trt.TensorFormat.HWC8 and is_half and grouped)


def _takes_hole(trt: Foreign, hole: Foreign) -> bool:
    return bool(hole.format == trt.TensorFormat.LINEAR and _is_floating(trt, hole.type))
