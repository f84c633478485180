"""A webhook that nudges the poll of its operation, in Django: a view for ``urlpatterns``."""

import os

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from pollers import UnknownPoll, poll, webhooks

SECRET = os.environ["RENDERS_WEBHOOK_SECRET"]


@csrf_exempt
@require_POST
def rendered(request: HttpRequest) -> HttpResponse:
    """Nudge the poll of the render that the webhook names."""
    try:
        event = webhooks.receive(request.body, request.headers, SECRET)
    except webhooks.InvalidWebhook as error:
        return HttpResponse(str(error), status=401)
    try:
        poll.AsyncResult(webhooks.poll_id("renders", event.payload["data"]["id"])).nudge()
    except UnknownPoll:
        pass
    return HttpResponse(status=204)


urlpatterns = [path("hooks/renders", rendered)]
