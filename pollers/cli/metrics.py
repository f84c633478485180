"""`pollers metrics`: what Prometheus scrapes, and what it and Grafana are given to work with it."""

from __future__ import annotations

import click


@click.command()
@click.option(
    "--serve", "place", metavar="[HOST:]PORT", help="Serve them to Prometheus, on 127.0.0.1 without HOST."
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array of samples.")
@click.option("--dashboard", is_flag=True, help="Print the dashboard for Grafana instead.")
@click.option("--rules", is_flag=True, help="Print the alert rules for Prometheus instead.")
def metrics(place: str | None, as_json: bool, dashboard: bool, rules: bool) -> None:
    """Print the metrics of all workers together, in Prometheus' format.

    Workers serve the same where pollers_metrics_port is set. Needs pip install 'pollers[metrics]'.

    \b
    Examples:
      pollers metrics | grep pollers_polls
      pollers metrics --serve 9808
      pollers metrics --rules > /etc/prometheus/rules/pollers.yml
      pollers metrics --dashboard > dashboards/pollers.json
    """
    if sum((bool(place), as_json, dashboard, rules)) > 1:
        raise click.UsageError("--serve, --json, --dashboard and --rules exclude each other.")
    from pollers.cli import exposition

    if dashboard or rules:
        exposition.print_file("dashboard.json" if dashboard else "alerts.yml")
    elif place:
        exposition.serve_metrics(place)
    else:
        exposition.print_metrics(as_json=as_json)
