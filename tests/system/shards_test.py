"""Shards, backups and moves of a real ledger with real runs: what holds, what shows, what is refused."""
import hashlib
import json
import os
import shutil
import struct
import subprocess
import time

from harness import CUSTODY, Place, Skip, main, run
from user_test import user_place

VERIFY = os.path.abspath(os.environ.get('CUSTODY_VERIFY', 'build/custody-verify'))


def vkey(home):
    return (home / 'keys/ledger.vkey').read_text().strip()


def at(place, home, *words, check=None):
    """custody on another state folder."""
    return place.custody(*words, env={'CUSTODY_HOME': str(home)}, check=check)


def verify_at(place, home, *words, check=0):
    return json.loads(at(place, home, 'verify', '--json', *words, check=check).stdout)


def chain(place, *words, check):
    shards = sorted((place.home / 'shards').glob('[0-9]*'))
    return run([VERIFY, '--chain', *shards, place.home / 'ledger', *words], check=check)


def a_key_is_rotated_and_all_of_it_verifies():
    place = Place()
    first = place.root / 'first.vkey'
    first.write_text(vkey(place.home))
    place.run('true')
    done = json.loads(place.custody('key', 'rotate', '--json', check=0).stdout)
    assert done['vkey'] == vkey(place.home) and done['retired'] == first.read_text(), done
    assert done['closed'] == 1 and '/2+' in done['vkey'], done
    assert place.run('true')['exit'] in (0, 2)
    place.custody('key', 'rotate', '--reason', 'compromised', check=0)
    report = place.verify()
    assert [shard['name'] for shard in report['shards']] == ['shards/0001', 'shards/0002', 'ledger'], report
    assert [shard['reason'] for shard in report['shards']] == ['', 'rotated', 'compromised'], report
    assert [shard['by_old_key'] for shard in report['shards']] == [False, True, True], report
    assert report['result'] == 'holds' and report['problems'] == [], report
    for key in (first, place.home / 'keys/retired/0002.vkey', place.home / 'keys/ledger.vkey'):
        chain(place, '--key', key, check=0)
    assert '3 ' not in chain(place, '--key', first, check=0).stdout.splitlines()[0]
    run([VERIFY, place.home / 'shards/0001', '--key', first], check=0)
    proof, record = place.root / 'proof', place.root / 'record'
    place.custody('prove', '1', '--shard', '1', '--out', proof, '--record', record, check=0)
    run([VERIFY, '--proof', proof, '--record', record, '--key', first], check=0)
    place.custody('prove', '0', '--shard', '3', check=0)
    assert 'there is none' in place.custody('prove', '0', '--shard', '4', check=3).stderr
    place.custody('prove', '0', '--shard', '1', '--key', first, check=3)
    run([VERIFY, place.home / 'shards/0001', place.home / 'ledger', '--key', first], check=3)
    run([VERIFY, '--chain', place.home / 'shards/0001', place.home / 'ledger', '--key', place.home / 'keys/ledger.vkey'],
        check=2)
    run([VERIFY, '--chain', place.home / 'shards/0002', place.home / 'shards/0001', place.home / 'ledger', '--key',
         place.home / 'keys/ledger.vkey'], check=1)
    place.close()


def no_key_is_rotated_under_a_run():
    place = Place()
    busy = place.start([CUSTODY, 'run', '--repo', place.repo, '--requester', 'tom', '--', 'sleep', '30'],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=place.repo)
    name = place.wait_for_run()
    refused = place.custody('key', 'rotate', check=1)
    assert name in refused.stderr and 'custody stop' in refused.stderr, refused.stderr
    refused = place.custody('backup', place.root / 'moved', '--move', check=1)
    assert name in refused.stderr, refused.stderr
    assert not (place.home / 'shards/turn').exists() and not (place.root / 'moved').exists()
    place.custody('backup', place.root / 'copy', check=0)  # that goes on beside it
    place.custody('stop', name, check=0)
    busy.wait(timeout=60)
    place.custody('key', 'rotate', check=0)
    report = place.verify()
    assert report['result'] == 'holds' and len(report['shards']) == 2, report
    place.close()


def a_lost_key_has_a_way_out():
    place = Place()
    place.run('true')
    old = vkey(place.home)
    refused = place.custody('key', 'replace', '--lost', check=1)
    assert 'custody key rotate' in refused.stderr, refused.stderr
    place.custody('key', 'replace', check=3)
    wait_until_ended(place)
    (place.home / 'keys/ledger.key').unlink()
    refused = place.custody('run', '--repo', place.repo, '--requester', 'tom', '--', 'true')
    assert refused.returncode != 0 and 'key replace --lost' in refused.stderr, refused.stderr
    refused = place.custody('key', 'rotate', check=3)
    assert 'key replace --lost' in refused.stderr, refused.stderr
    place.custody('key', 'replace', '--lost', check=0)
    place.run('true')
    report = place.verify()
    assert report['result'] == 'holds' and report['shards'][1]['reason'] == 'lost', report
    assert report['shards'][1]['by_old_key'] is False, report
    assert 'NOT signed by the old key' in place.custody('verify', check=0).stdout
    assert 'does not lead' in place.custody('verify', '--key', old, check=2).stdout
    place.close()


def wait_until_ended(place):
    """The daemon lingers; nothing is to be written while files are looked at."""
    for _ in range(200):
        names = [open(f'/proc/{pid}/comm').read().strip() if os.path.exists(f'/proc/{pid}/comm') else ''
                 for pid in holders(place.home / 'ledger/lock')]
        if not names:
            return
        time.sleep(0.05)
    raise AssertionError('the daemon goes on')


def holders(path):
    done = run(['flock', '-n', path, 'true'])
    return [] if done.returncode == 0 else ['1']


def a_new_year_begins_a_shard():
    faults = os.environ.get('CUSTODY_FAULTS')
    if faults is None:
        raise Skip('a sanitized build takes no preloaded library')
    place = Place()
    place.run('true')
    wait_until_ended(place)
    next_year = {'LD_PRELOAD': faults, 'FAULT': 'next-year'}
    place.custody('init', '--repo', place.repo, env=next_year, check=0)
    wait_until_ended(place)
    place.custody('init', '--repo', place.repo, env=next_year, check=0)
    report = place.verify()
    assert [shard['reason'] for shard in report['shards']] == ['', 'year'], report
    assert report['result'] == 'holds' and report['shards'][1]['by_old_key'], report
    place.close()


def a_backup_is_restored_into_a_new_shard():
    place = Place(policy_extra='budgets: { person_day: { calls: 100 } }\n')
    place.custody('key', 'rotate', check=0)
    place.run('true')
    copy, home = place.root / 'copy', place.root / 'other'
    done = json.loads(place.custody('backup', copy, '--json', check=0).stdout)
    run(['sha256sum', '-c', '--quiet', '--strict', 'manifest'], cwd=copy, check=0)
    assert not (copy / 'keys/ledger.key').exists() and copy.stat().st_mode & 0o777 == 0o700
    said = [record for record in place.log('--type', 'ledger.backup')]
    assert [record['outcome'] for record in said] == ['intended', 'ok'] and said[1]['count'] == done['size'], said
    assert 'not empty' in place.custody('backup', copy, check=1).stderr
    assert 'not empty' in place.custody('restore', copy, check=1).stderr
    refused = at(place, home, 'restore', copy, '--move', check=1)
    assert 'not moved' in refused.stderr and list(home.iterdir()) == [], refused.stderr
    budgets = json.loads(place.custody('budget', '--json', check=0).stdout)
    place.run('true')  # what comes later is not in the copy
    wait_until_ended(place)
    kept = (place.home / 'ledger/checkpoint')
    at(place, home, 'restore', copy, '--key', vkey(place.home), check=0)
    report = verify_at(place, home)
    assert [shard['reason'] for shard in report['shards']] == ['', 'rotated', 'restored'], report
    assert report['shards'][1]['size'] == done['size'] and vkey(home) != vkey(place.home), report
    assert json.loads(at(place, home, 'budget', '--json', check=0).stdout) == budgets and budgets, budgets
    at(place, home, 'runs', '--json', check=0)
    records = [json.loads(line) for line in at(place, home, 'log', '--json', check=0).stdout.splitlines()]
    assert any(record['type'] == 'ledger.restored' for record in records), records
    # Somebody who kept a later checkpoint of the old shard sees what is lost, and no tampering.
    report = verify_at(place, home, '--against', kept, check=2)
    assert 'those between are lost' in report['problems'][0], report
    # The source is as it was, and its own.
    assert place.verify()['result'] == 'holds'
    at(place, place.root / 'third', 'restore', copy, '--key', vkey(home), check=3)
    assert list((place.root / 'third').iterdir()) == []
    place.close()


def a_backup_with_keys_signs_the_handover():
    place = Place()
    copy, home = place.root / 'copy', place.root / 'other'
    place.custody('backup', copy, '--with-key', check=0)
    assert (copy / 'keys/ledger.key').stat().st_mode & 0o777 == 0o600
    at(place, home, 'restore', copy, check=0)
    report = verify_at(place, home)
    assert report['shards'][1]['by_old_key'] is True, report
    assert (home / 'keys/ledger.key').read_text() != (copy / 'keys/ledger.key').read_text()
    place.close()


def a_damaged_copy_is_refused_and_named():
    place = Place()
    place.custody('key', 'rotate', check=0)
    copy, home = place.root / 'copy', place.root / 'other'
    place.custody('backup', copy, '--with-key', check=0)
    listed = [line[66:] for line in (copy / 'manifest').read_text().splitlines()]
    for name in listed:
        whole = (copy / name).read_bytes()
        middle = len(whole) // 2
        for damaged in (whole[:-1], whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1:]):
            (copy / name).write_bytes(damaged)
            refused = at(place, home, 'restore', copy, check=3)
            assert name in refused.stderr, (name, refused.stderr)
        (copy / name).write_bytes(whole)
        (copy / name).rename(place.root / 'kept')
        refused = at(place, home, 'restore', copy)
        assert refused.returncode != 0 and name in refused.stderr, (name, refused.stderr)
        (copy / name).symlink_to(place.root / 'kept')
        refused = at(place, home, 'restore', copy)
        assert refused.returncode != 0 and name in refused.stderr, (name, refused.stderr)
        (copy / name).unlink()
        (place.root / 'kept').rename(copy / name)
    assert list(home.iterdir()) == []
    manifest = (copy / 'manifest').read_text()
    for line in ('0' * 64 + '  ../outside\n', '0' * 64 + '  /etc/passwd\n', '0' * 64 + '  runs/x\n', 'nothing\n'):
        (copy / 'manifest').write_text(manifest + line)
        at(place, home, 'restore', copy, check=3)
    # A file that was changed together with its line: the ledger itself says so.
    (copy / 'manifest').write_text(manifest)
    entries = next(name for name in listed if name.startswith('ledger/tile/entries'))
    changed = bytearray((copy / entries).read_bytes())
    changed[30] ^= 1
    (copy / entries).write_bytes(changed)
    digest = run(['sha256sum', copy / entries], check=0).stdout[:64]
    (copy / 'manifest').write_text(''.join(f'{digest}  {entries}\n' if line[66:] == entries else line + '\n'
                                           for line in manifest.splitlines()))
    refused = at(place, home, 'restore', copy, check=3)
    assert 'does not verify: tampering' in refused.stderr, refused.stderr
    (copy / 'manifest').unlink()
    assert 'cut off' in at(place, home, 'restore', copy, check=3).stderr
    assert list(home.iterdir()) == []
    place.close()


def a_ledger_moves_and_goes_on_elsewhere_only():
    place = Place()
    place.run('true')
    place.custody('key', 'rotate', check=0)
    place.run('true')
    wait_until_ended(place)
    kept = place.root / 'kept'
    shutil.copy(place.home / 'ledger/checkpoint', kept)
    old, copy, home = vkey(place.home), place.root / 'copy', place.root / 'other'
    place.custody('backup', copy, '--move', check=0)
    for words in (['run', '--', 'true'], ['key', 'rotate'], ['backup', place.root / 'b'], ['init']):
        refused = place.custody(*words)
        assert refused.returncode != 0 and 'moved to another host' in refused.stderr, (words, refused.stderr)
    again = place.root / 'again'
    place.custody('backup', again, '--move', check=0)  # the first copy may have been cut off
    for name in (copy / 'manifest').read_text().splitlines():
        if 'store.db' not in name:
            assert name in (again / 'manifest').read_text(), name
    at(place, home, 'restore', copy, '--move', check=0)
    assert vkey(home) == old
    done = at(place, home, 'run', '--requester', 'tom', '--', 'true')
    assert done.returncode in (0, 2), done.stderr
    report = verify_at(place, home, '--against', kept)
    assert report['result'] == 'holds' and len(report['shards']) == 2 and report['problems'] == [], report
    types = [json.loads(line)['type'] for line in at(place, home, 'log', '--json', check=0).stdout.splitlines()]
    assert 'ledger.restored' == types[types.index('ledger.moved') + 1], types
    assert types.count('ledger.moved') == 1, types
    # A copy of a moved ledger that is not to go on is a copy like others.
    at(place, place.root / 'third', 'restore', again, check=0)
    assert verify_at(place, place.root / 'third')['shards'][2]['reason'] == 'restored'
    place.close()


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def frame(index, leaf):
    """One of the write-ahead log (ledger/wal.h)."""
    head = struct.pack('>IQQ', len(leaf), index, index) + hashlib.sha256(b'\0' + leaf).digest()
    return head + struct.pack('>I', crc32c(head + leaf)) + leaf


def what_somebody_added_to_a_copy_is_not_carried_out():
    """Whoever writes to a copy on its way, without the key: its new owner must not sign what they say."""
    place = Place()
    place.custody('key', 'rotate', check=0)
    place.run('true')
    wait_until_ended(place)
    copy, home = place.root / 'copy', place.root / 'other'
    place.custody('backup', copy, '--move', check=0)
    manifest = (copy / 'manifest').read_text()

    def put(name, content):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes(content)
        kept = ''.join(line + '\n' for line in manifest.splitlines() if line[66:] != name)
        (copy / 'manifest').write_text(f'{kept}{hashlib.sha256(content).hexdigest()}  {name}\n')

    for name in ('shards/turn/plan', 'shards/next/checkpoint', 'shards/00001/vkey', 'keys/signed-x',
                 'keys/ledger.key.new', 'cache/x'):
        put(name, b'custody-turn/v1\n')
        refused = at(place, home, 'restore', copy, '--move', check=3)
        assert f'{name} is no part of a backup' in refused.stderr, (name, refused.stderr)
    size = int((copy / 'ledger/checkpoint').read_text().splitlines()[1])
    for leaf in (b'{}', b'x' * 400):
        forged = frame(size, leaf)
        put('ledger/wal/frames', forged + bytes(4 * 1024 * 1024 - len(forged)))
        refused = at(place, home, 'restore', copy, '--move', check=3)
        assert 'records in ledger/wal behind its last checkpoint' in refused.stderr, refused.stderr
    assert list(home.iterdir()) == []
    place.close()


def a_restore_that_was_cut_off_is_done_again():
    place = Place()
    copy, home = place.root / 'copy', place.root / 'other'
    place.custody('backup', copy, check=0)
    ended = 0
    for number in range(1, 60, 4):
        if run(['strace', '-f', '-qq', '-o', '/dev/null', '-e', 'trace=renameat', '-e',
                f'inject=renameat:signal=KILL:when={number}', CUSTODY, 'restore', copy],
               env={**place.env, 'CUSTODY_HOME': str(home)}).returncode in (0, 1):
            break
        ended += 1
        if (home / 'restoring').exists():
            assert 'restore was cut off' in at(place, home, 'run', '--', 'true').stderr
        at(place, home, 'restore', copy, check=0)
        assert verify_at(place, home)['result'] == 'holds'
        shutil.rmtree(home)
    assert ended > 3, ended
    # Several at once: one of them does it.
    shutil.rmtree(home, ignore_errors=True)
    env = {**place.env, 'CUSTODY_HOME': str(home)}
    several = [subprocess.Popen([CUSTODY, 'restore', str(copy)], env=env, stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True) for _ in range(3)]
    said = [process.communicate(timeout=60)[1] for process in several]
    assert sorted(process.returncode for process in several) == [0, 1, 1], said
    assert all('at work in' in words or 'not empty' in words for words in said if words), said
    assert verify_at(place, home)['result'] == 'holds'
    place.close()


def an_ordinary_user_rotates_the_key_and_restores_a_copy():
    with user_place() as place:
        place.run('true')
        place.custody('key', 'rotate', check=0)
        place.run('true')
        copy, other = place.root / 'copy', {'CUSTODY_HOME': str(place.root / 'other')}
        place.custody('backup', copy, '--with-key', check=0)
        place.custody('restore', copy, env=other, check=0)
        assert place.custody('run', '--requester', 'tom', '--', 'true', env=other).returncode == 2  # nothing was changed
        report = json.loads(place.custody('verify', '--json', env=other, check=0).stdout)
        assert [shard['reason'] for shard in report['shards']] == ['', 'rotated', 'restored'], report
        assert place.verify()['result'] == 'holds'


main([a_key_is_rotated_and_all_of_it_verifies, no_key_is_rotated_under_a_run, a_lost_key_has_a_way_out,
      a_new_year_begins_a_shard, a_backup_is_restored_into_a_new_shard, a_backup_with_keys_signs_the_handover,
      a_damaged_copy_is_refused_and_named, a_ledger_moves_and_goes_on_elsewhere_only,
      what_somebody_added_to_a_copy_is_not_carried_out, a_restore_that_was_cut_off_is_done_again,
      an_ordinary_user_rotates_the_key_and_restores_a_copy])
