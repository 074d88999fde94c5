"""Results are held against the limits of exported files, image by image."""

import numpy as np
import pytest
from csakit.benchmarks.latency.cases import Case, make_cases
from csakit.benchmarks.latency.interleave import compare
from csakit.benchmarks.latency.plan import Plan
from csakit.plugins.errors import ContractError

FP32 = {"precision": "fp32", "io": "float"}


@pytest.fixture
def case() -> Case:
    return make_cases(Plan(batches=(2,), holes=("0.3",)))[0]


def test_equal_results_have_no_error(case: Case) -> None:
    compared = compare(case.image, case.image.copy(), case, FP32)

    assert (compared.max_abs, compared.psnr_db, compared.images) == (0.0, None, 2)
    assert (compared.max_abs_limit, compared.psnr_db_limit) == (1e-4, 80.0)
    assert compared.passed


@pytest.mark.parametrize(
    ("image", "missing", "change"), [(1, 1, 0.01), (0, 0, 0.01), (0, 0, np.nan)]
)
def test_one_wrong_pixel_of_one_image_is_found(
    case: Case, image: int, missing: int, change: float
) -> None:
    wrong = case.image.copy()
    row, column = np.argwhere(case.hole[image, 0] == missing)[0]
    wrong[image, 2, row, column] += change

    compared = compare(wrong, case.image, case, FP32)

    assert compared.max_abs == pytest.approx(change, rel=1e-4, nan_ok=True)
    assert not compared.passed


def test_the_worst_image_counts(case: Case) -> None:
    wrong = case.image.copy()
    wrong[0] += 1e-6
    wrong[1] += 1e-5

    compared = compare(wrong, case.image, case, FP32)

    assert compared.psnr_db == pytest.approx(20 * np.log10(2 / 1e-5), abs=0.2)


@pytest.mark.parametrize(
    ("options", "limits"),
    [
        (FP32, (1e-4, 80.0)),
        ({"precision": "fp16", "io": "float"}, (None, 45.0)),
        ({"precision": "fp32", "io": "uint8"}, (1e-4 + 1 / 127.5, 48.0)),
        ({"precision": "fp16", "io": "uint8"}, (None, 45.0)),
    ],
)
def test_the_options_of_a_file_decide_its_limits(
    case: Case, options: dict[str, str], limits: tuple[float | None, float]
) -> None:
    compared = compare(case.image, case.image, case, options)

    assert (compared.max_abs_limit, compared.psnr_db_limit) == limits


def test_a_precision_without_limits_is_refused(case: Case) -> None:
    with pytest.raises(ContractError, match=r"a precision must be one of fp32, .*; got 'fp4'"):
        compare(case.image, case.image, case, {"precision": "fp4", "io": "float"})


def test_a_result_of_another_shape_is_refused(case: Case) -> None:
    with pytest.raises(ContractError, match=r"a result must have shape \(2, 3, 256, 256\)"):
        compare(case.image[:1], case.image, case, FP32)
