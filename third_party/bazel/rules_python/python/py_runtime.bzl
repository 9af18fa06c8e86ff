"""py_runtime under the name that rules_python gives it."""

py_runtime = native.py_runtime
