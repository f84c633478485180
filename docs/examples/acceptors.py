"""A cluster, waited for as an AWS waiter waits."""

from service import serving

from pollers import poll

acceptors = [
    {"state": "success", "matcher": "path", "argument": "cluster.status", "expected": "ACTIVE"},
    {"state": "failure", "matcher": "path", "argument": "cluster.status", "expected": "FAILED"},
    {"state": "retry", "matcher": "error", "expected": "ResourceNotFoundException"},
]
answers = [
    (404, {}, {"__type": "ResourceNotFoundException"}),
    (200, {}, {"cluster": {"status": "CREATING"}}),
    (200, {}, {"cluster": {"status": "ACTIVE"}}),
]
with serving({"/clusters/c": answers}) as api:
    print(poll(f"{api}/clusters/c", acceptors=acceptors, returns="cluster.status", every="500ms"))
