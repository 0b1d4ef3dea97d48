"""`smartlinks sms templates`: stored texts that messages name by their id."""

from typing import Any, Final

import click

from api.cli.calls import given, limit_option, print_answer, print_change, print_list, segment
from api.cli.connection import Connection

PATH: Final = "/v1/sms/templates"
COLUMNS: Final = ("id", "name", "contentType", "content", "dltTemplateId")


@click.group("templates")
def group() -> None:
    """Stored texts. Send one by sms send --content-type template --content ID."""


@group.command("list")
@limit_option()
@click.pass_obj
def list_templates(connection: Connection, limit: int) -> None:
    """List templates."""
    print_list(connection, PATH, COLUMNS, limit)


def _template_options(command: Any) -> Any:
    for option in reversed(
        (
            click.option("--name"),
            click.option("--content-type", "contentType", type=click.Choice(["text", "unicode", "binary"])),
            click.option("--dlt-template-id", "dltTemplateId"),
        )
    ):
        command = option(command)
    return command


@group.command("create")
@click.argument("content")
@_template_options
@click.pass_obj
def create_template(connection: Connection, /, **fields: Any) -> None:
    """Store CONTENT, in which ${name} stands for a substitution."""
    print_answer(connection, "POST", PATH, given(fields))


@group.command("show")
@click.argument("template_id")
@click.pass_obj
def show_template(connection: Connection, template_id: str) -> None:
    """Show a template."""
    print_answer(connection, "GET", _path(template_id))


@group.command("update")
@click.argument("template_id")
@click.option("--content")
@_template_options
@click.pass_obj
def update_template(connection: Connection, /, template_id: str, **fields: Any) -> None:
    """Change what is given of a template."""
    print_change(connection, _path(template_id), fields)


@group.command("delete")
@click.argument("template_id")
@click.confirmation_option(prompt="Messages can't name it any more. Go on?")
@click.pass_obj
def delete_template(connection: Connection, template_id: str) -> None:
    """Delete a template."""
    print_answer(connection, "DELETE", _path(template_id))


def _path(template_id: str) -> str:
    return f"{PATH}/{segment(template_id)}"
