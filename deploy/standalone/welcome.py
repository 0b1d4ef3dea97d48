"""What a start prints once all is ready: where things are, and the service key."""

from deploy.standalone import city_database, service_key
from deploy.standalone.ports import programs, reachable
from edge.contract import PREFIX, Settings


def show(settings: Settings, geoip_path: str | None, *, key_is_new: bool, seconds: float) -> None:
    """Print it. The service key itself is shown only where it is new."""
    edge = f"http://{reachable(settings.edge_host)}:{settings.edge_port}"
    admin = f"http://{reachable(settings.api_host)}"
    first, *others = programs(settings)
    lines = {
        "Short links": f"{edge}/<code>, as {settings.default_domain}",
        "API": f"{admin}:{settings.api_port}/v1, docs {admin}:{settings.api_port}/docs",
        "Metrics": f"{admin}:{settings.metrics_port}/metrics for {first}, then a port each: "
        + ", ".join(others),
        "Service key": _key_line(settings, key_is_new=key_is_new),
        "Places": _places_line(geoip_path),
    }
    print(f"Ready after {seconds:.1f} s. Ctrl-C stops it.")
    for label, text in lines.items():
        print(f"  {label:<12} {text}")
    print(flush=True)


def _key_line(settings: Settings, *, key_is_new: bool) -> str:
    if settings.admin_key is not None:
        return f"the one in {PREFIX}ADMIN_KEY"
    path = service_key.path(settings)
    if key_is_new:
        return f"{service_key.find(settings)} (shown this once; it stands in {path})"
    return f"in {path}"


def _places_line(geoip_path: str | None) -> str:
    if geoip_path is None:
        return f"unknown: no city database; set {PREFIX}GEOIP_PATH to one, or start again with npm at hand"
    if geoip_path == str(city_database.DATABASES):
        return city_database.ATTRIBUTION
    return geoip_path
