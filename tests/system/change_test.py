#!/usr/bin/env python3
"""People decide over a change: what is shown, who may approve, what an approval binds, what makes it void."""
import json
import os
import sqlite3
import sys

sys.path.insert(0, os.path.dirname(__file__))
from harness import CARD, CUSTODY, Place, main, run

SHELL = ('/bin/sh', '-c')


def a_change(place, script='printf "three\\n" >> src/app.txt', **more):
    return place.run(*SHELL, script, **more)['change']


def approve(place, change, who='maria', *options, key=None, check=0):
    return place.custody('change', 'approve', change, '--as', who, '--key', key or place.keys[who], '--json', *options,
                         check=check)


def shown(place, change):
    return json.loads(place.custody('change', 'show', change, '--json', check=0).stdout)


def show_tells_files_approvals_and_state():
    place = Place()
    try:
        change = a_change(place, 'printf "three\\n" >> src/app.txt; head -c 64 /dev/zero > src/zero.bin', check=0)
        before = shown(place, change)
        assert [(f['path'], f['status'], f['binary']) for f in before['files']] == [
            ('src/app.txt', 'M', False), ('src/zero.bin', 'A', True)], before
        assert before['state'] == 'ready' and before['approvals'] == [] and before['approvals_needed'] == 1
        assert json.loads(approve(place, change).stdout)['state'] == 'approved'
        after = shown(place, change)
        assert [(a['person'], a['valid']) for a in after['approvals']] == [('maria', True)], after
        assert 'maria' in place.custody('change', 'show', change, check=0).stdout
    finally:
        place.close()


def a_branch_that_moved_makes_the_approvals_void():
    place = Place()
    try:
        change = a_change(place, check=0)
        approve(place, change)
        place.write('other.txt', 'meanwhile\n')
        place.commit('meanwhile')
        refused = place.custody('change', 'land', change, check=1)
        assert 'void' in refused.stderr, refused
        assert shown(place, change)['state'] == 'void'
        assert 'approval.void' in [r['type'] for r in place.log()]
        place.custody('change', 'land', change, check=1)
        assert (place.repo / 'src/app.txt').read_text() == 'one\ntwo\n'
    finally:
        place.close()


def a_merge_that_was_approved_as_such_lands():
    place = Place()
    try:
        change = a_change(place, check=0)
        place.write('other.txt', 'meanwhile\n')
        place.commit('meanwhile')
        approve(place, change)
        place.custody('change', 'land', change, check=0)
        assert (place.repo / 'src/app.txt').read_text() == 'one\ntwo\nthree\n'
        assert (place.repo / 'other.txt').read_text() == 'meanwhile\n'
        assert len(place.git('log', '-1', '--format=%P').split()) == 2
    finally:
        place.close()


def a_conflict_is_refused_and_named():
    place = Place()
    try:
        change = a_change(place, check=0)
        place.write('src/app.txt', 'one\ntwo\nfour\n')
        place.commit('the same place')
        refused = approve(place, change, check=1)
        assert 'merge' in refused.stderr or 'conflict' in refused.stderr, refused
    finally:
        place.close()


def another_branch_needs_approvals_that_name_it():
    place = Place()
    try:
        place.git('branch', 'release')
        change = a_change(place, check=0)
        approve(place, change)
        place.custody('change', 'land', change, '--into', 'release', check=1)
        change = a_change(place, check=0)
        approve(place, change, 'maria', '--into', 'release')
        place.custody('change', 'land', change, '--into', 'release', check=0)
        assert place.git('show', 'release:src/app.txt') == 'one\ntwo\nthree\n'
        assert place.git('show', 'main:src/app.txt') == 'one\ntwo\n'
    finally:
        place.close()


def rejected_is_final():
    place = Place()
    try:
        change = a_change(place, check=0)
        place.custody('change', 'reject', change, '--as', 'nobody', check=3)
        place.custody('change', 'reject', change, '--as', 'maria', check=0)
        assert shown(place, change)['state'] == 'rejected'
        approve(place, change, check=1)
        assert 'change.rejected' in [r['type'] for r in place.log()]
    finally:
        place.close()


def a_blocked_change_cannot_be_approved():
    place = Place(files={'src/cards.csv': f'name,card\nann,{CARD}\n'})
    try:
        done = place.run(*SHELL, 'cp src/cards.csv src/copy.csv', check=1)
        assert done['state'] == 'blocked', done
        refused = approve(place, done['change'], check=1)
        assert 'blocked' in refused.stderr, refused
    finally:
        place.close()


def rows_written_past_the_program_do_not_count():
    """The store is an index: state and approvals forged in it do not land anything."""
    place = Place()
    try:
        change = a_change(place, check=0)
        with sqlite3.connect(place.home / 'store.db') as db:
            db.execute("update changes set state = 'approved' where id = ?", (change,))
        refused = place.custody('change', 'land', change, check=1)
        assert 'void' in refused.stderr, refused

        change, other = a_change(place, check=0), a_change(place, 'echo x > src/evil.txt', check=0)
        approve(place, change)
        with sqlite3.connect(place.home / 'store.db') as db:
            db.execute("update approvals set change = ? where change = ?", (other, change))
            db.execute("update changes set state = 'approved' where id = ?", (other,))
        place.custody('change', 'land', other, check=1)
        assert not (place.repo / 'src/evil.txt').exists()
    finally:
        place.close()


def what_a_model_would_see_is_shown_without_a_run():
    place = Place(files={'src/cards.csv': f'name,card\nann,{CARD}\n', 'server.pem': 'private\n', 'plain.txt': 'plain\n'})
    try:
        seen = place.custody('view', 'src/cards.csv', check=0).stdout
        assert seen.startswith('name,card\nann,') and CARD not in seen and len(seen) == len(f'name,card\nann,{CARD}\n')
        assert json.loads(place.custody('view', 'src/cards.csv', '--json', check=0).stdout)['classes'] == ['pan']
        assert place.custody('view', 'plain.txt', check=0).stdout == 'plain\n'
        denied = place.custody('view', 'server.pem', check=1)
        assert 'private' not in denied.stdout + denied.stderr, denied
        missing = place.custody('view', 'nothing.txt')
        assert missing.returncode == 3 and 'nothing.txt' in missing.stderr, missing
    finally:
        place.close()


def a_patch_on_a_terminal_hides_nothing():
    place = Place()
    try:
        change = a_change(place, r'printf "a \033]0;evil\007 b \342\200\256 c\n" > src/trick.txt', check=0)
        raw = place.custody('change', 'diff', change, check=0).stdout
        assert '\x1b]0;evil' in raw and '\u202e' in raw, raw
        shown_there = run(['script', '-qec', f'{CUSTODY} change diff {change}', '/dev/null'], env=place.env,
                          cwd=place.repo, check=0).stdout
        assert '^[]0;evil^G' in shown_there and '<U+202E>' in shown_there and '\u202e' not in shown_there, shown_there
    finally:
        place.close()


main([show_tells_files_approvals_and_state, a_branch_that_moved_makes_the_approvals_void,
      a_merge_that_was_approved_as_such_lands, a_conflict_is_refused_and_named, another_branch_needs_approvals_that_name_it,
      rejected_is_final, a_blocked_change_cannot_be_approved, rows_written_past_the_program_do_not_count,
      what_a_model_would_see_is_shown_without_a_run, a_patch_on_a_terminal_hides_nothing])
