"""A process of a geographic service, started, followed, and its results fetched."""

from service import serving

from pollers import poll

results = {"rel": "http://www.opengis.net/def/rel/ogc/1.0/results", "href": "/jobs/1/results"}
paths = {
    "/processes/buffer/execution": [(201, {"Location": "/jobs/1"}, {"jobID": "1", "status": "accepted"})],
    "/jobs/1": [
        (200, {}, {"jobID": "1", "status": "running", "progress": 50}),
        (200, {}, {"jobID": "1", "status": "successful", "links": [results]}),
    ],
    "/jobs/1/results": [(200, {}, {"area": 78.5})],
}
with serving(paths) as api:
    print(
        poll(
            f"{api}/processes/buffer/execution",
            method="POST",
            json={"inputs": {"distance": 5}},
            start=True,
            protocol="ogc-job",
            every="500ms",
        )
    )
