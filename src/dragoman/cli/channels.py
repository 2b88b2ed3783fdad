"""``dragoman channels``."""

import argparse
import sys
import time
from itertools import count
from urllib.parse import urlsplit

import httpx

from dragoman.adapters.simulators.people import hook_call
from dragoman.adapters.simulators.services import Sent, SimulatedServices
from dragoman.cli.options import add_action
from dragoman.kit.errors import InvalidInput, Unavailable

_SERVICES = ("telegram", "zapi", "evolution", "kapso")
_POST_SECONDS = 30.0
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds ``simulate``."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    simulate = add_action(
        actions,
        "simulate",
        "play a messaging service: lines of the input go to the agent, its answers are printed",
    )
    simulate.add_argument("service", choices=_SERVICES)
    simulate.add_argument(
        "--hook", metavar="URL", required=True, help="the client's webhook address for the service"
    )
    simulate.add_argument(
        "--port", type=int, default=8181, metavar="N", help="where the service is played (8181)"
    )
    simulate.add_argument(
        "--address", default="5511999990000", metavar="ID", help="the chat or phone number that writes"
    )
    simulate.add_argument("--secret", default="", metavar="TEXT", help="the key that Kapso signs with")
    simulate.add_argument(
        "--wait",
        type=float,
        default=20.0,
        metavar="SECONDS",
        help="how long to wait for answers after the last line",
    )
    simulate.set_defaults(run=_simulate, parser=simulate)


def _simulate(arguments: argparse.Namespace) -> int:
    hook: str = arguments.hook
    parts = urlsplit(hook)
    if parts.hostname not in _LOOPBACK:
        raise InvalidInput("The simulator talks to a server on this machine only; --hook must name loopback.")
    secret = arguments.secret or (parts.path.rsplit("/", 1)[-1] if arguments.service == "telegram" else "")
    try:
        services = SimulatedServices(arguments.port, on_sent=_print)
    except OSError as error:
        raise Unavailable(f"Port {arguments.port} cannot be listened on: {error.strerror}.") from error
    with services, httpx.Client(timeout=_POST_SECONDS, trust_env=False) as client:
        _say_how(arguments.service, services.url)
        answered = None
        for number in count(int(time.time())):
            line = sys.stdin.readline()
            if not line:
                break
            if not line.strip():
                continue
            answered = len(services.sent)
            call = hook_call(
                arguments.service,
                address=arguments.address,
                text=line.rstrip("\n"),
                message_id=str(number),
                secret=secret,
            )
            response = client.post(hook, content=call.body, headers=dict(call.headers))
            if not response.is_success:
                raise Unavailable(f"The server answered with status {response.status_code}: {response.text}")
        if answered is None:
            return 0
        if len(services.wait_for(answered + 1, seconds=arguments.wait)) <= answered:
            raise Unavailable(
                f"No answer came within {arguments.wait:g} seconds. A model that runs on this machine may need longer the first "
                "time (--wait); the client's dead letters tell what failed."
            )
    return 0


def _print(sent: Sent) -> None:
    print(f"{sent.address} <- {sent.text}", flush=True)


def _say_how(service: str, url: str) -> None:
    name = {"telegram": "TELEGRAM_URL", "zapi": "ZAPI_URL", "kapso": "KAPSO_URL"}.get(service)
    how = (
        f"start the server with DRAGOMAN_CHANNELS__{name}={url}"
        if name
        else f"give the integration the endpointUrl {url}, and the server 127.0.0.1 in egress.allow"
    )
    print(f"Playing {service} at {url}: {how}. Write a line, end with Ctrl+D.", file=sys.stderr, flush=True)
