"""What is written is what protobuf reads."""

from csakit.export.serving.pbtxt import Word, write
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2


def test_texts_numbers_words_lists_and_messages_are_read_back() -> None:
    text = write(
        {
            "name": 'quotes " and \\ back',
            "max_batch_size": 8,
            "input": [{"name": "a", "data_type": Word("TYPE_UINT8"), "dims": [-1, 3]}],
            "optimization": {"cuda": {"graphs": True}},
            "parameters": [{"key": "k", "value": {"string_value": "v"}}],
        }
    )

    config = text_format.Parse(text, model_config_pb2.ModelConfig())

    assert config.name == 'quotes " and \\ back'
    assert config.max_batch_size == 8
    assert config.input[0].data_type == model_config_pb2.TYPE_UINT8
    assert list(config.input[0].dims) == [-1, 3]
    assert config.optimization.cuda.graphs is True
    assert config.parameters["k"].string_value == "v"


def test_messages_are_indented() -> None:
    assert write({"a": {"b": [1, 2]}}) == "a {\n  b: [1, 2]\n}\n"
