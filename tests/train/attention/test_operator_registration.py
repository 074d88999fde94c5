"""The operator is a good citizen of torch: registered, exportable, compilable, strict."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from csakit.plugins.errors import ContractError
from csakit.plugins.spec import Similarity
from csakit.train.attention.operator import (
    CoherentSemanticAttention,
    coherent_semantic_attention,
    coherent_semantic_attention_backward,
    match_indices,
)
from helpers.features import feature_like, random_hole
from torch import Tensor, nn

each_entry = pytest.mark.parametrize(
    "entry",
    [
        coherent_semantic_attention,
        match_indices,
        lambda features, hole, similarity: CoherentSemanticAttention(similarity)(features, hole),
    ],
    ids=["operator", "match_indices", "layer"],
)
FEATURES, HOLE = torch.zeros(2, 8, 4, 4), torch.zeros(2, 1, 4, 4)
Entry = Callable[[Tensor, Tensor, str], Tensor]


def inputs(rng: np.random.Generator, batch: int = 2) -> tuple[Tensor, Tensor]:
    features = torch.from_numpy(feature_like(rng, batch, 8, 6, 7))
    return features, torch.from_numpy(random_hole(rng, batch, 6, 7))


class Sandwich(nn.Module):
    """The layer between two others."""

    def __init__(self, similarity: Similarity) -> None:
        super().__init__()
        self.attention = CoherentSemanticAttention(similarity)

    def forward(self, features: Tensor, hole: Tensor) -> Tensor:
        attended: Tensor = self.attention(features * 2.0, hole)
        return attended + features


def test_importing_the_package_registers_the_operator(rng: np.random.Generator) -> None:
    features, hole = inputs(rng)

    filled = torch.ops.csakit.coherent_semantic_attention(features, hole, "cosine")

    assert filled.equal(coherent_semantic_attention(features, hole, "cosine"))


def test_the_operators_pass_the_checks_of_torch(
    rng: np.random.Generator, similarity: Similarity
) -> None:
    features, hole = inputs(rng)
    tracked, dY = features.clone().requires_grad_(), torch.ones_like(features)

    torch.library.opcheck(coherent_semantic_attention, (features, hole, similarity))
    torch.library.opcheck(coherent_semantic_attention, (tracked, hole, similarity))
    torch.library.opcheck(coherent_semantic_attention_backward, (dY, features, hole, similarity))


def test_export_keeps_the_operator_as_one_node(
    rng: np.random.Generator, similarity: Similarity
) -> None:
    module = Sandwich(similarity)
    features, hole = inputs(rng)
    batch = torch.export.Dim("batch", min=1, max=8)

    program = torch.export.export(
        module, (features, hole), dynamic_shapes=({0: batch}, {0: batch}), strict=False
    )

    operators = [str(node.target) for node in program.graph.nodes if node.op == "call_function"]
    ours = [name for name in operators if name.startswith("csakit.")]
    assert ours == ["csakit.coherent_semantic_attention.default"]
    other_features, other_hole = inputs(rng, batch=3)
    assert not other_hole[:2].equal(hole)
    filled = program.module()(other_features, other_hole)
    assert filled.equal(module(other_features, other_hole))


def test_compiling_changes_no_result_and_no_gradient(rng: np.random.Generator) -> None:
    module = Sandwich("cosine")
    compiled = torch.compile(module, backend="aot_eager", fullgraph=True)
    features, hole = inputs(rng)
    one, other = (features.clone().requires_grad_() for _ in range(2))

    compiled(one, hole).square().sum().backward()
    module(other, hole).square().sum().backward()

    assert one.grad is not None
    assert other.grad is not None
    torch.testing.assert_close(one.grad, other.grad)


def test_the_layer_has_no_state_and_says_its_similarity() -> None:
    layer = CoherentSemanticAttention("cosine")

    assert not layer.state_dict()
    assert repr(layer) == "CoherentSemanticAttention(similarity='cosine')"


@each_entry
@pytest.mark.parametrize(
    ("features", "hole", "similarity", "message"),
    [
        (torch.zeros(8, 4), HOLE, "cosine", r".*\(B, C, H, W\); got torch.float32 of .*\(8, 4\)"),
        *(
            (FEATURES.to(dtype), HOLE, "cosine", f"must be floating point .*; got {dtype} of shape")
            for dtype in (torch.int32, torch.uint8, torch.complex64, torch.bool)
        ),
        *(
            (FEATURES, torch.zeros(shape), "cosine", r"hole must be \(B, 1, H, W\) with B, H, W of")
            for shape in ((1, 1, 4, 4), (2, 8, 4, 4), (2, 1, 4, 5), (2, 4, 4))
        ),
        (FEATURES, HOLE, "dot", r"must be one of \('projection', 'cosine'\); got 'dot'"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(
    entry: Entry, features: Tensor, hole: Tensor, similarity: str, message: str
) -> None:
    with pytest.raises(ContractError, match=message):
        entry(features, hole, similarity)


def test_tracing_refuses_what_running_refuses() -> None:
    features, hole = torch.empty(1, 8, 4, 4, device="meta"), torch.empty(1, 1, 4, 5, device="meta")

    with pytest.raises(ContractError, match=r"hole must be \(B, 1, H, W\)"):
        torch.ops.csakit.coherent_semantic_attention(features, hole, "cosine")
