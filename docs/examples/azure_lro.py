"""A resource that Azure creates: started, followed at its status monitor, and fetched."""

from service import serving

from pollers import poll

paths = {
    "/disks/d": [
        (201, {"Azure-AsyncOperation": "/operations/1"}, None),
        (200, {}, {"name": "d", "sizeGB": 64}),
    ],
    "/operations/1": [(200, {}, {"status": "InProgress"}), (200, {}, {"status": "Succeeded"})],
}
with serving(paths) as api:
    print(
        poll(
            f"{api}/disks/d?api-version=2026-01-01",
            method="PUT",
            json={"sizeGB": 64},
            start=True,
            protocol="azure-lro",
            returns="sizeGB",
            every="500ms",
        )
    )
