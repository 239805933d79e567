"""One attack, in a process of its own: attack.py NAME TARGET, where TARGET is JSON. It goes on until it
gets SIGTERM, and prints what it counted and its CPU seconds."""

import asyncio
import json
import os
import random
import resource
import signal
import sys

import calls
import connections
import http2
from wire import Target, counts

# What is tried, with the megabytes by which the server may grow for it, and whether the class's own
# address and group are tried as well.
ATTACKS = {
    "slow-readers": (calls.slow_readers, 350, True),
    "unread-answers": (calls.unread_answers, 250, True),
    "slow-writers": (connections.slow_writers, 80, True),
    "vanishing-peers": (connections.vanishing_peers, 150, False),
    "connection-flood": (connections.connection_flood, 400, True),
    "tls-handshakes": (connections.tls_handshakes, 100, False),
    "odd-requests": (connections.odd_requests, 80, False),
    "h2-rapid-reset": (http2.rapid_reset, 80, False),
    "h2-settings-and-pings": (http2.settings_and_pings, 80, False),
    "h2-endless-heads": (http2.endless_heads, 80, False),
    "h2-odd-frames": (http2.odd_frames, 80, False),
    "h2-closed-windows": (http2.closed_windows, 450, False),
    "half-messages": (calls.half_messages, 80, False),
    "start-and-stop": (calls.start_and_stop, 80, True),
    "pings": (calls.pings, 80, True),
    "new-documents": (calls.new_documents, 80, True),
    "introspection": (calls.introspection, 80, False),
    "node-flood": (calls.node_flood, 80, True),
    "group-flood": (calls.group_flood, 80, True),
    "lists": (calls.lists, 150, False),
    "wrong-keys": (calls.wrong_keys, 80, True),
    "new-groups": (calls.new_groups, 80, True),
}


async def main(name, target):
    attack = asyncio.create_task(ATTACKS[name][0](target))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, attack.cancel)
    print("begun", flush=True)
    try:
        await attack
    except asyncio.CancelledError:
        pass


if __name__ == "__main__":
    random.seed(int(sys.argv[3]))
    # As if on another machine: the class and the server never wait for a slice of this process.
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    failure = None
    try:
        asyncio.run(main(sys.argv[1], Target(**json.loads(sys.argv[2]))))
    except Exception as error:  # the parent reports it
        failure = repr(error)
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"counts": counts, "cpu": used.ru_utime + used.ru_stime, "failure": failure}), flush=True)
