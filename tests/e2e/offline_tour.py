"""A tour of a server that works offline, in a network of its own; prints what was counted as one line of JSON.

Run as ``unshare -rn python -m tests.e2e.offline_tour FOLDER``. The network has loopback and a second device with a default route:
whatever is sent to anybody goes through that device, which counts it and lets it vanish.
"""

import json
import socket
import subprocess
import sys
from pathlib import Path

import httpx
from tests.e2e.server import Server

OUT = "out0"
OUTSIDE = "9.9.9.9"
# A cable whose other end nobody listens at.
MAKE_DEVICE = f"ip link add {OUT} type veth peer name {OUT}end"
_COMMANDS = (
    "ip link set lo up",
    MAKE_DEVICE,
    f"ip link set {OUT} up arp off",
    f"ip link set {OUT}end up arp off",
    f"ip address add 198.51.100.1/24 dev {OUT}",
    f"ip route add default dev {OUT}",
)
_SENT_PACKETS = 9
_MARK = "The harbour master of Veldhaven keeps the tide table."


def make_network() -> None:
    """Makes the devices in the network namespace of this process."""
    quiet = Path("/proc/sys/net/ipv6/conf/default/disable_ipv6")
    if quiet.exists():
        # A device that comes up asks for routers by itself, which is the kernel's doing.
        quiet.write_text("1")
    for command in _COMMANDS:
        subprocess.run(command.split(), check=True, timeout=30)


def sent() -> int:
    """How many packets have left."""
    for line in Path("/proc/self/net/dev").read_text().splitlines():
        device, _, counters = line.partition(":")
        if device.strip() == OUT:
            return int(counters.split()[_SENT_PACKETS])
    raise AssertionError(f"there is no device {OUT}")


def knock() -> None:
    """Sends one packet out, as a process without the guard can."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.sendto(b"x", (OUTSIDE, 9))


def tour(server: Server) -> dict[str, object]:
    """Uses the server as people do, and asks it to call addresses outside."""
    with server.client() as client:
        made = client.post("/api/v1/collections", json={"collectionName": "harbour"}).json()
        line = json.dumps({"docid": "harbour", "text": _MARK})
        uploaded = client.post(
            f"/api/v1/collections/{made['collectionId']}/documents",
            files={"documents": ("all.jsonl", line.encode(), "application/jsonl")},
        )
        uploaded.raise_for_status()
        while client.get(f"/api/v1/collections/{made['collectionId']}").json()["state"]["queued"]:
            pass
        query = {"term": "harbour master", "collections": [made["collectionId"]]}
        found = client.post("/api/v1/query", json=query)
        messages = [{"role": "user", "content": "Who keeps the tide table?"}]
        answer = client.post("/v1/chat/completions", json={"model": "extractive", "messages": messages})
        outside = [
            _ask_outside(client, f"http://{OUTSIDE}/v1"),
            _ask_outside(client, "https://models.example.org/v1"),
        ]
    return {
        "found": _MARK in found.text,
        "answered": answer.status_code,
        "outside": outside,
        "ingested": uploaded.status_code,
    }


def _ask_outside(client: httpx.Client, base: str) -> int:
    parameters = {"baseAddress": base, "modelName": "theirs"}
    made = client.post("/api/v1/ai-gateways", json={"name": "away", "parameters": parameters})
    if made.status_code != 200:
        return made.status_code
    body = {"model": made.json()["aiGatewayId"], "messages": [{"role": "user", "content": "hello"}]}
    return client.post("/v1/chat/completions", json=body).status_code


def main(folder: Path) -> None:
    """Makes the network, takes the tour, and prints what came of it."""
    make_network()
    before = sent()
    with Server(folder / "data", {"DRAGOMAN_OFFLINE": "true"}) as server:
        toured = tour(server)
        report = json.loads(server.command("doctor", "--offline", "--json").stdout)
    during = sent() - before
    knock()
    told = {**toured, "sent": during, "sent_by_a_knock": sent() - before - during, "report": report}
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
