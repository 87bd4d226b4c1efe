"""What Kubernetes and Compose take, written down by hand: their schemas are not at hand offline.

A schema is a dict of fields that may be there; `"name!"` must be. A value is a schema, a type, a
list of one schema, a set of the strings that it may be, `ANY`, or a function that says whether it
fits. Sources: the API reference of Kubernetes 1.31, and the Compose specification.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

ANY = object()
_QUANTITY = re.compile(r"\d+(\.\d+)?(m|Ki|Mi|Gi|Ti|k|M|G)?")
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_DURATION = re.compile(r"(\d+(ms|s|m|h))+")
_SIZE = re.compile(r"\d+(b|k|kb|m|mb|g|gb)")


def check(value: Any, schema: Any, where: str = "") -> None:
    """Fail where `value` is none that `schema` allows; the message says where."""
    if schema is ANY:
        return
    if isinstance(schema, dict):
        _check_fields(value, schema, where)
    elif isinstance(schema, list):
        assert isinstance(value, list), f"{where} is no list"
        for number, one in enumerate(value):
            check(one, schema[0], f"{where}[{number}]")
    elif isinstance(schema, set):
        assert value in schema, f"{where} is {value!r}, none of {sorted(schema)}"
    elif isinstance(schema, type):
        assert type(value) is schema, f"{where} is {value!r}, no {schema.__name__}"
    else:
        assert schema(value), f"{where} is {value!r}, which {schema.__name__} does not take"


def _check_fields(value: Any, schema: dict[str, Any], where: str) -> None:
    assert isinstance(value, dict), f"{where} is no mapping"
    fields = {name.removesuffix("!"): inner for name, inner in schema.items()}
    unknown = value.keys() - fields.keys()
    assert not unknown, f"{where} has {sorted(unknown)}, which there is not"
    missing = {name[:-1] for name in schema if name.endswith("!")} - value.keys()
    assert not missing, f"{where} lacks {sorted(missing)}"
    for name, one in value.items():
        check(one, fields[name], f"{where}.{name}")


def quantity(value: Any) -> bool:
    """Of Kubernetes: "2", "500m", "4Gi"; a string, so that YAML does not round it."""
    return isinstance(value, str) and _QUANTITY.fullmatch(value) is not None


def name(value: Any) -> bool:
    """A DNS label."""
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def port(value: Any) -> bool:
    """A port's number or its name."""
    return name(value) if isinstance(value, str) else type(value) is int and 0 < value < 65536


def duration(value: Any) -> bool:
    """Of Compose: 30s."""
    return isinstance(value, str) and _DURATION.fullmatch(value) is not None


def size(value: Any) -> bool:
    """Of Compose: 2gb."""
    return isinstance(value, str) and _SIZE.fullmatch(value) is not None


def texts(value: Any) -> bool:
    """A mapping of strings to strings: no number or yes that YAML would have turned."""
    return isinstance(value, dict) and all(type(one) is str for one in [*value, *value.values()])


def words(value: Any) -> bool:
    """A list of strings."""
    return isinstance(value, list) and all(type(one) is str for one in value)


def published(value: Any) -> bool:
    """Ports of Compose: [address:]outside:inside."""
    form = r"(\d+\.\d+\.\d+\.\d+:)?\d{1,5}:\d{1,5}"
    return words(value) and all(re.fullmatch(form, one) for one in value)


def mounts(value: Any) -> bool:
    """Volumes of Compose: source:/target[:ro]."""
    return words(value) and all(re.fullmatch(r"[\w./-]+:/[\w./-]*(:ro)?", one) for one in value)


Fits = Callable[[Any], bool]
_METADATA = {"name!": name, "labels": texts}
_SELECTOR = {"matchLabels!": texts}
_PROBE = {
    "httpGet": {"path!": str, "port!": port},
    "exec": {"command!": words},
    **dict.fromkeys(("periodSeconds", "timeoutSeconds", "failureThreshold"), int),
}
_RESOURCES = {"cpu": quantity, "memory": quantity}
_CONTAINER = {
    "name!": name,
    "image!": str,
    "args": words,
    "env": [{"name!": str, "valueFrom!": {"secretKeyRef!": {"name!": name, "key!": str}}}],
    "ports": [{"name": name, "containerPort!": int}],
    **dict.fromkeys(("startupProbe", "livenessProbe", "readinessProbe"), _PROBE),
    "lifecycle": {"preStop": {"exec!": {"command!": words}}},
    "resources": {"requests": _RESOURCES, "limits": _RESOURCES},
    "securityContext": {
        **dict.fromkeys(("allowPrivilegeEscalation", "readOnlyRootFilesystem"), bool),
        "capabilities": {"drop": words},
    },
    "volumeMounts": [{"name!": name, "mountPath!": str, "readOnly": bool}],
}
_POD = {
    "terminationGracePeriodSeconds": int,
    "automountServiceAccountToken": bool,
    "securityContext": {
        "runAsNonRoot": bool,
        **dict.fromkeys(("runAsUser", "runAsGroup", "fsGroup"), int),
        "seccompProfile": {"type!": {"RuntimeDefault"}},
    },
    "containers!": [_CONTAINER],
    "volumes": [
        {
            "name!": name,
            "persistentVolumeClaim": {"claimName!": name, "readOnly": bool},
            "emptyDir": {"sizeLimit": quantity},
        }
    ],
}


def _object(version: str, kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion!": {version}, "kind!": {kind}, "metadata!": _METADATA, "spec!": spec}


KUBERNETES: dict[str, dict[str, Any]] = {
    "Deployment": _object(
        "apps/v1",
        "Deployment",
        {
            "replicas": int,
            "selector!": _SELECTOR,
            "strategy": {"rollingUpdate": {"maxUnavailable": int, "maxSurge": int}},
            "template!": {"metadata!": {"labels!": texts}, "spec!": _POD},
        },
    ),
    "Service": _object(
        "v1",
        "Service",
        {"selector!": texts, "ports!": [{"name": name, "port!": int, "targetPort!": port}]},
    ),
    "PersistentVolumeClaim": _object(
        "v1",
        "PersistentVolumeClaim",
        {
            "accessModes!": [{"ReadOnlyMany", "ReadWriteOnce", "ReadWriteMany"}],
            "resources!": {"requests!": {"storage!": quantity}},
        },
    ),
    "PodDisruptionBudget": _object(
        "policy/v1", "PodDisruptionBudget", {"minAvailable": int, "selector!": _SELECTOR}
    ),
    "HorizontalPodAutoscaler": _object(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        {
            "scaleTargetRef!": {"apiVersion!": {"apps/v1"}, "kind!": {"Deployment"}, "name!": name},
            "minReplicas": int,
            "maxReplicas!": int,
            "metrics": [
                {
                    "type!": {"Resource"},
                    "resource!": {
                        "name!": {"cpu", "memory"},
                        "target!": {"type!": {"Utilization"}, "averageUtilization!": int},
                    },
                }
            ],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": int}},
        },
    ),
    "Kustomization": {
        "apiVersion!": {"kustomize.config.k8s.io/v1beta1"},
        "kind!": {"Kustomization"},
        "resources!": words,
    },
}
"""Fields of the kinds that the examples have, by kind."""

SERVICE = {
    "build": str,
    "image!": str,
    "user": str,
    "entrypoint": words,
    "command": words,
    "environment": texts,
    "ports": published,
    "volumes": mounts,
    "secrets": words,
    "profiles": words,
    "shm_size": size,
    "read_only": bool,
    "cap_drop": words,
    "security_opt": words,
    "stop_grace_period": duration,
    "restart": {"unless-stopped"},
    "healthcheck": {
        "test!": words,
        **dict.fromkeys(("interval", "start_period"), duration),
        "retries": int,
    },
    "depends_on": ANY,
}
"""Fields of a service of Compose."""
