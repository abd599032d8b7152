"""Opens and closes listeners as fast as it can, until it is ended."""

import socket

while True:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
