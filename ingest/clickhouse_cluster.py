"""The dialect of a cluster: statements for one server, rendered for many. Pure.

Each table is two: `<name>_local`, replicated, on every node; and `<name>`, distributed, which everybody reads
and inserts into. What changes a table's form or its rows goes to the local ones, on the whole cluster:

| statement | becomes |
| --- | --- |
| `CREATE TABLE x (...) ENGINE = ...MergeTree` | `x_local` as `Replicated...MergeTree`, and `x` distributed |
| `CREATE MATERIALIZED VIEW v TO x AS ... FROM y` | a view on each node, `y_local` to `x_local` |
| `ALTER`, `DELETE`, `OPTIMIZE`, `TRUNCATE`, `DROP` | the same on `x_local`; new columns also on `x` |
| all else | itself |

An insert is cut by shard, always in the same way, and each shard knows the token: repeated, it adds nothing.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

# For every statement: inserts return once each shard has its part; subqueries see all shards. Whoever wants
# an acknowledged insert to outlive a replica's disk sets `insert_quorum` in the user's profile.
CLUSTER_SETTINGS: Final = {
    "distributed_foreground_insert": 1,
    "distributed_product_mode": "global",
    "parallel_distributed_insert_select": 0,
    "allow_nondeterministic_mutations": 1,
    "mutations_sync": 2,
    "alter_sync": 2,
}
LOCAL_SUFFIX: Final = "_local"
REPLICA_PATH: Final = "'/clickhouse/tables/{shard}/{database}/{table}', '{replica}'"

# What a batch must not straddle: clicks of one source stay together, and with what was removed of them.
_SHARDED_BY: Final = {"clicks": "source", "removed_clicks": "source", "click_sources": "source"}

_NAME: Final = r"`?(?P<name>\w+)`?"
_CREATE_TABLE: Final = re.compile(
    rf"CREATE TABLE (?P<if>IF NOT EXISTS )?{_NAME}\s*(?P<columns>\(.*\))\s*"
    r"ENGINE = (?P<family>\w*)MergeTree(?:\((?P<arguments>[^)]*)\))?(?P<rest>.*)\Z",
    re.DOTALL,
)
_CREATE_VIEW: Final = re.compile(
    rf"CREATE MATERIALIZED VIEW (?P<if>IF NOT EXISTS )?{_NAME} TO `?(?P<target>\w+)`? AS(?P<select>.*)\Z",
    re.DOTALL,
)
_CHANGE: Final = re.compile(
    rf"(?P<verb>ALTER TABLE|DELETE FROM|OPTIMIZE TABLE|TRUNCATE TABLE) {_NAME}(?P<rest>.*)\Z", re.DOTALL
)
_DROP: Final = re.compile(rf"DROP TABLE (?P<if>IF EXISTS )?{_NAME}(?P<rest>.*)\Z", re.DOTALL)
_FROM: Final = re.compile(r"\bFROM (\w+)")
_OTHER_TABLE: Final = re.compile(r"(?<=\bFROM )`?(\w+)`?\s*\Z")
_ORDER: Final = re.compile(r"ORDER BY (\([^)]*\)|tuple\(\)|\w+)")
_COLUMNS: Final = re.compile(r"\s*(ADD|DROP|MODIFY|RENAME) COLUMN ")


@dataclass(frozen=True, slots=True)
class ClusterDialect:
    """The statements of one server for the cluster of this name, as `remote_servers` has it."""

    cluster: str

    def render(self, sql: str) -> list[str]:
        """The statements to run instead, in order."""
        return list(self._render(sql.strip()))

    def local(self, table: str) -> str:
        return table if table.endswith(LOCAL_SUFFIX) else f"{table}{LOCAL_SUFFIX}"

    @property
    def _everywhere(self) -> str:
        return f"ON CLUSTER `{self.cluster}`"

    def _render(self, sql: str) -> Iterator[str]:
        if table := _CREATE_TABLE.match(sql):
            yield self._create_local(table)
            yield self._create_distributed(table)
        elif view := _CREATE_VIEW.match(sql):
            select = _FROM.sub(lambda source: f"FROM {self.local(source[1])}", view["select"])
            yield (
                f"CREATE MATERIALIZED VIEW {view['if'] or ''}{view['name']} {self._everywhere}"
                f" TO {self.local(view['target'])} AS{select}"
            )
        elif change := _CHANGE.match(sql):
            yield from self._change(change)
        elif drop := _DROP.match(sql):
            for name in (drop["name"], self.local(drop["name"])):
                yield f"DROP TABLE IF EXISTS {name} {self._everywhere}{drop['rest']}"
        else:
            yield sql

    def _create_local(self, table: re.Match[str]) -> str:
        arguments = ", ".join(part for part in (REPLICA_PATH, table["arguments"]) if part)
        rest = _for_replicated(table["rest"])
        return (
            f"CREATE TABLE {table['if'] or ''}{self.local(table['name'])} {self._everywhere}\n"
            f"{table['columns']}\n"
            f"ENGINE = Replicated{table['family']}MergeTree({arguments}){rest}"
        )

    def _create_distributed(self, table: re.Match[str]) -> str:
        name, local = table["name"], self.local(table["name"])
        key = _SHARDED_BY.get(name) or _key_of(table["rest"])
        return (
            f"CREATE TABLE {table['if'] or ''}{name} {self._everywhere} AS {local}\n"
            f"ENGINE = Distributed('{self.cluster}', currentDatabase(), '{local}', {key})"
        )

    def _change(self, change: re.Match[str]) -> Iterator[str]:
        verb, name, rest = change["verb"], change["name"], change["rest"]
        local_rest = _for_replicated(rest)
        if "REPLACE PARTITION" in rest or "MOVE PARTITION" in rest:
            local_rest = _OTHER_TABLE.sub(lambda other: self.local(other[1]), local_rest)
        yield f"{verb} {self.local(name)} {self._everywhere}{local_rest}"
        if verb == "ALTER TABLE" and _COLUMNS.match(rest) and not name.endswith(LOCAL_SUFFIX):
            yield f"{verb} {name} {self._everywhere}{rest}"


def _for_replicated(settings: str) -> str:
    return settings.replace("non_replicated_deduplication_window", "replicated_deduplication_window")


def _key_of(rest: str) -> str:
    """Rows of one key stand on one shard, where they replace or add to one another."""
    order = _ORDER.search(rest)
    columns = order[1].strip("()") if order else ""
    return "0" if columns in {"", "tuple"} else f"cityHash64({columns})"
