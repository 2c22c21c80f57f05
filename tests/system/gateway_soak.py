#!/usr/bin/env python3
"""Soak: a run whose agent calls a faulty model for long, in many threads that abort, read slowly and speak nonsense.

CUSTODY_SOAK_SECONDS says how long (1800). At the end: memory and descriptors of door and gateway are flat, no budget is
reserved, every intent has its outcome, and the ledger verifies.
"""
import json
import os
import random
import socketserver
import statistics
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(__file__))
from harness import Place, free_port, main

SECONDS = int(os.environ.get('CUSTODY_SOAK_SECONDS', '1800'))
THREADS = 16

AGENT = r'''
import http.client, json, os, random, socket, threading, time, urllib.parse
SECONDS, THREADS = %d, %d
BASE = urllib.parse.urlsplit(os.environ['OPENAI_BASE_URL'])
END = time.time() + SECONDS
counts = {}
lock = threading.Lock()
WORDS = 'the quick brown fox jumps over a lazy dog while nobody looks at it '.split()

def count(what):
    with lock:
        counts[what] = counts.get(what, 0) + 1

def body(stream):
    size = random.choice((100, 2000, 20000, 100000))
    text = ' '.join(random.choice(WORDS) for _ in range(size // 5))
    return json.dumps({'model': 'onprem', 'stream': stream, 'max_tokens': 100, 'messages': [{'role': 'user', 'content': text}]}).encode()

def head(length):
    return (f'POST {BASE.path}/chat/completions HTTP/1.1\r\nHost: {BASE.netloc}\r\nContent-Type: application/json\r\n'
            f'Content-Length: {length}\r\n\r\n').encode()

def dial():
    return socket.create_connection((BASE.hostname, BASE.port), timeout=120)

def whole():
    link = http.client.HTTPConnection(BASE.hostname, BASE.port, timeout=120)
    for _ in range(random.randint(1, 5)):
        link.request('POST', BASE.path + '/chat/completions', body(random.random() < 0.5), {'content-type': 'application/json'})
        answer = link.getresponse()
        answer.read()
        count(f'status {answer.status}')
        if answer.will_close:
            break
    link.close()

def abort_in_request():
    what = body(True)
    with dial() as link:
        link.sendall(head(len(what)) + what[:random.randint(0, len(what) - 1)])
    count('aborted in the request')

def abort_in_answer():
    what = body(True)
    with dial() as link:
        link.sendall(head(len(what)) + what)
        if random.random() < 0.7:
            link.recv(random.randint(1, 2000))
    count('aborted in the answer')

def read_slowly():
    what = body(True)
    with dial() as link:
        link.sendall(head(len(what)) + what)
        end = time.time() + random.uniform(0.2, 3)
        link.settimeout(0.5)  # the connection stays open behind the answer
        try:
            while time.time() < end and link.recv(256):
                time.sleep(0.01)
        except TimeoutError:
            pass
    count('read slowly')

def nonsense():
    with dial() as link:
        link.sendall(random.choice((b'\r\n\r\nGET', os.urandom(500), b'POST / HTTP/9.9\r\n\r\n', head(5) + b'{"a":', head(9) + b'{"x": "\xff"',
                                    b'CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n')))
        link.settimeout(3)
        try:
            link.recv(1000)
        except OSError:
            pass
    count('nonsense')

def work():
    while time.time() < END:
        try:
            random.choices((whole, abort_in_request, abort_in_answer, read_slowly, nonsense), (6, 2, 3, 1, 1))[0]()
        except (OSError, http.client.HTTPException) as error:
            count(type(error).__name__)

threads = [threading.Thread(target=work) for _ in range(THREADS)]
for thread in threads: thread.start()
for thread in threads: thread.join()
open('counts.json', 'w').write(json.dumps(counts))
''' % (SECONDS, THREADS)

CHUNK = 'data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"some words "},"finish_reason":null}]}\n\n'
LAST = ('data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],'
        '"usage":{"prompt_tokens":9,"completion_tokens":40,"total_tokens":49}}\n\ndata: [DONE]\n\n')
WHOLE = ('{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"done"},'
         '"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":40,"total_tokens":49}}')


class FaultyModel(socketserver.StreamRequestHandler):
    """One connection: answers whole or streamed, late, cut, with errors and with nonsense."""

    def head(self, status, kind, length=None, more=''):
        framing = 'Transfer-Encoding: chunked' if length is None else f'Content-Length: {length}'
        self.wfile.write(f'HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\n{framing}\r\n{more}\r\n'.encode())

    def chunk(self, text):
        self.wfile.write(f'{len(text):x}\r\n{text}\r\n'.encode())

    def whole(self, status, text, more=''):
        self.head(status, 'application/json', len(text), more)
        self.wfile.write(text.encode())

    def stream(self, events, pause=0.0, cut=False):
        self.head(200, 'text/event-stream')
        for _ in range(events):
            self.chunk(CHUNK)
            time.sleep(pause)
        if cut:
            self.wfile.write(b'5\r\nda')
            return False
        self.chunk(LAST)
        self.wfile.write(b'0\r\n\r\n')
        return True

    def answer(self, wants_stream):
        fate = random.random()
        if fate < 0.04:
            return False  # gone without a word
        if fate < 0.08:
            return self.whole(429, '{"error":{"message":"slow down"}}', 'Retry-After: 0\r\n') or True
        if fate < 0.11:
            return self.whole(500, 'oops') or True
        if fate < 0.13:
            self.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nxx')
            return False
        if fate < 0.15:
            self.wfile.write(os.urandom(300))
            return False
        if fate < 0.17:
            time.sleep(2)
        if wants_stream:
            return self.stream(random.choice((3, 40, 400)), random.choice((0, 0, 0.002)), cut=random.random() < 0.05)
        return self.whole(200, WHOLE) or True

    def handle(self):
        try:
            while True:
                length = None
                while True:
                    line = self.rfile.readline(65536)
                    if not line:
                        return
                    if line.lower().startswith(b'content-length:'):
                        length = int(line.split(b':')[1])
                    if line == b'\r\n':
                        break
                body = self.rfile.read(length or 0)
                if length is None or len(body) < length or not self.answer(b'"stream": true' in body[:200]):
                    return
        except OSError:
            return


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 512

    def handle_error(self, request, address):
        pass


def processes(names, repository):
    """{name: pid} of the roles of the run there."""
    found = {}
    for pid in os.listdir('/proc'):
        if pid.isdigit():
            try:
                with open(f'/proc/{pid}/comm') as comm, open(f'/proc/{pid}/cmdline') as words:
                    name = comm.read().strip()
                    if name in names and repository in words.read():
                        found[name] = int(pid)
            except OSError:
                continue
    return found


def usage(pid):
    """Resident KB that is its own, and open descriptors."""
    with open(f'/proc/{pid}/smaps_rollup') as file:
        own = sum(int(line.split()[1]) for line in file if line.startswith('Private_'))
    return own, len(os.listdir(f'/proc/{pid}/fd'))


def long_traffic_leaves_nothing_behind():
    port = free_port()
    server = Server(('127.0.0.1', port), FaultyModel)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    place = Place(policy_extra='budgets: { run: { minutes: 120, tokens: 100000000000, usd: 100000.00 } }\n')
    samples = {}
    done = threading.Event()

    def watch():
        pids = {}
        while not done.wait(1.0):
            pids = pids if len(pids) == 2 else processes(('door', 'gateway'), str(place.repo))
            for name, pid in pids.items():
                try:
                    samples.setdefault(name, []).append(usage(pid))
                except OSError:
                    continue

    try:
        place.policy('budgets: { run: { minutes: 120, tokens: 100000000000, usd: 100000.00 } }\n', model_url=f'http://127.0.0.1:{port}/v1')
        watcher = threading.Thread(target=watch)
        watcher.start()
        ended = place.run('/usr/bin/python3', '-c', AGENT, timeout=SECONDS + 600)
        done.set()
        watcher.join()
        assert ended['exit'] == 0, ended['stderr'][-2000:]
        for name, seen in sorted(samples.items()):
            part = max(1, len(seen) // 4)
            for which, what, room in ((0, 'KB of memory', 8192), (1, 'descriptors', 64)):
                early = statistics.median(row[which] for row in seen[part:2 * part])
                late = statistics.median(row[which] for row in seen[-part:])
                print(f'# {name}: {early:.0f} then {late:.0f} {what}, at most {max(row[which] for row in seen)}')
                assert late <= early * 1.25 + room, f'{name}: {what} went from {early} to {late}'
        assert set(samples) == {'door', 'gateway'}, samples.keys()
        budgets = json.loads(place.custody('budget', '--all', '--json', check=0).stdout)
        reserved = [row for row in budgets for amount in row.values() if isinstance(amount, dict) and amount['reserved'] != 0]
        assert budgets and not reserved, reserved
        intents = {row['seq'] if 'seq' in row else row['index'] for row in place.log('--type', 'model.intent')}
        outcomes = place.log('--type', 'model.outcome')
        reasons = {}
        for row in outcomes:
            reasons[row.get('reason', row['outcome'])] = reasons.get(row.get('reason', row['outcome']), 0) + 1
        print(f'# {len(intents)} intents, {len(outcomes)} outcomes: {json.dumps(reasons, sort_keys=True)}')
        assert len(intents) == len(outcomes) and len(intents) > SECONDS, (len(intents), len(outcomes))
        assert place.verify()['result'] == 'holds'
        made = json.loads(place.git('show', f"custody/{ended['run']}:counts.json"))
        print(f'# the agent: {json.dumps(made, sort_keys=True)}')
    finally:
        done.set()
        server.shutdown()
        place.close()


if __name__ == '__main__':
    main([long_traffic_leaves_nothing_behind])
