"""Build an engine and its manifest from ONNX: prepare, parse, build, audit, write."""

import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from ...plugins.architectures import SUPPORTED, covers, devices
from ...plugins.errors import ContractError, EngineError
from ...runtime import contract
from ...runtime.engine.manifest import SUFFIX, Manifest, Precision, manifest_path
from ...runtime.engine.tensorrt_module import LoadedPlugin, load_plugin
from ...runtime.files.atomic import atomic_write
from ...runtime.files.failures import is_file, named
from ...runtime.files.onnx_weights import require_finite_weights
from ..graph import surgery
from .builder import Interrupts, build_plan, timing_cache
from .config import BuildConfig
from .manifest_writer import BuildRequest, BuildResult, describe
from .parser import parse
from .precision_audit import audit, engine_types, inspect_plan, network_types
from .profiles import add_profile, resolve_shapes
from .tensorrt_api import (
    make_builder,
    make_config,
    make_network,
    open_module,
    resolve_targets,
    set_targets,
)

logger = logging.getLogger(__name__)
_FROM_AMPERE: Final = tuple(name for name in SUPPORTED if name != "sm_75")


@dataclasses.dataclass(frozen=True)
class Built:
    """A built engine and its manifest, as written."""

    engine: Path  # the plan
    manifest: Manifest


def build_engine(
    model: str | Path,
    output: str | Path,
    config: BuildConfig | None = None,
    progress: Callable[[str], object] = logger.info,
) -> Built:
    """Build an engine and write it with its manifest.

    Args:
        model: written by ``csakit export``.
        output: ends in ``.engine``; replaced atomically, as the manifest beside it is.
        config: build options; None is TensorRT's defaults with the plugin.
        progress: called with a one-line status.

    Returns:
        The engine and its manifest. The manifest is moved to its name first: after an
        interruption between the two, its hash matches no engine.

    Raises:
        ContractError: the model or the output is not usable, or the model was not exported
            for these shapes.
        LibraryError: TensorRT or the plugin is missing.
        EngineError: TensorRT refuses the model or cannot build it here.
        PrecisionError: the engine does not compute in the precision of its model.
        KeyboardInterrupt: after TensorRT has stopped; nothing is written.
    """
    model, output, config = Path(model), Path(output), config or BuildConfig()
    if output.suffix != SUFFIX:
        raise ContractError(f"an engine's name must end in {SUFFIX}; got {output.name}")
    if not is_file(model):
        raise ContractError(f"the model must be an existing file; got {named(model)}")
    proto = surgery.read(str(model), weights=False)  # TensorRT reads the weights itself
    require_finite_weights(model)  # a uint8 engine would hide NaN
    shapes = resolve_shapes(proto, config)
    module = open_module(config.builder)
    targets = resolve_targets(config)
    request = BuildRequest(
        module=module, proto=proto, path=model, config=config, shapes=shapes, targets=targets
    )
    with atomic_write(output) as plan_file, atomic_write(manifest_path(output)) as manifest_file:
        progress(f"building {output} with {module.title} for {', '.join(targets)}: {shapes}")
        with Interrupts() as interrupts:
            result = _build(request, interrupts)
            precision = _audit(result)
        plan_file.write_bytes(result.plan)
        described = describe(result, precision, engine=output)
        manifest_file.write_text(described.text())
    return Built(output, described)


def _build(request: BuildRequest, interrupts: Interrupts) -> BuildResult:
    """Build a plan and free the builder: before that, an embedded plugin cannot be registered."""
    module, config = request.module, request.config
    builder = make_builder(module)
    builder_config = make_config(module, builder, config)
    set_targets(module, builder_config, request.targets)
    plugin = None
    if config.wants_plugin and surgery.csa_nodes(request.proto):
        registry = builder.get_plugin_registry() if config.embed_plugin else None
        plugin = load_plugin(module, embed=config.embed_plugin, registry=registry)
        if config.embed_plugin:
            builder_config.plugins_to_serialize = [str(plugin.library)]
        _warn_of_architectures(plugin, config)
    network = make_network(module, builder)
    prepared = surgery.for_tensorrt(request.proto, plugin=plugin is not None)
    parse(module, network, prepared, request.path)
    add_profile(builder, builder_config, network, request.shapes)
    types = network_types(module, network)
    with timing_cache(module, builder_config, config.timing_cache):
        plan = build_plan(module, builder, network, builder_config, interrupts)
    tensors = _tensors(network)
    return BuildResult(request=request, plan=plan, plugin=plugin, types=types, tensors=tensors)


def _audit(result: BuildResult) -> Precision:
    """Audit the precision; warn if the plan cannot be opened here."""
    request, layers = result.request, None
    try:
        layers = inspect_plan(request.module, result.plan, devices(), request.targets)
    except EngineError as error:
        logger.warning("the layers of the engine are not audited: %s", error)
    stated = surgery.metadata_of(request.proto).get(contract.META_PRECISION, "")
    return audit(stated, result.types, None if layers is None else engine_types(layers))


def _warn_of_architectures(plugin: LoadedPlugin, config: BuildConfig) -> None:
    """Warn if the engine runs on GPUs that the plugin has no kernels for."""
    held = plugin.architectures  # empty if unknown
    if config.portable == "ampere+" and held and not all(covers(held, n) for n in _FROM_AMPERE):
        logger.warning(
            "--portable ampere+: the engine runs on later GPUs, but %s has code for %s alone; for "
            "the others build it again: csakit plugin build --arch all",
            plugin.library,
            ", ".join(held),
        )


def _tensors(network: Any) -> tuple[tuple[str, str, str, tuple[int, ...]], ...]:  # noqa: ANN401
    inputs = [network.get_input(index) for index in range(network.num_inputs)]
    outputs = [network.get_output(index) for index in range(network.num_outputs)]
    return tuple(
        (tensor.name, role, tensor.dtype.name, tuple(tensor.shape))
        for role, tensors in (("input", inputs), ("output", outputs))
        for tensor in tensors
    )
