#!/usr/bin/env python3
"""Real agent programs from npm, each through `custody run --ticket` to a landed change."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__))
from harness import CARD, Place, TOKEN, installed_engines, main

SOURCE = '''#include <stdio.h>
int copay(int due, int percent) { return due * percent; }
int main(void)
{
    printf("%d\\n", copay(200, 10));
    return copay(200, 10) == 20 ? 0 : 1;
}
'''
FILES = {'src/copay.c': SOURCE, 'Makefile': 'test:\n\tcc -o /tmp/copay src/copay.c && /tmp/copay\n',
         'data/cards.csv': f'name,card\nann,{CARD}\n', '.env': f'GITHUB_TOKEN={TOKEN}\n'}
TICKET = '# The copay is a hundred times too high\n\ncopay() takes percent; divide. Run the tests.\n'
SCRIPT = {'version': 1, 'turns': [
    {'text': 'I look at it.', 'calls': [{'read': {'path': 'src/copay.c'}}, {'read': {'path': 'data/cards.csv'}},
                                        {'shell': {'command': 'cat .env; make test'}}]},
    {'text': 'I mend it.', 'calls': [{'edit': {'path': 'src/copay.c', 'old': 'due * percent;',
                                               'new': 'due * percent / 100;'}}]},
    {'text': 'I test it.', 'calls': [{'shell': {'command': 'make test && echo checked'}}]},
    {'text': 'The copay is right now.'}]}


def check_records(place, done):
    records = place.log('--run', done['run'])
    types = [r['type'] for r in records]
    reads = {r['object']['path']: r for r in records if r['type'] == 'file.read'}
    written = [r['object'] for r in records if r['type'] == 'file.written']
    outcomes = [r for r in records if r['type'] == 'model.outcome']
    assert 'src/copay.c' in reads and reads['data/cards.csv']['verdict'] == 'redact', reads
    assert any('src/copay.c' in names.values() for names in written), written
    assert types.count('model.intent') == len(outcomes) >= len(SCRIPT['turns']), types
    assert all(r['tokens_in'] > 0 and r['tokens_out'] > 0 for r in outcomes), outcomes
    assert 'cell.enforced' in types and types[-1] == 'run.ended', types


def have_translated(place):
    policy = place.home / 'policy.yaml'
    policy.write_text(policy.read_text().replace('residency:', 'translate: true, residency:'))


def check_dialects(place, done, spoken, sent):
    for kind in ('model.intent', 'model.outcome'):
        named = {(r['object'].get('spoken'), r['object']['dialect'])
                 for r in place.log('--run', done['run'], '--type', kind)}
        assert named == {(spoken, sent)}, named


def to_a_landed_change(engine, dialect, spoken=None):
    engines = installed_engines(engine) / 'engines'
    place = Place(files=FILES)
    try:
        (place.home / 'engines').symlink_to(engines)
        port, model_log = place.scripted_model(SCRIPT)
        place.policy(model_url=f'http://127.0.0.1:{port}/v1', models=(dialect,))
        if spoken:
            have_translated(place)
        ticket = place.root / 'ticket.md'
        ticket.write_text(TICKET)
        done = place.run(options=('--engine', engine, '--ticket', ticket), timeout=240)
        assert done['exit'] == 0 and done['state'] == 'ready', done
        asked = model_log.read_text()
        assert 'due * percent' in asked and 'name,card' in asked, 'the model did not see the files'
        assert CARD not in asked and TOKEN not in asked, 'an original reached the model'
        assert 'checked' in asked, 'the test command did not pass'
        check_records(place, done)
        check_dialects(place, done, spoken, dialect)
        place.custody('change', 'approve', done['change'], '--as', 'maria', '--key', place.keys['maria'], check=0)
        place.custody('change', 'land', done['change'], check=0)
        assert 'percent / 100' in (place.repo / 'src/copay.c').read_text()
        assert place.verify()['result'] == 'holds'
        subprocess.run(['make', '-C', str(place.repo), 'test'], check=True, stdout=subprocess.DEVNULL)
    finally:
        place.close()


def custodys_own_agent_over_chat_completions():
    to_a_landed_change('custody-agent', 'openai')


def codex_over_responses():
    to_a_landed_change('codex', 'openai-responses')


def codex_over_responses_translated_to_chat_completions():
    to_a_landed_change('codex', 'openai', spoken='openai-responses')


def codex_over_responses_translated_to_messages():
    to_a_landed_change('codex', 'anthropic', spoken='openai-responses')


def pi_over_messages():
    to_a_landed_change('pi', 'anthropic')


def opencode_over_chat_completions():
    to_a_landed_change('opencode', 'openai')


def gemini_over_generate_content():
    to_a_landed_change('gemini', 'gemini')


main([custodys_own_agent_over_chat_completions, codex_over_responses, codex_over_responses_translated_to_chat_completions,
      codex_over_responses_translated_to_messages, pi_over_messages, opencode_over_chat_completions,
      gemini_over_generate_content])
