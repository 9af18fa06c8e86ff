"""Makes training batches for run_train.py --data_service on machines of their own.

    python -m lmvp_tf data_service --port=5050                                 one of all
    python -m lmvp_tf data_service --dispatcher=grpc://first:5050 --port=5051  on each of the others

The first is the dispatcher, and makes batches too; the others make batches for it. Each needs as
much memory as the training data take, and runs until it is stopped.
"""

from __future__ import annotations

import socket

from absl import flags

from lmvp_tf import runtime
from lmvp_tf.commands import cli
from lmvp_tf.errors import UserError

_PORT = flags.DEFINE_integer("port", 5050, "Port to listen on.", 1, 65534)
_HOST = flags.DEFINE_string("host", None, "Name that the others know this machine by; its own.")
_DISPATCHER = flags.DEFINE_string(
    "dispatcher", None, "Address of the first one, as grpc://HOST:PORT; without it this is it."
)


def main(argv: list[str]) -> None:
    del argv
    runtime.import_tensorflow()  # takes seconds: not for --help or a bad flag
    import tensorflow as tf

    from lmvp_tf.datasets import data_service

    service = tf.data.experimental.service
    host, port = _HOST.value or socket.gethostname(), _PORT.value
    servers = []  # each ends when nobody holds it
    address = _DISPATCHER.value
    try:
        if address is None:
            address, port = f"grpc://{host}:{port}", port + 1
            servers.append(service.DispatchServer(service.DispatcherConfig(port=_PORT.value)))
            print(f"Dispatcher: run_train.py --data_service={address}", flush=True)
        data_service.check(address)
        config = service.WorkerConfig(
            address.removeprefix("grpc://"), worker_address=f"{host}:{port}", port=port
        )
        servers.append(service.WorkerServer(config))
    except tf.errors.OpError as error:
        raise UserError(f"--port={_PORT.value}: {error.message}") from error
    print(f"Makes batches at {host}:{port}.", flush=True)
    servers[-1].join()


def run() -> None:
    """The program."""
    cli.run(main)
