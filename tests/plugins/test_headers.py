"""TensorRT's headers are found in the stated order; where there are none, how to get them."""

from pathlib import Path

import pytest
from csakit.plugins import toolchain
from csakit.plugins.errors import LibraryError
from csakit.plugins.toolchain import (
    INCLUDE_VARIABLE,
    Headers,
    find_headers,
    headers_folder,
    how_to_get_headers,
)

PLAIN = "#define NV_TENSORRT_MAJOR {} //!< major\n#define NV_TENSORRT_MINOR {} //!< minor\n"
INDIRECT = """#define TRT_MAJOR_ENTERPRISE {}
#define TRT_MINOR_ENTERPRISE {}
#define NV_TENSORRT_MAJOR TRT_MAJOR_ENTERPRISE //!< major
#define NV_TENSORRT_MINOR TRT_MINOR_ENTERPRISE //!< minor
"""


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable, no system packages, an empty cache, no TensorRT."""
    monkeypatch.delenv(INCLUDE_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(toolchain, "SYSTEM_FOLDERS", (tmp_path / "system",))
    install(monkeypatch, None)


def install(monkeypatch: pytest.MonkeyPatch, version: str | None) -> None:
    monkeypatch.setattr(toolchain, "installed_tensorrt", lambda: version)


def put(folder: Path, major: int = 10, minor: int = 13, form: str = INDIRECT) -> Path:
    folder.mkdir(parents=True)
    text = form.format(major, minor) + "#define NV_TENSORRT_PATCH 2\n"
    (folder / "NvInferVersion.h").write_text(text)
    (folder / "NvInferRuntime.h").touch()
    return folder


@pytest.mark.parametrize("form", [PLAIN, INDIRECT], ids=["until 10.12", "since 10.13"])
def test_the_version_is_read_from_the_headers(tmp_path: Path, form: str) -> None:
    folder = put(tmp_path / "include", form=form)

    assert find_headers(folder) == Headers(folder, "10.13.2")


def test_the_folder_above_is_taken_too(tmp_path: Path) -> None:
    folder = put(tmp_path / "TensorRT" / "include")

    assert find_headers(tmp_path / "TensorRT") == Headers(folder, "10.13.2")


def test_the_places_are_searched_in_the_stated_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, named = put(tmp_path / "given"), put(tmp_path / "named")
    system, cached = put(tmp_path / "system"), put(headers_folder() / "10.13")
    monkeypatch.setenv(INCLUDE_VARIABLE, str(named))

    assert find_headers(given) == Headers(given, "10.13.2")
    assert find_headers() == Headers(named, "10.13.2")
    monkeypatch.delenv(INCLUDE_VARIABLE)
    assert find_headers() == Headers(system, "10.13.2")
    (system / "NvInferRuntime.h").unlink()
    assert find_headers() == Headers(cached, "10.13.2")
    (cached / "NvInferRuntime.h").unlink()
    assert find_headers() is None


def test_of_the_cache_the_installed_version_comes_first_and_then_the_newest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for major, minor in ((10, 3), (10, 13), (11, 1)):
        put(headers_folder() / f"{major}.{minor}", major, minor)

    newest = find_headers()
    install(monkeypatch, "10.3.0.26")
    installed = find_headers()

    assert (newest and newest.version, installed and installed.version) == ("11.1.2", "10.3.2")


@pytest.mark.parametrize("source", ["option", "variable"])
def test_a_folder_without_headers_is_an_error_where_it_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    put(tmp_path / "system")
    monkeypatch.setenv(INCLUDE_VARIABLE, str(tmp_path / "wrong"))
    given = tmp_path / "wrong" if source == "option" else None

    with pytest.raises(LibraryError, match=r"must name a folder that holds NvInferRuntime\.h; got"):
        find_headers(given)


def test_headers_older_than_the_plugin_needs_are_refused(tmp_path: Path) -> None:
    put(tmp_path / "old", 10, 2)

    with pytest.raises(LibraryError, match=r"must be 10\.3 or newer; .* is 10\.2\.2"):
        find_headers(tmp_path / "old")


@pytest.mark.parametrize("text", [PLAIN.format(8, 6), "", "#define NV_TENSORRT_MAJOR SOMETHING\n"])
def test_headers_of_the_system_that_are_old_or_state_no_version_are_passed_over(
    tmp_path: Path, text: str
) -> None:
    put(tmp_path / "system")
    patch = "#define NV_TENSORRT_PATCH 2\n" if text else ""
    (tmp_path / "system" / "NvInferVersion.h").write_text(text + patch)

    assert find_headers() is None


@pytest.mark.parametrize(
    ("installed", "release"),
    [
        ("10.13.3.9", "10.13"),
        ("10.0.1", "10.3"),  # headers older than 10.3 lack what the plugin needs
        ("10.99.0", "10.16"),  # not published: the newest of its generation
        ("11.4.0.106", "11.1"),
        (None, "11.1"),
    ],
)
def test_the_commands_fetch_the_headers_of_the_installed_version(
    monkeypatch: pytest.MonkeyPatch, installed: str | None, release: str
) -> None:
    install(monkeypatch, installed)

    text = how_to_get_headers()

    assert f"--branch release/{release} https://github.com/NVIDIA/TensorRT " in text
    assert f"/tensorrt-headers/{release}\n" in text
    assert (f"TensorRT {installed} is installed" in text) == (installed is not None)
