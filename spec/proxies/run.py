#!/usr/bin/env python3
"""The proxies' settings in docs/proxy.md work: Caddy and nginx (Debian's) run with these very
blocks in front of a server, and `mesh-v2 doctor` must find WebSockets, event streams and polling
through them. Then the server must see each caller's own address.

    python3 spec/proxies/run.py PROGRAM
"""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
KEY = "da2-mesh-development"
# What a class needs, by its name in the output of doctor.
NEEDED = {"post", "ws", "sse", "poll"}


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def block(language):
    """The page's block of settings in this language."""
    page = (ROOT / "docs/proxy.md").read_text()
    found = re.search(rf"```{language}\n(.*?)```", page, re.DOTALL)
    assert found, f"docs/proxy.md has no block of {language}"
    return found[1]


def caddy(folder, port, server):
    text = block("caddyfile").replace("mesh.school.example", f"http://127.0.0.1:{port}")
    text = text.replace("127.0.0.1:4000", server)
    settings = folder / "Caddyfile"
    settings.write_text("{\n\tadmin off\n\tauto_https off\n}\n" + text)
    return ["caddy", "run", "--config", str(settings), "--adapter", "caddyfile"]


def nginx(folder, port, server):
    text = block("nginx").replace("listen 443 ssl;", f"listen 127.0.0.1:{port};")
    text = re.sub(r"\n *ssl_certificate.*;", "", text).replace("127.0.0.1:4000", server)
    settings = folder / "nginx.conf"
    settings.write_text(
        f"daemon off; pid {folder}/nginx.pid; error_log stderr;\n"
        "events { worker_connections 1000; }\n"
        f"http {{ access_log off;\nclient_body_temp_path {folder}/body;\n"
        f"proxy_temp_path {folder}/proxy;\nfastcgi_temp_path {folder}/fastcgi;\n"
        f"uwsgi_temp_path {folder}/uwsgi;\nscgi_temp_path {folder}/scgi;\n{text}\n}}\n"
    )
    return ["nginx", "-e", "stderr", "-p", str(folder), "-c", str(settings)]


def start(command, log, port):
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
    )
    for _ in range(200):
        if process.poll() is not None:
            break
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return process
        time.sleep(0.1)
    stop(process)
    raise SystemExit(f"{command[0]} does not listen: {pathlib.Path(log.name).read_text()[-2000:]}")


def stop(process):
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(10)


def domain(port, source):
    """createDomain through the proxy from this address of the machine."""
    class From(urllib.request.HTTPHandler):
        def http_open(self, request):
            return self.do_open(self.connection, request)

        def connection(self, host, **options):
            import http.client

            return http.client.HTTPConnection(host, source_address=(source, 0), **options)

    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql",
        json.dumps({"query": "mutation { createDomain }"}).encode(),
        {"content-type": "application/json", "x-api-key": KEY},
    )
    with urllib.request.build_opener(From).open(request, timeout=10) as answer:
        return json.load(answer)["data"]["createDomain"]


def check(name, program, port):
    command = [program, "doctor", f"http://127.0.0.1:{port}/graphql", "--api-key", KEY, "--json", "--pause", "1", "--wait", "30", "--slow", "20"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
    states = {one["check"]: one["state"] for one in json.loads(done.stdout)["findings"]}
    wrong = {check: states.get(check) for check in NEEDED if states.get(check) != "ok"}
    assert not wrong, f"{name}: {wrong} of {states}"
    first, second = domain(port, "127.0.0.1"), domain(port, "127.0.0.9")
    assert first != second, f"{name}: the server sees the proxy's address for all"
    print(f"ok      {name}: {', '.join(sorted(NEEDED))}, each caller's address")


def main(program):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        server_port = free_port()
        server = f"127.0.0.1:{server_port}"
        running = []
        try:
            with open(folder / "server.log", "w") as log:
                command = [program, "serve", "--listen", server, "--store", "memory", "--trusted-proxies", "127.0.0.1/32"]
                running.append(start(command, log, server_port))
            for proxy in (caddy, nginx):
                own, port = folder / proxy.__name__, free_port()
                own.mkdir()
                os.environ["HOME"] = str(own)  # Caddy keeps its state there.
                with open(own / "log", "w") as log:
                    running.append(start(proxy(own, port, server), log, port))
                check(proxy.__name__, program, port)
        finally:
            for process in reversed(running):
                stop(process)


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]))
