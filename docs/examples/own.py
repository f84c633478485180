"""A convention of an application's own, and a service that follows it."""

from service import serving

from pollers import poll
from pollers.conditions import by_status, failed, lead, mapping, pending, succeeded
from pollers.protocols import register


class Parcel:
    """Answers name the next URL in ``next``, until they have a ``parcel``."""

    def read(self, spec, progress, answer):
        """Return what an answer means."""
        if answer.status != 200:
            return by_status(answer)
        body = mapping(answer)
        if body.get("lost"):
            return failed("the parcel is lost")
        if "parcel" in body:
            return succeeded(spec, body["parcel"])
        return pending("on its way", next_url=lead(answer, body.get("next")))


register("parcel", Parcel())

with serving({"/1": [(200, {}, {"next": "/2"})], "/2": [(200, {}, {"parcel": "a book"})]}) as api:
    print(poll(f"{api}/1", protocol="parcel", every="500ms"))
