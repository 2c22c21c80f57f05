#!/usr/bin/env python3
"""An agent edits files with stand-ins in 1,000 ways, in six languages: nothing is lost, and nothing leaks."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__))
from harness import Place, main, run
import round_trip_edits as edits

COUNT = 1000


def read_tree(place, ref):
    """Every file of a commit, as it is."""
    listed = subprocess.run(['git', '-C', str(place.repo), 'ls-tree', '-r', '-z', '--name-only', ref], stdout=subprocess.PIPE, check=True)
    paths = [path.decode() for path in listed.stdout.split(b'\0') if path]
    asked = ''.join(f'{ref}:{path}\n' for path in paths).encode()
    out = subprocess.run(['git', '-C', str(place.repo), 'cat-file', '--batch'], input=asked, stdout=subprocess.PIPE, check=True).stdout
    tree = {}
    for path in paths:
        head, out = out.split(b'\n', 1)
        size = int(head.split()[2])
        tree[path], out = out[:size].decode(), out[size + 1:]
    return tree


def a_thousand_edits_come_back_as_they_were_meant():
    made = edits.files(COUNT)
    assert list(made) == edits.sorted_paths(COUNT)
    files = {path: text for path, (_, text, _) in made.items()}
    with open(edits.__file__) as file:
        files['edits.py'] = file.read()
    place = Place(files=files)
    try:
        done = place.run('/usr/bin/python3', '-B', 'edits.py', str(COUNT), timeout=600)
        assert done.get('change'), done
        tree = read_tree(place, f'custody/{done["run"]}')
        where = {}
        for line in done['stderr'].splitlines():
            parts = line.split('blocked: ')[-1].rsplit(': ', 1)
            if len(parts) == 2 and parts[1] in ('surrogate-unsure', 'surrogate-moved'):
                path, _, number = parts[0].rpartition(':')
                where[path] = (parts[1], int(number))
        wrong, exact, blocked = [], 0, 0
        for number, path in enumerate(made):
            _, text, values = made[path]
            edit = edits.edit_of(number)
            expected = edits.edited(number, path, text)
            for name, after in expected.items():
                if after is None:
                    if name in tree:
                        wrong.append((edit.__name__, name, 'is still there'))
                elif edit in edits.UNSURE or (edit in edits.MOVED and name != path):
                    reason = 'surrogate-unsure' if edit in edits.UNSURE else 'surrogate-moved'
                    if where.get(name, ('', 0))[0] != reason or where[name][1] < 1:
                        wrong.append((edit.__name__, name, f'is not blocked as {reason}: {where.get(name)}'))
                    elif edit in edits.MOVED and any(value in tree[name] for value in values):
                        wrong.append((edit.__name__, name, 'has an original'))
                    else:
                        blocked += 1
                elif tree.get(name) != after:
                    wrong.append((edit.__name__, name, 'is not what was meant', tree.get(name), after))
                elif name in where:
                    wrong.append((edit.__name__, name, f'is blocked: {where[name]}'))
                else:
                    exact += 1
        assert not wrong, f'{len(wrong)}: {wrong[:3]}'
        print(f'# {exact} files exactly as meant, {blocked} blocked with their line', flush=True)
        owner = {value: path for path, (_, _, values) in made.items() for value in values}
        for name, text in tree.items():
            for found in edits.CARD.findall(text) + edits.GITHUB.findall(text):
                if found in owner:
                    home = owner[found]
                    assert name in edits.edited(list(made).index(home), home, made[home][1]), f'{name} has a value of {home}'
        said = done['stderr'] + done['stdout'] + place.custody('log', '--json', '--run', done['run'], check=0).stdout
        assert not any(value in said for value in owner), 'an original is in what custody says'
    finally:
        place.close()


def a_copy_stays_a_stand_in_where_policy_says_so():
    card = edits.card_of(__import__('random').Random(1))
    data = 'data:\n  pan: { view: redact, model: deny, copies: keep }\n'
    place = Place(policy_extra=data, files={'a.csv': f'name,card\nann,{card}\n', 'b.txt': 'b\n'})
    try:
        done = place.run('/bin/sh', '-c', 'cp a.csv copy.csv; cat a.csv >> b.txt', check=0)
        assert done['state'] == 'ready', done
        tree = read_tree(place, f'custody/{done["run"]}')
        assert card in tree['a.csv'] and card not in tree['copy.csv'] and card not in tree['b.txt'], tree
        assert '999999' in tree['copy.csv'], tree
    finally:
        place.close()


def each_value_that_was_replaced_has_a_receipt():
    rng = __import__('random').Random(2)
    cards = [edits.card_of(rng) for _ in range(300)]
    place = Place(files={'a.csv': 'card\n' + ''.join(f'{card}\n' for card in cards), 'b.csv': f'card\n{cards[0]}\n'})
    try:
        done = place.run('/bin/sh', '-c', 'cat a.csv b.csv; cat a.csv; echo x > c.txt', check=0)
        records = [r for r in place.log('--run', done['run']) if r['type'] == 'file.redacted']
        receipts = {path: [receipt for r in records if r['object']['path'] == path
                           for receipt in r['object'].get('receipts', '').split('; ') if receipt] for path in ('a.csv', 'b.csv')}
        assert len(receipts['a.csv']) == 300 and len(receipts['b.csv']) == 1, receipts
        assert all(r['count'] == 300 and len(r['digest'] if 'digest' in r else r['object']['digest']) == 64
                   for r in records if r['object']['path'] == 'a.csv')
        rule, kind, place_of, rest = receipts['a.csv'][0].split(' ')
        assert (kind, place_of) == ('pan', '5+16') and rest.startswith('#1='), receipts['a.csv'][0]
        assert receipts['b.csv'][0].split(' ')[3] == rest, 'one value has one ordinal and one commitment'
        shown = place.custody('show', done['run'], check=0).stdout
        assert 'for 301 values, in 2 files' in shown, shown
    finally:
        place.close()


if __name__ == '__main__':
    main([a_thousand_edits_come_back_as_they_were_meant, a_copy_stays_a_stand_in_where_policy_says_so,
          each_value_that_was_replaced_has_a_receipt])
