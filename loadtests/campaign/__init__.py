"""`python -m loadtests.campaign`: Locust's clients against the edge and nginx; `make loadtest`."""
