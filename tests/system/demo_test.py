#!/usr/bin/env python3
"""`custody demo` tells the whole story, holds, and leaves nothing; with a real agent, too."""
import glob
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from harness import CUSTODY, installed_engines, main, run


def left():
    """Folders, mounts and processes of demos."""
    found = glob.glob('/tmp/custody-demo-*') + [line for line in open('/proc/self/mounts') if 'custody-demo-' in line]
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            if b'custody-demo-' in open(f'/proc/{pid}/environ', 'rb').read():
                found.append(open(f'/proc/{pid}/cmdline', 'rb').read())
        except OSError:
            pass
    return found


def tell(*options, env=None):
    before = set(left())
    begun = time.monotonic()
    done = run([CUSTODY, 'demo', *options], env=env or {'PATH': '/usr/bin:/bin', 'HOME': '/nowhere'}, timeout=180, check=0)
    took = time.monotonic() - begun
    shown = done.stdout + done.stderr
    for wanted in (r'SCRIPTED', r'\.env +secret', r'file\.refused .*\.env ', r'file\.redacted .*samples/admission\.hl7',
                   r'token in \.env +not in it', r'\+ .*\(amount_cents \* percent \+ 50\) / 100',
                   r'another person approves it', r'1 of 1 approvals, approved', r'landed in main', r'The ledger holds',
                   r'All of it held'):
        assert re.search(wanted, shown), (wanted, shown)
    assert 'FOUND' not in shown and 'OKAFOR' not in shown, shown
    deadline = time.monotonic() + 10
    while set(left()) - before and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not set(left()) - before, left()
    return took


def the_whole_story_without_a_network():
    took = tell()
    assert took < 60, took


def the_whole_story_in_a_namespace_with_loopback_alone():
    done = subprocess.run(['unshare', '-n', 'sh', '-c', 'ip link set lo up && exec "$0" demo', CUSTODY],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
    assert done.returncode == 0 and 'All of it held' in done.stdout, done.stdout[-2000:]


def the_whole_story_with_codex():
    home = installed_engines('codex')
    tell('--agent', 'codex', env={'PATH': '/usr/bin:/bin', 'HOME': '/nowhere', 'CUSTODY_HOME': str(home)})


def an_engine_that_is_not_installed_is_said():
    done = run([CUSTODY, 'demo', '--agent', 'codex'], env={'PATH': '/usr/bin:/bin', 'HOME': '/nowhere',
                                                           'CUSTODY_HOME': '/nowhere/custody'})
    assert done.returncode != 0 and 'codex' in done.stderr, done


main([the_whole_story_without_a_network, the_whole_story_in_a_namespace_with_loopback_alone,
      the_whole_story_with_codex, an_engine_that_is_not_installed_is_said])
