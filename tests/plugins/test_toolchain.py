"""nvcc is found where users have it; what is missing is named with what to install.

The compilers here are scripts that answer as the real ones do; the builds use the real ones.
"""

from pathlib import Path

import pytest
from csakit.plugins import toolchain
from csakit.plugins.errors import LibraryError
from csakit.plugins.toolchain import WHEELS, Toolchain, find_cmake, find_nvcc, find_toolchain
from helpers.native import require_toolchain

NVCC = """#!/bin/sh
case "$1" in
  --version) echo "Cuda compilation tools, release 13.0, V{version}" ;;
  --list-gpu-code) printf 'sm_75\\nsm_90\\n' ;;
  --list-gpu-arch) printf 'compute_75\\ncompute_90\\n' ;;
esac
"""

HOST = """#!/bin/sh
case "$1" in -dumpmachine) echo aarch64-linux-gnu ;; *) echo 12.2.0 ;; esac
"""


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def nvcc(path: Path, version: str = "13.0.88") -> Path:
    return script(path, NVCC.format(version=version))


@pytest.fixture(autouse=True)
def path_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH, with a host compiler and no nvcc; no toolkit elsewhere."""
    for variable in ("CUDA_HOME", "CUDA_PATH", "NVCC_CCBIN"):
        monkeypatch.delenv(variable, raising=False)
    folder = tmp_path / "path"
    script(folder / "g++", HOST)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(toolchain, "USUAL_NVCC", tmp_path / "usual" / "bin" / "nvcc")
    return folder


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The toolkit as Python packages install it."""
    monkeypatch.syspath_prepend(tmp_path / "site-packages")
    root = tmp_path / "site-packages" / "nvidia" / "cu13"
    nvcc(root / "bin" / "nvcc")
    for file in WHEELS:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()
    return root


def test_the_places_are_searched_in_the_stated_order(
    tmp_path: Path, path_folder: Path, monkeypatch: pytest.MonkeyPatch, wheels: Path
) -> None:
    nvcc(wheels.parent / "cu12" / "bin" / "nvcc")
    home, other = (nvcc(tmp_path / name / "bin" / "nvcc") for name in ("home", "other"))
    on_path, usual = nvcc(path_folder / "nvcc"), nvcc(tmp_path / "usual" / "bin" / "nvcc")
    monkeypatch.setenv("CUDA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CUDA_PATH", str(tmp_path / "other"))

    assert find_nvcc() == (home, "CUDA_HOME")
    monkeypatch.delenv("CUDA_HOME")
    assert find_nvcc() == (other, "CUDA_PATH")
    monkeypatch.delenv("CUDA_PATH")
    assert find_nvcc() == (on_path, "PATH")
    on_path.unlink()
    assert find_nvcc() == (usual, str(tmp_path / "usual"))
    usual.unlink()
    assert find_nvcc() == (wheels / "bin" / "nvcc", "Python packages of NVIDIA")


def test_both_compilers_are_asked_what_they_are(path_folder: Path) -> None:
    nvcc(path_folder / "nvcc")

    found = find_toolchain()

    assert found == Toolchain(
        nvcc=path_folder / "nvcc",
        version="13.0.88",
        source="PATH",
        host=str(path_folder / "g++"),
        host_version="12.2.0",
        machine="aarch64",
        architectures=frozenset({"sm_75", "sm_90", "compute_75", "compute_90"}),
    )
    assert str(found) == "nvcc 13.0.88 with g++ 12.2.0"


def test_without_nvcc_both_ways_to_install_it_are_named() -> None:
    with pytest.raises(LibraryError, match="nvcc is missing") as caught:
        find_toolchain()

    assert "CUDA toolkit and put its nvcc on PATH (or set CUDA_HOME)" in str(caught.value)
    assert "pip install nvidia-cuda-nvcc nvidia-nvvm nvidia-cuda-crt" in str(caught.value)


@pytest.mark.parametrize("variable", ["CUDA_HOME", "CUDA_PATH"])
def test_a_variable_that_leads_nowhere_is_an_error_though_nvcc_is_on_path(
    path_folder: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    nvcc(path_folder / "nvcc")
    monkeypatch.setenv(variable, "/nowhere")

    with pytest.raises(LibraryError, match=f"{variable} must name .* no /nowhere/bin/nvcc"):
        find_toolchain()


def test_the_python_packages_that_are_missing_are_named(wheels: Path) -> None:
    (wheels / "nvvm" / "bin" / "cicc").unlink()
    (wheels / "include" / "cccl" / "nv" / "target").unlink()

    with pytest.raises(LibraryError, match=r"pip install nvidia-cuda-cccl nvidia-nvvm$"):
        find_toolchain()


def test_complete_python_packages_are_enough(wheels: Path) -> None:
    assert find_toolchain().nvcc == wheels / "bin" / "nvcc"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (NVCC.format(version="11.4.152"), r"nvcc must be 11\.8 or newer; .*nvcc is 11\.4\.152\n"),
        ("#!/bin/sh\nexit 1\n", "failed: "),
        ("#!/bin/sh\necho no version\n", "does not state its version"),
        ("x", "cannot run "),
    ],
)
def test_an_nvcc_that_is_too_old_or_broken_is_an_error_with_a_remedy(
    path_folder: Path, text: str, reason: str
) -> None:
    script(path_folder / "nvcc", text)

    with pytest.raises(LibraryError, match=f"{reason}(.|\n)*Install NVIDIA's CUDA toolkit"):
        find_toolchain()


def test_a_missing_host_compiler_is_named(path_folder: Path) -> None:
    nvcc(path_folder / "nvcc")
    (path_folder / "g++").unlink()

    with pytest.raises(LibraryError, match=r"nvcc needs a C\+\+ compiler; there is no g\+\+\nInst"):
        find_toolchain()


@pytest.mark.parametrize("as_folder", [False, True])
def test_the_host_compiler_may_be_named(
    tmp_path: Path, path_folder: Path, monkeypatch: pytest.MonkeyPatch, as_folder: bool
) -> None:
    nvcc(path_folder / "nvcc")
    other = script(tmp_path / "gcc11" / "g++", "#!/bin/sh\necho 11.4.0\n")
    monkeypatch.setenv("NVCC_CCBIN", str(other.parent if as_folder else other))

    found = find_toolchain()

    assert (found.host, found.host_version) == (str(other), "11.4.0")


@pytest.mark.parametrize(
    ("there", "missing"), [((), "CMake, Ninja"), (("cmake",), "Ninja"), (("ninja",), "CMake")]
)
def test_cmake_and_ninja_that_are_missing_are_named_with_both_ways_to_install_them(
    tmp_path: Path,
    path_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    there: tuple[str, ...],
    missing: str,
) -> None:
    scripts = tmp_path / "environment" / "bin"  # not activated, so not on PATH
    monkeypatch.setattr(toolchain.sysconfig, "get_path", lambda _: str(scripts))
    for name in there:
        script(scripts / name, "#!/bin/sh\n")

    remedy = r"pip install cmake ninja   or, .*: apt install cmake ninja-build"
    with pytest.raises(LibraryError, match=rf"missing: {missing}\n.*{remedy}"):
        find_cmake()
    for name in ("cmake", "ninja"):
        script(scripts / name, "#!/bin/sh\n")
    assert find_cmake() == (str(scripts / "cmake"), str(scripts / "ninja"))
    on_path = script(path_folder / "cmake", "#!/bin/sh\n")
    assert find_cmake()[0] == str(on_path)


def test_the_compilers_of_this_machine_are_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    found = require_toolchain()

    assert found.version.count(".") == 2
    assert found.host_version[0].isdigit()
    assert {"sm_90", "compute_90"} <= found.architectures
