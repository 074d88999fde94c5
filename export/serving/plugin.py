"""The self-registering plugin library that Triton's TensorRT backend opens.

It must be built with headers of the engine's major version of TensorRT, for the engine's GPU.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ...plugins.architectures import covers
from ...plugins.installed import LibraryStatus, library_status
from ...plugins.locations import BUILD_COMMAND, file_name
from ...runtime.engine.manifest import Manifest

FOLDER: Final = "plugins"  # in the output, next to the models
LIBRARY: Final = file_name("csakit_trt_autoreg")


@dataclasses.dataclass(frozen=True)
class PluginNeed:
    """The plugin library that an engine needs, or why none fits."""

    library: Path | None  # None where none fits
    problem: str  # why none fits; empty otherwise
    command: str  # builds it, in the folder of the output


def plugin_need(manifest: Manifest) -> PluginNeed | None:
    """Return the plugin library for an engine; None if it needs none or embeds it."""
    build = manifest.build
    if build.plugin is None or build.plugin.embedded:
        return None
    major = build.version.partition(".")[0]
    headers = f"/path/to/TensorRT-{major}/include"
    command = (
        f"{BUILD_COMMAND} --arch {','.join(build.targets)} --tensorrt-include {headers} -o {FOLDER}"
    )
    status = library_status("csakit_trt_autoreg")
    problem = _problem(status, build.targets, major)
    return PluginNeed(None if problem else status.path, problem, command)


def _problem(status: LibraryStatus, targets: Sequence[str], major: str) -> str:
    """Return why a library cannot be used; empty if it can, as far as is known."""
    if status.path is None:
        return f"{LIBRARY} is not built"
    if status.problem is not None:
        return status.problem.splitlines()[0]
    if status.fresh is not True:
        return f"{status.path} is {status.freshness}"
    if status.tensorrt is None or status.tensorrt.partition(".")[0] != major:
        return (
            f"{status.path} is built with the headers of TensorRT {status.tensorrt}; the engine "
            f"needs those of {major}"
        )
    missing = [target for target in targets if not covers(status.architectures, target)]
    if missing:
        held = ", ".join(status.architectures)
        return f"{status.path} is built for {held}; the engine is for {', '.join(missing)}"
    return ""
