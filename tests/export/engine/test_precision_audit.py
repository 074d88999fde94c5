"""The audit finds the precision of an engine, and believes no label.

TensorRT's inspector needs a GPU; its texts here have the two forms that TensorRT 8 to 11 write:
types as words, and types inside of a description of the layout.
"""

import json
from typing import Any

import pytest
from csakit.export.engine.precision_audit import Share, Types, audit, engine_types, summary
from csakit.plugins.errors import EngineError, ExitCode, PrecisionError

HALF = Types(Share(90, 90), Share(1000, 1000))
FLOAT = Types(Share(0, 90), Share(0, 1000))


def layer(kind: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"Name": "x", "Outputs": [{"Name": "y", "Format/Datatype": kind}], **fields}


def inspected(*layers: Any) -> str:  # noqa: ANN401
    return json.dumps({"Layers": list(layers), "Bindings": ["image", "mask", "output"]})


def test_layers_and_weights_are_counted_in_both_spellings() -> None:
    text = inspected(
        layer("Row major linear FP16 format", Weights={"Type": "Half", "Count": 9408}),
        layer("Half", Weights={"Type": "Float", "Count": 100}),
        layer("Channel major FP16 format where C % 8 == 0"),
        layer("Row major linear FP32"),
        layer("Float", Weights={"Type": "Int8", "Count": 5}),
        layer("Int32"),
        layer("Row major Int8 format."),
    )

    assert engine_types(text) == Types(Share(3, 5), Share(9408, 9508))


def test_layers_that_tell_nothing_count_for_nothing() -> None:
    text = inspected("a name only", {"Name": "x"}, {"Outputs": None}, {"Outputs": ["y"]})

    assert engine_types(text) == Types(Share(0, 0), Share(0, 0))


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", "Layer(Constant): x"])
def test_what_is_no_inspection_is_refused(text: str) -> None:
    with pytest.raises(EngineError, match="must return JSON with Layers"):
        engine_types(text)


@pytest.mark.parametrize(("stated", "network"), [("fp16", HALF), ("fp32", FLOAT)])
def test_a_network_in_its_precision_passes(stated: str, network: Types) -> None:
    precision = audit(stated, network, None)

    assert precision.audited == stated
    assert precision.evidence["engine"] is None
    assert precision.evidence["network"]["layers"]["share"] == (stated == "fp16")
    assert summary(precision).endswith("engine: cannot be opened without its GPU)")


@pytest.mark.parametrize(
    ("stated", "network"),
    [
        ("fp16", FLOAT),
        ("fp32", HALF),
        ("fp16", Types(Share(89, 90), Share(1000, 1000))),
        ("fp16", Types(Share(90, 90), Share(999, 1000))),
        ("fp32", Types(Share(1, 90), Share(0, 1000))),
        ("fp16", Types(Share(0, 0), Share(0, 0))),
        ("", HALF),
    ],
)
def test_a_network_in_another_precision_is_an_error(stated: str, network: Types) -> None:
    with pytest.raises(
        PrecisionError, match=f"the model states {stated or 'nothing'}; .* are"
    ) as caught:
        audit(stated, network, None)

    assert caught.value.exit_code == ExitCode.CHECK_FAILED


@pytest.mark.parametrize(
    ("stated", "network", "engine", "wrong"),
    [
        ("fp16", HALF, Types(Share(90, 100), Share(1000, 1000)), None),
        ("fp16", HALF, Types(Share(90, 100), Share(0, 1000)), "0 % of the weights"),
        ("fp16", HALF, Types(Share(1, 100), Share(0, 0)), None),
        ("fp16", HALF, Types(Share(0, 100), Share(0, 0)), "0 % of the layers"),
        ("fp16", HALF, Types(Share(0, 0), Share(0, 0)), None),
        ("fp32", FLOAT, Types(Share(0, 100), Share(0, 1000)), None),
        ("fp32", FLOAT, Types(Share(0, 100), Share(1, 1000)), "of the weights"),
    ],
)
def test_the_built_engine_has_the_last_word(
    stated: str, network: Types, engine: Types, wrong: str | None
) -> None:
    if wrong is None:
        assert audit(stated, network, engine).evidence["engine"] is not None
        return
    with pytest.raises(PrecisionError, match=f"{wrong} of the built engine are half precision"):
        audit(stated, network, engine)
