"""Prints the JSON Schema of link commands, which `docs/link-commands.v1.schema.json` is."""

import json
import sys

from api.link_stream.commands import COMMAND

if __name__ == "__main__":
    json.dump(COMMAND.json_schema(), sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")
