"""Runs the containers of a pod on docker, as the kubelet would: `pod.py FILE NAME FOLDER [ARGUMENT…]`.

FILE is a piece of a pod's specification; its empty volumes become folders below FOLDER. The last container is started
under NAME and left running, with ARGUMENTs for `docker run`. All run as the user 65532 of the restricted standard.
Values from Secrets are taken from the variables of this process.
"""

import os
import pathlib
import subprocess
import sys

import yaml

# What the restricted Pod Security Standard demands, and our manifests set for the whole pod.
RESTRICTED = ["--user=65532:65532", "--cap-drop=ALL", "--security-opt=no-new-privileges"]


def arguments(container, folder):
    """The arguments of `docker run` for one container."""
    found = list(RESTRICTED)
    if container.get("securityContext", {}).get("readOnlyRootFilesystem"):
        found.append("--read-only")
    for variable in container.get("env", []):
        value = variable["value"] if "value" in variable else os.environ[variable["name"]]
        found.append(f"--env={variable['name']}={value}")
    for mount in container.get("volumeMounts", []):
        mode = ":ro" if mount.get("readOnly") else ""
        found.append(f"--volume={folder / mount['name']}:{mount['mountPath']}{mode}")
    command, rest = container.get("command", []), container.get("args", [])
    if command:
        found.append(f"--entrypoint={command[0]}")
    return [*found, container["image"], *command[1:], *rest]


def main():
    """Makes the volumes, runs the init containers one by one, and starts the last container."""
    file, name, folder, *more = sys.argv[1:]
    pod = yaml.safe_load(pathlib.Path(file).read_text(encoding="utf-8"))
    for volume in pod["volumes"]:
        assert "emptyDir" in volume, volume
        place = pathlib.Path(folder) / volume["name"]
        place.mkdir(parents=True)
        # As the kubelet makes them.
        place.chmod(0o777)
    # What stands in for the outside world has to be known to all containers.
    for container in pod.get("initContainers", []):
        subprocess.run(["docker", "run", "--rm", *more, *arguments(container, pathlib.Path(folder))], check=True)
    (container,) = pod["containers"]
    subprocess.run(
        ["docker", "run", "--detach", f"--name={name}", *more, *arguments(container, pathlib.Path(folder))], check=True
    )


if __name__ == "__main__":
    main()
