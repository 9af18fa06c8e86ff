"""The client against servers of this SavedModel, over gRPC and REST."""

import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import requests
import tensorflow as tf

from lmvp_tf import configs, serving
from lmvp_tf.errors import RunError, UserError
from lmvp_tf.export import saved_model
from lmvp_tf.export.endpoints import Exportable
from lmvp_tf.serving import (
    Client,
    DeadlineError,
    NotFoundError,
    RequestError,
    ServingError,
    UnavailableError,
)
from lmvp_tf.training.checkpoint import build_model

grpc = pytest.importorskip("grpc")
pytest.importorskip("tensorflow_serving.apis")

from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc  # noqa: E402

from tests.model_servers import KSERVE, RestHandler, Served, free_port, running  # noqa: E402

CONFIG = {
    "data.height": 13,  # of a film in colour that the network has to pad
    "data.width": 18,
    "data.channels": 3,
    "data.num_frames": 6,
    "data.num_inputs": 3,
    "model.num_seen": 2,
    "model.kernel_size": 3,
    "model.encoder_widths": (4, 6),
    "model.decoder_widths": (4,),
    "model.pixel_widths": (4,),
    "model.projection_width": 4,
}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A model and the folder of its SavedModel."""
    keras.utils.set_random_seed(0)
    config = configs.replace(configs.create(model="dfn"), CONFIG)
    model, folder = build_model(config), tmp_path_factory.mktemp("serving") / "1"
    saved_model.write(Exportable(model, config, 0, 3), folder)
    return model, folder


@pytest.fixture(scope="module")
def served(exported):
    return Served(exported[1])


@pytest.fixture(scope="module")
def addresses(served):
    """The addresses of both servers, by name."""
    with running(served) as found:
        yield found


@pytest.fixture(params=["grpc", "rest"])
def client(request, addresses, served, monkeypatch):
    monkeypatch.setattr(serving, "_PAUSES", (0.01, 0.01))
    served.faults, served.delay, served.batches = [], 0.0, []
    with Client(addresses[request.param]) as client:
        yield client


@pytest.fixture
def frames():
    """x_1..x_6 of three videos."""
    return np.random.default_rng(0).random((3, 6, 13, 18, 3), np.float32)


def test_the_stock_stub_is_answered(addresses, exported, frames):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "lmvp"
    request.inputs["frames"].CopyFrom(tf.make_tensor_proto(frames[:, :3]))
    with grpc.insecure_channel(addresses["grpc"]) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        response = stub.Predict(request, timeout=60)
    predictions = tf.make_ndarray(response.outputs["predictions"])
    expected = exported[0](frames[:, :3], num_predicted=3)
    np.testing.assert_allclose(predictions, expected, atol=1e-5)


def test_predictions_are_the_models(client, exported, frames):
    predictions = client.predict(frames[:, :3])
    assert predictions.dtype == np.float32
    expected = np.asarray(exported[0](frames[:, :3], num_predicted=3))
    np.testing.assert_allclose(predictions, expected, atol=1e-5)
    levels = client.predict(np.uint8(np.rint(255 * frames[:, :3])))
    assert levels.dtype == np.uint8
    np.testing.assert_allclose(levels / 255.0, expected, atol=2 / 255)


def test_frame_by_frame_is_the_same_and_goes_on(client, exported, frames):
    frame, state, predictions = None, None, []
    for t in range(6):
        frame, state = client.step(frames[:, t] if t < 3 else frame, state)
        predictions.append(frame)
    predictions = np.clip(np.stack(predictions[2:], axis=1), 0, 1)
    expected = exported[0](frames[:, :3], num_predicted=4)
    np.testing.assert_allclose(predictions, expected, atol=1e-5)


def test_a_large_batch_is_sent_in_several_requests(client, served, frames):
    many = np.tile(frames[:, :3], (6, 1, 1, 1, 1))
    predictions = client.predict(many)
    assert served.batches == [16, 2]
    np.testing.assert_allclose(predictions, np.tile(predictions[:3], (6, 1, 1, 1, 1)), atol=1e-5)


@pytest.mark.parametrize("name", ["grpc", "rest"])
def test_a_model_a_version_or_a_label_is_asked_for(addresses, frames, name):
    for choice in ({"label": "stable"}, {"version": 1}):
        with Client(addresses[name], **choice) as client:
            assert client.predict(frames[:, :3]).shape == (3, 3, 13, 18, 3)
    for choice, error, message in [
        ({"version": 7}, NotFoundError, "Servable not found for request: .*7"),
        ({"model": "dfn"}, NotFoundError, "Servable not found for request: .*dfn"),
        ({"label": "old"}, RequestError, "Unrecognized servable version label: old"),
    ]:
        with Client(addresses[name], **choice) as client, pytest.raises(error, match=message):
            client.predict(frames[:, :3])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (np.float64, "frames must be float32 .* Received: float64"),
        (lambda x: x > 0.5, "Received: bool"),
        (lambda x: x * 255, "divide grey levels by 255.* Received: values from 0.* to 25"),
        (lambda x: x - 0.5, "Received: values from -0"),
        (lambda x: np.where(x > 0.99, np.nan, x), "Received: values from nan to nan"),
        (lambda x: x[:0], r"with B above 0. Received: \(0, 3, 13, 18, 3\)"),
        (lambda x: x[0], r"frames must be \[B, T0, H, W, C\] .* Received: \(3, 13, 18, 3\)"),
    ],
)
def test_frames_that_cannot_be_meant_are_not_sent(client, served, frames, change, message):
    with pytest.raises(RequestError, match=message):
        client.predict(change(frames[:, :3]))
    assert served.batches == []


def test_the_server_refuses_another_shape(client, frames):
    with pytest.raises(RequestError, match=r"frames: float32 \(3, 2, 13, 18, 3\)"):
        client.predict(frames[:, :2])


def test_a_step_checks_its_frame(client, served, frames):
    for wrong, message in [
        (np.uint8(frames[:, 0]), "float32 and finite. Received: uint8"),
        (frames[:, 0] * np.float32(np.inf), "float32 and finite"),
        (frames, r"frame must be \[B, H, W, C\]"),
    ]:
        with pytest.raises(RequestError, match=message):
            client.step(wrong)
    assert served.batches == []


def test_only_unavailable_is_tried_again(client, served, frames):
    served.faults = ["UNAVAILABLE", "UNAVAILABLE"]
    assert client.predict(frames[:, :3]).shape == (3, 3, 13, 18, 3)
    served.faults = ["UNAVAILABLE"] * 4
    with pytest.raises(UnavailableError, match="out of order"):
        client.predict(frames[:, :3])
    assert len(served.faults) == 1  # three attempts
    for code, error in [("INTERNAL", ServingError), ("DEADLINE_EXCEEDED", DeadlineError)]:
        served.faults = [code] * 2
        with pytest.raises(error, match="out of order"):
            client.predict(frames[:, :3])
        assert len(served.faults) == 1


def test_an_answer_that_takes_too_long_is_not_waited_for(addresses, served, frames):
    served.faults, served.delay = [], 1.5
    for address in addresses.values():
        start = time.monotonic()
        with Client(address, timeout=0.3) as client, pytest.raises(DeadlineError):
            client.predict(frames[:, :3])
        assert time.monotonic() - start < 1.4
    served.delay = 0.0


def test_a_server_that_is_not_there(monkeypatch, frames):
    monkeypatch.setattr(serving, "_PAUSES", (0.01,))
    for scheme in ("", "http://"):
        with (
            Client(f"{scheme}127.0.0.1:{free_port()}") as client,
            pytest.raises(UnavailableError),
        ):
            client.predict(frames[:, :3])


def test_the_pauses_between_attempts_end_with_the_deadline(monkeypatch, frames):
    monkeypatch.setattr(serving, "_PAUSES", (0.1, 60.0))
    start = time.monotonic()
    with (
        Client(f"http://127.0.0.1:{free_port()}", timeout=5.0) as client,
        pytest.raises(UnavailableError),
    ):
        client.predict(frames[:, :3])
    assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        ({"outputs": []}, "gave no answer of a model server"),
        ([], "gave no answer of a model server"),
        ({"predictions": []}, "gave no answer of a model server"),
        ({"predictions": [{"scores": 1}]}, "answer of serve has no 'predictions'.* scores"),
        (b"<html>", "gave no answer of a model server"),
        (b"[" * 100_000, "gave no answer of a model server"),
        (b'{"predictions": [[[', "gave no answer of a model server"),
        ({"predictions": np.zeros((2, 3, 13, 18, 3)).tolist()}, "float32 \\(2, 3, 13, 18, 3\\)"),
        ({"predictions": np.zeros((3, 3, 13, 8, 3)).tolist()}, "another 'predictions' than"),
        ({"predictions": np.zeros((3, 0)).tolist()}, "another 'predictions' than"),
        ({"predictions": np.full((3, 3, 13, 18, 3), np.nan).tolist()}, "a NaN or an infinity"),
        ({"predictions": np.full((3, 3, 13, 18, 3), 1e300).tolist()}, "a NaN or an infinity"),
        ({"predictions": np.full((3, 3, 13, 18, 3), 2.0).tolist()}, r"leaves \[0, 1\]: 2 to 2"),
        ({"predictions": np.full((3, 3, 13, 18, 3), "1").tolist()}, "values are <U1"),
        ({"predictions": [[1.0], [[2.0]], 3.0]}, "gave no answer of a model server"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_an_answer_of_something_else_is_an_error(addresses, frames, monkeypatch, reply, message):
    monkeypatch.setattr(RestHandler, "do_POST", lambda self: self.reply("OK", reply))
    with Client(addresses["rest"]) as client, pytest.raises(ServingError, match=message):
        client.predict(frames[:, :3])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda value: value[:2], "another 'predictions' than"),
        (lambda value: np.full_like(value, np.inf), "a NaN or an infinity"),
        (lambda value: value.astype(np.float64), "float64"),
        (lambda value: value.astype(str), "gave no answer of a model server|<U|object"),
    ],
)
def test_an_answer_over_grpc_is_checked_too(
    addresses, served, frames, monkeypatch, change, message
):
    whole = served.answer

    def answer(*arguments):
        code, outputs = whole(*arguments)
        return code, {name: change(value) for name, value in outputs.items()}

    monkeypatch.setattr(served, "answer", answer)
    with Client(addresses["grpc"]) as client, pytest.raises(ServingError, match=message):
        client.predict(frames[:, :3])


def test_an_answer_that_is_cut_short_is_asked_for_again(addresses, frames, monkeypatch):
    monkeypatch.setattr(serving, "_PAUSES", (0.01, 0.01))
    whole, asked = RestHandler.reply, []

    def reply(self, code, value):
        asked.append(code)
        if len(asked) > 2:
            whole(self, code, value)
            return
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        self.wfile.write(b'{"predictions": [[')
        self.close_connection = True

    monkeypatch.setattr(RestHandler, "reply", reply)
    with Client(addresses["rest"]) as client:
        assert client.predict(frames[:, :3]).shape == (3, 3, 13, 18, 3)
        asked[:] = []
        monkeypatch.setattr(serving, "_PAUSES", (0.01,))
        with pytest.raises(UnavailableError):
            client.predict(frames[:, :3])


def test_an_answer_without_end_is_not_read(addresses, frames, monkeypatch):
    monkeypatch.setattr(serving, "MOST_BYTES", 1000)
    with (
        Client(addresses["rest"]) as client,
        pytest.raises(ServingError, match="more than 1000 bytes"),
    ):
        client.predict(frames[:, :3])


@pytest.mark.parametrize("size", [10**15, -1])
def test_a_state_of_an_absurd_size_is_not_made(addresses, frames, monkeypatch, size):
    shape = {"dim": [{"size": "-1"}, {"size": str(size)}]}
    signature = {"inputs": {"state": {"tensor_shape": shape}}}
    reply = {"metadata": {"signature_def": {"signature_def": {"serve_step": signature}}}}
    monkeypatch.setattr(RestHandler, "do_GET", lambda self: self.reply("OK", reply))
    with Client(addresses["rest"]) as client, pytest.raises(ServingError, match="state of these"):
        client.step(frames[:, 0])


def test_what_the_client_cannot_be_made_of(monkeypatch):
    with pytest.raises(UserError, match="give a version or a label. Received: 1 and stable"):
        Client("localhost:8500", version=1, label="stable")
    with Client("http://") as client, pytest.raises(RequestError, match="Invalid URL"):
        client.predict(np.zeros((1, 3, 13, 18, 3), np.float32))
    monkeypatch.setitem(sys.modules, "tensorflow_serving.apis", None)
    with pytest.raises(UserError, match=r"pip install 'lmvp-tf\[serving\]'"):
        Client("localhost:8500")


def test_the_errors_end_a_command_with_one_line():
    assert issubclass(RequestError, UserError)
    assert issubclass(NotFoundError, RequestError)
    assert issubclass(ServingError, RunError)
    assert {DeadlineError.__base__, UnavailableError.__base__} == {ServingError}


@pytest.fixture(scope="module")
def kserve_address(exported, tmp_path_factory):
    """A server of the V1 protocol that others wrote, with the SavedModel behind it."""
    pytest.importorskip("kserve")
    port, log = free_port(), tmp_path_factory.mktemp("kserve") / "log"
    with log.open("w") as stream:
        command = [sys.executable, "-c", KSERVE, str(exported[1]), str(port)]
        server = subprocess.Popen(command, stdout=stream, stderr=stream)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            assert server.poll() is None, log.read_text()
            try:
                if requests.get(f"{address}/v1/models/lmvp", timeout=5).ok:
                    break
            except requests.RequestException:
                time.sleep(0.2)
        yield address
    finally:
        server.terminate()
        server.wait()


@pytest.mark.slow
def test_the_rest_bodies_are_understood_by_another_server(kserve_address, exported, frames):
    expected = np.asarray(exported[0](frames[:, :3], num_predicted=3))
    with Client(kserve_address, max_batch=2) as client:
        np.testing.assert_allclose(client.predict(frames[:, :3]), expected, atol=1e-5)
        levels = client.predict(np.uint8(np.rint(255 * frames[:, :3])))
        np.testing.assert_allclose(levels / 255.0, expected, atol=2 / 255)
        shapes = exported[0].state_shapes((3, 13, 18, 3))
        state = {name: np.zeros((3, *shape), np.float32) for name, shape in shapes.items()}
        for t in range(3):
            frame, state = client.step(frames[:, t], state)
        np.testing.assert_allclose(np.clip(frame, 0, 1), expected[:, 0], atol=1e-5)
        with pytest.raises(RequestError, match="HTTP 400"):
            client.predict(frames[:, :2])
    with Client(kserve_address, "other") as client, pytest.raises(NotFoundError, match="other"):
        client.predict(frames[:, :3])
