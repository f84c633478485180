"""One of Google's operations."""

from service import serving

from pollers import poll

name = "projects/p/operations/42"
running = {"name": name, "metadata": {"percent": 10}}
done = {"name": name, "done": True, "response": {"outputUri": "gs://bucket/42"}}
with serving({f"/v1/{name}": [(200, {}, running), (200, {}, done)]}) as api:
    print(poll(f"{api}/v1/{name}", protocol="aip-151", returns="outputUri", every="500ms"))
