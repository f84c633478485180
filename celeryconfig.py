"""Settings of `celery -A pollers worker` and `celery -A pollers flower`.

The defaults are right for most; a line that is commented out shows a default. Every setting with the
prefix pollers_ can be given by environment too: POLLERS_REDIS_URL, POLLERS_PACK_SIZE, ...
"""

# Redis or Valkey for everything: the polls, Celery's broker and its results.
# pollers_redis_url = "redis://127.0.0.1:6379/0"

# Each of Celery's own can be set apart.
# broker_url = "redis://127.0.0.1:6379/0"
# result_backend = "redis://127.0.0.1:6379/0"

# How long results, and the records of finished polls, are kept, in seconds.
# result_expires = 86400

# Threads that run tasks in one worker process; attempts have threads of their own.
# worker_concurrency = 8

# Polls that one attempt task carries at most; 1 means strictly one attempt per task.
# pollers_pack_size = 100

# Attempts in flight at once in one worker process.
# pollers_concurrency = 200

# The shortest cadence that a poll may ask for.
# pollers_min_interval = "500ms"

# The largest body of an answer in bytes, after decompression.
# pollers_max_body = 1048576

# The longest time that a service can ask to be left alone by Retry-After.
# pollers_max_retry_after = "1h"

# Refuse private addresses outright, for services that poll the URLs of their users.
# pollers_block_private = False

# The file of credentials that polls name.
# pollers_credentials_file = "/etc/pollers/credentials.toml"

# How long a dispatched pack or a published outcome has to be taken up before it is sent again.
# pollers_lease = "15s"

# Attempts of a poll in a row that may die with their workers, before the poll fails.
# pollers_max_crashes = 3

# Attempts a second that one worker process shows in Flower at most, beside the first of each poll.
# pollers_attempt_events = 100

# Show the packs that attempts travel in there, too.
# pollers_pack_events = False

# Serve metrics to Prometheus: docs/metrics.md.
# pollers_metrics_port = 9808

# What services may get, of all workers together: docs/guest.md.
# pollers_limits = {"api.example.com": "10/s", "*.internal": "1000/s burst 50", "default": "in-flight 50"}

# When the breaker of an origin opens, and for how long; these are the numbers of {}.
# pollers_breaker = {"ratio": 0.5, "minimum": 20, "window": "30s",
#                    "shortest": "5s", "longest": "5m", "trials": 2}
