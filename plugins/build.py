"""Build the native libraries: libcsakit always, the TensorRT plugin where headers are at hand.

The libraries appear all at once, under their names, when everything compiled and linked. Kept
in the user's cache they are found by ``csakit.plugins.library`` without being named.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Final

from .abi import ABI_VERSION
from .architectures import choose, gencode
from .compiling import (
    Compilation,
    CompiledObject,
    compile_objects,
    make_folder,
    run_compiler,
    writable,
)
from .errors import ContractError
from .headers import SYSTEM_FOLDERS, Headers, find_headers
from .locations import HASH_DIGITS, RECORD_NAME, Kind, builds_folder, cache_folder, file_name
from .resources import KernelResources
from .sources import CSRC, Group, source_files, source_hash
from .toolchain import Toolchain, find_toolchain
from .versions import installed

RECORD_SCHEMA: Final = 1
_VERSION: Final = installed("csakit") or "unknown"
BUILD_INFO_SOURCE: Final = "abi.cpp"  # answers csakit_build_info
_OBJECT_DAYS: Final = 30  # an object that no build has used for so long is removed

# What each library is linked from, and the file that says what it shows.
_PARTS: Final = MappingProxyType[Kind, tuple[tuple[Group, ...], str]](
    {
        "csakit": (("kernels",), "exports.map"),
        "csakit_trt": (("kernels", "tensorrt", "trt"), "tensorrt/exports.map"),
        "csakit_trt_autoreg": (("kernels", "tensorrt", "autoreg"), "tensorrt/autoreg.map"),
    }
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class BuildConfig:
    """What to build.

    Attributes:
        architectures: "all", "native", or names such as "sm_75,sm_90".
        tensorrt_include: folder of TensorRT's headers; None looks in the usual places.
        output: folder for the libraries; None keeps them in the user's cache. Nothing is
            written to the cache if it is given.
        jobs: compilers at a time; None takes one for each core.
        warnings_as_errors: refuse what the compilers warn of.
        csrc: folder of the sources, with the folder ``include`` beside it.
    """

    architectures: str = "all"
    tensorrt_include: Path | None = None
    output: Path | None = None
    jobs: int | None = None
    warnings_as_errors: bool = False
    csrc: Path = CSRC

    def __post_init__(self) -> None:
        """Refuse numbers of jobs that mean nothing."""
        if self.jobs is not None and self.jobs < 1:
            raise ContractError(f"jobs must be at least 1; got {self.jobs}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Build:
    """What was built.

    Attributes:
        libraries: their files.
        source_hash: of what they were built from.
        architectures: that they hold code for.
        omitted: architectures of "all" that this nvcc does not know.
        toolchain: the compilers, in words.
        tensorrt: version of the headers; None if there were none.
        resources: what each kernel takes on each architecture.
        warnings: lines of the compilers.
        seconds: that it took.
    """

    libraries: tuple[Path, ...]
    source_hash: str
    architectures: tuple[str, ...]
    omitted: tuple[str, ...]
    toolchain: str
    tensorrt: str | None
    resources: tuple[KernelResources, ...]
    warnings: tuple[str, ...]
    seconds: float


def build(config: BuildConfig, progress: Callable[[str], None] = lambda _: None) -> Build:
    """Build the libraries.

    Args:
        config: what to build.
        progress: is told what begins, one line each.

    Returns:
        What was built.

    Raises:
        ContractError: an architecture is malformed or too old.
        LibraryError: a compiler or the headers asked for are missing, a source does not
            compile, or the folder cannot be written. The text says what to do.
    """
    start = time.monotonic()
    toolchain = find_toolchain()
    names, omitted = choose(config.architectures, toolchain.architectures)
    headers = find_headers(config.tensorrt_include)
    digest = source_hash(config.csrc)
    folder = config.output or builds_folder() / _key(digest, names, toolchain, headers)
    folder = folder.absolute()  # compilers run elsewhere
    kinds: list[Kind] = ["csakit", "csakit_trt", "csakit_trt_autoreg"]
    if headers is None:
        kinds = kinds[:1]
    progress(f"compiling for {', '.join(names)} with {toolchain}, found by {toolchain.source}")
    with _staging(folder) as staging:
        how = Compilation(
            toolchain=toolchain,
            architectures=tuple(names),
            csrc=config.csrc.absolute(),
            warnings_as_errors=config.warnings_as_errors,
        )
        objects = _compile(how, headers, config, staging, digest)
        for kind in kinds:
            progress(f"linking {file_name(kind)}")
            _link(kind, objects, how, staging)
        built = Build(
            libraries=tuple(folder / file_name(kind) for kind in kinds),
            source_hash=digest,
            architectures=tuple(names),
            omitted=tuple(omitted),
            toolchain=str(toolchain),
            tensorrt=headers.version if headers else None,
            resources=tuple(entry for made in objects.values() for entry in made.resources),
            warnings=tuple(_warnings(objects)),
            seconds=time.monotonic() - start,
        )
        (staging / RECORD_NAME).write_text(json.dumps(_record(built), indent=1))
        for name in (*(file_name(kind) for kind in kinds), RECORD_NAME):
            (staging / name).replace(folder / name)
    return built


def _key(digest: str, names: list[str], toolchain: Toolchain, headers: Headers | None) -> str:
    """Name the folder of a build by its sources, and by how it is built."""
    how = f"{names} {toolchain} {headers.version if headers else None} {_VERSION}"
    rest = hashlib.sha256(how.encode()).hexdigest()
    return f"{digest[:HASH_DIGITS]}-{rest[:HASH_DIGITS]}"


@contextlib.contextmanager
def _staging(folder: Path) -> Iterator[Path]:
    """Lend a temporary folder on the same disk, from which a move is atomic."""
    with writable(folder):
        make_folder(folder)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".build-") as name:
            yield Path(name)


def _compile(
    how: Compilation, headers: Headers | None, config: BuildConfig, staging: Path, digest: str
) -> dict[Path, CompiledObject]:
    """Compile every source that is needed; give the objects by their sources."""
    info = _write_build_info(how, staging, digest)
    informed = dataclasses.replace(how, preinclude=info)
    work = [
        (source, informed if source.name == BUILD_INFO_SOURCE else how)
        for source in source_files("kernels", how.csrc)
    ]
    if headers is not None:
        foreign = _system_includes(headers)
        with_headers = dataclasses.replace(how, system_includes=foreign)
        groups: tuple[Group, ...] = ("tensorrt", "trt", "autoreg")
        work += [
            (source, with_headers) for group in groups for source in source_files(group, how.csrc)
        ]
    jobs = config.jobs or len(os.sched_getaffinity(0))
    folder = staging if config.output else cache_folder() / "objects"
    objects = compile_objects(work, folder, jobs=jobs)
    if not config.output:
        _remove_old(folder)
    return {made.source: made for made in objects}


def _system_includes(headers: Headers) -> tuple[Path, ...]:
    """Name the folder, unless compilers look there anyway: naming it twice breaks <cstdlib>."""
    return () if headers.folder in SYSTEM_FOLDERS[:3] else (headers.folder.absolute(),)


def _write_build_info(how: Compilation, folder: Path, digest: str) -> Path:
    """Write the header that tells the library what it was built from."""
    values = {
        "VERSION": _VERSION,
        "SOURCE_HASH": digest,
        "COMPILER": str(how.toolchain),
        "ARCHITECTURES": ",".join(how.architectures),
    }
    path = folder / "csakit_build_info.h"
    lines = (f"#define CSAKIT_{name} {json.dumps(value)}\n" for name, value in values.items())
    path.write_text("".join(lines))  # a JSON string of ASCII is a C string as well
    return path


def _link(kind: Kind, objects: dict[Path, CompiledObject], how: Compilation, staging: Path) -> None:
    """Link one library into the staging folder."""
    groups, exports = _PARTS[kind]
    sources = [source for group in groups for source in source_files(group, how.csrc)]
    name = file_name(kind)
    script = staging / f"{kind}.map"  # here, because the path of csrc may hold blanks or commas
    shutil.copyfile(how.csrc / exports, script)
    run_compiler(
        [
            *(str(how.toolchain.nvcc), f"-ccbin={how.toolchain.host}", "-shared"),
            *("-cudart=static", *gencode(list(how.architectures))),
            *(str(objects[source].path) for source in sources),
            f"-Xlinker=--version-script={script.name}",
            # nodelete: TensorRT's registry keeps addresses of the library
            *("-Xlinker=--no-undefined", f"-Xlinker=-soname={name}", "-Xlinker=-z,nodelete"),
            *("-ldl", "-o", name),
        ],
        staging,
    )


def _warnings(objects: dict[Path, CompiledObject]) -> list[str]:
    """Pick what the compilers warn of out of what they print."""
    lines = (line for made in objects.values() for line in made.log.splitlines())
    return [line for line in lines if re.search(r"\bwarning\b", line, re.IGNORECASE)]


def _record(built: Build) -> dict[str, object]:
    """Write down what was built, for ``csakit plugin info``."""
    record = dataclasses.asdict(built)
    record["libraries"] = [path.name for path in built.libraries]
    return {
        "schema": RECORD_SCHEMA,
        "csakit": _VERSION,
        "abi": ABI_VERSION,
        **record,
    }


def _remove_old(folder: Path) -> None:
    """Remove objects that no build has used for a month."""
    oldest = time.time() - _OBJECT_DAYS * 86400
    for path in folder.glob("*.*"):
        with contextlib.suppress(OSError):  # another build may remove it at the same time
            if path.stat().st_mtime < oldest:
                path.unlink()
