"""A webhook that nudges the poll of its operation, in Flask."""

import os

from flask import Flask, request

from pollers import UnknownPoll, poll, webhooks

app = Flask(__name__)
SECRET = os.environ["RENDERS_WEBHOOK_SECRET"]


@app.post("/hooks/renders")
def rendered() -> tuple[str, int]:
    """Nudge the poll of the render that the webhook names."""
    try:
        event = webhooks.receive(request.get_data(), request.headers, SECRET)
    except webhooks.InvalidWebhook as error:
        return str(error), 401
    try:
        poll.AsyncResult(webhooks.poll_id("renders", event.payload["data"]["id"])).nudge()
    except UnknownPoll:
        pass  # of nobody here, or not submitted yet: then its first attempt will see
    return "", 204
