# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which fields a Pod has and what each may be (Kubernetes API reference: Pod v1), as far as a table can tell.

A newer API server may know more fields, and has the last word on everything.
"""

from __future__ import annotations

from typing import Any

TEXT = "text"
NUMBER = "whole number"
TRUTH = "true or false"
QUANTITY = "quantity like 500m or 2Gi"
PORT = "number or name of a port"
MAPPING = "mapping"
"""A mapping whose fields are not told here."""
TEXTS = {"*": TEXT}
"""A mapping of free keys to texts."""
QUANTITIES = {"*": QUANTITY}
LIST_OF_TEXTS = [TEXT]

_SELECTOR = {
    "matchLabels": TEXTS,
    "matchExpressions": [{"key": TEXT, "operator": TEXT, "values": LIST_OF_TEXTS}],
}
_NODE_TERM = {
    "matchExpressions": [{"key": TEXT, "operator": TEXT, "values": LIST_OF_TEXTS}],
    "matchFields": [{"key": TEXT, "operator": TEXT, "values": LIST_OF_TEXTS}],
}
_POD_TERM = {
    "labelSelector": _SELECTOR,
    "namespaceSelector": _SELECTOR,
    "namespaces": LIST_OF_TEXTS,
    "topologyKey": TEXT,
    "matchLabelKeys": LIST_OF_TEXTS,
    "mismatchLabelKeys": LIST_OF_TEXTS,
}
_POD_AFFINITY = {
    "requiredDuringSchedulingIgnoredDuringExecution": [_POD_TERM],
    "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": NUMBER, "podAffinityTerm": _POD_TERM}],
}
_AFFINITY = {
    "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [_NODE_TERM]},
        "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": NUMBER, "preference": _NODE_TERM}],
    },
    "podAffinity": _POD_AFFINITY,
    "podAntiAffinity": _POD_AFFINITY,
}
_FIELD_REFERENCE = {"apiVersion": TEXT, "fieldPath": TEXT}
_RESOURCE_REFERENCE = {"containerName": TEXT, "resource": TEXT, "divisor": QUANTITY}
_KEY_REFERENCE = {"name": TEXT, "key": TEXT, "optional": TRUTH}
_SECURITY = {
    "runAsUser": NUMBER,
    "runAsGroup": NUMBER,
    "runAsNonRoot": TRUTH,
    "seLinuxOptions": {"user": TEXT, "role": TEXT, "type": TEXT, "level": TEXT},
    "seccompProfile": {"type": TEXT, "localhostProfile": TEXT},
    "appArmorProfile": {"type": TEXT, "localhostProfile": TEXT},
    "windowsOptions": MAPPING,
}
_PROBE = {
    "exec": {"command": LIST_OF_TEXTS},
    "grpc": {"port": NUMBER, "service": TEXT},
    "httpGet": {
        "host": TEXT,
        "httpHeaders": [{"name": TEXT, "value": TEXT}],
        "path": TEXT,
        "port": PORT,
        "scheme": TEXT,
    },
    "tcpSocket": {"host": TEXT, "port": PORT},
    **dict.fromkeys(
        (
            "failureThreshold",
            "initialDelaySeconds",
            "periodSeconds",
            "successThreshold",
            "terminationGracePeriodSeconds",
            "timeoutSeconds",
        ),
        NUMBER,
    ),
}
_RESOURCES = {
    "limits": QUANTITIES,
    "requests": QUANTITIES,
    "claims": [{"name": TEXT, "request": TEXT}],
}
CONTAINER: dict[str, Any] = {
    "name": TEXT,
    "image": TEXT,
    "imagePullPolicy": TEXT,
    "command": LIST_OF_TEXTS,
    "args": LIST_OF_TEXTS,
    "workingDir": TEXT,
    "env": [
        {
            "name!": TEXT,
            "value": TEXT,
            "valueFrom": {
                "configMapKeyRef": _KEY_REFERENCE,
                "fieldRef": _FIELD_REFERENCE,
                "fileKeyRef": MAPPING,
                "resourceFieldRef": _RESOURCE_REFERENCE,
                "secretKeyRef": _KEY_REFERENCE,
            },
        }
    ],
    "envFrom": [
        {
            "prefix": TEXT,
            "configMapRef": {"name": TEXT, "optional": TRUTH},
            "secretRef": {"name": TEXT, "optional": TRUTH},
        }
    ],
    "ports": [
        {
            "name": TEXT,
            "containerPort!": NUMBER,
            "hostPort": NUMBER,
            "hostIP": TEXT,
            "protocol": TEXT,
        }
    ],
    "resources": _RESOURCES,
    "resizePolicy": [{"resourceName": TEXT, "restartPolicy": TEXT}],
    "restartPolicy": TEXT,
    "restartPolicyRules": [MAPPING],
    "volumeMounts": [
        {
            "name!": TEXT,
            "mountPath!": TEXT,
            "mountPropagation": TEXT,
            "readOnly": TRUTH,
            "recursiveReadOnly": TEXT,
            "subPath": TEXT,
            "subPathExpr": TEXT,
        }
    ],
    "volumeDevices": [{"name": TEXT, "devicePath": TEXT}],
    "livenessProbe": _PROBE,
    "readinessProbe": _PROBE,
    "startupProbe": _PROBE,
    "lifecycle": {"postStart": MAPPING, "preStop": MAPPING, "stopSignal": TEXT},
    "securityContext": {
        **_SECURITY,
        "allowPrivilegeEscalation": TRUTH,
        "capabilities": {"add": LIST_OF_TEXTS, "drop": LIST_OF_TEXTS},
        "privileged": TRUTH,
        "procMount": TEXT,
        "readOnlyRootFilesystem": TRUTH,
    },
    "stdin": TRUTH,
    "stdinOnce": TRUTH,
    "tty": TRUTH,
    "terminationMessagePath": TEXT,
    "terminationMessagePolicy": TEXT,
}
_ITEMS = [{"key": TEXT, "path": TEXT, "mode": NUMBER}]
_DOWNWARD_ITEMS = [
    {"path": TEXT, "mode": NUMBER, "fieldRef": _FIELD_REFERENCE, "resourceFieldRef": _RESOURCE_REFERENCE}
]
_VOLUME = {
    "name!": TEXT,
    "configMap": {"name": TEXT, "items": _ITEMS, "defaultMode": NUMBER, "optional": TRUTH},
    "csi": {
        "driver": TEXT,
        "fsType": TEXT,
        "nodePublishSecretRef": {"name": TEXT},
        "readOnly": TRUTH,
        "volumeAttributes": TEXTS,
    },
    "downwardAPI": {"items": _DOWNWARD_ITEMS, "defaultMode": NUMBER},
    "emptyDir": {"medium": TEXT, "sizeLimit": QUANTITY},
    "ephemeral": {"volumeClaimTemplate": MAPPING},
    "hostPath": {"path": TEXT, "type": TEXT},
    "image": {"reference": TEXT, "pullPolicy": TEXT},
    "nfs": {"server": TEXT, "path": TEXT, "readOnly": TRUTH},
    "persistentVolumeClaim": {"claimName": TEXT, "readOnly": TRUTH},
    "projected": {
        "defaultMode": NUMBER,
        "sources": [
            {
                "clusterTrustBundle": MAPPING,
                "configMap": {"name": TEXT, "items": _ITEMS, "optional": TRUTH},
                "downwardAPI": {"items": _DOWNWARD_ITEMS},
                "podCertificate": MAPPING,
                "secret": {"name": TEXT, "items": _ITEMS, "optional": TRUTH},
                "serviceAccountToken": {"audience": TEXT, "expirationSeconds": NUMBER, "path": TEXT},
            }
        ],
    },
    "secret": {"secretName": TEXT, "items": _ITEMS, "defaultMode": NUMBER, "optional": TRUTH},
    **dict.fromkeys(
        (
            "awsElasticBlockStore",
            "azureDisk",
            "azureFile",
            "cephfs",
            "cinder",
            "fc",
            "flexVolume",
            "flocker",
            "gcePersistentDisk",
            "gitRepo",
            "glusterfs",
            "iscsi",
            "photonPersistentDisk",
            "portworxVolume",
            "quobyte",
            "rbd",
            "scaleIO",
            "storageos",
            "vsphereVolume",
        ),
        MAPPING,
    ),
}
SPEC = {
    "containers": [CONTAINER],
    "initContainers": [{**CONTAINER, "name!": TEXT}],
    "ephemeralContainers": [MAPPING],
    "volumes": [_VOLUME],
    "nodeSelector": TEXTS,
    "nodeName": TEXT,
    "affinity": _AFFINITY,
    "tolerations": [
        {"key": TEXT, "operator": TEXT, "value": TEXT, "effect": TEXT, "tolerationSeconds": NUMBER}
    ],
    "topologySpreadConstraints": [
        {
            "labelSelector": _SELECTOR,
            "matchLabelKeys": LIST_OF_TEXTS,
            "maxSkew": NUMBER,
            "minDomains": NUMBER,
            "nodeAffinityPolicy": TEXT,
            "nodeTaintsPolicy": TEXT,
            "topologyKey": TEXT,
            "whenUnsatisfiable": TEXT,
        }
    ],
    "serviceAccountName": TEXT,
    "serviceAccount": TEXT,
    "automountServiceAccountToken": TRUTH,
    "imagePullSecrets": [{"name": TEXT}],
    "securityContext": {
        **_SECURITY,
        "fsGroup": NUMBER,
        "fsGroupChangePolicy": TEXT,
        "seLinuxChangePolicy": TEXT,
        "supplementalGroups": [NUMBER],
        "supplementalGroupsPolicy": TEXT,
        "sysctls": [{"name": TEXT, "value": TEXT}],
    },
    "activeDeadlineSeconds": NUMBER,
    "dnsConfig": {
        "nameservers": LIST_OF_TEXTS,
        "searches": LIST_OF_TEXTS,
        "options": [{"name": TEXT, "value": TEXT}],
    },
    "dnsPolicy": TEXT,
    "enableServiceLinks": TRUTH,
    "hostAliases": [{"ip!": TEXT, "hostnames": LIST_OF_TEXTS}],
    "hostIPC": TRUTH,
    "hostNetwork": TRUTH,
    "hostPID": TRUTH,
    "hostUsers": TRUTH,
    "hostname": TEXT,
    "hostnameOverride": TEXT,
    "os": {"name": TEXT},
    "overhead": QUANTITIES,
    "preemptionPolicy": TEXT,
    "priority": NUMBER,
    "priorityClassName": TEXT,
    "readinessGates": [{"conditionType": TEXT}],
    "resourceClaims": [{"name": TEXT, "resourceClaimName": TEXT, "resourceClaimTemplateName": TEXT}],
    "resources": _RESOURCES,
    "restartPolicy": TEXT,
    "runtimeClassName": TEXT,
    "schedulerName": TEXT,
    "schedulingGates": [{"name": TEXT}],
    "setHostnameAsFQDN": TRUTH,
    "shareProcessNamespace": TRUTH,
    "subdomain": TEXT,
    "terminationGracePeriodSeconds": NUMBER,
}
POD: dict[str, Any] = {
    "apiVersion": TEXT,
    "kind": TEXT,
    "metadata": {
        "name": TEXT,
        "generateName": TEXT,
        "namespace": TEXT,
        "labels": TEXTS,
        "annotations": TEXTS,
        "finalizers": LIST_OF_TEXTS,
        "ownerReferences": [MAPPING],
        "creationTimestamp": TEXT,
        "deletionGracePeriodSeconds": NUMBER,
        "deletionTimestamp": TEXT,
        "generation": NUMBER,
        "managedFields": [MAPPING],
        "resourceVersion": TEXT,
        "selfLink": TEXT,
        "uid": TEXT,
    },
    "spec": SPEC,
    "status": MAPPING,
}
"""A name with `!` is required; `*` stands for any name."""
