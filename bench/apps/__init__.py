"""The applications that are compared: the same poller, written for each system as its users would."""
