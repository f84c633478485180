"""An export that answers 202 and leads on with Location."""

from service import serving

from pollers import poll

paths = {
    "/exports": [(202, {"Location": "/exports/7/status"}, None)],
    "/exports/7/status": [(202, {"Retry-After": "1"}, None), (303, {"Location": "/exports/7"}, None)],
    "/exports/7": [(200, {}, {"rows": 1200})],
}
with serving(paths) as api:
    print(
        poll(
            f"{api}/exports",
            method="POST",
            json={"table": "orders"},
            start=True,
            protocol="accepted",
            every="500ms",
        )
    )
