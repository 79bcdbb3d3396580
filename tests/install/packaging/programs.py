"""The programs themselves, with what their pods would give them.

SERVER and SIGNER name the programs, KUBECTL and HELM those that render, CERTIFICATES a folder with certificates for
localhost. Needs a network of its own: the programs listen where the manifests say.
"""

import contextlib
import http.client
import json
import os
import pathlib
import subprocess
import tempfile
import time
import unittest

from rendering import PROGRAMS, Rendering, renderings

URLS = {
    "mysql": "notary:hunter2@tcp(db.example.com:3306)/notary?parseTime=True",
    "postgres": "postgres://notary:hunter2@db.example.com/notary",
}
# `a`, password `b`, at the lowest cost there is.
HTPASSWD = "a:$2b$04$abcdefghijklmnopqrstuuO2Fr9zYcxXr3bA8p0yUrhRFh9jXgJ0G\n"


class Pod:
    """What a program has in one combination, in a folder in the place of the root."""

    def __init__(self, rendering, program, root, **more):
        self.program, self.root = program, pathlib.Path(root)
        self.binary = os.environ["SERVER" if program == "notary-server" else "SIGNER"]
        file, configuration = rendering.configuration(program)
        self.file = self.root / file
        self.fill(rendering.storage(program)["backend"], configuration)
        self.file.write_text(self.moved(json.dumps(configuration)), encoding="utf-8")
        self.environment = {name: self.moved(value) for name, value in rendering.variables(program).items()}
        self.environment.update(more)
        self.container = rendering.container(program)
        context = rendering.pod(program)["securityContext"]
        self.user = {"user": context["runAsUser"], "group": context["fsGroup"], "extra_groups": []}
        self.hand_over()

    def hand_over(self):
        """Gives the folder to the group that the pod's files belong to, and what is written to, to its user."""
        user, group = self.user["user"], self.user["group"]
        for path in (self.root, *self.root.rglob("*")):
            os.chown(path, user if "var" in path.parts[len(self.root.parts) :] else 0, group)
            path.chmod(path.stat().st_mode | 0o050 if path.is_dir() else 0o440)

    def moved(self, text):
        """`text` with its paths below the folder."""
        return text.replace("/run/secrets/", f"{self.root}/run/secrets/").replace("/var/lib/", f"{self.root}/var/lib/")

    def fill(self, backend, configuration):
        """Puts what Secrets would hold into the folder."""
        certificates = pathlib.Path(os.environ["CERTIFICATES"])
        listens = self.program.removeprefix("notary-")
        for folder, name in (("tls", listens), ("client", "client")):
            for ours, theirs in (("tls.crt", f"{name}.crt"), ("tls.key", f"{name}.key"), ("ca.crt", "ca.crt")):
                self.put(f"{folder}/{ours}", (certificates / theirs).read_text(encoding="utf-8"))
        self.put("auth/administrator", "YWRtaW46aHVudGVyMg==\n")
        self.put("access/htpasswd", HTPASSWD)
        self.put("database/db-url", URLS.get(backend, "") + "\n")
        for alias in configuration["storage"].get("passphrase_files", {}) if "storage" in configuration else {}:
            self.put(f"passphrases/{alias}", "correct horse battery\n")
        (self.root / "var/lib/notary").mkdir(parents=True)

    def put(self, name, text):
        """One file of a Secret, for its owner alone."""
        path = self.root / "run/secrets" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o440)

    def run(self, *arguments):
        """Runs a command of the program to its end."""
        command = [self.binary, *arguments, f"-config={self.file}"]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False, **self.user)

    @contextlib.contextmanager
    def started(self):
        """The program as the container starts it, until the end of the block; then it has to end by itself."""
        command = [self.binary, f"-config={self.file}"]
        with open(self.root / "log", "w+", encoding="utf-8") as log:
            process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log, **self.user)
            try:
                yield
            finally:
                process.terminate()
                status = process.wait(20)
                log.seek(0)
                print(log.read() if status else "", end="")
        assert status == 0, f"{self.program} ended with {status}"

    def passes(self, probe, ports):
        """Whether a probe succeeds, as the kubelet looks at it; `ports` says where named ports really are."""
        what = self.container[probe]
        if "exec" in what:
            program, *arguments = what["exec"]["command"]
            assert program == f"/usr/local/bin/{self.program}"
            arguments[-1] = f"-config={self.file}"
            done = subprocess.run([self.binary, *arguments], env=self.environment, check=False, timeout=what["timeoutSeconds"], **self.user)
            return done.returncode == 0
        port = ports[(what.get("httpGet") or what["tcpSocket"])["port"]]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=what.get("timeoutSeconds", 1))
        try:
            connection.connect()
            if "httpGet" not in what:
                return True
            connection.request("GET", what["httpGet"]["path"])
            return 200 <= connection.getresponse().status < 400
        except OSError:
            return False
        finally:
            connection.close()


def within(seconds, claim):
    """Whether `claim()` becomes true in time."""
    end = time.monotonic() + seconds
    while not claim():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


class Programs(unittest.TestCase):
    """Configuration, secrets and probes fit the programs."""

    def test_every_configuration_is_in_order_for_its_program(self):
        for name in renderings():
            rendering = Rendering(name)
            for program in PROGRAMS:
                with self.subTest(name, program=program), tempfile.TemporaryDirectory() as folder:
                    done = Pod(rendering, program, folder).run("config", "check")
                    self.assertEqual(done.returncode, 0, done.stderr)
                    self.assertNotIn("unknown", done.stderr)
                    self.assertNotIn("hunter2", done.stdout + done.stderr)
                    is_open = program == "notary-server" and name == "helm bare"
                    self.assertEqual("authentication is off" in done.stderr, is_open)

    def test_the_sqlite_overlay_runs_and_passes_its_probes(self):
        self.run_and_probe("kustomize sqlite")

    def test_the_chart_runs_and_passes_its_probes(self):
        self.run_and_probe("helm sqlite")

    def run_and_probe(self, name):
        """Starts both programs, and asks them what the kubelet would."""
        rendering = Rendering(name)
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
            # Here they share an address.
            apart = {"NOTARY_SIGNER_SERVER_METRICS_ADDR": "127.0.0.1:8081"}
            signer = Pod(rendering, "notary-signer", one, **apart)
            server = Pod(rendering, "notary-server", other, NOTARY_SERVER_TRUST_SERVICE_HOSTNAME="localhost")
            with signer.started(), server.started():
                self.probe(signer, {"grpc": 7899, "monitoring": 8081})
                self.probe(server, {"https": 4443, "monitoring": 8080})
                done = server.run("doctor")
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def probe(self, pod, ports):
        """Each of a pod's probes succeeds soon."""
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            with self.subTest(probe, program=pod.program):
                self.assertTrue(within(20, lambda: pod.passes(probe, ports)))

    def test_a_migration_needs_the_configuration_and_the_database_only(self):
        for program in PROGRAMS:
            with self.subTest(program), tempfile.TemporaryDirectory() as folder:
                pod = Pod(Rendering("helm sqlite"), program, folder)
                for secret in ("tls", "client", "auth", "access", "passphrases"):
                    for file in (pod.root / "run/secrets" / secret).glob("*"):
                        file.unlink()
                pod.environment.clear()
                done = pod.run("migrate")
                self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
