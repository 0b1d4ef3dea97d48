"""A ClickHouse server for tests: `python server.py <libchdb.so> <folder> <port> [<tcp port> <config>]`.

The library holds the whole of clickhouse-local, which can listen like a server, over HTTP. It ends with the
process. With a TCP port and a configuration file it is a node that others can reach.
"""

import ctypes
import sys
from pathlib import Path

SERVE_FOR_EVER = (
    "SELECT sleepEachRow(1) FROM system.numbers"
    " SETTINGS max_block_size = 1, function_sleep_max_microseconds_per_block = 0 FORMAT Null"
)


def main(library: str, folder: str, port: str, tcp_port: str = "", config: str = "") -> None:
    listen = "SYSTEM START LISTEN HTTP; " + ("SYSTEM START LISTEN TCP; " if tcp_port else "")
    arguments = [
        "clickhouse",
        *("--config-file", config or str(Path(__file__).with_name("server.xml"))),
        *(("--tcp_port", tcp_port) if tcp_port else ()),
        "--path",
        folder,
        "--http_port",
        port,
        "--listen_host",
        "127.0.0.1",
        "--query",
        listen + SERVE_FOR_EVER,
    ]
    argv = (ctypes.c_char_p * len(arguments))(*(argument.encode() for argument in arguments))
    ctypes.CDLL(library).query_stable_v2(len(arguments), argv)


if __name__ == "__main__":
    main(*sys.argv[1:])
