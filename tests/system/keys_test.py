"""Where the signing key is kept: plainly, sealed, in a TPM (swtpm), in a token (SoftHSM2); and what is said when it cannot be had."""
import base64
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time

from harness import CUSTODY, Place, Skip, free_port, main, run, wait_until_free
from user_test import user_place

SOFTHSM = '/usr/lib/softhsm/libsofthsm2.so'
WRONG_USE, HOST = 3, 4


class Keys:
    """A ledger whose daemon ends soon, so that each `custody` opens the key anew."""

    def __init__(self, place=None):
        self.place = place or Place()
        self.home = self.place.home
        self.key = self.home / 'keys/ledger.key'
        self.ended()

    def ended(self):
        """Waits until no daemon runs: the key is in nobody's memory."""
        wait_until_free(self.home / 'ledger/lock')

    def custody(self, *words, check=0, env=None):
        self.ended()
        done = self.place.custody(*words, check=check, env=env)
        self.ended()
        return done

    def appends(self, env=None):
        """A run writes its records, signs a checkpoint, and the whole ledger holds."""
        before = self.size()
        result = self.place.run('true', env=env)
        assert result['exit'] == 2, result['stderr']
        self.ended()
        assert self.size() > before
        self.place.custody('verify', check=0)

    def refuses(self, words, code, env=None):
        """No run, and why not; nothing is changed by it."""
        before = self.size(), self.key.read_bytes()
        result = self.place.run('true', env=env)
        assert result['exit'] == code, (result['exit'], code, result['stderr'])
        assert words in result['stderr'], result['stderr']
        self.ended()
        assert (self.size(), self.key.read_bytes()) == before

    def size(self):
        return int((self.home / 'ledger/checkpoint').read_text().splitlines()[1])

    def standing(self):
        return json.loads(self.place.custody('key', 'show', '--json', check=0).stdout)

    def secret(self, name='secret', content=None):
        path = self.place.root / name
        path.write_bytes(os.urandom(32) if content is None else content)
        path.chmod(0o600)
        self.place.own()
        return path

    def seed(self):
        """The text of the plain key, to look for it elsewhere."""
        return self.key.read_text().strip().split('+', 4)[4]

    def close(self):
        self.place.close()


@contextlib.contextmanager
def keys(place=None):
    made = Keys(place)
    try:
        yield made
    finally:
        made.close()


def need(*programs):
    for program in programs:
        if not shutil.which(program) and not os.path.exists(program):
            raise Skip(f'{program} is not installed')


class Tpm:
    """swtpm on loopback, with a state of its own."""

    def __init__(self, folder):
        need('swtpm')
        folder.mkdir()
        self.port = self.free_pair()
        self.process = subprocess.Popen(
            ['swtpm', 'socket', '--tpm2', '--tpmstate', f'dir={folder}', '--flags', 'not-need-init,startup-clear',
             '--server', f'type=tcp,port={self.port},bindaddr=127.0.0.1',
             '--ctrl', f'type=tcp,port={self.port + 1},bindaddr=127.0.0.1'],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.env = {'CUSTODY_TPM': f'swtpm:port={self.port}'}
        # Nobody connects to look: swtpm serves one connection, and goes with it.
        for _ in range(400):
            if self.listens(self.port) and self.listens(self.port + 1):
                return
            time.sleep(0.02)
        raise AssertionError('swtpm does not listen')

    @staticmethod
    def listens(port):
        return any(line.split()[1].endswith(f':{port:04X}') and line.split()[3] == '0A'
                   for line in pathlib.Path('/proc/net/tcp').read_text().splitlines()[1:])

    @staticmethod
    def free_pair():
        for _ in range(50):
            port = free_port()
            with contextlib.suppress(OSError), socket.socket() as next_one:
                next_one.bind(('127.0.0.1', port + 1))
                return port
        raise AssertionError('no two ports in a row')

    def tool(self, *words):
        need(words[0])
        run(words, env={**os.environ, 'TPM2TOOLS_TCTI': self.env['CUSTODY_TPM']}, check=0)

    def close(self):
        self.process.kill()
        self.process.wait()


class Token:
    """A SoftHSM2 token in a folder of its own."""

    def __init__(self, keys_, label='custody', pin='87654321'):
        need('softhsm2-util', SOFTHSM)
        self.keys, self.label, self.pin = keys_, label, pin
        self.root = keys_.place.root / 'hsm'
        (self.root / 'tokens').mkdir(parents=True, exist_ok=True)
        self.conf = self.root / 'conf'
        self.configure()
        self.env = {'SOFTHSM2_CONF': str(self.conf)}
        keys_.place.own()
        run([*keys_.place.prefix, 'softhsm2-util', '--init-token', '--free', '--label', label, '--so-pin', '12345678', '--pin', pin],
            env={**os.environ, **self.env}, check=0)
        self.pin_file = keys_.secret('pin', pin.encode() + b'\n')
        keys_.place.env.update(self.env)

    def configure(self, *lines):
        self.conf.write_text('\n'.join([f'directories.tokendir = {self.root}/tokens', 'objectstore.backend = file',
                                        'log.level = ERROR', *lines, '']))

    def uri(self, object_='ledger', token=None, module=SOFTHSM):
        return (f'pkcs11:token={token or self.label};object={object_}?module-path={module}'
                f'&pin-source=file:{self.pin_file}')

    def forget(self):
        shutil.rmtree(self.root / 'tokens')
        (self.root / 'tokens').mkdir()


def processes(name):
    found = []
    for status in pathlib.Path('/proc').glob('[0-9]*/comm'):
        with contextlib.suppress(OSError):
            if status.read_text().strip() == name[:15]:
                found.append(status.parent)
    return found


def a_sealed_key_signs_and_the_plain_one_is_gone():
    with keys() as k:
        seed, vkey = k.seed(), k.standing()['vkey']
        done = k.custody('key', 'seal', '--with', k.secret(), '--json')
        shown = json.loads(done.stdout)
        assert (shown['kind'], shown['before'], shown['vkey']) == ('sealed', 'plain', vkey)
        assert k.key.stat().st_mode & 0o777 == 0o600
        for path in filter(pathlib.Path.is_file, (k.home / 'keys').rglob('*')):
            assert seed.encode() not in path.read_bytes(), path
        k.appends()
        stored = k.place.log('--type', 'key.stored')
        assert [(row['reason'], row['mechanism'], row['outcome']) for row in stored] == \
            [('sealed', 'plain', 'intended'), ('sealed', 'plain', 'ok')]
        assert stored[1]['intent'] == stored[0]['seq']
        k.custody('key', 'seal', '--with', k.secret('other', b'a phrase that opens it\n'))
        k.appends()
        k.custody('key', 'unseal')
        assert k.seed() == seed
        k.appends()


def what_keeps_a_sealed_key_shut_is_said():
    with keys() as k:
        secret = k.secret()
        k.custody('key', 'seal', '--with', secret)
        text = k.key.read_bytes()
        k.refuses('the secret does not open it', WRONG_USE, {'CUSTODY_KEY_SECRET': f'file:{k.secret("wrong")}'})
        k.refuses('mount the volume', WRONG_USE, {'CUSTODY_KEY_SECRET': 'file:/nowhere/secret'})
        secret.chmod(0o644)
        k.refuses('can be read by others', WRONG_USE)
        secret.chmod(0o600)
        at = text.index(b'ciphertext ') + 20
        for changed in (text[:-1], text[:at] + bytes([text[at] ^ 1]) + text[at + 1:], text.replace(b'custody-', b'another-', 2)):
            k.key.write_bytes(changed)
            k.refuses('keys/ledger.key', WRONG_USE)
        k.key.write_bytes(text)
        k.key.chmod(0o640)
        k.refuses('chmod 600', WRONG_USE)
        k.key.chmod(0o600)
        published = k.home / 'keys/ledger.vkey'
        own = published.read_text()
        published.write_text('custody-else-00000000+2ae4436d+AWuu6N4clJWsOxw/qeXSxHP5hL60JhLMssg0aM7aOxv8\n')
        k.refuses('is not the key\'s that signs', WRONG_USE)
        published.write_text(own)
        k.appends()


def a_secret_may_be_a_credential_or_a_descriptor():
    with keys() as k:
        secret = k.secret()
        k.custody('key', 'seal', '--with', secret, '--credential', 'custody-ledger')
        secret.unlink()
        k.refuses('LoadCredentialEncrypted=custody-ledger', WRONG_USE)
        folder = k.place.root / 'credentials'
        folder.mkdir()
        k.refuses('the unit has no credential', WRONG_USE, {'CREDENTIALS_DIRECTORY': str(folder)})
        k.custody('key', 'unseal', check=WRONG_USE)
        with keys() as other:  # whose secret is known in here
            content = os.urandom(32)
            other.custody('key', 'seal', '--with', other.secret('a', content), '--credential', 'custody-ledger')
            (other.place.root / 'custody-ledger').write_bytes(content)
            other.appends({'CREDENTIALS_DIRECTORY': str(other.place.root)})
            read_end = os.memfd_create('secret')
            os.write(read_end, content)
            os.set_inheritable(read_end, True)
            for _ in range(2):
                done = subprocess.run([CUSTODY, 'prove', '0', '--out', other.place.root / f'proof{_}'], pass_fds=[read_end],
                                      env={**other.place.env, 'CUSTODY_KEY_SECRET': f'fd:{read_end}'}, cwd=other.place.repo,
                                      capture_output=True, text=True)
                assert done.returncode == 0, done.stderr
                done = subprocess.run([CUSTODY, 'run', '--requester', 'tom', '--', 'true'], pass_fds=[read_end],
                                      env={**other.place.env, 'CUSTODY_KEY_SECRET': f'fd:{read_end}'}, cwd=other.place.repo,
                                      capture_output=True, text=True)
                assert done.returncode == 2, done.stderr
                other.ended()
            os.close(read_end)


def contradictions_are_refused_and_change_nothing():
    with keys() as k:
        text, secret = k.key.read_bytes(), k.secret()
        for words, why in (
                ((), 'one of --with'),
                (('--with', secret, '--tpm'), 'one of them keeps the key'),
                (('--with', secret, '--to-pkcs11', 'pkcs11:x'), 'one of them keeps the key'),
                (('--pcrs', 'sha256:7'), '--tpm'),
                (('--tpm', '--pcrs', 'sha256:99'), 'PCRs are written'),
                (('--credential', 'x'), 'bytes are needed'),
                (('--with', 'fd:9'), 'not there at the next start'),
                (('--with', k.place.root / 'none'), 'openssl rand'),
                (('--with', k.secret('short', b'short\n')), 'at least 12 characters'),
                (('--to-pkcs11', 'pkcs11:token=t;object=o?module-path=/m&pin-value=1'), 'PIN does not belong')):
            done = k.custody('key', 'seal', *words, check=WRONG_USE)
            assert why in done.stderr, done.stderr
        assert 'plain already' in k.custody('key', 'unseal', check=WRONG_USE).stderr
        assert 'signing key already' in k.custody('init', '--seal-with', secret, check=WRONG_USE).stderr
        assert k.key.read_bytes() == text
        assert k.place.log('--type', 'key.stored') == []
        k.appends()


def a_change_that_is_killed_at_any_call_leaves_a_whole_key():
    need('strace')
    with keys() as k:
        k.place.env['CUSTODY_LEDGER_LINGER_MS'] = '3000'  # the daemon stays, and is not what is killed
        seed, secret = k.seed(), k.secret()
        killed = 0
        for call in ('linkat', 'renameat', 'pwrite64', 'unlinkat', 'fsync'):
            for number in range(1, 6):
                k.place.custody('log', '--type', 'heartbeat')
                done = run(['strace', '-o', '/dev/null', '-e', f'trace={call}', '-e', f'inject={call}:signal=SIGKILL:when={number}',
                            CUSTODY, 'key', 'seal', '--with', secret], env=k.place.env, cwd=k.place.repo)
                now = k.standing()
                assert now['kind'] in ('plain', 'sealed')
                was_killed = done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)
                killed += was_killed
                if now['kind'] == 'sealed':
                    k.place.custody('key', 'unseal', check=0)
                    assert k.seed() == seed
                if not was_killed:
                    assert done.returncode == 0, done.stderr
                    break
        assert killed >= 8, killed
        assert list((k.home / 'keys').glob('ledger.key?*')) == []
        problems = [row for row in k.place.log('--type', 'key.stored') if row['outcome'] == 'failed']
        assert problems == []
        k.place.custody('verify', check=0)


def a_change_that_fails_leaves_the_key_as_it_was():
    need('strace')
    with keys() as k:
        text, secret = k.key.read_bytes(), k.secret()
        k.place.env['CUSTODY_LEDGER_LINGER_MS'] = '3000'
        for call in ('linkat', 'renameat', 'fsync', 'pwrite64'):
            k.place.run('true')  # the daemon is there, and is not what fails
            done = run(['strace', '-o', '/dev/null', '-e', f'trace={call}', '-e', f'inject={call}:error=EIO:when=1',
                        CUSTODY, 'key', 'seal', '--with', secret], env=k.place.env, cwd=k.place.repo, check=2)
            assert 'Input/output error' in done.stderr, done.stderr
            if call != 'pwrite64':
                assert k.key.read_bytes() == text
                assert list((k.home / 'keys').glob('ledger.key?*')) == []
        # Sealed, but the old bytes could not be overwritten: that is said until they are.
        assert k.standing()['kind'] == 'sealed' and 'broken off' in k.standing()['fix']
        assert [row['outcome'] for row in k.place.log('--type', 'key.stored')] == ['intended', 'failed'] * 4
        k.place.custody('key', 'seal', '--with', secret, check=0)
        assert list((k.home / 'keys').glob('ledger.key?*')) == []
        k.ended()
        k.appends()


def a_seed_in_a_tpm_comes_out_in_that_tpm_and_state_only():
    need('tpm2_pcrextend')
    with keys() as k:
        tpm, seed = Tpm(k.place.root / 'tpm'), k.seed()
        k.place.env.update(tpm.env)
        try:
            k.custody('key', 'seal', '--tpm', '--pcrs', 'sha256:7,16')
            assert k.standing()['kind'] == 'tpm2'
            for path in filter(pathlib.Path.is_file, (k.home / 'keys').rglob('*')):
                assert seed.encode() not in path.read_bytes(), path
            k.appends()
            tpm.tool('tpm2_pcrextend', '16:sha256=' + '00' * 31 + '01')
            k.refuses('the PCRs are not what they were', HOST)
            assert k.custody('key', 'unseal', check=HOST).stderr.count('PCRs') == 1
            tpm.tool('tpm2_pcrreset', '16')
            k.appends()
            text = k.key.read_text()
            k.key.write_text(re.sub('(?m)^pcrs .*$', 'pcrs sha256:7', text))
            k.refuses('the PCRs are not what they were', HOST)
            at = text.index('private ') + 60
            k.key.write_text(text[:at] + ('A' if text[at] != 'A' else 'B') + text[at + 1:])
            k.refuses('TPM', HOST)
            k.key.write_text(text)
            other = Tpm(k.place.root / 'other-tpm')
            try:
                k.refuses('sealed by another TPM', HOST, other.env)
            finally:
                other.close()
            k.refuses('no TPM 2.0 answers', HOST, other.env)
            k.refuses('is reached by device:', WRONG_USE, {'CUSTODY_TPM': 'cmd:true'})
            k.custody('key', 'seal', '--tpm')  # other registers, without the plain key in between
            assert 'sha256:7' in k.standing()['fix']
            k.appends()
            k.custody('key', 'unseal')
            assert k.seed() == seed
        finally:
            tpm.close()
        k.appends()


def a_new_ledger_may_begin_with_a_sealed_key():
    with keys() as k:
        tpm = Tpm(k.place.root / 'tpm')
        try:
            for number, words in enumerate((('--tpm', '--pcrs', 'sha256:7'), ('--seal-with', k.secret()))):
                env = {'CUSTODY_HOME': str(k.place.root / f'home{number}'), **tpm.env}
                k.custody('init', *words, env=env)
                shown = json.loads(k.place.custody('key', 'show', '--json', env=env, check=0).stdout)
                assert shown['kind'] == ('tpm2', 'sealed')[number]
                k.place.custody('verify', env=env, check=0)
        finally:
            tpm.close()


def a_key_in_a_token_signs_in_a_process_of_its_own():
    with keys() as k:
        token = Token(k)
        env = {'CUSTODY_HOME': str(k.place.root / 'token-home')}
        k.custody('init', '--key', token.uri(), env=env)
        k.place.env.update(env)
        k.home = k.place.home = k.place.root / 'token-home'
        k.key = k.home / 'keys/ledger.key'
        k.place.policy()
        assert k.key.read_text().splitlines()[0] == 'custody-key/v1 pkcs11'
        k.appends()
        k.place.env['CUSTODY_LEDGER_LINGER_MS'] = '3000'
        k.place.run('true')
        signer = [path for path in processes('custody-signer') if 'custody-signer' in (path / 'comm').read_text()]
        mapped = [path for path in signer if 'libsofthsm2' in (path / 'maps').read_text()]
        assert mapped, 'no signer has the module'
        assert all('Seccomp:\t2' in (path / 'status').read_text() for path in mapped)
        assert not [path for path in processes('custody-ledger') if 'libsofthsm2' in (path / 'maps').read_text()]
        k.ended()
        k.place.env['CUSTODY_LEDGER_LINGER_MS'] = '300'
        assert 'never leaves' in k.custody('key', 'unseal', check=WRONG_USE).stderr
        assert 'never leaves' in k.custody('key', 'seal', '--with', k.secret(), check=WRONG_USE).stderr
        k.appends()


def what_keeps_a_token_from_signing_is_said():
    with keys() as k:
        token = Token(k)
        k.custody('key', 'seal', '--to-pkcs11', token.uri())
        k.appends()
        text = k.key.read_text()
        token.pin_file.write_text('1111\n')
        k.refuses('the token refuses the PIN', WRONG_USE)
        token.pin_file.unlink()
        k.refuses('PIN', WRONG_USE)
        token.pin_file = k.secret('pin', token.pin.encode())
        k.appends()
        for uri, words, code in ((token.uri(module='/nowhere/module.so'), 'load the PKCS#11 module', HOST),
                                 (token.uri(module=CUSTODY), 'PKCS#11 module', HOST),
                                 (token.uri(token='other'), 'has no token other', HOST),
                                 (token.uri('other'), 'has no private key of that name', WRONG_USE)):
            k.key.write_text(re.sub('(?m)^uri .*$', lambda _, uri=uri: f'uri {uri}', text))
            k.refuses(words, code)
        k.key.write_text(text)
        token.configure('slots.mechanisms = CKM_RSA_PKCS,CKM_SHA256')
        k.refuses('does not sign Ed25519', HOST)
        token.configure()
        kept = shutil.copytree(token.root / 'tokens', k.place.root / 'kept')
        token.forget()
        Token(k)
        env = {'CUSTODY_HOME': str(k.place.root / 'other-home')}
        k.place.custody('init', '--key', token.uri(), env=env, check=0)  # a token with another key of that name
        k.refuses('is not the one that the ledger was begun with', WRONG_USE)
        token.forget()
        shutil.copytree(kept, token.root / 'tokens', dirs_exist_ok=True)
        k.appends()


def the_signer_signs_only_what_leads_on():
    with keys() as k:
        token = Token(k)
        k.custody('key', 'seal', '--to-pkcs11', token.uri())
        k.appends()
        (signed,) = (k.home / 'keys').glob('signed-*')
        memory = signed.read_text().splitlines()
        assert memory[1] == str(k.size())
        size = k.size()
        kept = k.place.root / 'kept'
        shutil.copytree(k.home / 'ledger', kept)
        k.appends()
        # The ledger of before, as whoever took over its process and its files would like to go on with.
        newest = k.place.root / 'newest'
        (k.home / 'ledger').rename(newest)
        shutil.copytree(kept, k.home / 'ledger')
        result = k.place.run('true')
        k.ended()
        assert result['exit'] != 0
        assert k.size() == size
        fault = (k.home / 'ledger/state/last-fault').read_text()
        assert 'does not lead on' in fault, fault
        shutil.rmtree(k.home / 'ledger')
        newest.rename(k.home / 'ledger')
        # It signed, and the ledger did not hear of it: the next checkpoint meets that one on its way.
        k.appends()
        signed.write_text('\n'.join([memory[0], memory[1], 'A' * 43 + '=']) + '\n')
        result = k.place.run('true')
        k.ended()
        assert result['exit'] != 0
        assert 'does not lead on' in (k.home / 'ledger/state/last-fault').read_text()


def a_ledger_without_its_signer_ends_and_begins_anew():
    with keys() as k:
        token = Token(k)
        k.custody('key', 'seal', '--to-pkcs11', token.uri())
        k.place.env['CUSTODY_LEDGER_LINGER_MS'] = '5000'
        k.place.run('true')
        for path in processes('custody-signer'):
            with contextlib.suppress(OSError):
                if str(k.home).encode() in (path / 'environ').read_bytes():
                    os.kill(int(path.name), signal.SIGKILL)
        done = k.place.custody('prove', '0', '--out', k.place.root / 'proof')
        assert done.returncode in (0, 2), done.stderr
        result = k.place.run('true')  # by the old daemon, which ends, or by a new one
        k.place.env['CUSTODY_LEDGER_LINGER_MS'] = '300'
        assert result['exit'] in (1, 2, 3, 4)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and not (k.home / 'ledger/state/last-fault').exists():
            time.sleep(0.1)
        assert 'signer' in (k.home / 'ledger/state/last-fault').read_text()
        k.ended()
        k.appends()


def a_new_shard_has_a_key_that_is_kept_as_the_old_one_was():
    with keys() as k:
        token, tpm = Token(k), Tpm(k.place.root / 'tpm')
        k.place.env.update(tpm.env)
        try:
            for words, kind in ((('--with', k.secret()), 'sealed'), (('--tpm',), 'tpm2'), (('--to-pkcs11', token.uri()), 'pkcs11')):
                k.custody('key', 'seal', *words)
                for _ in range(2):
                    old = k.standing()
                    k.custody('key', 'rotate')
                    new = k.standing()
                    assert new['kind'] == kind and new['vkey'] != old['vkey'], new
                    result = k.place.run('true')
                    assert result['exit'] == 2, result['stderr']
                    k.ended()
                    k.place.custody('verify', '--key', old['vkey'], check=0)
                if kind != 'pkcs11':
                    k.custody('key', 'unseal')
        finally:
            tpm.close()


def a_new_shard_after_a_lost_secret_is_kept_as_a_person_says():
    with keys() as k:
        secret = k.secret()
        k.custody('key', 'seal', '--with', secret)
        secret.unlink()
        said = k.custody('key', 'replace', '--lost', check=WRONG_USE).stderr
        assert 'move that away' in said, said
        k.key.rename(k.place.root / 'old.key')
        k.custody('key', 'replace', '--lost')
        assert k.standing()['kind'] == 'plain'
        k.custody('key', 'seal', '--with', k.secret())
        k.appends()


def the_seed_is_in_memory_once_and_locked():
    if os.geteuid() != 0:
        raise Skip('only root reads the memory of a process that is not dumpable')
    with keys() as k:
        text = k.seed()
        seed = base64.b64decode(text)[1:]
        k.custody('key', 'seal', '--with', k.secret())
        k.place.env['CUSTODY_LEDGER_LINGER_MS'] = '3000'
        k.place.run('true')
        for path in processes('custody-ledger'):
            with contextlib.suppress(OSError):
                if str(k.home).encode() in (path / 'environ').read_bytes():
                    break
        else:
            raise AssertionError('the daemon is gone')
        found, locked = [], 0
        with open(path / 'mem', 'rb', buffering=0) as memory:
            for line in (path / 'smaps').read_text().splitlines():
                area = re.match(r'([0-9a-f]+)-([0-9a-f]+) rw', line)
                if area:
                    start, end = (int(word, 16) for word in area.groups())
                    memory.seek(start)
                    content = memory.read(end - start) or b''
                    found += [(start, end)] * content.count(seed)
                    assert text.encode() not in content
                elif line.startswith('Locked:') and found and area is None and found[-1] == (start, end):
                    locked = int(line.split()[1])
        assert len(found) == 1, found
        limit = re.search('Max locked memory +([0-9]+|unlimited)', (path / 'limits').read_text()).group(1)
        assert locked > 0 or limit == '0', (locked, limit)


def an_ordinary_user_keeps_a_key_in_each_way():
    with user_place() as place:
        k = Keys(place)
        k.custody('key', 'seal', '--with', k.secret())
        k.appends()
        token = Token(k)
        k.custody('key', 'seal', '--to-pkcs11', token.uri())
        k.appends()


def doctor_says_how_the_key_is_kept():
    with keys() as k:
        report = json.loads(k.place.custody('doctor', '--json').stdout)
        assert report['key']['kind'] == 'plain' and '--tpm' in report['key']['fix']
        k.custody('key', 'seal', '--with', k.secret())
        assert 'signing key           sealed' in k.place.custody('doctor').stdout


if __name__ == '__main__':
    main([a_sealed_key_signs_and_the_plain_one_is_gone, what_keeps_a_sealed_key_shut_is_said,
          a_secret_may_be_a_credential_or_a_descriptor, contradictions_are_refused_and_change_nothing,
          a_change_that_is_killed_at_any_call_leaves_a_whole_key,
          a_change_that_fails_leaves_the_key_as_it_was, a_seed_in_a_tpm_comes_out_in_that_tpm_and_state_only, a_new_ledger_may_begin_with_a_sealed_key,
          a_key_in_a_token_signs_in_a_process_of_its_own, what_keeps_a_token_from_signing_is_said,
          the_signer_signs_only_what_leads_on, a_ledger_without_its_signer_ends_and_begins_anew,
          a_new_shard_has_a_key_that_is_kept_as_the_old_one_was,
          a_new_shard_after_a_lost_secret_is_kept_as_a_person_says, the_seed_is_in_memory_once_and_locked, an_ordinary_user_keeps_a_key_in_each_way,
          doctor_says_how_the_key_is_kept])
