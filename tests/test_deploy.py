"""The examples of deploy/: their fields, that they fit together, and that their commands are."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml  # type: ignore[import-untyped]

import rowspace as rs
from rowspace.cli import cli
from rowspace.cli.serve import TOKEN_VARIABLE
from rowspace.serve.app import create_app
from rowspace.serve.config import ServeConfig
from rowspace.serve.run import LAST_SECONDS, running
from rowspace.space.encoding import npy_path
from tests.dockerfile import read_stages
from tests.manifests import ANY, KUBERNETES, SERVICE, check
from tests.program import ROOT, start
from tests.serve.servers import stub
from tests.speeches import write_folder

DEPLOY = ROOT / "deploy"
PARTS = {path.stem: path for path in sorted((DEPLOY / "kubernetes").glob("*.yaml"))}
COMPOSE = sorted(DEPLOY.glob("*/compose.yaml"))
IMAGE = "rowspace"
"""As docs/docker.md names it."""
TOKEN = "a-token-of-the-tests"
PORT = 8000


def _read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def _part(stem: str) -> Any:
    return _read(PARTS[stem])


def _pod() -> Any:
    return _part("deployment")["spec"]["template"]["spec"]


def _container() -> Any:
    (container,) = _pod()["containers"]
    return container


def _parsed(words: Sequence[str]) -> dict[str, Any]:
    """What click makes of a command of ours."""
    name, *rest = words
    command = cli.get_command(cli.make_context("rowspace", [name]), name)
    assert command is not None
    with command.make_context(name, list(rest)) as context:
        return context.params


@pytest.mark.parametrize("stem", PARTS)
def test_kubernetes_takes_these_fields(stem: str) -> None:
    part = _part(stem)
    check(part, KUBERNETES[part["kind"]], stem)


def test_every_part_is_applied() -> None:
    assert {f"{stem}.yaml" for stem in PARTS} == {
        *_part("kustomization")["resources"],
        "kustomization.yaml",
    }


def test_the_parts_mean_the_same_pods() -> None:
    labels = _part("deployment")["spec"]["template"]["metadata"]["labels"]
    assert _part("deployment")["spec"]["selector"]["matchLabels"] == labels
    assert _part("disruption")["spec"]["selector"]["matchLabels"] == labels
    assert _part("service")["spec"]["selector"] == labels
    scaled = _part("autoscaler")["spec"]
    assert scaled["scaleTargetRef"]["name"] == _part("deployment")["metadata"]["name"]
    assert scaled["minReplicas"] == _part("deployment")["spec"]["replicas"]
    assert _part("disruption")["spec"]["minAvailable"] < scaled["minReplicas"]
    assert "cpu" in _container()["resources"]["requests"]  # a share is of what is asked for
    (space, _) = _pod()["volumes"]
    assert space["persistentVolumeClaim"]["claimName"] == _part("volume")["metadata"]["name"]


def test_ports_probes_and_names_are_those_of_the_server() -> None:
    container, service = _container(), _part("service")
    options = _parsed(container["args"])
    (port,) = container["ports"]
    assert port["containerPort"] == options["port"] == PORT == ServeConfig().port
    assert service["spec"]["ports"][0]["targetPort"] == port["name"]
    assert service["metadata"]["name"] in options["hosts"]
    routes = create_app(stub()).openapi()["paths"]
    for name in ("startupProbe", "livenessProbe"):
        assert container[name]["httpGet"] == {"path": "/health", "port": port["name"]}
        assert container[name]["httpGet"]["path"] in routes
    asked = re.findall(r"http://127\.0\.0\.1:(\d+)(/\w+)", _readiness()[-1])
    assert asked == [(str(PORT), "/ready")]
    assert asked[0][1] in routes
    (token,) = container["env"]
    assert token["name"] == TOKEN_VARIABLE


def test_it_has_time_to_end() -> None:
    (_, waits) = _container()["lifecycle"]["preStop"]["exec"]["command"]
    needed = int(waits) + ServeConfig().drain + LAST_SECONDS
    assert _pod()["terminationGracePeriodSeconds"] > needed
    starts = _container()["startupProbe"]
    assert starts["periodSeconds"] * starts["failureThreshold"] >= 120


def test_it_is_the_image_of_the_dockerfile() -> None:
    final = read_stages(ROOT / "Dockerfile")[-1]
    (user,) = (one.text for one in final if one.name == "USER")
    (volumes,) = (one.list for one in final if one.name == "VOLUME")
    context = _pod()["securityContext"]
    assert user == f"{context['runAsUser']}:{context['runAsGroup']}"
    mounts = {one["mountPath"]: one for one in _container()["volumeMounts"]}
    assert set(mounts) == set(volumes)
    assert {one["name"] for one in mounts.values()} == {one["name"] for one in _pod()["volumes"]}
    assert _container()["image"].partition(":")[0] == IMAGE
    assert f"docker build -t {IMAGE} ." in (ROOT / "docs/docker.md").read_text()


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl")
def test_kustomize_builds_it() -> None:
    made = subprocess.run(
        ["kubectl", "kustomize", DEPLOY / "kubernetes"], capture_output=True, text=True, check=True
    )
    kinds = [one["kind"] for one in yaml.safe_load_all(made.stdout)]
    assert sorted(kinds) == sorted({_part(stem)["kind"] for stem in PARTS} - {"Kustomization"})


def _readiness() -> list[str]:
    command: list[str] = _container()["readinessProbe"]["exec"]["command"]
    return command


def test_the_readiness_command_says_whether_it_is_ready() -> None:
    def code(address: str, token: str) -> int:
        _, option, script = _readiness()
        script = script.replace(f"http://127.0.0.1:{PORT}", address)
        done = subprocess.run(
            [sys.executable, option, script],
            env={**os.environ, TOKEN_VARIABLE: token},
            capture_output=True,
            check=False,
        )
        return done.returncode

    with running(stub(), ServeConfig(port=0, token=TOKEN)) as address:
        assert code(address, TOKEN) == 0
        assert code(address, "another-token-of-them") != 0
    assert code(address, TOKEN) != 0


@pytest.mark.slow
def test_the_command_serves_behind_the_services_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = {"dim": 8, "epochs": 1, "min_count": 1, "n_threads": 1}
    rs.build(write_folder(tmp_path / "speeches"), out=tmp_path / "a.space", word2vec=words)
    here = {"/space": str(tmp_path / "a.space"), "--host=0.0.0.0": "--host=127.0.0.1"}
    here[f"--port={PORT}"] = "--port=0"
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    process = start(*(here.get(word, word) for word in _container()["args"]))
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        headers = {"authorization": f"Bearer {TOKEN}", "host": "rowspace"}
        assert httpx.get(f"{address}/ready", headers=headers).status_code == 200
        headers["host"] = "another"
        assert httpx.get(f"{address}/ready", headers=headers).status_code == 421
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert process.returncode == 0


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.parent.name)
def test_compose_takes_these_fields_and_they_name_each_other(path: Path) -> None:
    whole = _read(path)
    top = {"services!": ANY, "volumes": ANY, "secrets": ANY, "x-ray": SERVICE}
    check(whole, top, path.parent.name)
    services = whole["services"]
    for name, service in services.items():
        check(service, SERVICE, name)
        for other, how in service.get("depends_on", {}).items():
            assert how == {"condition": "service_healthy"}
            built = services[other]["image"] == IMAGE  # whose Dockerfile has a check
            assert built or "healthcheck" in services[other], other
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            assert source.startswith("./") or source in whole["volumes"], source
        for secret in service.get("secrets", []):
            assert secret in whole["secrets"]


def test_the_proxy_asks_the_server_where_it_listens() -> None:
    services = _read(DEPLOY / "proxy/compose.yaml")["services"]
    options = _parsed(services["rowspace"]["command"])
    caddy = (DEPLOY / "proxy/Caddyfile").read_text()
    assert f"reverse_proxy {IMAGE}:{options['port']} " in caddy
    assert IMAGE in options["hosts"]
    assert "health_uri /health\n" in caddy
    assert f"max_size {ServeConfig().max_body >> 20}MB" in caddy
    assert str(options["token_file"]) == "/run/secrets/token"
    assert int(services["rowspace"]["stop_grace_period"].removesuffix("s")) > 20


def test_rays_commands_are_rays() -> None:
    from ray.scripts.scripts import cli as ray

    services = _read(DEPLOY / "ray/compose.yaml")["services"]
    commands = [services[name]["entrypoint"] for name in ("head", "worker")]
    commands.append(services["head"]["healthcheck"]["test"][1:])
    shell, flag, line, _ = services["encode"]["entrypoint"]
    start, _, then = line.partition(" >&2 && ")
    assert (shell, flag, then) == ("sh", "-c", 'exec rowspace "$$@"')
    commands.append(start.split())
    for program, name, *rest in commands:
        assert program == "ray"
        with ray.commands[name].make_context(name, rest) as context:
            address = context.params["address"]
            assert address is None or address.endswith(":6379"), address
    options = _parsed(services["encode"]["command"])
    assert options["address"] == "head:6379"
    assert npy_path(options["out"])  # refuses another ending


def test_rays_image_has_what_the_extra_names() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (stage,) = read_stages(DEPLOY / "ray/Dockerfile")
    assert stage[0].text == IMAGE
    (run,) = (one.text for one in stage if one.name == "RUN")
    assert re.findall(r"'([^']+)'", run) == wanted["optional-dependencies"]["ray"]


def test_milvus_finds_its_parts() -> None:
    services = _read(DEPLOY / "milvus/compose.yaml")["services"]
    environment = services["milvus"]["environment"]
    assert set(services["milvus"]["depends_on"]) == {"etcd", "minio"}
    etcd, port = environment["ETCD_ENDPOINTS"].split(":")
    assert f"--advertise-client-urls=http://{etcd}:{port}" in services["etcd"]["command"]
    minio, port = environment["MINIO_ADDRESS"].split(":")
    assert f"localhost:{port}/" in services[minio]["healthcheck"]["test"][-1]
    for of_milvus, of_minio in (
        ("MINIO_ACCESS_KEY_ID", "MINIO_ROOT_USER"),
        ("MINIO_SECRET_ACCESS_KEY", "MINIO_ROOT_PASSWORD"),
    ):
        given = services[minio]["environment"][of_minio]
        assert given.split(":?")[0] + "}" == environment[of_milvus]
    assert services["milvus"]["ports"] == ["127.0.0.1:19530:19530"]
