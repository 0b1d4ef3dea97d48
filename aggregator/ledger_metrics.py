"""The ledger for Prometheus, once a minute."""

from prometheus_client import CollectorRegistry, Gauge

from aggregator.ledger import Ledger


class LedgerMetrics:
    """Gauges, since an installation restored from a backup counts less than before."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._balanced = Gauge(
            "smartlinks_ledger_balanced", "1 if every click is accounted for, else 0", registry=registry
        )
        self._clicks = Gauge(
            "smartlinks_ledger_clicks",
            "Clicks that came as far as that: answered, spooled, carried, stored, and rows there now",
            ["stage"],
            registry=registry,
        )
        self._on_the_way = Gauge(
            "smartlinks_ledger_on_the_way",
            "Clicks in the spools of this machine that are not stored yet",
            registry=registry,
        )
        self._dropped = Gauge(
            "smartlinks_ledger_dropped",
            "Clicks that are no rows: not_spooled, damaged, dead_letter (open), discarded",
            ["reason"],
            registry=registry,
        )
        self._removed = Gauge(
            "smartlinks_ledger_removed",
            "Clicks that were rows: erased, expired, repeated (an app's report of a redirect)",
            ["reason"],
            registry=registry,
        )
        self._difference = Gauge(
            "smartlinks_ledger_difference",
            "What should be 0: answered (stored and not answered, below 0), rows, rollup",
            ["account"],
            registry=registry,
        )

    def publish(self, ledger: Ledger) -> None:
        self._balanced.set(ledger.is_balanced)
        stages = {
            "answered": ledger.account.answered,
            "spooled": ledger.spooled,
            "carried": ledger.carried,
            "stored": ledger.stored,
            "rows": ledger.rows,
        }
        for stage, clicks in stages.items():
            self._clicks.labels(stage).set(clicks)
        self._on_the_way.set(ledger.account.on_the_way)
        dropped = {
            "not_spooled": ledger.not_spooled,
            "damaged": ledger.damaged,
            "dead_letter": ledger.letters_open,
            "discarded": ledger.letters_discarded,
        }
        for reason, clicks in dropped.items():
            self._dropped.labels(reason).set(clicks)
        removed = {
            "erased": ledger.erased,
            "expired": ledger.expired,
            "repeated": ledger.reported_twice,
        }
        for reason, clicks in removed.items():
            self._removed.labels(reason).set(clicks)
        for account, clicks in ledger.differences.items():
            self._difference.labels(account).set(clicks)
