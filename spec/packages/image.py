"""The image without a container engine: its root file system, made by the last stage of deploy/Dockerfile, and run
as an engine would: as the image's user, without capabilities, on a root that cannot be written."""

import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


def last_stage():
    """The instructions of the stage that is the image, in their order."""
    text = re.sub(r"\\\n", " ", (ROOT / "deploy/Dockerfile").read_text())
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    begin = max(at for at, line in enumerate(lines) if line.startswith("FROM "))
    assert lines[begin] == "FROM scratch", lines[begin]
    return [line.split(None, 1) for line in lines[begin + 1:]]


class Image:
    def __init__(self, program, folder):
        self.root, built = folder / "root", folder / "image"
        # What the stage `build` leaves in /image.
        (built / "data").mkdir(parents=True)
        (built / "etc/ssl/certs").mkdir(parents=True)
        shutil.copy(program, built / "mesh-v2")
        shutil.copy(CERTIFICATES, built / "etc/ssl/certs")
        # An engine puts these there.
        for made in ("dev", "proc", "tmp"):
            (self.root / made).mkdir(parents=True)
        self.settings, self.user, self.volumes = {}, None, []
        self.check = self.entry = self.command = None
        for word, rest in last_stage():
            getattr(self, f"do_{word.lower()}")(rest, built)

    def do_copy(self, rest, built):
        words = shlex.split(rest)
        flags = dict(word[2:].split("=", 1) for word in words if word.startswith("--"))
        source, target = (word for word in words if not word.startswith("--"))
        assert flags.pop("from") == "build" and source.startswith("/image/"), rest
        source, target = built / source.removeprefix("/image/"), self.root / target.lstrip("/")
        copied = shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
        owner, mode = flags.pop("chown", "0:0"), flags.pop("chmod", None)
        assert not flags, rest
        os.chown(copied, *map(int, owner.split(":")))
        if mode:
            os.chmod(copied, int(mode, 8))

    def do_env(self, rest, _):
        self.settings.update(word.split("=", 1) for word in shlex.split(rest))

    def do_user(self, rest, _):
        self.user = rest

    def do_volume(self, rest, _):
        self.volumes.append(rest.lstrip("/"))

    def do_healthcheck(self, rest, _):
        self.check = json.loads(rest.split(" CMD ", 1)[1] if " CMD " in rest else rest.removeprefix("CMD "))

    def do_entrypoint(self, rest, _):
        self.entry = json.loads(rest)

    def do_cmd(self, rest, _):
        self.command = json.loads(rest)

    def do_expose(self, rest, _):
        pass

    def do_stopsignal(self, rest, _):
        assert rest == "SIGTERM", rest

    def do_label(self, rest, _):
        pass

    def start(self, words, settings=(), **options):
        """Starts these words in the image, in which only the volumes can be written."""
        root = str(self.root)
        mounts = ["set -e", 'mount --bind "$root" "$root"', 'mount -t proc proc "$root/proc"']
        mounts += [f'mount --bind "$root/{it}" "$root/{it}"' for it in self.volumes]
        # The mounts of the volumes stay writable.
        mounts.append('mount -o remount,bind,ro "$root"')
        drop = "setpriv --no-new-privs --bounding-set=-all,+sys_chroot,+setuid,+setgid"
        enter = f'exec {drop} chroot --userspec="{self.user}" --groups= "$root" "$@"'
        command = ["unshare", "--mount", "--propagation=private", "sh", "-c", "; ".join([*mounts, enter]), "sh"]
        environment = {"PATH": os.environ["PATH"], "root": root, **self.settings, **dict(settings)}
        return subprocess.Popen([*command, *words], env=environment, **options)
