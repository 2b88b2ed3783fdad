"""What is in deploy/ fits the program: its files, commands, settings, ports and users exist."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from helm_render import Chart

from dragoman.cli.program import build_parser
from dragoman.settings.fields import every_field
from dragoman.settings.model import Settings

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
VARIABLES = {
    variable for field in every_field(Settings) for variable in (field.variable, f"{field.variable}_FILE")
}
USER = 10001


def _instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions in order, continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", (DEPLOY / "Dockerfile").read_text(), flags=re.M)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in lines if line.strip()]


def _parses(words: list[str]) -> None:
    """The command line takes these words."""
    build_parser(words).parse_args(words)


def test_the_image_copies_only_what_is_there() -> None:
    copied = [rest.split() for verb, rest in _instructions() if verb == "COPY"]
    stages = {rest.split()[-1] for verb, rest in _instructions() if verb == "FROM" and " AS " in rest}
    for words in copied:
        if words[0].startswith("--from="):
            assert words[0].removeprefix("--from=") in stages
            continue
        for name in words[:-1]:
            assert (ROOT / name).exists(), name
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().split()
    assert not {word for words in copied for word in words} & set(ignored)


def test_the_image_runs_as_nobody_special_and_can_be_read_only() -> None:
    instructions = _instructions()
    final = instructions[max(at for at, (verb, _) in enumerate(instructions) if verb == "FROM") :]
    told = dict(final)
    assert told["USER"] == f"{USER}:{USER}"
    assert json.loads(told["ENTRYPOINT"]) == ["dragoman"]
    _parses(json.loads(told["CMD"]))
    assert "/health/ready" in told["HEALTHCHECK"]
    assert json.loads(told["VOLUME"]) == ["/data", "/shared"]
    assert f"--uid {USER}" in next(rest for verb, rest in final if verb == "RUN")
    # What the health check runs is a program.
    compile(json.loads(told["HEALTHCHECK"].partition("CMD ")[2])[2], "healthcheck", "exec")


def test_every_setting_that_deployments_name_is_one() -> None:
    named: dict[str, Path] = {}
    for path in DEPLOY.rglob("*"):
        if path.is_file() and "dashboards" not in path.parts:
            named |= dict.fromkeys(re.findall(r"\bDRAGOMAN_[A-Z_]+[A-Z]\b", path.read_text()), path)
    assert len(named) > 10
    assert {name: path for name, path in named.items() if name not in VARIABLES} == {}


def _services(name: str) -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "compose" / name).read_text())["services"]


@pytest.mark.parametrize("name", ["compose.yaml", "compose.many.yaml"])
def test_compose_files_hang_together(name: str) -> None:
    whole = yaml.safe_load((DEPLOY / "compose" / name).read_text())
    services = whole["services"]
    for service in services.values():
        assert set(service.get("depends_on", ())) <= set(services)
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert source in whole["volumes"] or (DEPLOY / "compose" / source).exists(), volume
        if service["image"] == "dragoman":
            build = service["build"]
            assert (DEPLOY / "compose" / build["context"] / build["dockerfile"]).is_file()
            assert service["read_only"]
            assert service["cap_drop"] == ["ALL"]
            _parses(service.get("command", ["serve"]))
            secrets = service.get("environment", {})
            assert all(name in VARIABLES or name == "HEALTH_PORT" for name in secrets)


def test_the_many_have_two_of_each_and_share_what_they_must() -> None:
    services = _services("compose.many.yaml")
    ours = {name: service for name, service in services.items() if service["image"] == "dragoman"}
    assert sorted(ours) == ["serve1", "serve2", "work1", "work2"]
    folders = [volume for service in ours.values() for volume in service["volumes"]]
    assert folders.count("shared:/shared") == 4
    assert len({volume for volume in folders if volume.endswith(":/data")}) == 4
    proxy = (DEPLOY / "compose" / "Caddyfile").read_text()
    assert "serve1:8080 serve2:8080" in proxy
    assert "/health/ready" in proxy
    asked = set(re.findall(r"\$\{(\w+):\?", (DEPLOY / "compose" / "compose.many.yaml").read_text()))
    example = (DEPLOY / "compose" / "env.example").read_text()
    assert asked <= set(re.findall(r"^(\w+)=", example, flags=re.M))


def _documents(chart: Chart) -> Iterator[dict[str, Any]]:
    for path in sorted((chart.folder / "templates").glob("*.yaml")):
        found = yaml.safe_load(chart.render(path.name))
        if found is not None:
            yield found


def test_the_chart_renders_with_its_own_values() -> None:
    found = {
        (one["kind"], one["metadata"]["name"]): one for one in _documents(Chart(DEPLOY / "helm" / "dragoman"))
    }
    assert sorted(found) == [
        ("Deployment", "demo-serve"),
        ("Deployment", "demo-work"),
        ("PodDisruptionBudget", "demo-serve"),
        ("Service", "demo"),
    ]
    for role, port in (("serve", 8080), ("work", 8081)):
        spec = found["Deployment", f"demo-{role}"]["spec"]
        pod = spec["template"]["spec"]
        container = pod["containers"][0]
        _parses(container["args"])
        assert container["ports"][0]["containerPort"] == port
        assert pod["securityContext"]["runAsUser"] == USER
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
        # Kubernetes must not kill what still drains.
        environment = {one["name"]: one["value"] for one in container["env"]}
        given = int(environment["DRAGOMAN_MACHINES__DRAIN_SECONDS"]) + int(
            environment["DRAGOMAN_MACHINES__GRACE_SECONDS"]
        )
        assert pod["terminationGracePeriodSeconds"] > given
        mounted = {one["name"] for one in container["volumeMounts"]} | {"secret"}
        assert mounted == {one["name"] for one in pod["volumes"]}
        assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()
    chosen = found["Service", "demo"]["spec"]["selector"]
    assert (
        chosen.items() <= found["Deployment", "demo-serve"]["spec"]["template"]["metadata"]["labels"].items()
    )


def test_the_chart_renders_with_everything_turned_on() -> None:
    values = {
        "image": {"tag": "1.2.3"},
        "workspaces": {"claim": "files"},
        "ingress": {"enabled": True, "className": "nginx", "tlsSecret": "cert", "annotations": {"a/b": "c"}},
        "settings": {"DRAGOMAN_EGRESS__ALLOW": '["10.0.0.0/8"]'},
    }
    found = {one["kind"]: one for one in _documents(Chart(DEPLOY / "helm" / "dragoman", values))}
    assert found["Ingress"]["spec"]["tls"] == [{"hosts": ["dragoman.example.org"], "secretName": "cert"}]
    assert found["Ingress"]["metadata"]["annotations"] == {"a/b": "c"}
    container = found["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == "dragoman:1.2.3"
    environment = {one["name"]: one["value"] for one in container["env"]}
    assert environment["DRAGOMAN_EGRESS__ALLOW"] == '["10.0.0.0/8"]'
    assert environment["DRAGOMAN_MACHINES__WORKSPACES_DIR"] == "/workspaces"


@pytest.mark.parametrize("name", ["dragoman.service", "dragoman-work.service"])
def test_units_start_a_command_that_exists_and_leave_time_to_end(name: str) -> None:
    text = (DEPLOY / "systemd" / name).read_text()
    lines = dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
    words = lines["ExecStart"].split()
    assert words[0].endswith("/.venv/bin/dragoman")
    _parses(words[1:])
    assert (ROOT / lines["Documentation"].removeprefix("file:///opt/dragoman/")).is_file()
    assert lines["Environment"].removeprefix("DRAGOMAN_DATA_DIR=") == f"/var/lib/{lines['StateDirectory']}"
    assert int(lines["TimeoutStopSec"]) > 60
