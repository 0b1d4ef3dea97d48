"""A ClickHouse server over HTTP for tests: `python server.py <libchdb.so> <folder> <port>`.

The library holds the whole of clickhouse-local, which can listen like a server. It ends with the process.
"""

import ctypes
import sys

SERVE_FOR_EVER = (
    "SYSTEM START LISTEN HTTP; SELECT sleepEachRow(1) FROM system.numbers"
    " SETTINGS max_block_size = 1, function_sleep_max_microseconds_per_block = 0 FORMAT Null"
)


def main(library: str, folder: str, port: str) -> None:
    arguments = [
        "clickhouse",
        "--path",
        folder,
        "--http_port",
        port,
        "--listen_host",
        "127.0.0.1",
        "--query",
        SERVE_FOR_EVER,
    ]
    argv = (ctypes.c_char_p * len(arguments))(*(argument.encode() for argument in arguments))
    ctypes.CDLL(library).query_stable_v2(len(arguments), argv)


if __name__ == "__main__":
    main(*sys.argv[1:])
