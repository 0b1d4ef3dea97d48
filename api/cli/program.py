"""The `smartlinks` command: its options, and what becomes of errors.

Exit codes: 0 done, 1 some of it could not be done (a refused line, a ledger that does not balance, a file
that can't be written), 2 a command that is none, 3 the API said no, 4 the API does not answer.
"""

import sys
from typing import Final

import click

from api.cli import (
    accounts,
    audit,
    clicks,
    domains,
    explain,
    labels,
    links,
    messages,
    operation,
    recipients,
    reports,
    templates,
    topics,
    webhooks,
)
from api.cli.connection import DEFAULT_URL, Connection
from api.cli.output import print_json, stderr
from api.client import ApiError, ClientError

FAILED: Final = 1
UNAUTHORIZED: Final = 401
REFUSED: Final = 3
UNREACHABLE: Final = 4


class _WithJsonAnywhere(click.Group):
    """Takes `--json` behind the command, too, where most people put it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)
        if "--json" in args[:end]:
            args = ["--json", *(each for each in args[:end] if each != "--json"), *args[end:]]
        return super().parse_args(ctx, args)


@click.group(cls=_WithJsonAnywhere, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--url", envvar="SMARTLINKS_URL", default=DEFAULT_URL, show_default=True, help="Where the API is."
)
@click.option("--key", envvar="SMARTLINKS_KEY", help="Service key. Default: the first key of this machine.")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON, for programs; anywhere.")
@click.pass_context
def smartlinks(context: click.Context, url: str, key: str | None, *, as_json: bool) -> None:
    """Smart links: make them, mint codes for recipients, see who clicked.

    Exit codes: 0 done, 1 some of it could not be done, 2 a command that is none, 3 the API said no, 4 the API
    does not answer.
    """
    context.obj = Connection(url, key, as_json)


COMMANDS: Final[tuple[click.Command, ...]] = (
    *(links.group, labels.campaigns, labels.tags, recipients.group, messages.group, clicks.group),
    *(reports.stats, reports.export, webhooks.group),
    *(domains.group, accounts.keys, accounts.tenants, audit.audit),
    *(operation.ledger, operation.dlq, operation.reclassify, operation.postman, topics.topics),
)
for command in COMMANDS:
    smartlinks.add_command(command)
links.group.add_command(explain.explain)
messages.group.add_command(templates.group)


def main() -> None:
    """Run the command; errors are one line that says what to do, or the problem document with --json."""
    as_json = "--json" in sys.argv
    try:
        smartlinks(prog_name="smartlinks")
    except ApiError as error:
        if as_json:
            print_json(error.problem)
        stderr.print(f"Refused: {error}", style="red")
        for flaw in error.problem.get("errors", []):
            stderr.print(f"  {flaw.get('pointer') or flaw.get('parameter')}: {flaw['detail']}")
        if error.status == UNAUTHORIZED:
            stderr.print("Give a key that works by --key or SMARTLINKS_KEY.")
        sys.exit(REFUSED)
    except ClientError as error:
        stderr.print(str(error), style="red")
        sys.exit(UNREACHABLE)
    except OSError as error:
        stderr.print(f"{error.filename}: {error.strerror}", style="red")
        sys.exit(FAILED)
