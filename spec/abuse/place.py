"""Where it happens: a network of its own with addresses for the class and for strangers, and the server."""

import atexit
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request

KEY = "da2-mesh-development"
# Which network this program runs in; unset when it is to choose.
NETWORK = "MESH_ABUSE_NETWORK"
if os.environ.get(NETWORK) == "loopback":
    CLASS_ADDRESS = "127.0.0.1"
    STRANGERS = [f"127.0.1.{n}" for n in range(1, 41)]
else:
    CLASS_ADDRESS = "192.0.2.1"
    STRANGERS = [f"198.51.100.{n}" for n in range(1, 41)]


def enter_network():
    """Starts this program again in a network namespace that has these addresses and nothing else, or
    on the loopback's addresses where none can be made."""
    if os.environ.get(NETWORK):
        return
    set_up = (
        f"ip link set lo up && ip address add {CLASS_ADDRESS}/32 dev lo && "
        'ip route add local 198.51.100.0/24 dev lo && exec "$@"'
    )
    for options in (["-n"], ["-Urn"]):
        if subprocess.run(["unshare", *options, "sh", "-c", set_up, "sh", "true"], capture_output=True).returncode == 0:
            os.environ[NETWORK] = "own"
            command = ["unshare", *options, "sh", "-c", set_up, "sh", sys.executable, *sys.argv]
            os.execvp(command[0], command)
    print("no network namespace can be made (unshare, ip, root or user namespaces): on 127.0.0.0/8", flush=True)
    os.environ[NETWORK] = "loopback"
    os.execv(sys.executable, [sys.executable, *sys.argv])


class Server:
    """The program with the default limits, under the policy `own`."""

    def __init__(self, program):
        self.folder = tempfile.TemporaryDirectory()
        command = [program, "serve", "--policy", "own", "--listen", f"{CLASS_ADDRESS}:0", "--tls-listen",
                   f"{CLASS_ADDRESS}:0", "--tls-self-signed", "tls", "--log", "warn"]
        self.log = open(f"{self.folder.name}/log", "w+")
        environment = {"PATH": os.environ["PATH"]}
        self.process = subprocess.Popen(
            command, cwd=self.folder.name, env=environment, stdout=subprocess.PIPE, stderr=self.log, text=True
        )
        urls = []
        for line in self.process.stdout:
            urls += re.findall(r"endpoint +(\S+)", line)
            if len(urls) == 2:
                break
        # Also when this program fails or is stopped.
        atexit.register(self.process.kill)
        self.url, self.tls_url = urls
        self.port, self.tls_port = (int(url.split(":")[2].split("/")[0]) for url in urls)
        # What it prints after that must not fill the pipe.
        self.rest = subprocess.Popen(["cat"], stdin=self.process.stdout, stdout=subprocess.DEVNULL)

    def memory(self, name="VmRSS"):
        """Megabytes: VmRSS is now, VmHWM the most so far."""
        status = open(f"/proc/{self.process.pid}/status").read()
        return int(re.search(rf"{name}:\s+(\d+)", status).group(1)) / 1024

    def call(self, document):
        """A call from the class's address."""
        body = ('{"query": "%s"}' % document.replace('"', '\\"')).encode()
        headers = {"x-api-key": KEY, "content-type": "application/json"}
        request = urllib.request.Request(self.url, body, headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.read().decode()

    def settled_memory(self, wanted, patience):
        """Waits until the server is back at `wanted` megabytes, or for so many seconds."""
        end = time.monotonic() + patience
        while self.memory() > wanted and time.monotonic() < end:
            time.sleep(0.5)
        return self.memory()

    def stop(self):
        """Ends it; returns what it logged."""
        self.process.terminate()
        self.process.wait(20)
        self.rest.wait(5)
        self.log.seek(0)
        logged = self.log.read()
        self.log.close()
        self.folder.cleanup()
        return logged
