"""Configurations are messages of Triton's own schema, and say what was asked for."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from csakit.export.serving.model_config import Model, config_text
from csakit.export.serving.options import ServingOptions
from csakit.export.serving.repository import write_repository
from google.protobuf import text_format
from helpers.exported import Subject
from helpers.kserve import read_config
from tritonclient.grpc import model_config_pb2 as schema

from .conftest import SHAPES, Engine, profile, tensors


def written(model: Path, engine: Path | None, folder: Path, **options: Any) -> dict[str, Any]:  # noqa: ANN401
    """Write a repository; give the configurations as Triton's schema reads them."""
    write_repository(model, engine, folder, ServingOptions(**options))
    configs = [read_config(path) for path in sorted(folder.glob("models/*/config.pbtxt"))]
    return {config.name: config for config in configs}


def test_a_model_is_declared_as_it_was_exported(packed: Subject, tmp_path: Path) -> None:
    config = written(packed.path, None, tmp_path / "out")["csa_onnx"]

    assert (config.backend, config.max_batch_size) == ("onnxruntime", 8)
    declared = [(t.name, t.data_type, list(t.dims)) for t in (*config.input, *config.output)]
    assert declared == [
        ("image", schema.TYPE_UINT8, [-1, -1, 3]),
        ("mask", schema.TYPE_UINT8, [-1, -1, 1]),
        ("output", schema.TYPE_UINT8, [-1, -1, 3]),
    ]
    assert [(g.kind, g.count) for g in config.instance_group] == [
        (schema.ModelInstanceGroup.KIND_CPU, 1)
    ]
    assert config.dynamic_batching.max_queue_delay_microseconds == 500
    assert not config.dynamic_batching.preferred_batch_size
    assert not config.HasField("optimization")
    assert config.parameters["csakit_precision"].string_value == "fp32"


def test_warm_up_requests_name_files_of_the_size_that_they_state(
    packed: Subject, tmp_path: Path
) -> None:
    config = written(packed.path, None, tmp_path / "out", size=512, preferred=(2,))["csa_onnx"]

    assert [sample.batch_size for sample in config.model_warmup] == [1, 2, 8]
    for sample in config.model_warmup:
        assert set(sample.inputs) == {"image", "mask"}
        for given in sample.inputs.values():
            file = tmp_path / "out/models/csa_onnx/warmup" / given.input_data_file
            height, width, channels = given.dims
            assert file.stat().st_size == height * width * channels
            assert (height, width) == (512, 512)


def test_a_fixed_batch_is_neither_batched_nor_repeated(fixed: Subject, tmp_path: Path) -> None:
    config = written(fixed.path, None, tmp_path / "out")["csa_onnx"]

    assert config.max_batch_size == 0
    assert list(config.input[0].dims) == [1, 3, 256, 256]
    assert not config.HasField("dynamic_batching")
    assert [sample.batch_size for sample in config.model_warmup] == [1]


def test_instances_threads_batches_and_devices_are_as_asked(
    packed: Subject, tmp_path: Path
) -> None:
    options = {"instances": 3, "threads": 2, "preferred": (4, 2), "delay_us": 0, "max_batch": 4}
    config = written(packed.path, None, tmp_path / "cpu", warmup=False, **options)["csa_onnx"]
    on_gpu = written(packed.path, None, tmp_path / "gpu", device="gpu", **options)["csa_onnx"]

    assert config.instance_group[0].count == 3
    assert config.parameters["intra_op_thread_count"].string_value == "2"
    assert list(config.dynamic_batching.preferred_batch_size) == [2, 4]
    assert config.max_batch_size == 4
    assert not config.model_warmup
    assert on_gpu.instance_group[0].kind == schema.ModelInstanceGroup.KIND_GPU
    assert "intra_op_thread_count" not in on_gpu.parameters


@pytest.mark.usefixtures("no_library")
def test_an_engine_gets_graphs_of_the_shapes_it_is_tuned_for(
    engine: Engine, tmp_path: Path
) -> None:
    model, plan = engine()

    configs = written(model, plan, tmp_path / "out", cuda_graphs=True, preferred=(4,))

    config = configs["csa_trt"]
    assert (config.backend, config.max_batch_size) == ("tensorrt", 8)
    assert config.instance_group[0].kind == schema.ModelInstanceGroup.KIND_GPU
    cuda = config.optimization.cuda
    assert cuda.graphs
    assert [graph.batch_size for graph in cuda.graph_spec] == [1, 4, 8]
    assert all(list(g.input["image"].dim) == [512, 512, 3] for g in cuda.graph_spec)
    assert config.parameters["csakit_sides"].string_value == "256:512:1024"
    assert not configs["csa_onnx"].HasField("optimization")


@pytest.mark.usefixtures("no_library")
def test_a_graph_of_an_engine_without_batching_is_of_batch_zero(
    engine: Engine, tmp_path: Path
) -> None:
    shapes = {name: (1, 256, 256, shape[3]) for name, shape in SHAPES.items()}
    model, plan = engine(tensors=tensors(shapes), profiles=profile((1, 1, 1), (256, 256, 256)))

    config = written(model, plan, tmp_path / "out", cuda_graphs=True)["csa_trt"]

    assert config.max_batch_size == 0
    assert [graph.batch_size for graph in config.optimization.cuda.graph_spec] == [0]
    assert list(config.optimization.cuda.graph_spec[0].input["mask"].dim) == [1, 256, 256, 1]


def test_texts_from_a_file_are_quoted(packed: Subject, tmp_path: Path) -> None:
    model = write_repository(packed.path, None, tmp_path / "out").models[0]
    facts = {"csakit_precision": 'quotes " and \\ back'}

    text = config_text(dataclasses.replace(model, facts=facts))

    config = text_format.Parse(text, schema.ModelConfig())
    assert config.parameters["csakit_precision"].string_value == facts["csakit_precision"]


def test_the_schema_knows_no_field_that_is_not_its_own(packed: Subject, tmp_path: Path) -> None:
    done = write_repository(packed.path, None, tmp_path / "out")
    model: Model = done.models[0]

    with pytest.raises(text_format.ParseError, match="no field named"):
        text_format.Parse(config_text(model) + "\nmax_batch: 8\n", schema.ModelConfig())
