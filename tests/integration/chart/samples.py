"""Values that switch everything on, and a copy of the chart with files that the tests know."""

import json
import shutil
from pathlib import Path
from typing import Any

from demo.install import CHART

TEAM = "chart-team"
MONITORING = {
    "serviceMonitor": {"enabled": True, "labels": {"release": "prom"}, "interval": "30s", "scrapeTimeout": "10s"},
    "podMonitor": {
        "enabled": True,
        "relabelings": [{"action": "replace", "targetLabel": "cluster", "replacement": "a"}],
        "metricRelabelings": [{"action": "drop", "sourceLabels": ["__name__"], "regex": "python_.*"}],
    },
    "prometheusRule": {
        "enabled": True,
        "alertLabels": {"team": "ml"},
        "disabledAlerts": ["Second"],
    },
    "dashboards": {"enabled": True, "annotations": {"grafana_folder": "ML"}},
}
LIMITS = {
    "everywhere": {"maxTrainingHours": 24, "maxServingReplicas": 3},
    "team": {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": TEAM}},
        "trainingImages": ["registry.example/trainer*"],
        "allowEnv": False,
    },
}
EVERYTHING: dict[str, Any] = {
    "replicas": 2,
    "commonLabels": {"cost-centre": "42"},
    "deploymentAnnotations": {"note": "one"},
    "podLabels": {"team": "ml"},
    "podAnnotations": {"note": "one"},
    "priorityClassName": "system-cluster-critical",
    "imagePullSecrets": [{"name": "registry"}],
    "image": {"repository": "registry.example/operator", "digest": f"sha256:{'1' * 64}"},
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "infra", "operator": "Exists"}],
    "topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway"}
    ],
    "serviceAccount": {"name": "robot", "annotations": {"cloud": "role"}},
    "env": [{"name": "HTTPS_PROXY", "value": "http://proxy.example:3128"}],
    "metrics": MONITORING,
    "networkPolicy": {
        "enabled": True,
        "jobNamespaces": [TEAM],
        "clients": [{"podSelector": {}}],
        "apiServer": [{"ipBlock": {"cidr": "10.0.0.1/32"}}],
    },
    "policies": {"enabled": True, "limits": LIMITS},
}

ALERTS = """\
texts: &texts {summary: "{{ $labels.name }} is late", runbook_url: docs/runbooks.md#first}
groups:
- name: jobs
  rules:
  - {alert: First, expr: vector(1), labels: {severity: critical}, annotations: *texts}
  - {alert: Second, expr: vector(2)}
  - {record: "finetune:gpus:sum", expr: sum(finetune_job_gpus)}
"""


def chart_with_files(folder: Path) -> Path:
    """Return a copy of the chart that has alerts and a dashboard of the tests' own."""
    copy = folder / "chart"
    shutil.copytree(CHART, copy)
    shutil.rmtree(copy / "files/dashboards", ignore_errors=True)
    (copy / "files/dashboards").mkdir()
    (copy / "files/alerts.yaml").write_text(ALERTS)
    (copy / "files/dashboards/fleet.json").write_text(json.dumps({"title": "Fleet", "text": "{{name}}"}))
    return copy
