"""The table and the JSON of an evaluation, word by word."""

import json
import math

from csakit.train.evaluation.report import SCHEMA, Evaluation
from csakit.train.evaluation.scores import Run, evaluate
from helpers.scored import lighter, lighter_by_grey, model_of, pair

SMALL = [pair("a", grey=10, missing=160), pair("b", grey=20, missing=320)]
SQUARE = [pair("a", grey=10, missing=400), pair("b", grey=20, missing=400)]


def evaluation_of(runs: dict[str, Run], **rest: object) -> Evaluation:
    models = {name: model_of(run, name) for name, run in runs.items()}
    reports = {
        kind: {name: evaluate(run, pairs) for name, run in runs.items()}
        for kind, pairs in (("center", SQUARE), ("freeform", SMALL))
    }
    return Evaluation(data={"size": 40}, models=models, reports=reports, **rest)


def test_the_table_is_aligned_and_has_every_number() -> None:
    table = evaluation_of({"m.onnx": lighter(51)}).table()

    lines = table.splitlines()
    measures = "L1 %   L2 %    SSIM  PSNR dB"
    assert lines[1] == f"masks     hole %  images  model   {measures}    {measures}"
    rows = [line.split() for line in lines[2:]]
    assert [row[:4] for row in rows] == [
        ["center", "20-30", "2", "m.onnx"],
        ["freeform", "all", "2", "m.onnx"],
        ["freeform", "0-10", "1", "m.onnx"],
        ["freeform", "10-20", "1", "m.onnx"],
    ]
    assert [row[4:6] + row[8:10] for row in rows] == [
        ["5.00", "1.000", "20.00", "4.000"],
        ["3.00", "0.600", "20.00", "4.000"],
        ["2.00", "0.400", "20.00", "4.000"],
        ["4.00", "0.800", "20.00", "4.000"],
    ]
    assert [row[7] for row in rows] == ["20.00", "22.47", "23.98", "20.97"]
    assert {row[11] for row in rows} == {"13.98"}
    assert len({len(line) for line in lines[1:]}) == 1
    assert lines[0].index("whole image") == lines[1].index("L1 %")
    assert lines[0].index("inside the hole") == lines[1].rindex("L1 %")


def test_models_to_compare_stand_below_each_other() -> None:
    table = evaluation_of({"worse": lighter(51), "better": lighter(5)}).table()

    rows = [line.split()[:4] for line in table.splitlines()[2:]]
    assert rows[:4] == [
        ["center", "20-30", "2", "worse"],
        ["center", "20-30", "2", "better"],
        ["freeform", "all", "2", "worse"],
        ["freeform", "all", "2", "better"],
    ]


def test_the_json_has_what_repeats_and_what_explains_the_numbers() -> None:
    evaluation = evaluation_of({"m.onnx": lighter(51)}, broken=("x.png: corrupt",))

    record = json.loads(json.dumps(evaluation.to_json(), allow_nan=False))

    assert (record["schema"], record["passed"]) == (SCHEMA, True)
    assert record["data"] == {"size": 40}
    assert record["broken"] == ["x.png: corrupt"]
    assert {"python", "csakit", "numpy", "scikit-image", "torch"} <= record["libraries"].keys()
    (model,) = record["models"]
    assert {key: model[key] for key in ("name", "file", "sha256", "backend", "facts")} == {
        "name": "m.onnx",
        "file": "m.onnx",
        "sha256": "5" * 64,
        "backend": "torch",
        "facts": {},
    }
    freeform = model["masks"]["freeform"]
    assert [row["bucket"] for row in freeform["rows"]] == ["all", "0-10", "10-20"]
    assert [(image["name"], image["bucket"]) for image in freeform["images"]] == [
        ("a", "0-10"),
        ("b", "10-20"),
    ]
    for some in (*freeform["rows"], *freeform["images"]):
        assert (
            set(some["whole"])
            == set(some["inside"])
            == set(record["definitions"]) - {*("result", "means", "bucket", "sharpness", "margins")}
        )
    assert freeform["rows"][0]["inside"]["l1_percent"] == 20.0
    assert freeform["images"][1]["hole_ratio"] == 0.2
    assert "/somewhere" not in json.dumps(record)


def test_what_is_no_number_is_null_in_json_and_nan_in_the_table() -> None:
    evaluation = evaluation_of({"bad": lighter_by_grey({10: math.nan, 20: 5.0})})

    record = json.loads(json.dumps(evaluation.to_json(), allow_nan=False))

    center = record["models"][0]["masks"]["center"]
    assert not record["passed"]
    assert center["not_finite"] == ["a"]
    assert set(center["rows"][0]["inside"].values()) == {None}
    assert [image["finite"] for image in center["images"]] == [False, True]
    assert evaluation.table().splitlines()[2].split()[4:] == ["nan"] * 8
    assert evaluation.failures == [
        "bad returned NaN or infinity for center in 1 of 2 images, first a",
        "bad returned NaN or infinity for freeform in 1 of 2 images, first a",
    ]


def test_numbers_that_a_file_states_about_itself_may_be_no_numbers() -> None:
    model = model_of(lighter(1), training={"losses": [math.nan, 1.5], "best": math.inf})
    evaluation = Evaluation(
        data={}, models={"m": model}, reports={"center": {"m": evaluate(model.run, SQUARE)}}
    )

    record = json.loads(json.dumps(evaluation.to_json(), allow_nan=False))

    assert record["models"][0]["facts"] == {"training": {"losses": [None, 1.5], "best": None}}


def test_what_was_left_out_is_said() -> None:
    exact = evaluate(lighter(0), [*SQUARE, pair("empty", missing=0)])
    evaluation = Evaluation(
        data={},
        models={"m": model_of(lighter(0))},
        reports={"center": {"m": exact}},
        broken=("x.png: corrupt", "y.png: absent"),
    )

    assert evaluation.notes() == [
        "not scored, empty hole: 1 of center",
        "not read, broken: 2, first x.png: corrupt",
        "no PSNR, equal to the truth: 2 of center by m",
    ]


def test_nothing_is_said_where_nothing_was_left_out() -> None:
    evaluation = evaluation_of({"m": lighter(51)})

    assert (evaluation.notes(), evaluation.failures, evaluation.passed) == ([], [], True)
