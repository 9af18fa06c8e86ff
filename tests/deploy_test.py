"""The examples of deploy/ for training: what can be checked of them without a cluster."""

import pathlib
import re
import shutil
import subprocess

import pytest

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
