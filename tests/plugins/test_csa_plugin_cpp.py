"""The C++ plugin, called by a C++ program in the place of TensorRT; see ``cpp/plugin_test.cpp``."""

from pathlib import Path

import pytest
from helpers.trt_plugin import (
    CPP,
    compile_against_fake,
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
