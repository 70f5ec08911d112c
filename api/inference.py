"""The V2 (open) inference protocol: requests, answers and their meaning.

https://github.com/open-inference/open-inference-protocol: an input tensor a field of impressions, shape [n] or [n, 1].
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from api.problems import Fault, rejected
from api.read import from_fields
from api.score import Scored
from features.windows import COUNT_NAMES
from schemas.impression import FIELDS, STRING_FIELDS, Impression


class Tensor(msgspec.Struct, frozen=True):
    """Named values of all impressions."""

    name: str
    shape: tuple[int, ...]
    datatype: str
    data: list[Any]


class TensorMetadata(msgspec.Struct, frozen=True):
    """A tensor without its values; -1 stands for the number of impressions."""

    name: str
    datatype: str
    shape: tuple[int, ...]


class WantedOutput(msgspec.Struct, frozen=True):
    """An output that the client asks for."""

    name: str


class InferRequest(msgspec.Struct, frozen=True):
    """The body of an inference request."""

    inputs: list[Tensor]
    id: str = ""
    outputs: list[WantedOutput] = []


class InferAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer to an inference request."""

    model_name: str
    model_version: str
    outputs: list[Tensor]
    id: str = ""
    parameters: dict[str, bool] = {}  # degraded, where the counts were not to be had


class ModelMetadata(msgspec.Struct, frozen=True):
    """What the model takes and gives."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ServerMetadata(msgspec.Struct, frozen=True):
    """What the server is."""

    name: str
    version: str
    extensions: list[str]


INPUTS = [TensorMetadata(name, "BYTES" if name in STRING_FIELDS else "INT64", (-1,)) for name in FIELDS]
OUTPUTS = [
    TensorMetadata("id", "BYTES", (-1,)),
    TensorMetadata("device_ip", "BYTES", (-1,)),
    TensorMetadata("click_proba", "FP64", (-1,)),
    *(TensorMetadata(name, "INT64", (-1,)) for name in COUNT_NAMES),
]

_decoder = msgspec.json.Decoder(InferRequest)


def decode(body: bytes) -> InferRequest:
    """The request in a body.

    Raises:
        ProblemError: 422.
    """
    try:
        request = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise rejected([Fault(f"expected an inference request: {error}", "not_json")]) from None
    unknown = {wanted.name for wanted in request.outputs} - {output.name for output in OUTPUTS}
    if unknown:
        names = ", ".join(output.name for output in OUTPUTS)
        raise rejected(
            [Fault(f"expected some of {names}; got {min(unknown)!r}", "unknown_output", "outputs", "/outputs")]
        )
    return request


def impressions(request: InferRequest, limit: int) -> list[Impression]:
    """The impressions of a request.

    Raises:
        ProblemError: 422 that names tensor or field.
    """
    columns = {tensor.name: tensor.data for tensor in request.inputs if tensor.name in FIELDS}
    for position, tensor in enumerate(request.inputs):
        if fault := _fault(tensor, position, limit):
            raise rejected([fault])
    sizes = {len(column) for column in columns.values()}
    if len(sizes) > 1:
        raise rejected([Fault(f"expected tensors of one length, got {sorted(sizes)}", "wrong_length", "", "/inputs")])
    return [
        from_fields({name: column[number] for name, column in columns.items()}, number)
        for number in range(max(sizes, default=1))
    ]


def _fault(tensor: Tensor, position: int, limit: int) -> Fault | None:
    count = len(tensor.data)
    place = f"/inputs/{position}"
    if not 1 <= count <= limit:
        return Fault(f"expected 1 to {limit} values, got {count}", "wrong_length", tensor.name, f"{place}/data")
    if tensor.shape not in ((count,), (count, 1)):
        detail = f"expected shape [{count}] or [{count}, 1] for {count} values, got {list(tensor.shape)}"
        return Fault(detail, "wrong_shape", tensor.name, f"{place}/shape")
    return None


def answer(request: InferRequest, name: str, scored: Sequence[Scored]) -> InferAnswer:
    """The answer to a request whose impressions were scored."""
    wanted = {output.name for output in request.outputs}
    outputs = [
        Tensor(output.name, (len(scored),), output.datatype, [getattr(one.prediction, output.name) for one in scored])
        for output in OUTPUTS
        if not wanted or output.name in wanted
    ]
    first = scored[0].prediction
    parameters = {"degraded": True} if getattr(first, "degraded", False) else {}
    return InferAnswer(name, first.model_version, outputs, request.id, parameters)
