"""Runs Smart Links on this machine: `python -m deploy.standalone`, or `make run`.

Ends with 0 after a clean stop (Ctrl-C, SIGTERM), with 1 and one line where it can't start.
"""

import asyncio
import signal
import sys
import time

from deploy.standalone import city_database, data_dir, ports, redis_server, service_key, welcome
from deploy.standalone.supervisor import Supervisor
from edge.contract import Settings, SettingsError, load


def main() -> int:
    started_s = time.monotonic()
    try:
        settings = _complete(load())
        with data_dir.claim(settings.data_dir) as lock:
            ports.check_free(ports.listeners(settings))
            if settings.redis_url is None:
                redis_server.find_server()
            asyncio.run(_serve(settings, lock.fileno(), started_s))
    except (SettingsError, data_dir.DataDirError, ports.PortError, redis_server.RedisNotFoundError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _complete(settings: Settings) -> Settings:
    """The settings with an absolute data folder and with real ports where 0 leaves the choice to us.

    Where no domain was set, short URLs lead to this edge.
    """
    edge_port = settings.edge_port or ports.free_port(settings.edge_host)
    api_port = settings.api_port or ports.free_port(settings.api_host)
    worked_out = {"data_dir": settings.data_dir.absolute(), "edge_port": edge_port, "api_port": api_port}
    if "default_domain" not in settings.model_fields_set:
        worked_out["default_domain"] = f"localhost:{edge_port}"
    return settings.model_copy(update=worked_out)


async def _serve(settings: Settings, lock_file: int, started_s: float) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup's wish
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    print(f"Smart Links, data in {settings.data_dir}", flush=True)
    geoip_path = settings.geoip_path or city_database.databases_path()
    key_is_new = service_key.find(settings) is None
    supervisor = Supervisor(settings, lock_file=lock_file, geoip_path=geoip_path)
    starting = asyncio.create_task(supervisor.start())
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            welcome.show(settings, geoip_path, key_is_new=key_is_new, seconds=time.monotonic() - started_s)
            await stopping
    finally:
        starting.cancel()
        stopping.cancel()
        await asyncio.wait([starting, stopping])
        print("Stopping", flush=True)
        await supervisor.stop()
        print("Stopped", flush=True)


if __name__ == "__main__":
    sys.exit(main())
