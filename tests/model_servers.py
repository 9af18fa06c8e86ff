"""Servers of a SavedModel over gRPC and REST that answer as TensorFlow Serving does, or fail."""

import concurrent.futures
import contextlib
import http.server
import json
import re
import socket
import threading
import time

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from lmvp_tf.serving import BATCH_SIZES

HTTP = {"OK": 200, "INVALID_ARGUMENT": 400, "NOT_FOUND": 404, "INTERNAL": 500, "UNAVAILABLE": 503,
        "DEADLINE_EXCEEDED": 504}  # fmt: skip


class Served:
    """What the servers below have in common: a SavedModel, and the faults of a server.

    Attributes:
      batches: B of every request that was answered.
      faults: names of gRPC codes to fail with, one by request, before it answers again.
      delay: seconds that an answer takes.
    """

    def __init__(self, folder):
        self.folder = folder
        self.loaded = tf.saved_model.load(str(folder))
        self.faults, self.delay, self.batches = [], 0.0, []

    def answer(self, spec, endpoint, inputs):
        """A status and what goes with it: {name: array}, or a message."""
        if self.faults:
            return self.faults.pop(0), "out of order"
        time.sleep(self.delay)
        if spec.get("label", "stable") != "stable":
            return "INVALID_ARGUMENT", f"Unrecognized servable version label: {spec['label']}"
        if spec["name"] != "lmvp" or spec.get("version", 1) != 1:
            return "NOT_FOUND", f"Servable not found for request: {spec}"
        signature = self.loaded.signatures[endpoint]
        specs = signature.structured_input_signature[1]
        batch = max(len(value) for value in inputs.values())
        for name, value in inputs.items():
            if value.dtype != specs[name].dtype or not specs[name].shape.is_compatible_with(
                value.shape
            ):
                return "INVALID_ARGUMENT", f"{name}: {value.dtype} {value.shape}"
        if batch > BATCH_SIZES[-1]:
            return "INVALID_ARGUMENT", f"Task size {batch} is larger than the largest batch"
        self.batches.append(batch)
        outputs = signature(**{name: tf.constant(value) for name, value in inputs.items()})
        return "OK", {name: value.numpy() for name, value in outputs.items()}


class Servicer(prediction_service_pb2_grpc.PredictionServiceServicer):
    """TensorFlow Serving's gRPC service, as far as the client uses it."""

    def __init__(self, served):
        self.served = served

    def Predict(self, request, context):
        spec = request.model_spec
        asked = {"name": spec.name}
        if spec.HasField("version"):
            asked["version"] = spec.version.value
        if spec.HasField("version_label"):
            asked["label"] = spec.version_label
        inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        code, answer = self.served.answer(asked, spec.signature_name or "serving_default", inputs)
        if code != "OK":
            context.abort(grpc.StatusCode[code], answer)
        response = predict_pb2.PredictResponse()
        for name, value in answer.items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
        return response

    def GetModelMetadata(self, request, context):
        signatures = get_model_metadata_pb2.SignatureDefMap()
        for name, signature in signature_defs(self.served.folder).items():
            signatures.signature_def[name].CopyFrom(signature)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.metadata["signature_def"].Pack(signatures)
        return response


def signature_defs(folder):
    """The signatures in a saved_model.pb, as a server publishes them."""
    content = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    return content.meta_graphs[0].signature_def


class RestHandler(http.server.BaseHTTPRequestHandler):
    """TensorFlow Serving's REST API, as far as the client uses it."""

    def do_POST(self):
        served = self.server.served
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        pattern = (
            r"/v1/models/(?P<name>\w+)(/versions/(?P<version>\d+)|/labels/(?P<label>\w+))?:predict"
        )
        found = re.fullmatch(pattern, self.path).groupdict()
        spec = {key: value for key, value in found.items() if value is not None}
        if "version" in spec:
            spec["version"] = int(spec["version"])
        endpoint = body.get("signature_name", "serving_default")
        dtype = np.uint8 if endpoint == "serve_uint8" else np.float32
        rows = body["instances"]
        inputs = {part: np.array([row[part] for row in rows], dtype) for part in rows[0]}
        code, answer = served.answer(spec, endpoint, inputs)
        if code != "OK":
            self.reply(code, {"error": answer})
        elif len(answer) == 1:  # the name of a sole output is left out
            self.reply(code, {"predictions": next(iter(answer.values())).tolist()})
        else:
            rows = zip(*(value.tolist() for value in answer.values()), strict=True)
            self.reply(code, {"predictions": [dict(zip(answer, row, strict=True)) for row in rows]})

    def do_GET(self):
        from google.protobuf import json_format

        signatures = {
            name: json_format.MessageToDict(signature, preserving_proto_field_name=True)
            for name, signature in signature_defs(self.server.served.folder).items()
        }
        self.reply("OK", {"metadata": {"signature_def": {"signature_def": signatures}}})

    def reply(self, code, value):
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(HTTP[code])
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError):  # a client does not wait for ever
            self.wfile.write(content)

    def log_message(self, *_):
        """Nothing."""


@contextlib.contextmanager
def running(served, workers=2):
    """Starts both servers of a Served; yields their addresses, {"grpc": ..., "rest": ...}."""
    grpc_server = grpc.server(concurrent.futures.ThreadPoolExecutor(workers))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        Servicer(served), grpc_server
    )
    port = grpc_server.add_insecure_port("127.0.0.1:0")
    grpc_server.start()
    rest_server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), RestHandler)
    rest_server.served = served
    threading.Thread(target=rest_server.serve_forever, daemon=True).start()
    try:
        yield {
            "grpc": f"127.0.0.1:{port}",
            "rest": f"http://127.0.0.1:{rest_server.server_port}",
        }
    finally:
        rest_server.shutdown()
        rest_server.server_close()
        grpc_server.stop(None)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


KSERVE = """
import sys
import numpy as np
import tensorflow as tf
from kserve import Model, ModelServer
from kserve.errors import InvalidInput

class Served(Model):
    def __init__(self):
        super().__init__("lmvp")
        self.signatures, self.ready = tf.saved_model.load(sys.argv[1]).signatures, True

    def predict(self, payload, headers=None, response_headers=None):
        rows, endpoint = payload["instances"], self.signatures[payload["signature_name"]]
        dtypes = {k: s.dtype for k, s in endpoint.structured_input_signature[1].items()}
        try:
            inputs = {k: tf.constant([row[k] for row in rows], dtypes[k]) for k in rows[0]}
            outputs = {k: v.numpy().tolist() for k, v in endpoint(**inputs).items()}
        except (ValueError, tf.errors.InvalidArgumentError) as error:
            raise InvalidInput(str(error))
        return {"predictions": [dict(zip(outputs, row)) for row in zip(*outputs.values())]}

ModelServer(http_port=int(sys.argv[2]), enable_grpc=False, workers=1).start([Served()])
"""
