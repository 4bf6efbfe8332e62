"""The names of our containers, by which pods are built and read."""

TRAINER = "trainer"
FETCH = "fetch"
SERVER = "server"
