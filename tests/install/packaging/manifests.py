"""What kustomize and helm make of packaging/, against the schemas of Kubernetes and against what it promises.

KUBECTL and HELM name the programs.
"""

import json
import unittest

import kubernetes_validate

import network
from rendering import CHART, NAMESPACE, PROGRAMS, Rendering, helm, renderings, template

# The oldest that is supported, for the pause before stopping, and the newest that there is a schema of.
KUBERNETES = ("1.30", "1.37")
STRANGER = {"app.kubernetes.io/name": "stranger"}
DATABASE = {"app.kubernetes.io/component": "database"}


class Manifests(unittest.TestCase):
    """What holds for every combination."""

    def each(self):
        """Every combination, as a subtest."""
        for name in renderings():
            with self.subTest(name):
                yield Rendering(name)

    def each_pod(self):
        """Every pod of every combination, with its containers."""
        for rendering in self.each():
            for program in PROGRAMS:
                pod = rendering.pod(program)
                yield rendering, pod, pod["containers"] + pod.get("initContainers", [])

    def test_every_object_fits_its_schema(self):
        foreign = {"cert-manager.io/v1"}
        seen = set()
        for rendering in self.each():
            for thing in rendering.objects:
                text = json.dumps(thing, sort_keys=True)
                if thing["apiVersion"] in foreign or text in seen:
                    continue
                seen.add(text)
                for version in KUBERNETES:
                    kubernetes_validate.validate(thing, version, strict=True)
        print(f"\nnot checked against a schema, since none is to be had: {', '.join(foreign)}")

    def test_no_two_objects_have_the_same_name(self):
        for rendering in self.each():
            names = [(thing["kind"], thing["metadata"]["name"]) for thing in rendering.objects]
            self.assertEqual(len(names), len(set(names)), names)

    def test_everything_is_in_one_namespace(self):
        for rendering in self.each():
            for thing in rendering.objects:
                if thing["kind"] != "Namespace":
                    self.assertEqual(thing["metadata"].get("namespace", NAMESPACE), NAMESPACE, thing["metadata"])

    def test_pods_fit_the_restricted_security_standard(self):
        for _, pod, containers in self.each_pod():
            context = pod["securityContext"]
            self.assertTrue(context["runAsNonRoot"] and context["runAsUser"] > 0)
            self.assertEqual(context["seccompProfile"], {"type": "RuntimeDefault"})
            for key in ("hostNetwork", "hostPID", "hostIPC"):
                self.assertNotIn(key, pod)
            for volume in pod["volumes"]:
                kinds = set(volume) - {"name"}
                self.assertLessEqual(kinds, {"configMap", "secret", "emptyDir", "persistentVolumeClaim"})
            for container in containers:
                expected = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
                self.assertEqual(container["securityContext"], expected)

    def test_pods_hold_no_token_and_no_service_variables(self):
        for rendering, pod, _ in self.each_pod():
            self.assertIs(pod["automountServiceAccountToken"], False)
            # They would be taken for settings.
            self.assertIs(pod["enableServiceLinks"], False)
            self.assertIn(pod["serviceAccountName"], rendering.names("ServiceAccount"))

    def test_every_container_has_limits_and_a_complete_image_name(self):
        for _, _, containers in self.each_pod():
            for container in containers:
                self.assertIn("memory", container["resources"]["limits"])
                self.assertRegex(container["image"], r"^registry\.example\.com/countersign/notary-(server|signer)(:0\.1\.0|@sha256:[0-9a-f]{64})$")

    def test_every_mount_has_a_volume_and_every_volume_exists(self):
        for rendering, pod, containers in self.each_pod():
            volumes = {volume["name"]: volume for volume in pod["volumes"]}
            self.assertEqual(len(volumes), len(pod["volumes"]))
            for container in containers:
                for mount in container["volumeMounts"]:
                    self.assertIn(mount["name"], volumes)
                    # A file that is mounted by itself is never replaced, renewed certificates included.
                    self.assertNotIn("subPath", mount)
            for volume in volumes.values():
                if "configMap" in volume:
                    self.assertIn(volume["configMap"]["name"], rendering.names("ConfigMap"))
                if "persistentVolumeClaim" in volume:
                    claim = volume["persistentVolumeClaim"]["claimName"]
                    # The chart does not make this one: not every cluster can.
                    if claim != "notary-server-token-keys":
                        self.assertIn(claim, rendering.names("PersistentVolumeClaim"))
                if "secret" in volume:
                    self.assertEqual(volume["secret"]["defaultMode"], 0o440)

    def test_no_secret_is_written_down(self):
        for rendering in self.each():
            self.assertFalse(rendering.of_kind("Secret"))
            for program in PROGRAMS:
                for variable in rendering.container(program).get("env", []):
                    if "NOTARY_AUTH" in variable["name"] or "DB_URL" in variable["name"]:
                        self.assertRegex(variable["value"], r"^/(run/secrets|var/lib/notary)/")

    def test_services_budgets_and_policies_select_the_pods_they_are_for(self):
        for rendering in self.each():
            for program in PROGRAMS:
                name = rendering.deployment(program)["metadata"]["name"]
                labels = rendering.labels(program)
                other = rendering.labels(next(p for p in PROGRAMS if p != program))
                own = [t for t in rendering.of_kind("Service", "PodDisruptionBudget", "NetworkPolicy") if t["metadata"]["name"] == name]
                self.assertGreaterEqual(len(own), 1)
                for thing in own:
                    spec = thing["spec"]
                    selector = spec.get("podSelector") or spec["selector"]
                    if thing["kind"] == "Service":
                        selector = {"matchLabels": selector}
                        ports = {port["name"] for port in rendering.container(program)["ports"]}
                        self.assertLessEqual({port["targetPort"] for port in spec["ports"]}, ports)
                    self.assertTrue(network.selects(selector, labels))
                    self.assertFalse(network.selects(selector, other))

    def test_there_is_never_a_second_program_on_an_sqlite_file(self):
        for rendering in self.each():
            for program in PROGRAMS:
                spec = rendering.deployment(program)["spec"]
                if rendering.storage(program)["backend"] == "sqlite3":
                    self.assertEqual(spec["replicas"], 1)
                    self.assertEqual(spec["strategy"], {"type": "Recreate"})
                    for claim in rendering.of_kind("PersistentVolumeClaim"):
                        self.assertEqual(claim["spec"]["accessModes"], ["ReadWriteOncePod"])
                else:
                    self.assertEqual(spec["replicas"], 2)

    def test_who_hangs_is_not_waited_for_like_who_ends(self):
        for _, pod, containers in self.each_pod():
            probe = containers[0]["livenessProbe"]
            self.assertLess(probe["terminationGracePeriodSeconds"], pod["terminationGracePeriodSeconds"])
            self.assertGreater(probe["terminationGracePeriodSeconds"], containers[0]["lifecycle"]["preStop"]["sleep"]["seconds"])

    def test_the_whole_strategy_is_written_down(self):
        # What the cluster fills in has no owner: a server-side apply that goes over to Recreate would leave it
        # there, and the cluster refuse both together.
        for rendering in self.each():
            for program in PROGRAMS:
                strategy = rendering.deployment(program)["spec"]["strategy"]
                if strategy["type"] == "Recreate":
                    self.assertEqual(set(strategy), {"type"})
                else:
                    self.assertEqual(strategy["type"], "RollingUpdate")
                    self.assertEqual(set(strategy["rollingUpdate"]), {"maxSurge", "maxUnavailable"})

    def test_the_keys_of_tokens_are_in_a_folder_that_the_server_makes(self):
        # The top of a volume is open to the group of the pod.
        tried = 0
        for rendering in self.each():
            folder = rendering.variables("notary-server").get("NOTARY_SERVER_AUTH_TOKEN_FOLDER")
            if not folder:
                continue
            tried += 1
            mounts = [m["mountPath"] for m in rendering.container("notary-server")["volumeMounts"] if not m.get("readOnly")]
            self.assertTrue(any(folder.startswith(f"{mount}/") for mount in mounts), folder)
        self.assertEqual(tried, 6)

    def test_the_server_asks_for_a_signer_that_exists_under_that_name(self):
        for rendering in self.each():
            trust = rendering.configuration("notary-server")[1]["trust_service"]
            self.assertIn(trust["hostname"], rendering.names("Service"))
            _, signer = rendering.configuration("notary-signer")
            self.assertTrue(signer["server"]["client_names"])
            self.assertTrue(signer["server"]["client_ca_file"])

    def test_who_may_publish_is_decided(self):
        for rendering in self.each():
            _, configuration = rendering.configuration("notary-server")
            variables = {variable["name"] for variable in rendering.container("notary-server").get("env", [])}
            self.assertTrue("NOTARY_AUTH_FILE" in variables or configuration["auth"].get("type"))


class Network(unittest.TestCase):
    """Who reaches whom, wherever there are policies."""

    def each(self):
        """Every combination with policies, and the two programs' labels."""
        for name in renderings():
            rendering = Rendering(name)
            policies = rendering.of_kind("NetworkPolicy")
            if policies:
                with self.subTest(name):
                    yield rendering, policies, rendering.labels("notary-server"), rendering.labels("notary-signer")

    def test_only_the_server_reaches_the_signer(self):
        for _, policies, server, signer in self.each():
            self.assertTrue(network.reaches(policies, server, signer, 7899, "grpc"))
            for other in (STRANGER, DATABASE, network.EVERYBODY):
                self.assertFalse(network.reaches(policies, other, signer, 7899, "grpc"))
            self.assertFalse(network.reaches(policies, signer, server, 4443, "https"))

    def test_clients_reach_the_server_and_nothing_else(self):
        for rendering, policies, server, signer in self.each():
            reached = network.reaches(policies, STRANGER, server, 4443, "https")
            self.assertEqual(reached, rendering.name != "helm everything")
            for pod in (server, signer):
                self.assertFalse(network.reaches(policies, STRANGER, pod, 8080, "monitoring"))
                self.assertFalse(network.reaches(policies, network.EVERYBODY, pod, 8080, "monitoring"))

    def test_neither_reaches_the_world(self):
        for _, policies, server, signer in self.each():
            for pod in (server, signer):
                self.assertFalse(network.reaches(policies, pod, network.EVERYBODY, 443))

    def test_only_server_and_signer_reach_the_database(self):
        ports = {"mysql": 3306, "postgres": 5432, "cert-manager, own issuer": 5432}
        tried = 0
        for rendering, policies, server, signer in self.each():
            what = rendering.name.split(" ", 1)[1]
            port = ports.get(what.removesuffix(", cert-manager").removesuffix(", token-keys"))
            if not port:
                continue
            tried += 1
            for pod in (server, signer):
                self.assertTrue(network.reaches(policies, pod, DATABASE, port))
                self.assertFalse(network.reaches(policies, pod, DATABASE, port + 1))
            self.assertFalse(network.reaches(policies, STRANGER, DATABASE, port))
        self.assertEqual(tried, 9)


class Certificates(unittest.TestCase):
    """cert-manager's Certificates fill what the pods mount, with the names that are asked for."""

    def test_certificates_fit_the_secrets_and_names_in_use(self):
        tried = 0
        for name in renderings():
            rendering = Rendering(name)
            certificates = {c["spec"]["secretName"]: c["spec"] for c in rendering.of_kind("Certificate")}
            if not certificates:
                continue
            tried += 1
            with self.subTest(name):
                self.check(rendering, certificates)
        self.assertEqual(tried, 5)

    def check(self, rendering, certificates):
        """Looks at one combination."""
        secrets = {p: {v["name"]: v["secret"]["secretName"] for v in rendering.pod(p)["volumes"] if "secret" in v} for p in PROGRAMS}
        server = certificates[secrets["notary-server"]["tls"]]
        client = certificates[secrets["notary-server"]["client"]]
        signer = certificates[secrets["notary-signer"]["tls"]]
        self.assertIn("notary.example.com", server["dnsNames"])
        self.assertIn(rendering.configuration("notary-server")[1]["trust_service"]["hostname"], signer["dnsNames"])
        self.assertEqual(rendering.configuration("notary-signer")[1]["server"]["client_names"], client["dnsNames"])
        self.assertEqual([server["usages"][-1], client["usages"][-1], signer["usages"][-1]], ["server auth", "client auth", "server auth"])
        # Each believes the authority that comes with its own certificate.
        self.assertEqual(client["issuerRef"], signer["issuerRef"])
        issuers = rendering.names("Issuer")
        for certificate in certificates.values():
            issuer = certificate["issuerRef"]
            self.assertTrue(issuer["kind"] == "ClusterIssuer" or issuer["name"] in issuers)


class Chart(unittest.TestCase):
    """What is particular to the chart."""

    def test_helm_finds_nothing_to_complain_about(self):
        worked, text = helm("lint", "--strict", CHART)
        self.assertTrue(worked, text)

    def test_chart_and_manifests_make_the_same_pods(self):
        self.maxDiff = None
        for name in ("mysql", "postgres", "sqlite", "postgres, token-keys"):
            for program in PROGRAMS:
                with self.subTest(name, program=program):
                    ours, theirs = (comparable(Rendering(f"{tool} {name}"), program) for tool in ("kustomize", "helm"))
                    self.assertEqual(ours, theirs)

    def test_values_that_make_no_sense_are_refused(self):
        for values, reason in (
            ({"database": {"backend": "rethinkdb"}}, "/database/backend"),
            ({"server": {"config": {"storage": {"db_url": "user:password@tcp(db)/notary"}}}}, "/server/config/storage/db_url"),
            ({"server": {"config": {"auth": {"administrator": "YTpi"}}}}, "/server/config/auth/administrator"),
            ({"server": {"auth": {"administratorSecret": ""}}}, "the server would let everybody in"),
            ({"server": {"auth": {"allowEverybody": True}}}, "contradicts"),
            ({"server": {"replica": 3}}, "replica"),
            ({"server": {"service": {"externalTrafficPolicy": "Local"}}}, "/server/service/externalTrafficPolicy"),
            ({"signer": {"clientNames": []}}, "/signer/clientNames"),
            ({"signer": {"clientNames": None}}, "clientNames"),
            ({"signer": {"passphrases": {"aliases": []}}}, "aliases"),
        ):
            with self.subTest(values):
                worked, text = template(values)
                self.assertFalse(worked)
                self.assertIn(reason, text)

    def test_the_service_has_the_policy_that_the_values_say(self):
        for name, policy in (("helm sqlite", None), ("helm everything", "Local")):
            (service,) = [s for s in Rendering(name).of_kind("Service") if s["metadata"]["name"] == "notary-server"]
            self.assertEqual(service["spec"].get("externalTrafficPolicy"), policy)

    def test_a_changed_configuration_rolls_the_pods(self):
        before = Rendering("helm sqlite").deployment("notary-server")["spec"]["template"]["metadata"]["annotations"]
        after = Rendering("helm everything").deployment("notary-server")["spec"]["template"]["metadata"]["annotations"]
        self.assertNotEqual(before["checksum/configuration"], after["checksum/configuration"])


def comparable(rendering, program):
    """A pod without what chart and manifests name differently, and in an order that means nothing."""
    pod = json.loads(json.dumps(rendering.pod(program)))
    for container in pod["containers"] + pod.get("initContainers", []):
        container.pop("imagePullPolicy", None)
        container["volumeMounts"].sort(key=lambda mount: mount["name"])
        variables = {v["name"]: v["value"] for v in container.pop("env", [])}
        # In a variable there, in the file here.
        prefix = program.upper().replace("-", "_")
        for member, value in rendering.storage(program).items():
            variables[f"{prefix}_STORAGE_{member.upper()}"] = value
        container["env"] = variables
    for volume in pod["volumes"]:
        volume.get("configMap", {}).pop("name", None)
    pod["volumes"].sort(key=lambda volume: volume["name"])
    for constraint in pod["topologySpreadConstraints"]:
        constraint.pop("labelSelector")
    return pod


if __name__ == "__main__":
    unittest.main(verbosity=2)
