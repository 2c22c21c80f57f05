#!/usr/bin/env python3
"""Model calls from inside a cell: every dialect through the door and the gateway to a scripted model on loopback."""
import base64
import json
import os
import subprocess
import sys
import urllib.parse

sys.path.insert(0, os.path.dirname(__file__))
from harness import CARD, CUSTODY, Place, Skip, TOKEN, free_port, main, wait_for_port

SCRIPT = {'version': 1, 'turns': [{'text': 'I have looked.', 'usage': {'input': 900, 'output': 40, 'cached': 100}}]}
KEY = 'provider' + '-key-' + '0123456789'

SCHEMA = {'type': 'object', 'properties': {'command': {'type': 'string'}}}
HELLO = [{'role': 'user', 'content': 'hello'}]

# Path, a body, the policy's word. A request without tools would be a side request to the scripted model.
DIALECTS = {
    'onprem': ('$OPENAI_BASE_URL/chat/completions',
               {'messages': HELLO, 'tools': [{'type': 'function', 'function': {'name': 'shell', 'parameters': SCHEMA}}]},
               'openai'),
    'responses': ('$OPENAI_BASE_URL/responses',
                  {'input': 'hello', 'tools': [{'type': 'function', 'name': 'shell', 'parameters': SCHEMA}]},
                  'openai-responses'),
    'messages': ('$ANTHROPIC_BASE_URL/v1/messages',
                 {'max_tokens': 100, 'messages': HELLO, 'tools': [{'name': 'shell', 'input_schema': SCHEMA}]},
                 'anthropic'),
    'gemini': ('$GOOGLE_GEMINI_BASE_URL/v1beta/models/gemini:generateContent',
               {'contents': [{'role': 'user', 'parts': [{'text': 'hello'}]}],
                'tools': [{'functionDeclarations': [{'name': 'shell', 'parameters': SCHEMA}]}]},
               'gemini'),
}
# The same dialects at other services; which path there, and how the key is shown.
SERVICES = {
    'azure': ('onprem', 'openai', 'service: azure, api_version: 2024-10-21, model: my-gpt',
              '/openai/deployments/my-gpt/chat/completions', 'api-key'),
    'azure-responses': ('responses', 'openai-responses', 'service: azure, model: my-gpt', '/openai/v1/responses', 'api-key'),
    'bedrock': ('messages', 'anthropic', 'service: bedrock, region: eu-central-1, model: "claude-v1:0"',
                '/model/claude-v1%3A0/invoke', 'authorization'),
}


class World(Place):
    """A place whose policy names a scripted model on loopback."""

    def __init__(self, script=None, **more):
        if not os.path.exists('/usr/bin/curl'):
            raise Skip('no /usr/bin/curl')
        super().__init__(**more)
        self.port = free_port()
        self.model_log = self.root / 'model.log'
        key = self.root / 'model.key'
        key.write_text(KEY + '\n')
        key.chmod(0o600)
        script_file = self.root / 'script.json'
        script_file.write_text(json.dumps(script or SCRIPT))
        self.policy(more.get('policy_extra', ''), model_url=f'http://127.0.0.1:{self.port}/v1',
                    models=[dialect for _, _, dialect in DIALECTS.values()])
        policy = self.home / 'policy.yaml'
        services = ''.join(f'  - {{ name: {name}, url: "http://127.0.0.1:{self.port}", dialect: {dialect}, {words}, '
                           f'residency: on-premises, allow: [code] }}\n'
                           for name, (_, dialect, words, _, _) in SERVICES.items())
        policy.write_text(policy.read_text().replace('phase: regulated', services + 'phase: regulated', 1))
        policy.write_text(policy.read_text().replace('residency: on-premises,',
                                                     f'residency: on-premises, key: {{ file: {key} }},'))
        self.start([CUSTODY, 'scripted-model', '--script', script_file, '--port', self.port, '--log', self.model_log],
                   stdout=subprocess.DEVNULL)
        wait_for_port(self.port)

    def call(self, name, url=None, stream=False, **more):
        """Words of a shell that make one call with curl and print the answer and its status."""
        path, body, dialect = DIALECTS[SERVICES[name][0] if name in SERVICES else name]
        if dialect == 'gemini':
            path = path.replace(':generate', ':streamGenerate') + '?alt=sse' if stream else path
            body = {**body, **more}
        else:
            body = {'model': name, **body, **({'stream': True} if stream else {}), **more}
        return (f'curl -sSN -w "\\n[status %{{http_code}}]\\n" -H "content-type: application/json" '
                f'-H "authorization: Bearer $OPENAI_API_KEY" -H "x-api-key: $ANTHROPIC_API_KEY" '
                f"--data-binary '{json.dumps(body)}' {url or path}; ")

    def asked(self):
        """What reached the model: one object a request."""
        return [json.loads(line) for line in self.model_log.read_text().splitlines()] if self.model_log.exists() else []

    def shell(self, script, check=0):
        return self.run('/bin/sh', '-c', script + 'touch made', check=check)


def every_dialect_is_answered_streamed_and_recorded():
    world = World()
    try:
        script = ''.join(world.call(name, stream=stream) for name in DIALECTS for stream in (False, True))
        done = world.shell(script)
        seen = done['stderr']
        assert seen.count('[status 200]') == 8, seen
        assert seen.count('"object":"chat.completion"') == 1 or seen.count('"object": "chat.completion"') == 1, seen
        for wanted in ('data: [DONE]', 'event: response.completed', 'event: message_stop'):
            assert seen.count(wanted) == 1, (wanted, seen)
        assert '"choices":[],' not in seen and '"choices": [],' not in seen, 'a usage chunk that nobody asked for'
        asked = world.asked()
        assert len(asked) == 8, asked
        for request in asked:
            headers = {name.lower(): value for name, value in request['headers']}
            shown = ''.join(headers.get(name, '') for name in ('authorization', 'x-api-key', 'x-goog-api-key'))
            assert KEY in shown, headers
            assert 'custody' not in [headers.get('x-api-key'), headers.get('authorization', '').split(' ')[-1]], headers
        outcomes = world.log('--run', done['run'], '--type', 'model.outcome')
        intents = world.log('--run', done['run'], '--type', 'model.intent')
        assert len(outcomes) == len(intents) == 8, (intents, outcomes)
        for record in outcomes:
            assert (record['tokens_in'], record['tokens_out'], record['tokens_cached']) == (900, 40, 100), record
            assert record['outcome'] == 'ok' and record['mechanism'] == 'usage:provider', record
            assert record['object']['served'] == 'scripted-1', record
        assert sorted(r['object']['dialect'] for r in outcomes) == sorted(2 * [d for _, _, d in DIALECTS.values()])
        shown = world.custody('log', '--run', done['run'], '--type', 'model.outcome', check=0).stdout
        assert shown.count(' tokens_in 900 tokens_out 40 tokens_cached 100 cost 0.000000 US dollars first byte after 0.') == 8, shown
        ended = world.log('--run', done['run'], '--type', 'run.ended')[0]
        assert (ended['tokens_in'], ended['tokens_out']) == (7200, 320), ended
        assert world.verify()['result'] == 'holds'
    finally:
        world.close()


def every_service_is_asked_in_its_own_way():
    world = World()
    try:
        done = world.shell(''.join(world.call(name, stream=stream) for name in SERVICES for stream in (False, True)))
        seen = done['stderr']
        assert seen.count('[status 200]') == 6, seen
        for wanted in ('data: [DONE]', 'event: response.completed', 'event: message_stop'):
            assert seen.count(wanted) == 1, (wanted, seen)
        asked = world.asked()
        for name, (_, _, _, path, header) in SERVICES.items():
            mine = [r for r in asked if r['target'].startswith(path)]
            assert len(mine) == 2, (name, [r['target'] for r in asked])
            for request in mine:
                headers = {key.lower(): value for key, value in request['headers']}
                assert KEY in headers[header], headers
        outcomes = world.log('--run', done['run'], '--type', 'model.outcome')
        assert sorted(r['object']['provider'] for r in outcomes) == sorted(2 * list(SERVICES)), outcomes
        for record in outcomes:
            assert (record['tokens_in'], record['tokens_out'], record['tokens_cached']) == (900, 40, 100), record
            assert record['outcome'] == 'ok' and record['mechanism'] == 'usage:provider', record
    finally:
        world.close()


def side_calls_go_the_same_way():
    """Lists, counts and embeddings: the same scan, the same records; what counts tokens costs none."""
    world = World()
    try:
        post = ("curl -sS -w '\\n[status %{{http_code}}]\\n' -H 'content-type: application/json' --data-binary '{}' {}; ").format
        openai, gemini = '$OPENAI_BASE_URL', '$GOOGLE_GEMINI_BASE_URL/v1beta/models/gemini'
        hidden = [(f'{openai}/embeddings', {'model': 'onprem', 'input': ['@']}),
                  (f'{openai}/completions', {'model': 'onprem', 'prompt': '@'}),
                  (f'{openai}/responses/input_tokens', {'model': 'responses', 'input': '@'}),
                  ('$ANTHROPIC_BASE_URL/v1/messages/count_tokens', {'model': 'messages', 'system': '@', 'messages': HELLO}),
                  (f'{gemini}:countTokens', {'contents': [{'parts': [{'text': '@'}]}]}),
                  (f'{gemini}:embedContent', {'content': {'parts': [{'text': '@'}]}}),
                  (f'{gemini}:batchEmbedContents', {'requests': [{'model': 'models/gemini',
                                                                  'content': {'parts': [{'text': '@'}]}}]})]
        script = ''.join(post(json.dumps(body).replace('@', text), path) for path, body in hidden for text in ('hello', CARD))
        script += post(json.dumps({'model': 'models/other', 'content': {}}), f'{gemini}:embedContent')
        script += ("curl -sS $OPENAI_BASE_URL/models/onprem; curl -sS -H 'anthropic-version: 1' "
                   "$ANTHROPIC_BASE_URL/v1/models; curl -sS $GOOGLE_GEMINI_BASE_URL/v1beta/models; ")
        done = world.shell('exec 2>&1; ' + script)
        seen = done['stderr']
        assert seen.count('[status 200]') == len(hidden) and seen.count('[status 400]') == len(hidden) + 1, seen
        assert 'path and body name two models' in seen, seen
        assert '"models/gemini"' in seen and '"display_name":"messages"' in seen and '"owned_by":"policy"' in seen, seen
        assert len(world.asked()) == len(hidden) and CARD not in json.dumps(world.asked()), world.asked()
        outcomes = world.log('--run', done['run'], '--type', 'model.outcome')
        assert len(outcomes) == len(hidden), outcomes
        assert sum(r['tokens_in'] == 0 for r in outcomes) == 3, outcomes
    finally:
        world.close()


def what_policy_does_not_let_out_never_reaches_the_model():
    world = World(files={'README': 'x\n', 'cards.csv': f'name,card\nann,{CARD}\n', '.env': f'GITHUB_TOKEN={TOKEN}\n'})
    try:
        typed = [world.call('onprem', messages=[{'role': 'user', 'content': f'my card is {CARD}'}]),
                 world.call('messages', stream=True, messages=[{'role': 'user', 'content': f'use {TOKEN}'}]),
                 world.call('responses', input=[{'type': 'function_call_output', 'output': json.dumps({'a': CARD})}])]
        done = world.shell(''.join(typed))
        seen = done['stderr']
        assert seen.count('[status 400]') == 3, seen
        assert seen.count('"code":"data-class"') == 2 and seen.count('"type":"error"') == 1, seen
        assert world.asked() == []
        refused = world.log('--run', done['run'], '--type', 'refused')
        assert sorted(r['class'] for r in refused) == ['pan', 'pan', 'secret'], refused
        assert CARD not in json.dumps(world.log()) and TOKEN not in json.dumps(world.log())
        assert world.log('--run', done['run'], '--type', 'model.intent') == []
    finally:
        world.close()


def values_that_only_a_process_may_read_are_refused_in_every_encoding():
    """`view: allow` with `model: deny`: the view hands them to the door, which looks for them however they are written."""
    password = 'zx-Horse' + '/Battery+9?staple'
    classes = 'data: { secret: { view: allow, model: deny } }\n'
    world = World(files={'README': 'x\n', '.env': f'DB_PASSWORD={password}\n', 'cards.csv': f'name,card\nann,{CARD}\n'},
                  policy_extra=classes, repository_policy='version: 1\nrepository: billing\nowner: tom\n')
    percent = ''.join(f'%{byte:02x}' for byte in password.encode())
    shapes = {'raw': password, 'in capitals': password.upper(), 'backwards': password[::-1], 'percent': percent,
              'url': urllib.parse.quote(password), 'hex': password.encode().hex(), 'spaced hex': password.encode().hex(' '),
              'odd hex': 'f' + password.encode().hex(), 'python': ''.join(f'\\x{byte:02x}' for byte in password.encode()),
              'json': ''.join(f'\\u{byte:04x}' for byte in password.encode()),
              'base64 url': base64.urlsafe_b64encode(b'a' + password.encode()).decode(),
              'twice': base64.b64encode(base64.b64encode(password.encode())).decode(),
              **{f'base64 {shift}': 'see ' + base64.b64encode(b'x' * shift + password.encode() + b'y' * 5).decode()
                 for shift in range(3)}}
    half = len(password) // 2
    halves = [{'role': 'user', 'content': 'it begins ' + password[:half]}, {'role': 'user', 'content': password[half:]}]
    try:
        say = lambda text: world.call('onprem', messages=[{'role': 'user', 'content': f'a {text} b'}])
        script = 'grep -c "$(printf \'zx-Horse%s\' /Battery)" .env; ' + ''.join(map(say, shapes.values()))
        script += world.call('onprem', messages=halves)
        script += world.call('messages', messages=[{'role': 'user', 'content': [{'type': 'text', 'text': part['content']}
                                                                               for part in halves]}])
        script += world.call('onprem', user=password)
        done = world.shell(script)
        seen, count = done['stderr'], len(shapes) + 3
        assert '\n1\n' in '\n' + seen, 'the agent was not shown the value: ' + seen[:500]
        assert seen.count('[status 400]') == count and '[status 200]' not in seen, (seen.count('[status 400]'), count, seen)
        assert world.asked() == [], world.asked()
        refused = world.log('--run', done['run'], '--type', 'refused')
        assert len(refused) == count and {(r['class'], r['reason']) for r in refused} == {('secret', 'data-class')}, refused
        assert 'known-value' in {r['rule'] for r in refused}, refused
        known = [r for r in world.log('--run', done['run'], '--type', 'cell.enforced') if 'known-values' in r['mechanism']]
        assert len(known) == 1 and known[0]['count'] >= 1, known
        assert password not in json.dumps(world.log())
        # What is not its value goes out, and what another class hides stays hidden.
        done = world.shell(say('zx-Horse alone, staple alone') + 'cat cards.csv; ')
        assert '[status 200]' in done['stderr'] and CARD not in done['stderr'], done['stderr']
    finally:
        world.close()


def what_a_model_may_see_redacted_is_replaced_on_the_way():
    """The agent has made the value itself, so that no view has replaced it."""
    world = World(policy_extra='data: { pan: { view: redact, model: redact } }\n',
                  repository_policy='version: 1\nrepository: billing\nowner: tom\n')
    try:
        body = dict(messages=[{'role': 'user', 'content': 'card @ on file'}])
        calls = ''.join(world.call(name, **({'input': 'card @ on file'} if name == 'responses' else body))
                        for name in ('onprem', 'responses', 'messages'))
        done = world.shell(calls.replace('@', CARD))
        assert done['stderr'].count('[status 200]') == 3, done['stderr']
        asked = world.model_log.read_text()
        assert asked.count(' on file') == 3 and CARD not in asked, asked
        intents = [r for r in world.log('--run', done['run']) if r['type'] == 'model.intent']
        assert [r['verdict'] for r in intents] == ['redact'] * 3, intents
        assert all(r['object']['receipts'].startswith('pan.') for r in intents), intents
    finally:
        world.close()


def surrogates_that_the_view_made_may_go_to_the_model():
    world = World(files={'README': 'x\n', 'cards.csv': f'name,card\nann,{CARD}\n'})
    try:
        body = '{\\"model\\":\\"onprem\\",\\"messages\\":[{\\"role\\":\\"user\\",\\"content\\":\\"\'"$card"\'\\"}]}'.replace('\\"', '"')
        done = world.shell('card=$(tail -n1 cards.csv); curl -sS -w "\\n[status %{http_code}]\\n" '
                           '-H "content-type: application/json" --data-binary \'' + body + '\' '
                           '$OPENAI_BASE_URL/chat/completions; ')
        assert '[status 200]' in done['stderr'], done['stderr']
        asked = world.asked()
        assert len(asked) == 1, asked
        content = asked[0]['body']['messages'][0]['content']
        assert content.startswith('ann,') and CARD not in content and len(content) > 8, content
    finally:
        world.close()


def there_is_no_other_way_out():
    world = World()
    try:
        tries = ['curl -sS -w "\\n[status %{http_code}]\\n" ' + words + '; ' for words in (
            '$OPENAI_BASE_URL/embeddings -d "{}"',
            '$OPENAI_BASE_URL/files',
            '-X DELETE $OPENAI_BASE_URL/chat/completions',
            '-x ${OPENAI_BASE_URL%/v1} http://example.org/',
            '-x ${OPENAI_BASE_URL%/v1} https://example.org/',
            f'http://127.0.0.1:{world.port}/v1/models',
            'http://192.0.2.1/')]
        done = world.shell('exec 2>&1; ' + ''.join(tries))
        seen = done['stderr']
        assert '[status 415]' in seen and '[status 405]' in seen and seen.count('[status 400]') == 2, seen
        assert seen.count('[status 000]') == 3, seen
        assert world.asked() == [], world.asked()
        reasons = sorted(r['reason'] for r in world.log('--run', done['run'], '--type', 'refused'))
        assert reasons == ['connect', 'content-type', 'egress', 'kept', 'method'], reasons
        assert world.verify()['result'] == 'holds'
    finally:
        world.close()


def a_budget_holds_for_the_whole_run():
    world = World(policy_extra='budgets: { run: { tokens: 2000 } }\n')
    try:
        done = world.shell(''.join(world.call('messages') for _ in range(4)))
        seen = done['stderr']
        assert seen.count('[status 200]') == 2 and seen.count('[status 400]') == 2, seen
        assert 'budget' in seen
        assert [r['reason'] for r in world.log('--run', done['run'], '--type', 'refused')] == ['budget', 'budget']
        assert len(world.asked()) == 2
    finally:
        world.close()


def a_day_is_shared_by_all_runs():
    world = World(policy_extra='budgets: { person_day: { calls: 3 }, repository_day: { tokens: 100000 } }\n')
    try:
        first = world.shell(world.call('messages') * 2)
        assert first['stderr'].count('[status 200]') == 2, first['stderr']
        second = world.shell(world.call('messages') * 2)
        assert second['stderr'].count('[status 200]') == second['stderr'].count('[status 400]') == 1, second['stderr']
        assert 'budgets.person_day of ' in second['stderr'], second['stderr']
        third = world.shell(world.call('messages'), check=1)
        assert third['reasons'] == ['budget'] and 'person_day' in third['stderr'], third
        assert world.log('--run', third['run'], '--type', 'run.ended')[0]['reason'] == 'budget'
        assert len(world.asked()) == 3
        shown = json.loads(world.custody('budget', '--json', check=0).stdout)
        accounts = {line['budget']: line for line in shown if line['budget'] != 'run'}
        assert set(accounts) == {'agent_day', 'person_day', 'repository_day'}, shown
        assert accounts['person_day']['calls'] == {'spent': 3, 'reserved': 0, 'limit': 3, 'left': 0}, shown
        assert accounts['repository_day']['tokens'] == {'spent': 2820, 'reserved': 0, 'limit': 100000, 'left': 97180}, shown
        assert {line['whose'] for line in shown if line['budget'] == 'run'} == {first['run'], second['run']}, shown
        assert '3 calls of 3 calls, 0 calls left' in ' '.join(world.custody('budget', check=0).stdout.split())
        assert json.loads(world.custody('budget', '--json', '--day', '3d', check=0).stdout) == []
    finally:
        world.close()


def a_contract_that_has_ended_ends_a_run_before_it_begins():
    world = World()
    try:
        policy = world.home / 'policy.yaml'
        text = policy.read_text()
        policy.write_text(text.replace('residency: on-premises,', 'residency: on-premises, expires: 2020-01-31,'))
        done = world.shell(world.call('onprem'), check=1)
        assert done['reasons'] == ['expired'] and 'ended on 2020-01-31' in done['stderr'], done
        policy.write_text(text.replace('residency: on-premises,', 'residency: on-premises, expires: 2020-01-31,', 1))
        done = world.shell(world.call('onprem') + world.call('messages'))
        assert '"code":"expired"' in done['stderr'] and done['stderr'].count('[status 200]') == 1, done['stderr']
        assert [r['reason'] for r in world.log('--run', done['run'], '--type', 'refused')] == ['expired']
    finally:
        world.close()


def errors_of_the_model_are_the_agents_to_see():
    world = World(script={'version': 1, 'turns': [{'status': 503, 'times': 4, 'message': 'overloaded'}, *SCRIPT['turns']]})
    try:
        done = world.shell(world.call('onprem') + world.call('onprem'))
        seen = done['stderr']
        assert '[status 503]' in seen and 'overloaded' in seen and '[status 200]' in seen, seen
        outcomes = world.log('--run', done['run'], '--type', 'model.outcome')
        # three tries each, while the client has seen nothing
        assert [(r['outcome'], r['status'], r['count']) for r in outcomes] == [('failed', 503, 3), ('ok', 200, 2)], outcomes
        world.processes[0].kill()
        world.processes[0].wait()
        gone = world.shell(world.call('onprem') + world.call('messages', stream=True))
        assert gone['stderr'].count('[status 502]') == 2, gone['stderr']
    finally:
        world.close()


def a_model_in_the_clear_elsewhere_is_refused_with_line_and_column():
    world = World()
    try:
        policy = world.home / 'policy.yaml'
        policy.write_text(policy.read_text().replace(f'http://127.0.0.1:{world.port}/v1', 'http://llm.example.org/v1', 1))
        done = world.shell('', check=3)
        line = next(n for n, text in enumerate(policy.read_text().splitlines(), 1) if 'llm.example.org' in text)
        assert f'policy.yaml:{line}:' in done['stderr'] and 'plain http://' in done['stderr'], done['stderr']
    finally:
        world.close()


if __name__ == '__main__':
    main([every_dialect_is_answered_streamed_and_recorded,
          every_service_is_asked_in_its_own_way,
          side_calls_go_the_same_way,
          what_policy_does_not_let_out_never_reaches_the_model,
          values_that_only_a_process_may_read_are_refused_in_every_encoding,
          what_a_model_may_see_redacted_is_replaced_on_the_way,
          surrogates_that_the_view_made_may_go_to_the_model,
          there_is_no_other_way_out,
          a_budget_holds_for_the_whole_run,
          a_day_is_shared_by_all_runs,
          a_contract_that_has_ended_ends_a_run_before_it_begins,
          errors_of_the_model_are_the_agents_to_see,
          a_model_in_the_clear_elsewhere_is_refused_with_line_and_column])
