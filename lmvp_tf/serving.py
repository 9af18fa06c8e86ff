"""A client of TensorFlow Serving for the models that run_export.py writes.

with Client("localhost:8500") as client:  # gRPC; "http://localhost:8501" for REST
    predictions = client.predict(frames)
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt

from lmvp_tf.errors import RunError, UserError, one_line
from lmvp_tf.serving_answers import (
    MOST_BYTES,
    SOLE_OUTPUT,
    Arrays,
    DeadlineError,
    NotFoundError,
    RequestError,
    ServingError,
    UnavailableError,
    check_answer,
    check_state_shapes,
    numbers,
    understanding,
)

__all__ = [
    "BATCH_SIZES",
    "Client",
    "DeadlineError",
    "NotFoundError",
    "RequestError",
    "ServingError",
    "UnavailableError",
]

# The batches that the server makes (deploy/batching_parameters.txt): it takes no larger request,
# and fills up smaller ones.
BATCH_SIZES = (1, 2, 4, 8, 16)

_PAUSES = (0.2, 0.4, 0.8, 1.6)  # seconds before each further attempt
_Answer = TypeVar("_Answer")


class Client:
    """Asks a model server for predictions.

    A request that fails with UNAVAILABLE (HTTP: 503, no connection, or an answer that is cut short)
    is sent again, up to four times: to predict twice does no harm. Any other error is raised at
    once. What the server answers is checked: its rows, shapes and types, and that it is finite.

    Args:
      address: "host:port" for gRPC, "http://host:port" or "https://host:port" for REST.
      model: the name that the server has for it.
      version: an integer, or None.
      label: a label of a version, as "stable", or None. With neither: the server's latest version.
      timeout: seconds to wait for the answer to one request, further attempts included.
      max_batch: B of the largest request; a larger batch is sent in several.

    Raises:
      UserError: both a version and a label, or gRPC without tensorflow-serving-api.
    """

    def __init__(
        self,
        address: str,
        model: str = "lmvp",
        *,
        version: int | None = None,
        label: str | None = None,
        timeout: float = 30.0,
        max_batch: int = BATCH_SIZES[-1],
    ) -> None:
        if version is not None and label is not None:
            raise UserError(f"give a version or a label. Received: {version} and {label}")
        transport: type[_Rest | _Grpc] = (
            _Rest if address.startswith(("http://", "https://")) else _Grpc
        )
        self._transport = transport(address, model, version, label)
        self._timeout = timeout
        self._max_batch = max_batch

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection."""
        self._transport.close()

    def predict(self, frames: npt.ArrayLike) -> npt.NDArray[Any]:
        """Predicts the frames that follow.

        Args:
          frames: x_1..x_T0, [B, T0, H, W, C], float32 in [0, 1] or uint8; B may be any.

        Returns:
          [B, S, H, W, C] in the same dtype and range.

        Raises:
          RequestError: frames that this model cannot take.
          NotFoundError: no such model or version.
          DeadlineError, UnavailableError, ServingError: see there.
        """
        frames = np.asarray(frames)
        if frames.dtype not in (np.float32, np.uint8):
            raise RequestError(
                "frames must be float32 in [0, 1], or uint8: use frames.astype(...). Received: "
                f"{frames.dtype}"
            )
        _check_batch(frames, "frames", "[B, T0, H, W, C]")
        if not (frames.dtype == np.uint8 or (frames.min() >= 0 and frames.max() <= 1)):
            raise RequestError(
                "float32 frames must be in [0, 1]: divide grey levels by 255, or send uint8. "
                f"Received: values from {frames.min():.4g} to {frames.max():.4g}"
            )
        endpoint = "serve_uint8" if frames.dtype == np.uint8 else "serve"
        return self._in_chunks(endpoint, {"frames": frames})["predictions"]

    def step(
        self, frame: npt.ArrayLike, state: Arrays | None = None
    ) -> tuple[npt.NDArray[np.float32], Arrays]:
        """Reads one more frame of each video and predicts the one after it.

        Show it the known frames one by one, then its own predictions, for as long as you like.

        Args:
          frame: x_t, [B, H, W, C], float32: a frame in [0, 1], or what the step before returned.
          state: what the step before returned; None starts anew.

        Returns:
          x̂_{t+1}, [B, H, W, C], and the new state. To feed it back, leave the frame as it is; a
          model with a dynamic bias may leave [0, 1], so clip it to show it.

        Raises:
          See `predict`.
        """
        frame = np.asarray(frame)
        if frame.dtype != np.float32 or not np.isfinite(frame).all():
            raise RequestError(f"frame must be float32 and finite. Received: {frame.dtype}")
        _check_batch(frame, "frame", "[B, H, W, C]")
        if state is None:
            inputs = self._attempts(self._transport.inputs, "serve_step")
            check_state_shapes(inputs, len(frame))
            state = {
                name: np.zeros((len(frame), *shape), np.float32)
                for name, shape in inputs.items()
                if name != "frame"
            }
        outputs = self._in_chunks("serve_step", {"frame": frame, **state})
        return outputs.pop("frame"), outputs

    def _in_chunks(self, endpoint: str, inputs: Arrays) -> Arrays:
        """Asks for the whole batch, in several requests where it is too large for one."""
        batch = len(next(iter(inputs.values())))
        answers: list[Arrays] = []
        for i in range(0, batch, self._max_batch):
            chunk = {name: value[i : i + self._max_batch] for name, value in inputs.items()}
            answers.append(self._attempts(self._transport.predict, endpoint, chunk))
            check_answer(endpoint, chunk, answers[-1], answers[0])
        return {name: np.concatenate([part[name] for part in answers]) for name in answers[0]}

    def _attempts(self, method: Callable[..., _Answer], *arguments: Any) -> _Answer:
        """Calls a method of the transport, again while the server is not available and there is
        time.
        """
        deadline = time.monotonic() + self._timeout
        for pause in _PAUSES:
            try:
                return method(*arguments, deadline - time.monotonic())
            except UnavailableError:
                if time.monotonic() + pause >= deadline:
                    raise
                time.sleep(pause)
        return method(*arguments, deadline - time.monotonic())


def _check_batch(frames: npt.NDArray[Any], name: str, shape: str) -> None:
    """Refuses what has another number of axes than `shape`, or nothing in it."""
    if frames.ndim != shape.count(",") + 1 or not frames.size:
        raise RequestError(f"{name} must be {shape} with B above 0. Received: {frames.shape}")


class _Grpc:
    """Requests over gRPC, by the stub that tensorflow-serving-api brings."""

    def __init__(self, address: str, model: str, version: int | None, label: str | None) -> None:
        try:
            import grpc
            from tensorflow_serving.apis import prediction_service_pb2_grpc as service
        except ImportError as error:
            raise UserError(
                f"gRPC needs tensorflow-serving-api: pip install 'lmvp-tf[serving]' ({error})"
            ) from error
        limits = [
            ("grpc.max_send_message_length", -1),
            ("grpc.max_receive_message_length", MOST_BYTES),
        ]
        # By default it tries to connect again after a second at the earliest, then ever less often.
        backoff = [
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 1000),
        ]
        self._errors = {
            grpc.StatusCode.INVALID_ARGUMENT: RequestError,
            grpc.StatusCode.NOT_FOUND: NotFoundError,
            grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineError,
            grpc.StatusCode.UNAVAILABLE: UnavailableError,
        }
        self._rpc_error = grpc.RpcError
        self._channel = grpc.insecure_channel(address, options=limits + backoff)
        self._stub = service.PredictionServiceStub(self._channel)
        self._address = address
        self._model_spec: dict[str, Any] = {"name": model}
        if version is not None:
            self._model_spec["version"] = {"value": version}
        if label is not None:
            self._model_spec["version_label"] = label

    def predict(self, endpoint: str, inputs: Arrays, timeout: float) -> Arrays:
        import tensorflow as tf
        from tensorflow_serving.apis.predict_pb2 import PredictRequest

        request = PredictRequest(model_spec={**self._model_spec, "signature_name": endpoint})
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
        response = self._call(self._stub.Predict, request, timeout)
        with understanding(self._address):
            return {name: tf.make_ndarray(value) for name, value in response.outputs.items()}

    def inputs(self, endpoint: str, timeout: float) -> dict[str, list[int]]:
        from tensorflow_serving.apis import get_model_metadata_pb2 as messages

        request = messages.GetModelMetadataRequest(
            model_spec=self._model_spec, metadata_field=["signature_def"]
        )
        response = self._call(self._stub.GetModelMetadata, request, timeout)
        signatures = messages.SignatureDefMap()
        with understanding(self._address):
            response.metadata["signature_def"].Unpack(signatures)
            return {
                name: [dim.size for dim in info.tensor_shape.dim[1:]]
                for name, info in signatures.signature_def[endpoint].inputs.items()
            }

    def close(self) -> None:
        self._channel.close()

    def _call(self, method: Callable[..., Any], request: Any, timeout: float) -> Any:
        try:
            return method(request, timeout=timeout)
        except self._rpc_error as error:
            kind = self._errors.get(error.code(), ServingError)
            raise kind(
                f"{self._address}: {error.code().name}: {one_line(error.details())}"
            ) from error


class _Rest:
    """Requests over HTTP, in JSON by rows ("instances"), as the V1 protocol has them."""

    _ERRORS: ClassVar[dict[int, type[UserError | RunError]]] = {
        400: RequestError,
        404: NotFoundError,
        408: DeadlineError,
        503: UnavailableError,
        504: DeadlineError,
    }

    def __init__(self, address: str, model: str, version: int | None, label: str | None) -> None:
        import requests

        self._requests = requests
        self._session = requests.Session()
        self._address = address
        self._url = f"{address.rstrip('/')}/v1/models/{model}"
        if version is not None:
            self._url += f"/versions/{version}"
        if label is not None:
            self._url += f"/labels/{label}"

    def predict(self, endpoint: str, inputs: Arrays, timeout: float) -> Arrays:
        values = {name: value.tolist() for name, value in inputs.items()}
        rows = [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
        body = {"signature_name": endpoint, "instances": rows}
        dtype = next(iter(inputs.values())).dtype  # every endpoint answers in the dtype it is asked
        with understanding(self._url):
            rows = self._call("POST", f"{self._url}:predict", timeout, body)["predictions"]
            if not isinstance(rows[0], dict):  # a sole output comes without its name
                rows = [{SOLE_OUTPUT[endpoint]: row} for row in rows]
            return {name: numbers([row[name] for row in rows], dtype) for name in rows[0]}

    def inputs(self, endpoint: str, timeout: float) -> dict[str, list[int]]:
        with understanding(self._url):
            metadata = self._call("GET", f"{self._url}/metadata", timeout)["metadata"]
            signature = metadata["signature_def"]["signature_def"][endpoint]
            return {
                name: [int(dim["size"]) for dim in info["tensor_shape"].get("dim", [])[1:]]
                for name, info in signature["inputs"].items()
            }

    def close(self) -> None:
        self._session.close()

    def _call(self, method: str, url: str, timeout: float, body: Any = None) -> Any:
        errors = self._requests.exceptions
        try:
            status, content = self._content(method, url, timeout, body)
        except errors.Timeout as error:
            raise DeadlineError(f"{url}: no answer in {timeout:.1f} s") from error
        except (errors.InvalidURL, errors.InvalidSchema, errors.MissingSchema) as error:
            raise RequestError(f"{url}: {one_line(error)}") from error
        except (
            errors.ConnectionError, errors.ChunkedEncodingError, errors.ContentDecodingError
        ) as error:  # fmt: skip
            raise UnavailableError(f"{url}: {one_line(error)}") from error
        except errors.RequestException as error:
            raise ServingError(f"{url}: {one_line(error)}") from error
        if status == 200:
            return json.loads(content)
        try:
            reason = json.loads(content)["error"]
        except (ValueError, TypeError, KeyError, RecursionError):
            reason = content[:300].decode(errors="replace")
        kind = self._ERRORS.get(status, ServingError)
        raise kind(f"{url}: HTTP {status}: {one_line(reason)}")

    def _content(self, method: str, url: str, timeout: float, body: Any) -> tuple[int, bytes]:
        """The status and the body of an answer, if it is not too long in any sense."""
        deadline = time.monotonic() + timeout
        request = self._session.request(method, url, json=body, timeout=timeout, stream=True)
        content = bytearray()
        with request as response:
            for part in response.iter_content(2**20):
                content += part
                if len(content) > MOST_BYTES:
                    raise ServingError(f"{url}: the answer has more than {MOST_BYTES} bytes")
                if time.monotonic() > deadline:
                    raise self._requests.Timeout
            return response.status_code, bytes(content)
