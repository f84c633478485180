"""The render farm: a Mandelbrot picture computed by a service that makes its callers wait.

`python -m pollers.demo run` shows the whole system at work. Nothing outside this package uses it.
"""
