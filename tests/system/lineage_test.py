#!/usr/bin/env python3
"""Lineage: what of which file was in which call, as the intents say it and `custody lineage` answers."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
from harness import CARD, main
from gateway_test import World

PROGRAM = ''.join(f'int value_number_{n}(void)\n{{\n    return {n} * {n + 17};\n}}\n\n' for n in range(20))
PATIENTS = f'name,card\nthe card of this customer is {CARD} and no other\nnothing else stands in this one\n'
FILES = {'src/values.c': PROGRAM, 'src/other.c': 'static const char nobody_reads_this_file[] = "";\n', 'data/cards.csv': PATIENTS,
         'a dir/notes;1.txt': 'a file whose name has a space and a semicolon in it\n'}

# Runs in the cell: reads files in several ways and sends what it has read.
AGENT = r'''
import json, os, subprocess, sys, urllib.request
def ask(*texts, **more):
    body = {'model': 'onprem', 'messages': [{'role': 'user', 'content': text} for text in texts],
            'tools': [{'type': 'function', 'function': {'name': 'shell', 'parameters': {'type': 'object', 'properties': {'command': {'type': 'string'}}}}}]}
    body['messages'] += more.get('messages', [])
    request = urllib.request.Request(os.environ['OPENAI_BASE_URL'] + '/chat/completions', json.dumps(body).encode(),
                                     {'content-type': 'application/json', 'authorization': 'Bearer x'})
    urllib.request.urlopen(request).read()
def sh(command):
    return subprocess.run(command, shell=True, stdout=subprocess.PIPE, text=True).stdout
ask('nothing of any file at all')
ask(sh('cat src/values.c'))
ask(sh("sed -n '11,15p' src/values.c | nl -ba"))
ask(sh('grep -rn value_number_7 src'))
ask('see here', messages=[{'role': 'assistant', 'content': None, 'tool_calls': [{'id': 'call_77', 'type': 'function',
    'function': {'name': 'shell', 'arguments': json.dumps({'command': 'cat'})}}]},
    {'role': 'tool', 'tool_call_id': 'call_77', 'content': sh('cat data/cards.csv')}])
ask(sh('cat "a dir/notes;1.txt"'))
open('made', 'w').write('done\n')
'''


def intents(world):
    rows = [json.loads(line) for line in world.custody('log', '--type', 'model.intent', '--json', check=0).stdout.splitlines()]
    return [row['object'].get('lineage', '') for row in rows]


def a_call_names_what_of_which_file_is_in_it():
    world = World(files=FILES)
    try:
        world.run('/usr/bin/python3', '-c', AGENT, check=0)
        nothing, whole, numbered, found, tool, strange = intents(world)
        assert nothing == '', nothing
        path, blob, lines = whole.split(' ')
        assert (path, lines) == ('src/values.c', '1-100'), whole
        assert blob == world.git('rev-parse', 'HEAD:src/values.c').strip(), (whole, blob)
        assert numbered.split(' ')[0] == 'src/values.c' and numbered.endswith(' 11-15'), numbered
        assert found == f'src/values.c {blob} 36', found
        card, call = tool.split(';')
        assert card.startswith('data/cards.csv ') and card.endswith(' 1-3') and call == 'tool call_77', tool
        assert strange.startswith('a%20dir/notes%3B1.txt '), strange

        said = json.loads(world.custody('lineage', 'src/values.c', '--json', check=0).stdout)
        assert len(said) == 1 and said[0]['calls'] == 3 and said[0]['perhaps'] == 0, said
        assert said[0]['provider'] == 'onprem' and said[0]['residency'] == 'on-premises' and said[0]['contract'] is None, said
        calls = json.loads(world.custody('lineage', './src/values.c', '--calls', '--json', check=0).stdout)['calls']
        assert [call['lines'] for call in calls] == ['1-100', '11-15', '36'], calls
        assert all(call['blob'] == blob and not call['perhaps'] for call in calls), calls
        assert json.loads(world.custody('lineage', 'src/other.c', '--json', check=0).stdout) == []
        assert 'no call held anything' in world.custody('lineage', 'src/other.c', check=0).stdout
        assert json.loads(world.custody('lineage', 'src/*', '--json', check=0).stdout)[0]['calls'] == 3
        assert json.loads(world.custody('lineage', 'a dir/notes;1.txt', '--json', check=0).stdout)[0]['calls'] == 1
        text = world.custody('lineage', 'data/cards.csv', '--calls', check=0).stdout
        assert 'lines 1-3 of blob' in text and 'on-premises' in text, text
        assert CARD not in world.custody('log', '--json', check=0).stdout
    finally:
        world.close()


def without_fuse_every_call_says_that_it_is_not_known():
    world = World(files=FILES, policy_extra='containment: degraded\n')
    try:
        world.run('/usr/bin/python3', '-c', AGENT, options=('--cell', 'namespaces/injected'), check=0)
        said = intents(world)
        assert len(said) == 6 and all('+' in of.split(';') for of in said), said
        assert not any('src/' in of or 'data/' in of for of in said), said
        told = json.loads(world.custody('lineage', 'src/values.c', '--json', check=0).stdout)
        assert len(told) == 1 and (told[0]['calls'], told[0]['perhaps']) == (0, 6), told
        calls = json.loads(world.custody('lineage', 'src/values.c', '--calls', '--json', check=0).stdout)['calls']
        assert all(call['perhaps'] for call in calls), calls
    finally:
        world.close()


if __name__ == '__main__':
    main([a_call_names_what_of_which_file_is_in_it, without_fuse_every_call_says_that_it_is_not_known])
