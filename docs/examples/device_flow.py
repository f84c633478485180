"""A device that waits until its user has let it in."""

from service import serving

from pollers import poll

form = {
    "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
    "client_id": "my-tv",
    "device_code": "GmRhmhcxhwAzkoEqiMEg",
}
pending = {"error": "authorization_pending"}
token = {"access_token": "2YotnFZFEjr1zCsicMWpAA", "token_type": "Bearer"}
with serving({"/token": [(400, {}, pending), (200, {}, token)]}) as api:
    print(
        poll(
            f"{api}/token",
            method="POST",
            data=form,
            protocol="device-flow",
            returns="token_type",
            every="500ms",
        )
    )
