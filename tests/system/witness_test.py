"""Witnesses: real processes that cosign a real ledger, killed and lied to."""
import base64
import json
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

from harness import CUSTODY, Place, Skip, free_port, main, run, wait_for_port, wait_until_free

VERIFY = os.path.abspath(os.environ.get('CUSTODY_VERIFY', 'build/custody-verify'))


class Witnesses:
    """Keys for three witnesses, a policy for the auditor, and a ledger that asks them."""

    def __init__(self, require=0, more=''):
        self.place = Place()
        self.place.env['CUSTODY_WITNESS_INTERVAL_MS'] = '100'
        self.ledger = self.place.home / 'ledger'
        wait_until_free(self.ledger / 'lock')  # a daemon asks the witnesses that it found when it began
        self.ports, self.processes, self.vkeys = [], [], []
        for number in range(3):
            folder = self.place.root / f'witness{number}'
            folder.mkdir()
            made = run([CUSTODY, 'witness', 'init', '--key', folder / 'key', '--name', f'w.example/{number}'], check=0)
            self.vkeys.append(made.stdout.strip())
            self.ports.append(free_port())
            self.processes.append(None)
        rows = ', '.join(f'{{ url: "http://127.0.0.1:{port}", key: "{key}" }}'
                         for port, key in zip(self.ports, self.vkeys))
        self.place.policy(f'ledger: {{ witnesses: [{rows}], require: {require}{more} }}\n')
        self.policy = self.place.root / 'auditor.policy'
        self.log_key = (self.place.home / 'keys/ledger.vkey').read_text().strip()
        lines = [f'log {self.log_key}'] + [f'witness w{i} {key}' for i, key in enumerate(self.vkeys)]
        self.policy.write_text('\n'.join(lines + ['group most 2 w0 w1 w2', 'quorum most', '']))

    def argv(self, number):
        folder = self.place.root / f'witness{number}'
        return [str(word) for word in (CUSTODY, 'witness', '--listen', f'127.0.0.1:{self.ports[number]}', '--key',
                                       folder / 'key', '--state', folder / 'state', '--log', self.log_key)]

    def start(self, number):
        self.processes[number] = subprocess.Popen(self.argv(number), stdout=subprocess.DEVNULL,
                                                  stdin=subprocess.DEVNULL)
        wait_for_port(self.ports[number])

    def kill(self, number):
        self.processes[number].kill()
        self.processes[number].wait()
        self.processes[number] = None

    def append(self):
        """Some records; gives the size that is published once the daemon and its relay have ended."""
        self.place.run('true')
        for lock in ('lock', 'state/relay.lock'):
            wait_until_free(self.ledger / lock)
        return int((self.ledger / 'checkpoint').read_text().splitlines()[1])

    def verify(self, check, program=VERIFY, *words):
        argv = [program, self.ledger, '--policy', self.policy, '--json', *words]
        return json.loads(run(argv, check=check).stdout)

    def close(self):
        for number, process in enumerate(self.processes):
            if process:
                self.kill(number)
        self.place.close()


def with_witnesses(require=0, more=''):
    """The decorated test gets three witnesses that run."""
    def wrap(test):
        def wrapped():
            witnesses = Witnesses(require, more)
            try:
                for number in range(3):
                    witnesses.start(number)
                test(witnesses)
            finally:
                witnesses.close()
        wrapped.__name__ = test.__name__
        return wrapped
    return wrap


def origin_folder(witnesses, number):
    return next(path for path in (witnesses.place.root / f'witness{number}' / 'state').iterdir() if path.is_dir())


def promised(witnesses, number):
    return int((origin_folder(witnesses, number) / 'checkpoint').read_text().splitlines()[1])


@with_witnesses()
def three_witnesses_cosign_and_two_are_enough(w):
    size = w.append()
    report = w.verify(0)
    assert report['cosigned'] == size and report['witnesses'].startswith('3 of 3'), report
    assert [promised(w, number) for number in range(3)] == [size] * 3
    w.kill(2)
    grown = w.append()
    assert grown > size
    report = w.verify(0)
    assert report['cosigned'] == grown and report['witnesses'].startswith('2 of 3'), report
    assert 'not w2' in report['witnesses'], report
    w.kill(1)
    w.append()
    report = w.verify(2)
    assert report['result'] == 'incomplete' and '1 of 3' in report['problems'][0], report
    assert 'not w1, w2' in report['problems'][0], report
    w.start(1)
    last = w.append()
    assert w.verify(0)['cosigned'] == last
    both = run([CUSTODY, 'verify', w.ledger, '--policy', w.policy], env=w.place.env, check=0)
    assert f'cosigned  {last} records; 2 of 3' in both.stdout, both.stdout


@with_witnesses()
def the_end_of_a_closed_shard_is_cosigned_too(w):
    """A new shard is a new log to a witness; the old one's last checkpoint comes after the daemon that wrote it."""
    w.append()
    w.place.custody('key', 'rotate', check=0)
    both = w.place.root / 'logs'
    both.write_text(f"{w.log_key}\n{(w.place.home / 'keys/ledger.vkey').read_text()}")
    w.log_key = str(both)
    for number in range(3):
        w.kill(number)
        w.start(number)
    size = w.append()
    closed = w.place.home / 'shards/0001'
    ended = (closed / 'checkpoint').read_text().splitlines()[1]
    assert (closed / 'checkpoint.cosigned').read_text().splitlines()[1] == ended, ended
    assert (w.ledger / 'checkpoint.cosigned').read_text().splitlines()[1] == str(size), size
    run([VERIFY, closed, '--policy', w.policy], check=0)
    assert w.place.verify()['result'] == 'holds'
    # Nobody is asked again about what all have cosigned.
    before = (closed / 'checkpoint.cosigned').stat().st_mtime_ns
    w.append()
    assert (closed / 'checkpoint.cosigned').stat().st_mtime_ns == before


@with_witnesses(require=2)
def what_enough_have_signed_is_not_given_up_for_less(w):
    size = w.append()
    w.kill(0)
    w.kill(1)
    grown = w.append()
    report = w.verify(0)
    assert grown > size and report['cosigned'] == size, report
    assert any('behind the cosigned' in text for text in report['not_checked']), report


@with_witnesses()
def a_ledger_that_was_rolled_back_is_refused_and_recorded(w):
    w.append()
    old = w.place.root / 'old'
    shutil.copytree(w.ledger, old)
    size = w.append()
    shutil.rmtree(w.ledger)
    shutil.copytree(old, w.ledger)
    shutil.rmtree(old)
    (w.ledger / 'checkpoint.cosigned').unlink()
    for _ in range(2):
        went_on = w.append()
    assert promised(w, 0) == size or went_on > size
    refused = [record for record in w.place.log('--type', 'refused')
               if json.dumps(record).find('witness-') > 0]
    assert refused, 'the ledger has no record of it'
    assert list((origin_folder(w, 0) / 'refused').iterdir()), 'the witness kept no evidence'
    assert w.verify(2)['result'] == 'incomplete'


@with_witnesses()
def an_older_copy_with_the_cosigned_checkpoint_is_tampering(w):
    w.append()
    old = w.place.root / 'old'
    shutil.copytree(w.ledger, old)
    w.append()
    shutil.copy(w.ledger / 'checkpoint.cosigned', old / 'checkpoint.cosigned')
    done = run([VERIFY, old, '--policy', w.policy, '--json'], check=1)
    assert 'rollback' in done.stdout, done.stdout


def requests_of(w):
    """add-checkpoint bodies 0 -> n for whatever checkpoint is there."""
    return b'old 0\n\n' + (w.ledger / 'checkpoint').read_bytes()


def post(port, body, timeout=5):
    request = urllib.request.Request(f'http://127.0.0.1:{port}/add-checkpoint', data=body, method='POST')
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError:
        return 0, b''


@with_witnesses()
def a_witness_killed_at_any_call_keeps_its_promise(w):
    """SIGKILL at the n-th file call: what was answered is promised, and nothing goes back."""
    if shutil.which('strace') is None:
        raise Skip('no strace')
    size = w.append()
    w.kill(0)
    state = w.place.root / 'witness0' / 'state'
    body, answered, died = requests_of(w), 0, 0
    for call in ('openat', 'write', 'fsync', 'renameat', 'sendto', 'mkdirat'):
        for number in range(1, 4):
            shutil.rmtree(state, ignore_errors=True)
            port = w.ports[0]
            # Counted from the first request on: start is over when the port answers.
            process = subprocess.Popen(['strace', '-f', '-o', '/dev/null', '-e', f'trace={call}', '-e',
                                        f'inject={call}:signal=KILL:when={number + base(w, call)}', *w.argv(0)],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                wait_for_port(port)
                status, _ = post(port, body)
            except AssertionError:
                status = 0
            finally:
                end_traced(process)
            died += status == 0
            answered += status == 200
            w.start(0)
            again, said = post(port, body)
            w.kill(0)
            if status == 200:
                assert (again, said) == (409, b'%d\n' % size), (call, number, again, said)
            else:
                assert again == 200 or (again, said) == (409, b'%d\n' % size), (call, number, again, said)
    assert died > 3 and answered > 3, (died, answered)
    w.start(0)


def end_traced(process):
    """strace that is killed would leave the program behind."""
    children = open(f'/proc/{process.pid}/task/{process.pid}/children').read().split()
    for child in children:
        with contextlib.suppress(ProcessLookupError):  # it was faster
            os.kill(int(child), signal.SIGKILL)
    process.wait()


def base(w, call, known={}):
    """How many such calls are made before it serves by the process that makes them then: sendto the one that answers,
    all others the one that holds the key. strace counts for each process."""
    if call not in known:
        folder, trace = w.place.root / 'witness0', w.place.root / 'trace'
        shutil.rmtree(folder / 'state', ignore_errors=True)
        process = subprocess.Popen(['strace', '-f', '-o', str(trace), '-e', f'trace={call},clone,fork', *w.argv(0)],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for_port(w.ports[0])
        end_traced(process)
        text = trace.read_text()
        first = text.split()[0]
        holder = re.search(r'\b(?:clone|fork)\(.* = (\d+)', text).group(1)
        known[call] = len(re.findall(rf'(?m)^{first if call == "sendto" else holder} +{call}\(', text))
        shutil.rmtree(folder / 'state', ignore_errors=True)
    return known[call]


@with_witnesses()
def a_slow_peer_blocks_nobody_and_a_large_one_is_refused(w):
    w.append()
    held = [socket.create_connection(('127.0.0.1', w.ports[0])) for _ in range(50)]
    for connection in held:
        connection.sendall(b'POST /add-checkpoint HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\nold')
    began = time.monotonic()
    status, said = post(w.ports[0], requests_of(w))
    assert status == 409 and time.monotonic() - began < 2, (status, said)
    status, _ = post(w.ports[0], b'x' * 70000)
    assert status == 413, status
    held[0].settimeout(15)
    assert held[0].recv(100) == b'', 'a slow peer was not let go'
    for connection in held:
        connection.close()


@with_witnesses()
def a_witness_may_do_little(w):
    for pid in (w.processes[0].pid, holder_of(w, 0)):
        status = open(f'/proc/{pid}/status').read()
        assert re.search(r'Seccomp:\t2', status) and re.search(r'NoNewPrivs:\t1', status), status


def holder_of(w, number):
    """The process that holds the witness's key."""
    pid = w.processes[number].pid
    return int(open(f'/proc/{pid}/task/{pid}/children').read())


def seed_of(w, number):
    text = (w.place.root / f'witness{number}' / 'key').read_text()
    return base64.b64decode(text.strip().split('+', 4)[4])[1:]


def memory_has(pid, bytes_wanted):
    """Whether the memory of a process that we may trace holds these bytes."""
    with open(f'/proc/{pid}/maps') as maps, open(f'/proc/{pid}/mem', 'rb') as memory:
        for line in maps:
            first, last = (int(word, 16) for word in line.split()[0].split('-'))
            if line.split()[1][0] != 'r' or '[v' in line:
                continue
            memory.seek(first)
            if bytes_wanted in memory.read(last - first):
                return True
    return False


@with_witnesses()
def the_half_that_reads_requests_has_no_key(w):
    if os.geteuid() != 0:
        raise Skip('reading the memory of a process that is not dumpable needs root')
    w.append()
    assert memory_has(holder_of(w, 0), seed_of(w, 0)), 'the search finds nothing'
    assert not memory_has(w.processes[0].pid, seed_of(w, 0))
    os.kill(holder_of(w, 0), signal.SIGKILL)
    assert w.processes[0].wait(timeout=10) == 2
    w.start(0)
    assert w.append() == w.verify(0)['cosigned']


if __name__ == '__main__':
    main([three_witnesses_cosign_and_two_are_enough, the_end_of_a_closed_shard_is_cosigned_too,
          what_enough_have_signed_is_not_given_up_for_less,
          a_ledger_that_was_rolled_back_is_refused_and_recorded,
          an_older_copy_with_the_cosigned_checkpoint_is_tampering,
          a_witness_killed_at_any_call_keeps_its_promise,
          a_slow_peer_blocks_nobody_and_a_large_one_is_refused, a_witness_may_do_little,
          the_half_that_reads_requests_has_no_key])
