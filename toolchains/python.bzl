"""The Python toolchain: the interpreter that has TensorFlow, pytest and the other packages."""

_BUILD = """
load("@rules_python//python:py_runtime.bzl", "py_runtime")
load("@rules_python//python:py_runtime_pair.bzl", "py_runtime_pair")

py_runtime(
    name = "py3_runtime",
    interpreter_path = "{interpreter}",
    python_version = "PY3",
)

py_runtime_pair(
    name = "py_runtime_pair",
    py3_runtime = ":py3_runtime",
)

toolchain(
    name = "toolchain",
    toolchain = ":py_runtime_pair",
    toolchain_type = "@bazel_tools//tools/python:toolchain_type",
    visibility = ["//visibility:public"],
)
"""

def _python_configure_impl(ctx):
    interpreter = ctx.os.environ.get("PYTHON_BIN_PATH") or ctx.which("python3")
    if not interpreter:
        fail("No python3 on PATH: set PYTHON_BIN_PATH to the interpreter that has TensorFlow.")
    ctx.file("BUILD", _BUILD.format(interpreter = interpreter))

python_configure = repository_rule(
    doc = "Makes a toolchain of the interpreter $PYTHON_BIN_PATH, or else of python3 on PATH.",
    implementation = _python_configure_impl,
    environ = ["PATH", "PYTHON_BIN_PATH"],
    local = True,
)
