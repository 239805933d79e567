#!/usr/bin/env python3
"""The image and the Debian package work, as far as this machine allows: there is no container engine and no systemd.

    python3 spec/packages/run.py image PROGRAM
    python3 spec/packages/run.py deb PACKAGE        installs it, and purges it in the end

Needs root. `.ci/nightly packages` builds both and runs this.
"""

import json
import os
import pathlib
import pwd
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

from image import Image

KEY, SECRET = "da2-0123456789abcdef01234567", "fedcba98765432100123456789abcdef"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def ask(port, key, query):
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql", json.dumps({"query": query}).encode(),
        {"content-type": "application/json", "x-api-key": key},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        found = json.load(answer)
    assert "errors" not in found, found
    return found["data"]


def waits_for(check, process):
    """Waits until the health check succeeds."""
    for _ in range(100):
        assert process.poll() is None, f"the server ended with {process.returncode}"
        if check().wait(30) == 0:
            return
        time.sleep(0.1)
    raise AssertionError("the health check does not succeed")


def stops(process):
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0, process.returncode


def lesson(start, check, port, key):
    """A group survives a stop and a start."""
    for turn in range(2):
        process = start()
        try:
            waits_for(check, process)
            if turn == 0:
                ask(port, key, 'mutation { createGroup(name: "g", hostId: "h", domain: "d", useWebSocket: true) { id } }')
            groups = ask(port, key, '{ listGroupsByDomain(domain: "d") { name } }')
            assert groups["listGroupsByDomain"] == [{"name": "g"}], groups
        finally:
            stops(process)
    assert check(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).wait(30) == 1, "the health of an ended server"


def image(program):
    with tempfile.TemporaryDirectory() as folder:
        made, port = Image(program, pathlib.Path(folder)), free_port()
        os.chmod(folder, 0o755)
        settings = {"STAGE": "prod", "MESH_API_KEYS": KEY, "MESH_SECRET_KEY": SECRET, "PORT": str(port)}
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        start = lambda: made.start([*made.entry, *made.command], settings, stdout=subprocess.DEVNULL)
        check = lambda **options: made.start(made.check, settings, **{**quiet, **options})
        lesson(start, check, port, KEY)
        # Nothing but the volume can be written.
        elsewhere = made.start([*made.entry, "serve", "--data", "/elsewhere"], settings, **quiet)
        assert elsewhere.wait(30) == 1, "the root can be written"
        owner = os.stat(made.root / "data/mesh.journal").st_uid
        assert str(owner) == made.user.split(":")[0] != "0", owner
    print(f"ok image: as user {made.user}, on a root that cannot be written; health, a group after a restart")


def unit():
    """The settings of the installed unit, with its variables."""
    text = pathlib.Path("/usr/lib/systemd/system/mesh-v2.service").read_text()
    found = dict(line.split("=", 1) for line in text.splitlines() if re.match(r"(ExecStart|User|WorkingDirectory)=", line))
    environment = dict(line.removeprefix("Environment=").split("=", 1) for line in text.splitlines() if line.startswith("Environment="))
    for line in text.splitlines():
        if line.startswith("EnvironmentFile="):
            path = pathlib.Path(line.split("=", 1)[1].removeprefix("-"))
            lines = (it.strip() for it in path.read_text().splitlines())
            environment.update(it.split("=", 1) for it in lines if it and not it.startswith("#"))
    return found, environment


def installed():
    """The service's command, as systemd would start it: its user, its variables, no way to more rights."""
    found, environment = unit()
    port = free_port()
    environment.update(MESH_LISTEN=f"127.0.0.1:{port}", MESH_LOG="warn")
    user = pwd.getpwnam(found["User"])
    # StateDirectory=
    state = pathlib.Path("/var/lib/mesh-v2")
    state.mkdir(mode=0o700)
    os.chown(state, user.pw_uid, user.pw_gid)
    drop = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--no-new-privs", "--bounding-set=-all"]
    options = {"env": environment, "cwd": found["WorkingDirectory"], "stdout": subprocess.DEVNULL}
    start = lambda: subprocess.Popen(["/usr/bin/setpriv", *drop[1:], *found["ExecStart"].split()], **options)
    check = lambda **more: subprocess.Popen(["/usr/bin/mesh-v2", "health", "--ready"], **{**options, "stderr": subprocess.DEVNULL, **more})
    lesson(start, check, port, environment["MESH_API_KEYS"])
    return environment


def deb(package):
    if subprocess.run(["dpkg", "-s", "mesh-v2"], capture_output=True).returncode == 0:
        raise SystemExit("mesh-v2 is installed on this machine: this test would purge it")
    secrets = pathlib.Path("/etc/mesh-v2/secrets.env")
    quiet = {"check": True, "stdout": subprocess.DEVNULL}
    try:
        subprocess.run(["dpkg", "-i", package], **quiet)
        first = secrets.read_text()
        assert secrets.stat().st_mode & 0o777 == 0o640, oct(secrets.stat().st_mode)
        environment = installed()
        for path in ("man/man1/mesh-v2.1.gz", "bash-completion/completions/mesh-v2", "zsh/vendor-completions/_mesh-v2"):
            assert pathlib.Path("/usr/share", path).exists(), path
        subprocess.run(["bash", "-n", "/usr/share/bash-completion/completions/mesh-v2"], **quiet)
        # An upgrade keeps the keys and the data, also where settings were deleted.
        pathlib.Path("/etc/mesh-v2/mesh-v2.env").unlink()
        pathlib.Path("/etc/mesh-v2/keys").write_text("# keys with roles\n")
        subprocess.run(["dpkg", "-i", package], **quiet)
        assert secrets.read_text() == first and pathlib.Path("/var/lib/mesh-v2/data/mesh.journal").exists()
        assert len(environment["MESH_SECRET_KEY"]) == 64 and len(environment["MESH_API_KEYS"]) == 52, "random keys"
    finally:
        subprocess.run(["dpkg", "--purge", "mesh-v2"], **quiet)
    left = [path for path in ("/etc/mesh-v2", "/var/lib/mesh-v2", "/usr/bin/mesh-v2") if os.path.exists(path)]
    assert not left, left
    print("ok deb: installed, ran by its unit's command and user, keys of its own, kept by an upgrade, purged")


if __name__ == "__main__":
    {"image": image, "deb": deb}[sys.argv[1]](os.path.abspath(sys.argv[2]))
