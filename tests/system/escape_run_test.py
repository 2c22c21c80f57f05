#!/usr/bin/env python3
"""The hostile program of tests/system/escape in a whole run: each attempt is stopped, and told of as its row says."""
import contextlib
import ctypes
import json
import os
import shutil
import socket
import stat
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__))
from landlock_test import DEGRADED, SHELL, SharedPlace, skip_unless_possible
from harness import CARD, CUSTODY, Place, Skip, fuse_for_everybody, main, run, wait_until_free

ESCAPE = os.environ.get('CUSTODY_ESCAPE', 'build/tests/system/escape/escape')
PAGE = os.path.join(os.path.dirname(__file__), '..', '..', 'docs', 'escape.md')
ATTEMPTS_MIN = 150
DOOR = '9187'
POLICY = '''version: 1
repository: billing
owner: tom
data: { pan: { view: redact, model: deny, checks: redact } }
paths:
  read:  { deny: ["vault/hidden.txt"] }
  write: { deny: ["infra/**"] }
'''
# Small, so that filling them takes no time; the test's own program and git fit well.
RESOURCES = 'resources: { disk: 64M, pids: 128 }\n'
# What a row that names it leaves in the ledger: type, and the word of `operation` where one alone will do.
RECORDS = {
    'card-read': ('file.read', 'read'), 'card-hard-link': ('file.refused', 'link'), 'card-rename': ('file.written', 'rename'),
    'denied-open': ('file.refused', 'read'), 'denied-create': ('file.refused', 'create'),
    'forbidden-write': ('file.refused', 'create'), 'forbidden-rename': ('file.refused', 'rename'),
    'forbidden-folder': ('file.refused', 'rename'), 'view-second-git': ('file.refused', 'mkdir'),
    'plant-link': ('file.written', 'symlink'), 'door-misuse': ('refused', None),
}


def listed():
    return dict(line.split() for line in run([ESCAPE, '--list'], check=0).stdout.splitlines())


class Listener(socket.socket):
    """In the place of a model, on the host's loopback: nobody may come here but the gateway, on the agent's orders none."""

    def __init__(self):
        super().__init__()
        self.bind(('127.0.0.1', 0))
        self.listen()
        self.settimeout(0)

    def was_reached(self):
        try:
            self.accept()
        except BlockingIOError:
            return False
        return True


@contextlib.contextmanager
def host_objects():
    """A queue, a segment, semaphores and a POSIX queue of the host, for everybody: tests/system/escape/ipc.c knows the names."""
    libc = ctypes.CDLL(None, use_errno=True)
    key, mode, name = 0x43555354, 0o1666, b'/custody-escape'  # IPC_CREAT
    made = [(libc.msgctl, libc.msgget(key, mode), ()), (libc.shmctl, libc.shmget(key, 4096, mode), ()),
            (libc.semctl, libc.semget(key, 1, mode), (0,))]
    queue = libc.mq_open(name, os.O_RDWR | os.O_CREAT, 0o666, None)
    try:
        assert queue >= 0 and all(number >= 0 for _, number, _ in made), (queue, made, os.strerror(ctypes.get_errno()))
        yield
    finally:
        for control, number, between in made:
            control(number, *between, 0, None)  # IPC_RMID
        libc.mq_unlink(name)


def hostile_place(model=None, kind=Place):
    place = kind(policy_extra=RESOURCES, repository_policy=POLICY, files={
        'README': 'x\n', 'src/cards.csv': f'name,card\nann,{CARD}\n', 'vault/open.txt': 'open\n',
        'vault/hidden.txt': f'hidden {CARD}\n'})  # looked for in all that the agent can read
    shutil.copy(ESCAPE, place.repo / 'escape')
    (place.repo / 'escape').chmod(0o755)
    if model is not None:
        place.policy(RESOURCES, model_url=f'http://127.0.0.1:{model.getsockname()[1]}/v1')
    place.commit('the program')
    return place


def attack(place, *words, program=None):
    # --ignore-dirty: the owner's work tree is not what this is about.
    return place.run(*(program or (place.repo / 'escape', place.repo)), '--card', 'src/cards.csv', CARD, '--denied', 'vault/hidden.txt',
                     '--forbidden', 'infra/main.tf', '--marker', place.root / 'marker', '--door', DOOR, *words, timeout=300)


def verdicts(done):
    """{name: (verdict, what it met)} of what the program printed."""
    words = [line.split() for line in done['stderr'].splitlines()]
    return {w[1]: (w[0], w[2]) for w in words if len(w) == 4 and w[0] in ('stopped', 'ESCAPED', 'UNEXPECTED', 'skipped')}


def is_stopped(place):
    done = attack(place)
    seen = verdicts(done)
    bad = {name: row for name, row in seen.items() if row[0] != 'stopped'}
    assert not bad, (bad, done['stderr'][-2000:])
    assert seen.keys() == listed().keys(), seen.keys() ^ listed().keys()
    assert len(seen) >= ATTEMPTS_MIN, len(seen)
    assert CARD not in done['stderr'] + done['stdout']
    assert '\033' not in done['stderr'], 'a name of the agent reached the terminal as it was'
    return done


def is_recorded(place, done, mechanisms=('fuse', 'namespaces', 'seccomp', 'landlock')):
    records = place.log('--run', done['run'])
    told = {(r['type'], r.get('operation')) for r in records}
    types = {r['type'] for r in records}
    for name, wanted in listed().items():
        if wanted != 'silent':
            assert wanted in types, (name, wanted)
    for name, (kind, operation) in RECORDS.items():
        assert listed()[name] == kind, (name, listed()[name])
        assert (kind, operation) in told or operation is None and kind in types, (name, told)
    enforced = [r for r in records if r['type'] == 'cell.enforced']
    named = ' '.join(r.get('rule', '') for r in enforced).split()
    for call in ('mount', 'fsopen', 'setns', 'io_uring_setup', 'ptrace', 'process_vm_readv', 'pidfd_getfd', 'keyctl', 'bpf',
                 'userfaultfd', 'open_by_handle_at', 'kcmp', 'perf_event_open', 'pivot_root'):
        assert call in named, (call, named)
    for mechanism in mechanisms:
        assert mechanism in enforced[-1]['mechanism'], enforced
    assert len(enforced[-1]['object']['digest']) == 64
    assert CARD not in json.dumps(records)
    assert place.verify()['result'] == 'holds'


def leaves_nothing(place, done):
    """What was planted is handled as people and custody do; the marker must not come to be."""
    marker = place.root / 'marker'
    assert done['state'] == 'blocked' and 'link-leaves-tree' in done['reasons'], done
    place.custody('change', 'diff', done['change'])
    place.git('status')
    assert not marker.exists(), 'something planted ran outside'
    assert not os.path.exists(place.repo / 'escape-shadow'), 'the work tree was touched'
    assert place.git('config', '--list').count(str(marker)) == 0
    assert place.git('status', '--porcelain') == ''


def every_attempt_is_stopped_and_told_of():
    model = Listener()
    place = hostile_place(model)
    try:
        with host_objects():
            done = is_stopped(place)
        assert not model.was_reached(), 'the agent reached the loopback of the host'
        is_recorded(place, done)
        leaves_nothing(place, done)
    finally:
        model.close()
        place.close()


# Where there is no FUSE (docs/injected.md): what goes by a path alone is not judged before the change is collected.
INJECTED = {
    'denied-openat2': 'ENOSYS', 'forbidden-rename': '-', 'forbidden-unlink': '-', 'forbidden-folder': '-',
    'forbidden-nameless': 'EEXIST', 'forbidden-race': '-', 'view-setuid': '-', 'view-second-git': '-', 'fill-view': 'not-tried',
    'plant-link-init': 'ELOOP',
}


def in_a_degraded_cell_no_content_comes_out_and_no_refused_write_lands():
    place = hostile_place()
    try:
        place.policy(RESOURCES + 'containment: degraded\n')
        whole = place.run
        place.run = lambda *program, **more: whole(*program, options=('--cell', 'namespaces/injected'), **more)
        done = attack(place, '--without', 'fill-view')
        seen = verdicts(done)
        other = {name: met for name, (verdict, met) in seen.items() if verdict != 'stopped'}
        assert other.keys() <= INJECTED.keys(), (other, done['stderr'][-2000:])
        assert seen.keys() == listed().keys(), seen.keys() ^ listed().keys()
        records = place.log('--run', done['run'])
        assert CARD not in done['stderr'] + done['stdout'] + json.dumps(records)
        assert done['state'] == 'blocked' and {'link-leaves-tree', 'write-denied'} <= set(done['reasons']), done
        told = {(r['type'], r.get('operation')) for r in records}
        for wanted in (('file.read', 'read'), ('file.refused', 'read'), ('file.refused', 'create')):
            assert wanted in told, told
        assert not (place.root / 'marker').exists(), 'something planted ran outside'
        assert place.verify()['result'] == 'holds'
        done = attack(place, '--only', 'fill-view')  # no ENOSPC there: the cell is killed
        assert done['reasons'] == ['disk-limit'], done
    finally:
        place.close()


# Without user namespaces (docs/modes.md). What is not hidden has a name (O_PATH) and no content; all else is refused by another
# mechanism, and so by another errno.
SHARED = {
    **dict.fromkeys(('host-root-home', 'host-sys', 'init-descriptors', 'view-abort', 'cgroup'), '-'),
    **dict.fromkeys(('denied-symlink', 'card-copy-range', 'fill-tmp', 'fill-shm', 'fill-names'), 'EACCES'),  # /tmp and /dev/shm
    **dict.fromkeys(('view-device', 'device-make', 'host-shadow', 'host-gitconfig', 'host-resolver', 'climb', 'see-others',
                     'unix-sockets', 'host-connections', 'careless-mounts', 'host-docker', 'host-ledger', 'device-fuse',
                     'device-kmsg', 'device-disk', 'device-kvm', 'device-tun', 'device-loop', 'device-console', 'device-vhost',
                     'device-terminal'), 'EACCES'),
    **dict.fromkeys(('internet-dns', 'internet-six', 'broadcast', 'add-interface', 'queues-listed', 'semaphores-listed', 'queue-host',
                     'semaphores-host', 'segment-host', 'posix-queue-host', 'segment-large', 'semaphores-large', 'fill-segments',
                     'fill-posix-queues'), 'ENOSYS'),
    'down-loopback': 'EBADF', 'abstract-socket': 'EAFNOSUPPORT', 'system-bus': 'EAFNOSUPPORT',
}


@fuse_for_everybody()
def nor_without_user_namespaces():
    skip_unless_possible()
    model = Listener()
    place = hostile_place(kind=SharedPlace)
    try:
        place.policy(RESOURCES + DEGRADED, model_url=f'http://127.0.0.1:{model.getsockname()[1]}/v1')
        place.own()
        with host_objects():
            done = attack(place, program=(*SHELL, 'exec ./escape "$PWD" "$@"', 'escape'))
        seen = verdicts(done)
        other = {name: met for name, (verdict, met) in seen.items() if verdict != 'stopped'}
        assert done['cell'] == 'landlock/fuse' and other.items() <= SHARED.items(), (other.items() - SHARED.items(), done['stderr'][-2000:])
        assert seen.keys() == listed().keys(), seen.keys() ^ listed().keys()
        assert CARD not in done['stderr'] + done['stdout']
        assert not model.was_reached(), 'the agent reached the loopback of the host'
        is_recorded(place, done, ('landlock/fuse', 'seccomp', 'guard'))
        leaves_nothing(place, done)
    finally:
        model.close()
        place.close()


@fuse_for_everybody()
def nobody_else_on_the_host_enters_what_the_agent_writes():
    """It may set any bits on its files. Who runs its set-user-id program outside would be its user there; who reads it, told."""
    kinds = [Place] + [SharedPlace] * (shutil.which('fusermount3') is not None)
    for kind in kinds:
        if kind is SharedPlace:
            skip_unless_possible()
        place = kind(policy_extra=DEGRADED, repository_policy=POLICY + '  scratch: [build]\n')
        try:
            process = place.start([*place.prefix, place.program, 'run', '--repo', place.repo, '--requester', 'tom', '--', *SHELL,
                                   'for d in "$HOME" .git build; do chmod 777 $d; printf "#!/bin/sh\nid\n" > $d/open; chmod 4777 $d/open; done; sleep 60'],
                                  cwd=place.repo, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            folder = place.home / 'runs' / place.wait_for_run()
            made = [path for path in folder.rglob('open') if path.stat().st_mode & stat.S_ISUID]
            assert len(made) >= 2, made
            found = run(['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', 'find', folder, '-name', 'open'])
            entered = [path for path in made if run(['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', 'test', '-e', path]).returncode == 0]
            assert not entered and found.stdout.strip() == '', (kind, entered, found.stdout)
            process.terminate()
            process.wait(timeout=30)
        finally:
            place.close()


def the_page_names_every_attempt():
    rows = {line.split('|')[1].strip(): line.split('|')[4].strip()
            for line in open(PAGE) if line.startswith('| ') and line.count('|') == 5 and not line.startswith('| attempt')}
    assert rows == listed(), rows.keys() ^ listed().keys()


def what_was_planted_acts_in_no_change_that_lands():
    """The same traps, in a change that is approved and landed by people."""
    place = hostile_place()
    try:
        marker = place.root / 'marker'
        done = place.run('/bin/sh', '-c', f'''
            for hook in pre-commit post-commit post-merge post-checkout reference-transaction; do
                printf '#!/bin/sh\\n: > {marker}\\n' > .git/hooks/$hook; chmod +x .git/hooks/$hook; done
            git config core.fsmonitor ': > {marker}; false'; git config diff.external ': > {marker}'
            git config core.pager ': > {marker}'; git config filter.x.smudge ': > {marker}; cat'
            mkdir -p .git/info; echo '* filter=x' > .git/info/attributes
            echo {place.repo}/.git/objects >> .git/objects/info/alternates
            echo x > fine.txt''', check=0)
        change = done['change']
        place.custody('change', 'diff', change, check=0)
        place.custody('change', 'approve', change, '--as', 'maria', '--key', place.keys['maria'], check=0)
        place.custody('change', 'land', change, check=0)
        assert (place.repo / 'fine.txt').read_text() == 'x\n'
        assert not marker.exists(), 'something planted ran outside'
    finally:
        place.close()


def what_a_reviewer_is_shown_moves_no_cursor():
    """A change whose text would hide its own lines on a terminal; to a file it goes as it is."""
    place = Place()
    try:
        done = place.run('/bin/sh', '-c', r"""printf 'evil\033[2K\033[1Aharmless\302\2332J\n' > a.txt""", check=0)
        ours, theirs = os.openpty()
        try:
            shown = subprocess.run([CUSTODY, 'change', 'diff', done['change']], env=place.env, cwd=place.repo,
                                   stdin=subprocess.DEVNULL, stdout=theirs, timeout=30)
            text = os.read(ours, 65536)
        finally:
            os.close(ours)
            os.close(theirs)
        assert shown.returncode == 0 and b'+evil^[[2K^[[1Aharmless<U+009B>2J' in text, text
        assert b'\033' not in text and b'\302\233' not in text, text
        assert '\033[2K' in place.custody('change', 'diff', done['change'], check=0).stdout
    finally:
        place.close()


def targets_of_links_count():
    """The view keeps them in its own memory, which bounds nothing else."""
    place = Place(policy_extra='resources: { disk: 32M }\n')
    try:
        done = place.run('python3', '-c', 'import errno, os\n'
                         'made, error = 0, None\n'
                         'try:\n'
                         '    for made in range(12000): os.symlink("y" * 4000, f"l{made}")\n'
                         'except OSError as e: error = errno.errorcode[e.errno]\n'
                         'print("MADE", made, error, os.lstat("l0").st_blocks, flush=True)\n'
                         'for n in range(made): os.unlink(f"l{n}")\n'
                         'for n in range(9000): os.symlink("y" * 4000, "m"); os.rename("m", "n")\n'
                         'open("big", "wb").write(b"x" * (20 << 20))\n', timeout=100)
        assert 'MADE 8192 ENOSPC 8' in done['stderr'], done['stderr'][-800:]
        assert done['state'] in ('ready', 'blocked') and 'agent-failed' not in done['reasons'], done
    finally:
        place.close()


def what_has_no_quota_is_watched():
    """.git and scratch folders are the host's: more than the policy's disk in them ends the run."""
    place = Place(policy_extra='resources: { disk: 32M }\n', repository_policy=POLICY + '  scratch: [build]\n')
    try:
        for folder in ('.git', 'build'):
            hidden = 'chmod 000 {0}/fill'.format(folder)
            for last in ('true', hidden):
                done = place.run('/bin/sh', '-c', f'mkdir {folder}/fill; for n in 1 2 3 4 5 6 7 8 9; do '
                                 f'head -c 16000000 /dev/urandom > {folder}/fill/$n; done; {last}; sleep 20', timeout=60)
                assert done['exit'] == 2 and done['reasons'][0] in ('disk-limit', 'disk-full'), (folder, last, done)
                ended = [r for r in place.log('--run', done['run']) if r['type'] == 'run.ended']
                assert [r['reason'] for r in ended] == done['reasons'][:1], ended
    finally:
        place.close()


def give_away(root):
    for folder, _, files in os.walk(root):
        for path in (folder, *(os.path.join(folder, name) for name in files)):
            os.chown(path, 65534, 65534)


def nor_does_it_get_out_of_an_ordinary_users_run():
    if os.geteuid() != 0:
        raise Skip('this is the ordinary user')
    user = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
    if run([*user, 'unshare', '--user', 'true']).returncode != 0:
        raise Skip('ordinary users get no user namespace here')
    if run([*user, 'test', '-x', CUSTODY]).returncode != 0:
        raise Skip('the build is out of an ordinary user\'s reach')
    with fuse_for_everybody():
        place = hostile_place()
        try:
            wait_until_free(place.home / 'ledger/lock')  # what root's daemon writes would be root's
            give_away(place.root)
            place.custody = lambda *words, env=None, check=None, **more: run(
                [*user, CUSTODY, *words], env={**place.env, **(env or {})}, cwd=place.repo, check=check, **more)
            is_recorded(place, is_stopped(place))
        finally:
            place.close()


if __name__ == '__main__':
    main([every_attempt_is_stopped_and_told_of,
          in_a_degraded_cell_no_content_comes_out_and_no_refused_write_lands,
          nobody_else_on_the_host_enters_what_the_agent_writes,
          the_page_names_every_attempt,
          what_was_planted_acts_in_no_change_that_lands,
          what_a_reviewer_is_shown_moves_no_cursor,
          what_has_no_quota_is_watched,
          targets_of_links_count,
          nor_does_it_get_out_of_an_ordinary_users_run,
          nor_without_user_namespaces])
