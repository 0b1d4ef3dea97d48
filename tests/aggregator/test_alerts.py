"""Every metric that an alert asks for is one that a program serves."""

import re
from pathlib import Path

from prometheus_client import CollectorRegistry

from aggregator.metrics import AggregatorMetrics

RULES = Path(__file__).parents[2] / "deploy" / "prometheus" / "accounts.rules.yml"


def test_alerts_ask_for_metrics_that_are_there() -> None:
    registry = CollectorRegistry()
    AggregatorMetrics(registry)
    served = {name for family in registry.collect() for name in (family.name, f"{family.name}_total")}
    asked = set(re.findall(r"smartlinks_\w+", RULES.read_text()))
    assert asked
    assert asked <= served
