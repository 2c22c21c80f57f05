#!/usr/bin/env python3
"""What parses before its values are replaced parses with the stand-ins, too."""
import csv
import io
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree

sys.path.insert(0, os.path.dirname(__file__))
from harness import CARD, TOKEN, Place, Skip, main, run

SSN = '457-' + '55-' + '5462'
PEM = ['-----BEGIN ' + 'PRIVATE KEY-----', 'MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj',
       'MzEfYyjiWA4R4Qk1fGb3o2tT7aBcD9eFgHiJkLmNoPqRsTuVwXyZ0123456789ab', '-----END ' + 'PRIVATE KEY-----']
PASSWORD = 'Tr0ub4dor' + '&3x'
ESCAPED = 'pa' + '\\u0073\\"\\n\\tQ7w\\\\9kX2'
URL = 'postgres://app:' + 'hunter2x9Q@db.example.net:5432/x'
PATIENT = ('{"resourceType":"Patient","name":[{"family":"Chalmers","given":["Peter","Zo\\u00eb"]}],"birthDate":"1974-12-25",'
           '"telecom":[{"system":"phone","value":"(03) 5555 6473"}],"active":true}')

FILES = {
    'a.json': '{"card": %s, "ssn": "%s", "token": "%s",\n "password": "%s", "url": "%s"}\n' % (CARD, SSN, TOKEN, ESCAPED, URL),
    'patient.json': PATIENT + '\n',
    'a.hl7': 'MSH|^~\\&|A|B\rPID|1||12345^^^H^MR||DOE^JANE^Q||19800131|F|||1 MAIN ST^^SPRINGFIELD||555-0100\rOBX|1|NM|x||5\r',
    'a.csv': 'name,card,note\n"ann, b",%s,"say ""x"""\nbob,5555555555554444,ssn %s\n' % (CARD, SSN),
    'a.xml': '<p card="%s"><token>%s</token><password>%s</password></p>\n' % (CARD, TOKEN, PASSWORD.replace('&', '&amp;')),
    'a.yaml': 'card: %s\npassword: "%s"\ntoken: %s\nkey: |\n%s\n' % (CARD, PASSWORD, TOKEN, '\n'.join('  ' + l for l in PEM)),
    'a.c': '#include <stddef.h>\nstatic const char *const token = "%s";\nlong long card = %s; /* ssn %s */\n'
           'const char *password = "%s";\nconst char *key = "%s";\nconst char *f(void) { return token + (key == NULL); }\n'
           % (TOKEN, CARD, SSN, ESCAPED.replace('\\u0073', '\\x73'), '\\n'.join(PEM)),
    'a.py': 'card = %s\ntoken = "%s"\npassword = "%s"\nkey = """%s\n"""\n# ssn %s\nurl = "%s"\n'
            % (CARD, TOKEN, ESCAPED, '\n'.join(PEM), SSN, URL),
    'A.java': 'class A {\n  String card = "%s";\n  String token = "%s";\n  String password = "%s";\n  String key = "%s";\n}\n'
              % (CARD, TOKEN, ESCAPED, '\\n'.join(PEM)),
    'a.js': 'const card = %s, token = "%s";\nconst password = "%s";\nconst key = `%s`;\nmodule.exports = [card, token, password, key];\n'
            % (CARD, TOKEN, ESCAPED, '\n'.join(PEM)),
    'a.go': 'package main\n\nvar card int64 = %s\nvar token = "%s"\nvar password = "%s"\nvar key = `%s`\n'
            % (CARD, TOKEN, ESCAPED, '\n'.join(PEM)),
}
HELD = [CARD, TOKEN, PEM[1], 'Chalmers', '19800131', 'JANE']


def program(name, *words):
    """A check by a compiler; its name where it is not installed."""
    def check(path):
        if shutil.which(name) is None:
            return name
        done = run([name, *words, path], cwd=path.parent)
        assert done.returncode == 0, f'{path.name}: {done.stderr[-400:]}\n{path.read_text()}'
        return None
    return check


def fields(path):
    """HL7: as many segments and fields as there were."""
    def shape(text):
        return [[len(field.split('^')) for field in segment.split('|')] for segment in text.split('\r')]
    assert shape(path.read_bytes().decode()) == shape(FILES['a.hl7']), path.read_bytes()


def table(path):
    rows = list(csv.reader(io.StringIO(path.read_text())))
    assert [len(row) for row in rows] == [3, 3, 3] and rows[0] == ['name', 'card', 'note'], rows


def markup(path):
    assert len(list(xml.etree.ElementTree.fromstring(path.read_text()))) == 2


def yaml_text(path):
    try:
        import yaml
    except ImportError:
        return 'yaml of Python'
    assert sorted(yaml.safe_load(path.read_text())) == ['card', 'key', 'password', 'token']
    return None


CHECKS = {'a.json': program('python3', '-m', 'json.tool'), 'patient.json': program('python3', '-m', 'json.tool'), 'a.hl7': fields,
          'a.csv': table, 'a.xml': markup, 'a.yaml': yaml_text, 'a.c': program('gcc', '-fsyntax-only', '-Wall'),
          'a.py': program('python3', '-m', 'py_compile'), 'A.java': program('javac', '-d', '/tmp'), 'a.js': program('node', '--check'),
          'a.go': program('gofmt', '-e')}


def every_file_is_still_what_it_was():
    place = Place(files=FILES)
    missing = []
    try:
        # copies keep the stand-ins: that is what the agent has seen
        done = place.run('/bin/sh', '-c', 'mkdir seen && cp *.* seen/ && rm seen/custody.yaml')
        assert done.get('change'), done
        for name, check in CHECKS.items():
            ref = f'custody/{done["run"]}:seen/{name}'
            run(['git', '-C', place.repo, 'cat-file', '-e', ref], check=0)
            before, after = place.root / 'before' / name, place.root / 'after' / name
            for path in (before, after):
                path.parent.mkdir(exist_ok=True)
            before.write_bytes(FILES[name].encode())
            with open(after, 'wb') as out:
                subprocess.run(['git', '-C', str(place.repo), 'cat-file', 'blob', ref], stdout=out, check=True)
            assert after.stat().st_size == before.stat().st_size, name
            assert after.read_bytes() != before.read_bytes(), f'{name}: nothing was replaced'
            for value in HELD:
                assert value not in after.read_text(), f'{name} has {value[:4]}...'
            for path in (before, after):
                lacks = check(path)
                if lacks is not None and lacks not in missing:
                    missing.append(lacks)
        if missing:
            print(f'# not looked at, since it is not installed: {", ".join(missing)}', flush=True)
        if len(missing) == len(CHECKS):
            raise Skip('no compiler is installed')
    finally:
        place.close()


if __name__ == '__main__':
    main([every_file_is_still_what_it_was])
