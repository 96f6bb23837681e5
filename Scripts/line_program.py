"""A program that answers each line of JSON with one: what the difference fuzzers beside this file share."""

import json
import subprocess
import threading


class Program:
    """Apus. Where it crashes, that is its answer."""

    def __init__(self, command):
        self.command = command
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, shell=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")

    def answers(self, requests):
        def send():
            try:
                for request in requests:
                    self.process.stdin.write(json.dumps(request) + "\n")
                self.process.stdin.flush()
            except BrokenPipeError:
                pass

        # A thread of its own: with both pipes full, each side would wait for the other.
        writer = threading.Thread(target=send)
        writer.start()
        lines = [self.process.stdout.readline() for _ in requests]
        writer.join()
        if all(lines):
            return [json.loads(line) for line in lines]
        self.start()
        return [{"error": "crashed", "code": "crash"}] if len(requests) == 1 else [self.answers([request])[0] for request in requests]
