"""custody scan: what it finds, in which form it says so, what it remembers, and who answers for what is none."""
import base64
import gzip
import io
import json
import lzma
import os
import pathlib
import tarfile
import tempfile
import time
import zipfile
import zlib

import pdfs
from harness import CARD, CUSTODY, TOKEN, Place, Skip, main, run, wait_until_free

SSN = '457-55' + '-5462'


class Folder:
    """A folder to scan, with a cache of its own and no state folder."""

    def __init__(self, files):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix='custody-scan-'))
        self.tree = self.root / 'tree'
        self.env = {'PATH': '/usr/bin:/bin', 'HOME': str(self.root), 'CUSTODY_HOME': str(self.root / 'none'), 'LANG': 'C.UTF-8'}
        for name, content in files.items():
            self.write(name, content)

    def write(self, name, content):
        path = self.tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        os.utime(path, (1_700_000_000, 1_700_000_000))

    def scan(self, *words, check=0):
        return run([CUSTODY, 'scan', *words], cwd=self.tree, env=self.env, check=check)

    def found(self, *words, check=0):
        return json.loads(self.scan('--format', 'json', *words, check=check).stdout)


def values_are_found_and_never_shown():
    folder = Folder({'a/pay.txt': f'one\ncard {CARD}\n', 'b.env': f'GITHUB_TOKEN={TOKEN}\n', 'clean.c': 'int x;\n'})
    found = folder.found()
    assert [(f['path'], f['line'], f['class'], f['rule']) for f in found if f['class'] == 'pan'] == [
        ('a/pay.txt', 2, 'pan', 'pan.card')], found
    assert any(f['path'] == 'b.env' and f['class'] == 'secret' for f in found), found
    for f in found:
        content = (folder.tree / f['path']).read_bytes()
        assert content[f['start']:f['end']].decode() in (CARD, TOKEN), f
    for words in ((), ('--format', 'json'), ('--format', 'sarif')):
        done = folder.scan(*words)
        assert CARD not in done.stdout + done.stderr and TOKEN not in done.stdout + done.stderr, words
    folder.scan('--fail', check=1)
    folder.scan('--fail', 'clean.c', check=0)
    folder.scan('--format', 'xml', check=3)
    folder.scan('missing.txt', check=3)


def what_is_known_is_not_looked_for_again():
    folder = Folder({f'd{n % 7}/f{n}.txt': f'card {CARD}\n' if n == 40 else f'{n}\n' for n in range(60)})
    time.sleep(1.2)  # what has just changed could change again without a new time
    first = folder.found()
    kept = list((folder.root / '.cache/custody/scan').iterdir())
    assert len(kept) == 1 and kept[0].stat().st_mode & 0o077 == 0, kept
    calls = folder.root / 'calls'
    if not os.path.exists('/usr/bin/strace'):
        raise Skip('strace is not installed')
    # The second time no content is opened.
    run(['strace', '-f', '-e', 'trace=openat', '-o', calls, CUSTODY, 'scan', '--format', 'json'], cwd=folder.tree, env=folder.env, check=0)
    opened = [line for line in calls.read_text().splitlines() if '.txt"' in line]
    assert opened == [], opened
    # One that has become another is looked into, whatever its times say; the rest is not.
    folder.write('d1/f1.txt', f'card  {CARD}\n')
    assert len(folder.found()) == len(first) + 1
    # The same content at another place: known by its blob id.
    os.rename(folder.tree / 'd1/f1.txt', folder.tree / 'd2/f1.txt')
    assert sorted(f['path'] for f in folder.found()) == ['d2/f1.txt', 'd5/f40.txt']
    # What is damaged counts as nothing.
    for cut in (0, 7, 100, -1):
        bytes_ = kept[0].read_bytes()
        kept[0].write_bytes(bytes_[:cut] if cut >= 0 else bytes_[:200] + bytes([bytes_[200] ^ 1]) + bytes_[201:])
        assert len(folder.found()) == 2, cut
    assert folder.found('--fresh') == folder.found()


def a_person_answers_for_what_is_none():
    allow = 'custody:allow pan.card owner=maria until=2099-01-31 reason="published test card"'
    folder = Folder({
        'same.c': f'char *card = "{CARD}"; /* {allow} */\n',
        'before.c': f'/* {allow} */\nchar *card = "{CARD}";\n',
        'class.c': f'char *card = "{CARD}"; // {allow.replace("pan.card", "pan")}\n',
        'expired.c': f'char *card = "{CARD}"; // {allow.replace("2099", "2001")}\n',
        'nobody.c': f'char *card = "{CARD}"; // custody:allow pan.card until=2099-01-31 reason="x"\n',
        'other.c': f'char *card = "{CARD}"; // {allow.replace("pan.card", "secret")}\n',
        'far.c': f'/* {allow} */\n\nchar *card = "{CARD}";\n',
        'impossible.c': f'char *card = "{CARD}"; // {allow.replace("01-31", "02-31")}\n',
        'tests/one.txt': f'card {CARD}\n', 'tests/two.txt': f'ssn {SSN}\n'})
    told = folder.scan('--format', 'json')
    allowed = {f['path'] for f in json.loads(told.stdout) if 'suppressed' in f}
    assert allowed == {'same.c', 'before.c', 'class.c'}, allowed
    assert '3 times a suppression does not count' in told.stderr, told.stderr
    assert 'not recorded' in told.stderr, told.stderr
    (folder.tree / 'custody-suppressions.yaml').write_text(
        'version: 1\nsuppressions:\n'
        '  - { path: "tests/**", rule: pan.card, owner: tom, until: 2099-12-31, reason: test cards }\n')
    found = folder.found()
    assert {f['path'] for f in found if 'suppressed' in f} == allowed | {'tests/one.txt'}, found
    sarif = json.loads(folder.scan('--format', 'sarif').stdout)['runs'][0]
    assert sum('suppressions' in r for r in sarif['results']) == 4
    assert {s['kind'] for r in sarif['results'] for s in r.get('suppressions', [])} == {'inSource', 'external'}
    folder.scan('--fail', 'same.c', check=0)
    folder.scan('--fail', 'other.c', check=1)
    for broken in ('version: 1\nsuppressions:\n  - { path: "a", rule: pan, owner: tom, until: 2099-12-31 }\n',
                   'version: 1\nsuppressions:\n  - { path: "/a", rule: pan, owner: tom, reason: x, until: 2099-12-31 }\n',
                   'version: 1\nsuppressions:\n  - { path: "a", rule: pan, owner: tom, reason: x, until: soon }\n'):
        (folder.tree / 'custody-suppressions.yaml').write_text(broken)
        assert 'custody-suppressions.yaml:3:' in folder.scan(check=3).stderr


def what_a_person_answers_for_is_a_record():
    place = Place(files={'card.txt': f'{CARD} custody:allow pan.card owner=maria until=2099-01-31 reason="test"\n'})
    try:
        place.custody('scan', 'card.txt', check=0)
        records = [json.loads(line) for line in
                   place.custody('log', '--type', 'finding.suppressed', '--json', check=0).stdout.splitlines()]
        assert len(records) == 1 and records[0]['rule'] == 'pan.card' and records[0]['object']['person'] == 'maria', records
        assert records[0]['count'] == 1 and 'test' not in json.dumps(records[0]['object']), records
        # Where it cannot be recorded it does not count.
        wait_until_free(place.home / 'ledger/lock')
        (place.home / 'ledger').rename(place.home / 'gone')
        (place.home / 'ledger').write_text('no folder\n')
        done = place.custody('scan', 'card.txt')
        assert done.returncode not in (0, 1) and 'record what people answer for' in done.stderr, done
    finally:
        place.close()


def sarif_is_sarif():
    try:
        import jsonschema
    except ImportError:
        raise Skip('python3-jsonschema is not installed') from None
    folder = Folder({'a b/ü.txt': f'card {CARD}\ncard {CARD[:-4]} {CARD}\n', 'x.bin': b'\x00\x01\x02' * 40})
    sarif = json.loads(folder.scan('--format', 'sarif').stdout)
    schema = json.loads((pathlib.Path(__file__).parent.parent / 'data/sarif-2.1.0.json').read_text())
    jsonschema.validate(sarif, schema)
    results = sarif['runs'][0]['results']
    assert results[0]['locations'][0]['physicalLocation']['artifactLocation']['uri'] == 'a%20b/%C3%BC.txt', results
    assert len({r['partialFingerprints']['custody/v1'] for r in results}) == len(results) == 2, results
    assert sarif['runs'][0]['invocations'][0]['toolExecutionNotifications'], sarif


def archives_are_opened():
    def packed(members):
        made = io.BytesIO()
        with zipfile.ZipFile(made, 'w', zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return made.getvalue()

    text = f'card {CARD}\nssn: {SSN}\n'
    office = f'<w:document xmlns:w="u"><w:p><w:t>card {CARD[:9]}</w:t><w:t>{CARD[9:]}</w:t></w:p></w:document>'
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode='w:gz') as archive:
        entry = tarfile.TarInfo('d/ü.txt')
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text.encode()))
    once = packed({'a.txt': text})
    twice = packed({'in.zip': once})
    folder = Folder({'a.zip': once, 'b.tar.gz': made.getvalue(), 'c.xz': lzma.compress(text.encode()), 'd.docx': packed({'word/document.xml': office}),
                     'e.zip': twice, 'clean.zip': packed({'a.txt': 'nothing\n'}), 'deep.zip': packed({'in.zip': twice}),
                     'bomb.gz': gzip.compress(b'0' * 200_000_000), 'cut.zip': once[:60]})
    told = folder.scan('--format', 'json')
    assert {f['path'] for f in json.loads(told.stdout)} >= {'a.zip', 'b.tar.gz', 'c.xz', 'd.docx', 'e.zip'}, told
    assert all(name + ': opaque' in told.stderr for name in ('deep.zip', 'bomb.gz', 'cut.zip')), told.stderr
    assert 'clean.zip' not in told.stdout + told.stderr, told


def pdf_files_are_read_by_page():
    clean, card = 'Nothing to see here.', f'Card number {CARD}'
    note = b'<</Type/Annot/Subtype/FreeText/Contents(SSN: %s)/Rect[0 0 9 9]>>' % SSN.encode()
    field = b'<</Type/Annot/Subtype/Widget/FT/Tx/T(ssn)/V(%s)/Rect[0 0 9 9]>>' % SSN.encode()
    xmp = pdfs.stream(f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><card>{CARD}</card></x:xmpmeta>'.encode(), b'/Type/Metadata/Subtype/XML')
    first = pdfs.pages(card)
    changed = pdfs.write({11: pdfs.shown(clean)}, before=first)
    files = {'two.pdf': pdfs.pages(clean, card), 'clean.pdf': pdfs.pages(clean),
             'note.pdf': pdfs.pages(clean, more={100: note}), 'field.pdf': pdfs.pages(clean, more={100: field}),
             'info.pdf': pdfs.pages(clean, more={100: f'<</Title({card})>>'.encode()}, info=100),
             'xmp.pdf': pdfs.pages(clean, more={100: xmp}), 'changed.pdf': changed,
             'attached.pdf': pdfs.pages(clean, more={100: pdfs.stream(card.encode(), b'/Type/EmbeddedFile')}),
             'picture.pdf': pdfs.pages(clean, more={100: pdfs.stream(b'x' * 99, b'/Subtype/Image')}),
             'no_table.pdf': pdfs.pages(card).replace(b'xref', b'xrem'),
             'cut.pdf': pdfs.pages(card)[:120], 'a.json': json.dumps({'data': base64.b64encode(pdfs.pages(card)).decode()})}
    with tempfile.TemporaryDirectory() as made:
        at = pathlib.Path(made)
        (at / 'in').write_bytes(pdfs.pages(clean, card))
        for name, words in {'packed.pdf': ['--object-streams=generate'], 'web.pdf': ['--linearize'],
                            'open.pdf': ['--encrypt', '', 'o', '256', '--'], 'locked.pdf': ['--encrypt', 'u', 'o', '256', '--']}.items():
            run(['qpdf', *words[:1], *words[1:], 'in', name], cwd=at, check=0)
            files[name] = (at / name).read_bytes()
    folder = Folder(files)
    done = folder.scan('--format', 'json')
    found = json.loads(done.stdout)
    where = {(f['path'], f.get('page'), f['class']) for f in found if f['confidence'] != 'low'}
    assert where >= {('two.pdf', 2, 'pan'), ('note.pdf', None, 'pii'), ('field.pdf', None, 'pii'), ('info.pdf', None, 'pan'),
                     ('xmp.pdf', None, 'pan'), ('changed.pdf', 1, 'pan'), ('attached.pdf', None, 'pan'), ('no_table.pdf', 1, 'pan'),
                     ('a.json', None, 'pan'), ('packed.pdf', 2, 'pan'), ('web.pdf', 2, 'pan'), ('open.pdf', 2, 'pan')}, where
    assert not any(path in ('clean.pdf', 'locked.pdf', 'cut.pdf', 'picture.pdf') for path, _, _ in where), where
    opaque = {line.split(': ')[1] for line in done.stderr.splitlines() if ': opaque' in line}
    assert opaque == {'picture.pdf', 'cut.pdf', 'locked.pdf'}, opaque
    for f in found:
        assert 0 <= f['start'] < f['end'] <= (folder.tree / f['path']).stat().st_size, f
    again = folder.scan('--format', 'json')
    assert again.stdout == done.stdout
    assert 'two.pdf, page 2: pan pan.card' in folder.scan().stdout
    assert CARD not in done.stdout + done.stderr


def hostile_pdf_files_end():
    clean = 'Nothing to see here.'
    deep = zlib.compress(zlib.compress(b'\0' * (1 << 28), 9), 9)
    bomb = b'<</Filter[/FlateDecode/FlateDecode]/Length %d>>\nstream\n%s\nendstream' % (len(deep), deep)
    within = {n: pdfs.stream(b'/X Do ' * 50, b'/Subtype/Form/Resources<</XObject<</X %d 0 R>>>>' % (n + 1 if n < 109 else 100))
              for n in range(100, 110)}
    within[11] = within[100]
    folder = Folder({'bomb.pdf': pdfs.pages(clean, more={100: bomb}), 'forms.pdf': pdfs.pages(clean, more=within),
                     'loop.pdf': pdfs.write({1: b'<</Type/Catalog/Pages 2 0 R>>', 2: b'<</Type/Pages/Kids[2 0 R 2 0 R]/Count 2>>'}),
                     'nested.pdf': pdfs.pages(clean, more={100: b'[' * 100_000}), 'size.pdf': pdfs.pages(clean).replace(b'/Size 12', b'/Size 2147483647'),
                     'card.txt': f'card {CARD}\n'})
    done = folder.scan('--format', 'json')
    assert {f['path'] for f in json.loads(done.stdout)} == {'card.txt'}, done
    opaque = {line.split(': ')[1] for line in done.stderr.splitlines() if ': opaque' in line or ': not examined' in line}
    assert opaque >= {'bomb.pdf', 'forms.pdf', 'loop.pdf', 'size.pdf'}, done.stderr


def a_pdf_with_findings_is_not_shown():
    place = Place(files={'report.pdf': pdfs.pages(f'Card number {CARD}'), 'clean.pdf': pdfs.pages('Nothing to see here.')})
    try:
        done = place.run('sh', '-c', 'ls >seen.txt; cp clean.pdf copy.pdf', check=0)
        listed = place.git('show', f'custody/{done["run"]}:seen.txt').split()
        assert 'clean.pdf' in listed and 'report.pdf' not in listed, listed
        copied = place.git('ls-tree', '--name-only', f'custody/{done["run"]}').split()
        assert {'report.pdf', 'copy.pdf'} <= set(copied), copied
    finally:
        place.close()


def rules_of_another_scanner_are_taken_over():
    token = 'ownvendor_' + 'k3j9x2m7q5w8' * 2
    foreign = ("[[rules]]\nid = 'own-vendor'\nregex = '''ownvendor_[a-z0-9]{24}'''\nkeywords = ['ownvendor_']\n"
               "[[rules]]\nid = 'only-a-path'\npath = '[.]p12$'\n")
    folder = Folder({'a.txt': token + '\n', 'own.toml': foreign,
                     'two.toml': foreign.replace('9]', '9')})
    home = folder.root / 'none'
    assert not folder.found()
    taken = run([CUSTODY, 'rules', 'import', 'own.toml'], cwd=folder.tree, env=folder.env)
    assert '1 rules' in taken.stdout and 'only-a-path: it is a path only' in taken.stderr, taken
    assert [f['rule'] for f in folder.found() if f['path'] == 'a.txt'] == ['secret.imported.own-vendor']
    again = run([CUSTODY, 'rules', 'import', 'own.toml'], cwd=folder.tree, env=folder.env, check=1)
    assert 'is there already' in again.stderr, again
    wrong = run([CUSTODY, 'rules', 'import', 'two.toml', '--out', 'new'], cwd=folder.tree, env=folder.env, check=3)
    assert 'two.toml:1: wrong: own-vendor: ' in wrong.stderr and not list((folder.tree / 'new').glob('*')), wrong
    told = run([CUSTODY, 'rules', 'import', 'own.toml', '--out', 'new', '--json'], cwd=folder.tree, env={**folder.env, 'CUSTODY_HOME': str(folder.root / 'other')})
    told = json.loads(told.stdout)
    assert told['taken'] == 1 and told['left_out'] == 1 and told['notes'][0]['rule'] == 'only-a-path', told
    assert (home / 'rules/own.yaml').read_bytes() == (folder.tree / 'new/own.yaml').read_bytes()


def hostile_trees_end():
    folder = Folder({'x.txt': 'x\n'})
    deep = folder.tree
    for _ in range(140):
        deep = deep / 'd'
    deep.mkdir(parents=True)
    (deep / 'card.txt').write_text(CARD)
    os.mkfifo(folder.tree / 'fifo')
    os.symlink('/etc', folder.tree / 'link')
    os.symlink('.', folder.tree / 'loop')
    (folder.tree / 'locked').write_text(CARD)
    (folder.tree / 'huge').open('wb').truncate(70 << 20)
    done = folder.scan()
    assert 'too many folders deep' in done.stdout and 'huge: too large' in done.stdout, done.stdout[-500:]


if __name__ == '__main__':
    main([values_are_found_and_never_shown, what_is_known_is_not_looked_for_again, a_person_answers_for_what_is_none,
         what_a_person_answers_for_is_a_record, sarif_is_sarif, archives_are_opened,
         pdf_files_are_read_by_page, hostile_pdf_files_end, a_pdf_with_findings_is_not_shown,
         rules_of_another_scanner_are_taken_over, hostile_trees_end])
