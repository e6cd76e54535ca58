"""Publish events to an exchange with plain pika, which knows nothing of Penstock: paced, or as fast as it goes.

Run as `python -m benchmarks.load.emit`; prints one line of JSON at the end, which SIGTERM brings earlier.
Without confirms; messages are persistent.
"""

import argparse
import json
import signal
import time
import uuid

import pika  # type: ignore[import-untyped]

from benchmarks.load.body import body
from benchmarks.load.pace import ticks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--exchange", default="penstock.events")
    parser.add_argument("--topic", required=True, action="append", help="with {} for the number of the topic")
    parser.add_argument("--topics", type=int, default=1, help="how many of each --topic, all taken in turns")
    parser.add_argument("--rate", type=float, help="events per second; absent: as fast as it goes")
    parser.add_argument("--seconds", type=float, default=0.0, help="how long, with --rate")
    parser.add_argument("--count", type=int, default=0, help="how many, without --rate")
    parser.add_argument("--size", type=int, default=140, help="bytes of an event's body")
    parser.add_argument("--ids", action="store_true", help="give each event a message_id, so that it has one effect")
    options = parser.parse_args()
    topics = [topic.format(number) for topic in options.topic for number in range(options.topics)]
    properties = pika.BasicProperties(content_type="application/json", delivery_mode=2)
    run = uuid.uuid4().hex
    connection = pika.BlockingConnection(pika.URLParameters(options.url))
    channel = connection.channel()
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: stopped.append(number))
    began, cpu = time.monotonic(), time.process_time()
    sent = 0
    for number in ticks(options.rate, options.seconds) if options.rate else range(options.count):
        if stopped:
            break
        if options.ids:
            properties.message_id = f"{run}-{number}"
        channel.basic_publish(options.exchange, topics[number % len(topics)], body(options.size), properties)
        sent += 1
    seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    connection.close()
    print(json.dumps({"sent": sent, "refused": 0, "seconds": seconds, "cpu": cpu}))


if __name__ == "__main__":
    main()
