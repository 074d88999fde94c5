"""A record holds what belongs together, and times of right results only."""

import math
from typing import Any

import pytest
from csakit.benchmarks.record import DeviceTimes, Model, Parity
from csakit.plugins.errors import ContractError
from helpers.records import CENTRE, EXACT, measured, record_of


@pytest.mark.parametrize(
    ("fields", "passed"),
    [
        ({"max_abs": 1e-4, "max_abs_limit": 1e-4}, True),
        ({"max_abs": 1.1e-4, "max_abs_limit": 1e-4}, False),
        ({"max_abs": math.nan, "max_abs_limit": 1e-4}, False),
        ({"max_abs": math.nan}, False),
        ({"max_abs": math.inf}, False),
        ({"max_abs": 0.5}, True),
        ({"max_abs": 0.5, "psnr_db": 45.0, "psnr_db_limit": 45.0}, True),
        ({"max_abs": 0.5, "psnr_db": 44.9, "psnr_db_limit": 45.0}, False),
        ({"max_abs": 0.5, "psnr_db": math.nan, "psnr_db_limit": 45.0}, False),
        ({"max_abs": 0.0, "psnr_db": None, "psnr_db_limit": 45.0}, True),
    ],
)
def test_parity_passes_within_its_limits_and_never_with_nan(
    fields: dict[str, Any], passed: bool
) -> None:
    assert Parity(reference="torch", images=1, **fields).passed is passed


def test_times_of_a_wrong_result_are_refused() -> None:
    wrong = Parity(reference="torch", images=1, max_abs=0.2, max_abs_limit=1e-4)

    with pytest.raises(ContractError, match="ort computed something else, so its times mean"):
        measured("ort", parity=wrong)


@pytest.mark.parametrize("samples", [(), (1.0, math.nan), (1.0, -2.0), (0.0,), (math.inf,)])
def test_samples_that_are_no_times_are_refused(samples: tuple[float, ...]) -> None:
    with pytest.raises(ContractError, match="ort must have"):
        measured("ort", samples)


def test_samples_fill_whole_turns() -> None:
    with pytest.raises(ContractError, match="ort must have samples in turns of 3; got 4"):
        measured("ort", (1.0, 2.0, 3.0, 4.0), calls_per_turn=3)


def test_device_times_are_one_for_every_sample() -> None:
    device = DeviceTimes(to_device_ms=(0.1,), compute_ms=(1.0,), to_host_ms=(0.1,))

    assert measured("trt", (2.0,), device=device).device == device
    with pytest.raises(ContractError, match="as many of each kind"):
        measured("trt", (2.0, 2.0), device=device)


@pytest.mark.parametrize("batch", [0, -1, 2.5, "two", True])
def test_a_batch_is_a_number_of_images(batch: Any) -> None:  # noqa: ANN401
    with pytest.raises(ContractError, match="a batch must have at least 1 image"):
        measured("ort", case=CENTRE | {"batch": batch})


def test_the_summary_counts_the_images_of_a_batch() -> None:
    summary = measured("ort", (100.0, 300.0), CENTRE | {"batch": 4}).summary

    assert summary.p50_ms == 200.0
    assert summary.items_per_s == 20.0


def test_a_hash_is_a_hash() -> None:
    fields: dict[str, Any] = {"attention": "csa", "similarity": "cosine", "weights_bytes": 4}

    with pytest.raises(ContractError, match="sha256 must be 64 digits"):
        Model(name="demo", sha256="abc", width=1, **fields)


def test_measurements_of_the_same_thing_are_not_two() -> None:
    with pytest.raises(ContractError, match="every measurement must be named once"):
        record_of(measured("ort"), measured("ort", (5.0,)))


def test_a_measurement_belongs_to_a_rival_of_the_record() -> None:
    with pytest.raises(ContractError, match="ort of demo was measured and not described"):
        record_of(measured("ort"), rivals=())


def test_an_operator_alone_needs_no_model() -> None:
    record = record_of(measured("torch", model=None, parity=EXACT), kind="attention")

    assert record.models == ()
    assert record.measurements[0].key == (None, "torch", tuple(sorted(CENTRE.items())))
