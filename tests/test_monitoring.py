"""Prometheus' rules, their tests, the dashboards and the documents keep up with each other and with the code."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import fakes
import pytest
import yaml
from api_client import serving
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from model.bundle import Bundle
from model.watch import Watch
from stream import metrics

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
RULES = sorted((ROOT / "monitoring/rules").glob("*.yml"))
DASHBOARDS = sorted((ROOT / "monitoring/grafana/dashboards").glob("*.json"))
BUILT_IN = {"up", "ALERTS"}
SUFFIXES = ("_bucket", "_sum", "_count")


def promtool(*arguments: str | Path) -> None:
    """Run Debian's promtool; fails with what it says."""
    program = shutil.which("promtool")
    if not program:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    done = subprocess.run([program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def rules() -> list[dict[str, Any]]:
    """All recording rules and alerts."""
    return [rule for path in RULES for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


def alerts() -> list[str]:
    """The names of the alerts."""
    return [rule["alert"] for rule in rules() if "alert" in rule]


def test_prometheus_takes_the_configuration_and_the_rules() -> None:
    """Promtool check config follows rule_files, too."""
    promtool("check", "config", "prometheus.yml")
    promtool("check", "rules", *RULES)


def test_every_alert_fires_and_stays_silent_as_tested() -> None:
    """Promtool test rules."""
    promtool("test", "rules", ROOT / "monitoring/tests/alerts.yml")


def test_every_alert_has_both_tests_and_a_runbook_line() -> None:
    """No alert without a test that fires, one that stays silent, a summary, a severity, and what to do about it."""
    tests = {test["name"] for test in yaml.safe_load((ROOT / "monitoring/tests/alerts.yml").read_text())["tests"]}
    wanted = {f"{alert} {what}" for alert in alerts() for what in ("fires", "is silent")}
    assert tests - {"the population stability index is that of model/drift.py"} == wanted
    runbook = re.findall(r"^\| `(Ctr\w+)` \| \S", (ROOT / "docs/operations.md").read_text(), re.MULTILINE)
    assert sorted(runbook) == sorted(alerts())
    for rule in rules():
        if "alert" in rule:
            assert rule["labels"]["severity"] in {"critical", "warning", "info"}
            assert rule["annotations"]["summary"]


async def exposed(bundle: Bundle) -> set[str]:
    """The names that worker and API expose, without the suffixes of histograms."""
    worker = metrics.make()
    Watch(bundle, worker.registry)
    async with serving() as api:
        await api.client.get("/predict", params=fakes.fields())
        text = (await api.client.get("/metrics")).text
    return names(worker.registry) | {name_of(family) for family in text_string_to_metric_families(text)}


def names(registry: CollectorRegistry) -> set[str]:
    """The names of a registry's metrics."""
    return {name_of(metric) for metric in registry.collect()}


def name_of(metric: Any) -> str:
    """The name as a query has it: counters end with _total."""
    return f"{metric.name}_total" if metric.type == "counter" else str(metric.name)


async def test_every_metric_is_documented_and_every_documented_one_is_exposed(bundle_: Bundle) -> None:
    """The table in docs/metrics.md and the code name the same metrics."""
    table = re.findall(r"^\| `(\w+)` \| (both|worker|API) \|", (ROOT / "docs/metrics.md").read_text(), re.MULTILINE)
    assert {name for name, _ in table} == await exposed(bundle_)


async def test_rules_and_dashboards_ask_for_metrics_that_exist(bundle_: Bundle) -> None:
    """Every name in a query is exposed, or recorded by a rule."""
    known = await exposed(bundle_) | {rule["record"] for rule in rules() if "record" in rule} | BUILT_IN
    queries = [rule["expr"] for rule in rules()] + [query for _, query in dashboard_queries()]
    for query in queries:
        for name in metric_names(query):
            base = next((name.removesuffix(suffix) for suffix in SUFFIXES if name.endswith(suffix)), name)
            assert {name, base} & known, f"{name} in {query}"


def metric_names(query: str) -> set[str]:
    """The metrics in a query: names of more than one word, outside of labels."""
    plain = re.sub(r"\{[^}]*\}|\b(by|on|without|ignoring|group_left)\s*\([^)]*\)", " ", query)
    found = set(re.findall(r"[a-z_]+:[a-z_0-9:]+|\b(?:ctr|http|predicted)_\w+|\bup\b", plain))
    assert found, query
    return found


def dashboard_queries() -> list[tuple[str, str]]:
    """Panel and query of all dashboards."""
    found = []
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            found += [(f"{path.stem}: {panel['title']}", target["expr"]) for target in panel["targets"]]
    return found


def test_dashboards_are_provisioned_and_whole() -> None:
    """Three dashboards whose ids are their files' names, whose panels do not overlap and use the provisioned source."""
    source = yaml.safe_load((ROOT / "monitoring/grafana/provisioning/datasources/prometheus.yml").read_text())
    uid = source["datasources"][0]["uid"]
    assert [path.stem for path in DASHBOARDS] == ["model", "service", "stream"]
    for path in DASHBOARDS:
        dashboard = json.loads(path.read_text())
        assert dashboard["uid"] == path.stem
        cells: set[tuple[int, int]] = set()
        for panel in dashboard["panels"]:
            assert panel["datasource"]["uid"] == uid
            place = panel["gridPos"]
            own = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert not own & cells, panel["title"]
            assert max(x for x, _ in own) < 24
            cells |= own
