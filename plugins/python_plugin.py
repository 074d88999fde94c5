"""The operator as a TensorRT plugin in Python, for TensorRT from pip.

    import tensorrt
    from csakit.plugins.python_plugin import register

    register(tensorrt)  # then build or load engines in this process

It needs libcsakit and no C++ headers. An engine that was built with this plugin or the C++ one,
libcsakit_trt, runs with either. Importing this imports no TensorRT.
"""

from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Final

from . import spec
from .errors import ContractError, EngineError
from .library import Library, load
from .python_layer import Foreign, fields_of, layer_class, make_class
from .spec import Similarity

_registered: Final[list[Foreign]] = []  # TensorRT's registry keeps addresses without references


def register(trt: ModuleType, library: Library | None = None) -> bool:
    """Register the plugin with ``tensorrt`` in this process; return False if it is registered.

    ``library`` None opens the first libcsakit of the search path.

    Raises:
        EngineError: this TensorRT takes no plugins in Python, or refused it.
        LibraryError: libcsakit is not built.
    """
    _require_python_plugins(trt)
    creator = make_creator(trt, library or load())
    registry = trt.get_plugin_registry()
    if any(_triple(known) == _triple(creator) for known in registry.all_creators):
        return False
    if not registry.register_creator(creator, spec.NAMESPACE):
        raise EngineError(
            f"TensorRT {trt.__version__} refused to register {spec.NAME}\n"
            "Its log, which goes to the logger of the builder or runtime, has the reason."
        )
    _registered.append(creator)
    return True


def make_creator(trt: ModuleType, library: Library) -> Foreign:
    """Return the ``IPluginCreatorV3One`` of the plugin.

    It raises ContractError unless the only field is "similarity", with the name of one: there is no
    default, because both give plausible images and weights are trained for one of them.
    """
    return make_class(trt, _Creator, trt.IPluginCreatorV3One)(library)


def _require_python_plugins(trt: ModuleType) -> None:
    given = f"got {trt.__name__} {trt.__version__}"
    if trt.__name__.startswith("tensorrt_rtx"):
        raise EngineError(
            f"TensorRT for RTX takes no plugins; {given}\n"
            "Build from the model as exported: its CSA node has a function body."
        )
    if not hasattr(trt, "IPluginV3"):
        raise EngineError(
            f"plugins need TensorRT 10.3 or newer; {given}\n"
            "Update it with: pip install --upgrade tensorrt"
        )
    if not hasattr(trt, "TensorFormat"):  # seen in tensorrt_lean 11.4
        raise EngineError(
            f"Python plugins need a module with tensor formats; {given}\n"
            "Load the C++ plugin: get_plugin_registry().load_library('libcsakit_trt.so')"
        )


def _triple(creator: Foreign) -> tuple[str, str, str]:
    return creator.name, creator.plugin_version, creator.plugin_namespace


class _Creator:
    """Creates plugins from fields; ``make_class`` adds the base."""

    trt: Foreign

    def __init__(self, library: Library) -> None:
        self.library = library
        self.name = spec.NAME
        self.plugin_version = spec.VERSION
        self.plugin_namespace = spec.NAMESPACE
        self.field_names = fields_of(self.trt, "")

    def create_plugin(self, name: str, fields: Iterable[Foreign], phase: object) -> Foreign:
        """Create a plugin from the fields of a node or of an engine."""
        return layer_class(self.trt)(self.library, self._similarity(list(fields)))

    def _similarity(self, fields: Sequence[Foreign]) -> Similarity:
        for field in fields:
            if field.name != spec.ATTRIBUTE:
                raise ContractError(
                    f'{spec.NAME}: the only field is {spec.ATTRIBUTE}; got "{field.name}"'
                )
            if field.type != self.trt.PluginFieldType.CHAR:
                raise ContractError(
                    f"{spec.NAME}: field {spec.ATTRIBUTE} must be a string (CHAR); got {field.type}"
                )
        if not fields:
            raise ContractError(
                f"{spec.NAME}: field {spec.ATTRIBUTE} is missing; "
                f"give one of {', '.join(spec.SIMILARITIES)}, as `csakit export` does"
            )
        text = bytes(fields[-1].data).partition(b"\0")[0].decode(errors="replace")
        if text not in spec.SIMILARITIES:
            raise ContractError(
                f"{spec.NAME}: field {spec.ATTRIBUTE} must be one of "
                f'{", ".join(spec.SIMILARITIES)}; got "{text}"'
            )
        return text
