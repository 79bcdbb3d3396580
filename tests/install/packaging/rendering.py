"""What kustomize and helm make of packaging/, each combination once."""

import functools
import json
import os
import pathlib
import subprocess
import tempfile

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[3]
KUSTOMIZE = ROOT / "packaging/kubernetes"
CHART = ROOT / "packaging/helm/countersign"
WORK = ROOT / "target/packaging"
# The chart under the names and in the namespace that the manifests have.
RELEASE, NAMESPACE = "notary", "countersign"

PROGRAMS = ("notary-server", "notary-signer")
OVERLAYS = ("mysql", "postgres", "sqlite")
CHARTS = {
    "sqlite": {},
    "mysql": {"database": {"backend": "mysql"}},
    "postgres": {"database": {"backend": "postgres"}},
    "postgres, token-keys": {
        "database": {"backend": "postgres"},
        "server": {"auth": {"tokenKeysClaim": "notary-server-token-keys"}},
    },
    "cert-manager": {"certManager": {"enabled": True}},
    "cert-manager, own issuer": {
        "certManager": {"enabled": True, "issuerRef": {"name": "letsencrypt", "kind": "ClusterIssuer"}},
        "database": {"backend": "postgres"},
    },
    "everything": {
        "image": {"pullSecrets": ["registry"]},
        "database": {"backend": "mysql", "migrate": False},
        "server": {
            "image": {"digest": "sha256:" + "0" * 64},
            "auth": {"filesSecret": "access", "administratorSecret": ""},
            "config": {
                "server": {"public_url": "https://notary.example.com"},
                "auth": {"type": "htpasswd", "htpasswd_file": "/run/secrets/access/htpasswd"},
            },
            "ingress": {"enabled": True, "annotations": {"example.com/protocol": "HTTPS"}},
            "service": {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "annotations": {"example.com/a": "b"}},
            "env": [{"name": "NOTARY_SERVER_LOGGING_LEVEL", "value": "debug"}],
            "volumes": [{"name": "more", "emptyDir": {}}],
            "volumeMounts": [{"name": "more", "mountPath": "/more"}],
            "nodeSelector": {"disk": "ssd"},
            "tolerations": [{"operator": "Exists"}],
            "affinity": {"nodeAffinity": {}},
        },
        "signer": {
            "passphrases": {"aliases": ["timestamps_2", "timestamps_1"]},
            "env": [{"name": "NOTARY_SIGNER_LOGGING_LEVEL", "value": "debug"}],
        },
        "networkPolicies": {
            "clients": [{"namespaceSelector": {"matchLabels": {"a": "b"}}}],
            "monitoring": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}],
            "database": [{"ipBlock": {"cidr": "192.0.2.1/32"}}],
            "databasePort": 3307,
            "serverEgress": [{"to": [{"ipBlock": {"cidr": "192.0.2.2/32"}}], "ports": [{"port": 443}]}],
        },
    },
    "bare": {
        "networkPolicies": {"enabled": False},
        "podDisruptionBudgets": {"enabled": False},
        "server": {"auth": {"administratorSecret": "", "allowEverybody": True}},
    },
}


def helm(*arguments):
    """Runs helm; its output and whether it succeeded."""
    command = [os.environ["HELM"], *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode == 0, done.stdout if done.returncode == 0 else done.stderr


def template(values):
    """The chart with these values, as text, or why there is none."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(values, file)
        file.flush()
        return helm("template", RELEASE, CHART, "--namespace", NAMESPACE, "--values", file.name)


def build(folder):
    """What kustomize makes of a folder."""
    command = [os.environ["KUBECTL"], "kustomize", folder]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def build_with(component, overlay):
    """An overlay of an operator's own, on one of ours."""
    WORK.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=WORK) as folder:
        above = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "namespace": NAMESPACE,
            "resources": [os.path.relpath(KUSTOMIZE / "overlays" / overlay, folder)],
            "components": [os.path.relpath(KUSTOMIZE / "components" / component, folder)],
        }
        (pathlib.Path(folder) / "kustomization.yaml").write_text(yaml.safe_dump(above), encoding="utf-8")
        return build(folder)


@functools.cache
def renderings():
    """Every combination by name: a list of objects each."""
    texts = {}
    for overlay in OVERLAYS:
        texts[f"kustomize {overlay}"] = build(KUSTOMIZE / "overlays" / overlay)
        texts[f"kustomize {overlay}, cert-manager"] = build_with("cert-manager", overlay)
    texts["kustomize postgres, token-keys"] = build_with("token-keys", "postgres")
    for name, values in CHARTS.items():
        worked, text = template(values)
        if not worked:
            raise AssertionError(f"helm {name}: {text}")
        texts[f"helm {name}"] = text
    return {name: [document for document in yaml.safe_load_all(text) if document] for name, text in texts.items()}


class Rendering:
    """One combination, with what tests ask of it."""

    def __init__(self, name):
        self.name = name
        self.objects = renderings()[name]

    def of_kind(self, *kinds):
        """Objects of these kinds."""
        return [thing for thing in self.objects if thing["kind"] in kinds]

    def names(self, kind):
        """Names of the objects of a kind."""
        return {thing["metadata"]["name"] for thing in self.of_kind(kind)}

    def deployment(self, program):
        """The Deployment whose first container is `program`."""
        found = [d for d in self.of_kind("Deployment") if d["spec"]["template"]["spec"]["containers"][0]["name"] == program]
        assert len(found) == 1, f"{self.name}: {len(found)} Deployments of {program}"
        return found[0]

    def pod(self, program):
        """The pod of a program."""
        return self.deployment(program)["spec"]["template"]["spec"]

    def labels(self, program):
        """The labels of a program's pods."""
        return self.deployment(program)["spec"]["template"]["metadata"]["labels"]

    def container(self, program):
        """The one container of a program's pod."""
        (container,) = self.pod(program)["containers"]
        return container

    def configuration(self, program):
        """The configuration file that a program's pod has."""
        volume = next(v for v in self.pod(program)["volumes"] if v["name"] == "config")
        name = volume["configMap"]["name"]
        (data,) = [m["data"] for m in self.of_kind("ConfigMap") if m["metadata"]["name"] == name]
        ((file, text),) = data.items()
        argument = f"-config=/etc/notary/{file}"
        assert argument in self.container(program)["args"], f"{self.name}: {argument} is not an argument"
        return file, json.loads(text)

    def variables(self, program):
        """The environment that a program's container gets."""
        return {variable["name"]: variable["value"] for variable in self.container(program).get("env", [])}

    def storage(self, program):
        """Kind and place of a program's database, from wherever they are set."""
        stored = self.configuration(program)[1].get("storage", {})
        prefix = f"{program.upper().replace('-', '_')}_STORAGE_"
        set_outside = {name: self.variables(program).get(prefix + name.upper()) for name in ("backend", "db_url")}
        found = {name: value or stored.get(name) for name, value in set_outside.items()}
        return {name: value for name, value in found.items() if value}
