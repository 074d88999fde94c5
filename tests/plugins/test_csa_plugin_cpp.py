"""The C++ plugin, called by a C++ program in the place of TensorRT; see ``cpp/plugin_test.cpp``."""

import os
from pathlib import Path

import pytest
from helpers.native import source_files
from helpers.trt_plugin import (
    CPP,
    ROOT,
    compile_against_fake,
    compile_program,
    plugin_libraries,
    run_or_fail,
)

CASES = (
    "clonesKeepTheSimilarity",
    "creatorNamesItsField",
    "formatsAreLinearOrChannelsLast",
    "messagesGoOnlyToALoggerOfOurTensorRT",
    "nullPointersFailAndDoNotCrash",
    "otherFieldsAreRefused",
    "outputHasTheShapeOfTheFeatures",
    "outputHasTheTypeOfTheFeatures",
    "serialisedFieldsMakeTheSamePlugin",
    "shapesThatDoNotFitAreRefused",
    "validFieldsMakePlugins",
    "workspaceServesTheLargestProfile",
)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    names = ("plugin_test.cpp", "creator_cases.cpp", "layer_cases.cpp")
    return compile_against_fake([CPP / name for name in names], tmp_path_factory.mktemp("cpp"))


def test_every_case_of_the_program_is_listed_here(program: Path) -> None:
    assert tuple(run_or_fail([str(program), "--list"]).split()) == CASES


@pytest.mark.parametrize("case", CASES)
def test_the_plugin_keeps_its_contract_with_tensorrt(program: Path, case: str) -> None:
    library = plugin_libraries() / "libcsakit_trt.so"

    run_or_fail([str(program), str(library), case])


HEADERS = os.environ.get("CSAKIT_TENSORRT_HEADERS")  # a folder of folders, one a version
VERSIONS = sorted(path for path in Path(HEADERS).iterdir() if path.is_dir()) if HEADERS else []


@pytest.mark.skipif(not VERSIONS, reason="CSAKIT_TENSORRT_HEADERS names no headers of TensorRT")
@pytest.mark.parametrize(
    "source", [*source_files("tensorrt"), *source_files("trt")], ids=lambda path: path.name
)
@pytest.mark.parametrize("headers", VERSIONS, ids=lambda path: path.name)
def test_the_plugin_compiles_against_every_version(
    headers: Path, source: Path, tmp_path: Path
) -> None:
    includes = (f"-I{ROOT}/plugins/{name}" for name in ("include", "csrc"))

    compile_program([source], tmp_path / "object.o", "-c", *includes, headers=headers)
