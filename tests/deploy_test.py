"""The files of deploy/: what can be checked of them without a cluster or a server."""

import pathlib
import re
import shutil
import subprocess

import pytest

from lmvp_tf.serving import BATCH_SIZES

# The source tree, also where Bazel runs this test: it shows a test only what BUILD files name.
DEPLOY = pathlib.Path(__file__).resolve().parents[1] / "deploy"


def test_the_script_for_slurm_is_one_of_bash():
    script = DEPLOY / "train.slurm"
    subprocess.run(["bash", "-n", str(script)], check=True)
    if shutil.which("shellcheck"):
        subprocess.run(["shellcheck", str(script)], check=True)
    directives = re.findall(r"(?m)^#SBATCH --([\w-]+)", script.read_text())
    assert {"nodes", "ntasks-per-node", "signal", "requeue"} <= set(directives)


def test_the_job_for_kubernetes_is_of_valid_pods_and_claims():
    yaml = pytest.importorskip("yaml")
    kubernetes = pytest.importorskip("kubernetes_validate")
    job, *claims = yaml.safe_load_all((DEPLOY / "tfjob.yaml").read_text())
    for claim in claims:
        kubernetes.validate(claim, "1.30", strict=True)
    (replicas,) = job["spec"]["tfReplicaSpecs"].values()
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}, **replicas["template"]}
    kubernetes.validate(pod, "1.30", strict=True)
    claimed = {v["persistentVolumeClaim"]["claimName"] for v in pod["spec"]["volumes"][:2]}
    assert claimed == {claim["metadata"]["name"] for claim in claims}


def _fields_known(models, kind, value):
    """Of an object of Kubeflow's, and of those in it: fields that it has, of the types it says."""
    model = getattr(models, kind)
    fields = {field: name for name, field in model.attribute_map.items()}
    assert set(value) <= set(fields), kind
    for field, found in value.items():
        of_what = model.openapi_types[fields[field]]
        of_each = re.fullmatch(r"dict\(str, (KubeflowOrg\w+)\)", of_what)
        inner = found.values() if of_each else [found]
        of_what = of_each[1] if of_each else of_what
        for part in inner:
            if of_what.startswith("Kubeflow"):
                _fields_known(models, of_what, part)
            elif of_what in ("int", "str"):
                assert type(part).__name__ == of_what, field
    model(**{fields[field]: found for field, found in value.items()})  # none is missing


def test_the_job_is_one_of_kubeflows():
    yaml = pytest.importorskip("yaml")
    models = pytest.importorskip("kubeflow.training.models")
    job, *_ = yaml.safe_load_all((DEPLOY / "tfjob.yaml").read_text())
    _fields_known(models, "KubeflowOrgV1TFJob", job)
    job["spec"]["runPolicy"]["backofLimit"] = 1
    with pytest.raises(AssertionError, match="RunPolicy"):
        _fields_known(models, "KubeflowOrgV1TFJob", job)


def test_the_job_gives_flags_that_the_program_has(load_command):
    yaml = pytest.importorskip("yaml")
    from absl import flags

    load_command("train")
    job, *_ = yaml.safe_load_all((DEPLOY / "tfjob.yaml").read_text())
    (replicas,) = job["spec"]["tfReplicaSpecs"].values()
    (container,) = replicas["template"]["spec"]["containers"]
    flags.FLAGS.unparse_flags()
    assert flags.FLAGS([*container["command"], *container["args"]]) == container["command"]
    assert flags.FLAGS.distribute == "multi_worker"


def test_the_model_config_loads_what_it_labels():
    pytest.importorskip("tensorflow_serving.apis")
    from google.protobuf import text_format
    from tensorflow_serving.config import model_server_config_pb2

    config = text_format.Parse(
        (DEPLOY / "models.config").read_text(), model_server_config_pb2.ModelServerConfig()
    )
    (model,) = config.model_config_list.config
    assert (model.name, model.base_path) == ("lmvp", "/models/lmvp")
    versions = set(model.model_version_policy.specific.versions)
    assert versions
    assert model.version_labels["stable"] in versions
    assert set(model.version_labels.values()) <= versions


def test_the_server_makes_the_batches_that_the_client_and_the_warm_up_count_on():
    text = (DEPLOY / "batching_parameters.txt").read_text()
    assert [int(n) for n in re.findall(r"^allowed_batch_sizes: (\d+)", text, re.M)] == list(
        BATCH_SIZES
    )
    assert re.findall(r"^max_batch_size \{ value: (\d+) \}", text, re.M) == [str(BATCH_SIZES[-1])]


def test_the_compose_file_names_files_that_are_there():
    names = re.findall(r"=/config/(\S+)", (DEPLOY / "compose.yaml").read_text())
    assert names == ["models.config", "batching_parameters.txt", "monitoring.config"]
    assert all((DEPLOY / name).is_file() for name in names)
