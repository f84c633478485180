FROM python:3.13-slim
WORKDIR /srv
COPY pyproject.toml README.md pollers_command.py ./
COPY pollers pollers
RUN pip install --no-cache-dir '.[flower,metrics]' && useradd --system pollers
COPY celeryconfig.py flowerconfig.py ./
USER pollers
CMD ["celery", "-A", "pollers", "worker", "--loglevel", "INFO"]
