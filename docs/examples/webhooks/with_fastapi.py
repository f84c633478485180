"""A webhook that ends the poll of its operation, in FastAPI."""

import os

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool

from pollers import UnknownPoll, poll, webhooks

app = FastAPI()
SECRET = os.environ["RENDERS_WEBHOOK_SECRET"]


@app.post("/hooks/renders")
async def rendered(request: Request) -> Response:
    """End the poll of the render that the webhook names, with what it says."""
    try:
        event = webhooks.receive(await request.body(), request.headers, SECRET)
    except webhooks.InvalidWebhook as error:
        raise HTTPException(401, str(error)) from error
    await run_in_threadpool(end, event.payload)
    return Response(status_code=204)


def end(payload: dict) -> None:
    """Give whoever waits what the webhook says."""
    result = poll.AsyncResult(webhooks.poll_id("renders", payload["data"]["id"]))
    try:
        if payload["type"] == "render.completed":
            result.succeed(payload["data"]["url"])
        else:
            result.fail(payload["data"].get("reason", "the render failed"))
    except UnknownPoll:
        pass
