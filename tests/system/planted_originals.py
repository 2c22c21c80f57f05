"""Two hundred values that nobody may see, made anew at each call and never written down, and the files that hold them."""
import base64
import io
import json
import random
import string
import textwrap
import zipfile

from round_trip_edits import luhn

LETTERS = string.ascii_letters + string.digits
UPPER = string.ascii_uppercase + string.digits
HEX = '0123456789abcdef'

# Families of secrets: the public part, then how many of which letters. No one of them is whole in the tree.
FAMILIES = [('ghp' + '_', 36, LETTERS), ('gho' + '_', 36, LETTERS), ('ghs' + '_', 36, LETTERS), ('glpat' + '-', 20, LETTERS),
            ('gldt' + '-', 20, LETTERS), ('glrt' + '-', 20, LETTERS), ('xoxb' + '-123456789012-210987654321-', 24, LETTERS), ('sk_' + 'live_', 24, LETTERS),
            ('rk_' + 'live_', 24, LETTERS), ('AIza' + 'Sy', 33, LETTERS), ('AKIA', 16, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'),
            ('hf' + '_', 34, string.ascii_letters), ('npm' + '_', 36, LETTERS), ('dckr_' + 'pat_', 27, LETTERS), ('dop_' + 'v1_', 64, HEX),
            ('shpat' + '_', 32, HEX), ('hvs' + '.', 94, LETTERS), ('lin_' + 'api_', 40, LETTERS), ('sntrys' + '_', 80, LETTERS),
            ('glsa' + '_', 32, LETTERS), ('dapi', 32, HEX), ('rubygems' + '_', 48, HEX), ('PMAK' + '-', 24, HEX), ('gsk' + '_', 52, LETTERS),
            ('r8' + '_', 40, LETTERS), ('figd' + '_', 40, LETTERS), ('pul' + '-', 40, HEX), ('sbp' + '_', 40, HEX), ('tskey-' + 'auth-', 34, LETTERS),
            ('EZAK', 54, LETTERS)]
IBANS = [('GB', 'NWBK', 14), ('DE', '', 18), ('FR', '', 23), ('NL', 'ABNA', 10), ('ES', '', 20), ('BE', '', 12), ('AT', '', 16), ('CH', '', 17)]
SYLLABLES = ['bra', 'dol', 'fen', 'gur', 'hal', 'jos', 'kel', 'lum', 'mar', 'nev', 'ord', 'pal', 'ros', 'sti', 'tov', 'vik', 'wen', 'yar']


class Originals:
    """Makes values, each different, and remembers them: `all` is {value: what it is}."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.all = {}
        self.family = iter(FAMILIES * 2)
        self.country = iter(IBANS * 2)

    def some(self, count, letters=LETTERS):
        return ''.join(self.chance.choice(letters) for _ in range(count))

    def digits(self, count):
        return self.some(count, string.digits)

    def new(self, what, value):
        assert value not in self.all, value
        self.all[value] = what
        return value

    def card(self, between=''):
        prefix, length = self.chance.choice([('4', 16), ('53', 16), ('6011', 16), ('37', 15)]) if not between else ('4', 16)
        body = prefix + self.digits(length - len(prefix) - 1)
        body += luhn(body)
        return self.new('card', between.join(textwrap.wrap(body, 4)))

    def ssn(self, between='-'):
        area = self.chance.choice([area for area in range(101, 660) if area != 457])
        return self.new('ssn', between.join((str(area), f'{self.chance.randint(11, 98)}', f'{self.chance.randint(1000, 9998)}')))

    def npi(self):
        body = '1' + self.digits(8)
        return self.new('npi', body + luhn('80840' + body))

    def mbi(self):
        letters = 'ACDEFGHJKMNPQRTUVWXY'
        form = '1CX0CX0CC00'
        of = {'1': '123456789', 'C': letters, 'X': letters + '0123456789', '0': string.digits}
        return self.new('mbi', ''.join(self.some(1, of[each]) for each in form))

    def dea(self):
        body = [int(digit) for digit in self.digits(6)]
        check = (body[0] + body[2] + body[4] + 2 * (body[1] + body[3] + body[5])) % 10
        return self.new('dea', 'B' + self.some(1, string.ascii_uppercase) + ''.join(map(str, body)) + str(check))

    def iban(self):
        country, bank, count = next(self.country)
        rest = bank + self.digits(count)
        as_number = ''.join(str(int(letter, 36)) for letter in rest + country + '00')
        return self.new('iban', f'{country}{98 - int(as_number) % 97:02}{rest}')

    def email(self):
        return self.new('email', f'{self.word()}.{self.word()}@{self.some(8, string.ascii_lowercase)}.org')

    def phone(self):
        return self.new('phone', f'({self.chance.choice(["212", "303", "415", "617"])}) {self.chance.randint(223, 298)}-{self.digits(4)}')

    def word(self):
        return ''.join(self.chance.sample(SYLLABLES, 2))

    def name(self):
        return self.new('name', ''.join(self.chance.sample(SYLLABLES, 3)).capitalize())

    def birth(self, form='{y}{m:02}{d:02}'):
        return self.new('birth', form.format(y=self.chance.randint(1931, 1996), m=self.chance.randint(1, 12), d=self.chance.randint(13, 28)))

    def record_number(self):
        return self.new('record number', self.chance.choice('123456789') + self.digits(7))

    def street(self):
        return self.new('street', f'{self.chance.randint(100, 999)} {self.word().capitalize()} Street')

    def token(self):
        prefix, count, letters = next(self.family)
        return self.new(f'token {prefix}', prefix + self.some(count, letters))

    def password(self):
        return self.new('password', self.some(4, string.ascii_letters) + self.some(3, string.digits) + self.some(9) + self.some(1, string.digits))

    def key(self, kind='RSA PRIVATE KEY'):
        """The text of a private key; each of its lines is an original."""
        lines = [self.new('private key', self.some(64, LETTERS + '+/')) for _ in range(3)]
        return '\n'.join([f'-----BEGIN {kind}-----', *lines, f'-----END {kind}-----'])


def sources(make):
    """Six languages."""
    yield 'src/pay.py', f'''import os

CARD = "{make.card()}"
TOKEN = "{make.token()}"  # {make.token()}
PASSWORD = "{make.password()}"
DATABASE = "postgres://app:{make.password()}@db.internal:5432/pay"
KEY = """{make.key()}
"""


def owner():
    """SSN {make.ssn()}, mail {make.email()}"""
    return os.environ.get("OWNER", CARD)
'''
    yield 'src/Pay.java', f'''class Pay {{
    static final String CARD = "{make.card('-')}";
    static final String token = "{make.token()}";
    static final String apiKey = "{make.token()}";
    // routing for {make.iban()}, SSN: {make.ssn()}
    String password = "{make.password()}";
}}
'''
    yield 'src/pay.js', f'''const token = "{make.token()}", other = "{make.token()}";
const mongo = "mongodb://root:{make.password()}@mongo.internal/x";
const card = "{make.card(' ')}"; // ask {make.email()}
module.exports = {{ token, card, password: "{make.password()}" }};
'''
    yield 'src/pay.go', f'''package main

const token = "{make.token()}"
const other = "{make.token()}"
const amqp = "amqp://guest:{make.password()}@mq.internal:5672/"

// iban {make.iban()}, card {make.card()}
func main() {{ println(token) }}
'''
    yield 'src/pay.c', f'''#include <stdio.h>
static const char *const token = "{make.token()}";
static const char *const card = "{make.card()}"; /* ssn {make.ssn()} */
static const char *const password = "{make.password()}";
int main(void) {{ return puts("{make.token()}") < 0; }}
'''
    yield 'src/pay.rb', f'''TOKEN = "{make.token()}"
OTHER = "{make.token()}"
CARD = "{make.card()}" # {make.email()}
REDIS = "redis://:{make.password()}@cache.internal:6379/0"
'''


def settings(make):
    yield '.env', (f'GITHUB_TOKEN={make.token()}\nAPI_TOKEN={make.token()}\nDB_PASSWORD={make.password()}\n'
                   f'AWS_SECRET_ACCESS_KEY={make.new("aws secret", make.some(40))}\nSESSION_SECRET={make.new("secret", make.some(48, HEX))}\n'
                   f'DATABASE_URL=mysql://pay:{make.password()}@db.internal/pay\n')
    yield 'config/app.properties', (f'datasource.password={make.password()}\nmail.password={make.password()}\ngitlab.token={make.token()}\n'
                                    f'storage=DefaultEndpointsProtocol=https;AccountName=pay;AccountKey={make.new("azure key", make.some(86))}==\n')
    yield 'config/app.yaml', (f'password: "{make.password()}"\nclient_secret: {make.password()}\ntoken: {make.token()}\nkey: |\n'
                              + textwrap.indent(make.key('EC PRIVATE KEY'), '  ') + '\n')
    yield 'config/app.json', json.dumps({'api_token': make.token(), 'password': make.password(), 'inner': {'card': make.card(), 'contact_email': make.email()},
                                         'said': json.dumps({'token': make.token(), 'ssn': make.ssn()})}, indent=2) + '\n'
    yield 'config/app.ini', f'[db]\npassword = {make.password()}\n[api]\nsecret_key = {make.token()}\n'
    yield 'keys/id_rsa', make.key() + '\n'
    yield 'keys/id_ed25519', make.key('OPENSSH PRIVATE KEY') + '\n'
    yield 'keys/server.pem', make.key('PRIVATE KEY') + '\n'


def tables(make):
    rows = [(make.name(), make.name(), make.ssn(), make.card(), make.birth('{y}-{m:02}-{d:02}'), make.email(), make.phone(), make.mbi(), make.npi(), make.iban())
            for _ in range(4)]
    yield 'data/people.csv', ('first_name,last_name,ssn,card_number,date_of_birth,email,phone,mbi,npi,iban\n'
                              + ''.join(','.join(row) + '\n' for row in rows))
    yield 'data/people.tsv', 'ssn\temail\tmrn\n' + ''.join(f'{make.ssn()}\t{make.email()}\t{make.record_number()}\n' for _ in range(3))
    yield 'data/dump.sql', 'CREATE TABLE patients (id int, last_name text, ssn text, birth_date date, card_number text);\n' + ''.join(
        f"INSERT INTO patients (id, last_name, ssn, birth_date, card_number) VALUES ({n}, '{make.name()}', '{make.ssn()}', "
        f"'{make.birth('{y}-{m:02}-{d:02}')}', '{make.card()}');\n" for n in range(4))


def health(make):
    for n in range(2):
        yield f'health/adt{n}.hl7', '\r'.join([
            'MSH|^~\\&|ADT|HOSPITAL|LAB|HOSPITAL|20240301101500||ADT^A01|1001|P|2.5',
            f'PID|1||{make.record_number()}^^^H^MR||{make.name()}^{make.name()}^Q||{make.birth()}|F|||{make.street()}^^SPRINGFIELD^IL^62701'
            f'||{make.phone()}|||||{make.record_number()}|{make.ssn()}',
            f'NK1|1|{make.name()}^{make.name()}|SPO', 'PV1|1|I|2000^2012^01', ''])
    yield 'health/claim.837', '\n'.join([
        'ISA*00*          *00*          *ZZ*SENDER         *ZZ*RECEIVER       *240301*1015*^*00501*000000001*0*P*:~',
        'GS*HC*SENDER*RECEIVER*20240301*1015*1*X*005010X222A1~', 'ST*837*0001*005010X222A1~', 'BHT*0019*00*0123*20240301*1015*CH~',
        'NM1*85*2*GENERAL HOSPITAL*****XX*1234567893~', 'HL*2*1*22*0~', 'SBR*P*18*******MB~',
        f'NM1*IL*1*{make.name()}*{make.name()}****MI*{make.mbi()}~', f'N3*{make.street()}~', f'DMG*D8*{make.birth()}*F~',
        'SE*9*0001~', 'GE*1*1~', 'IEA*1*000000001~', ''])
    yield 'health/patient.json', json.dumps({
        'resourceType': 'Patient', 'identifier': [{'type': {'coding': [{'code': 'MR'}]}, 'value': make.record_number()}],
        'name': [{'family': make.name(), 'given': [make.name()]}], 'birthDate': make.birth('{y}-{m:02}-{d:02}'),
        'telecom': [{'system': 'phone', 'value': make.phone()}, {'system': 'email', 'value': make.email()}],
        'address': [{'line': [make.street()], 'city': 'Springfield'}]}, indent=1) + '\n'
    yield 'health/summary.xml', f'''<?xml version="1.0"?>
<ClinicalDocument xmlns="urn:hl7-org:v3"><typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/>
<recordTarget><patientRole><id root="2.16.840.1.113883.19.5" extension="{make.record_number()}"/>
<addr><streetAddressLine>{make.street()}</streetAddressLine><city>Springfield</city></addr><telecom value="tel:{make.phone()}"/>
<patient><name><given>{make.name()}</given><family>{make.name()}</family></name><birthTime value="{make.birth()}"/></patient>
</patientRole></recordTarget></ClinicalDocument>
'''


def others(make):
    """Notebook, prose, encodings, archive."""
    yield 'notes/book.ipynb', json.dumps({'nbformat': 4, 'nbformat_minor': 5, 'metadata': {}, 'cells': [
        {'cell_type': 'code', 'metadata': {}, 'execution_count': 1, 'id': 'a', 'source': [f'token = "{make.token()}"\n', f'card = "{make.card()}"'],
         'outputs': [{'output_type': 'stream', 'name': 'stdout', 'text': [f'ssn {make.ssn()}\n', f'mail {make.email()}\n']}]}]}) + '\n'
    yield 'notes/letter.txt', (f'Provider NPI {make.npi()}, DEA number {make.dea()}.\nMedicare MBI: {make.mbi()}\nDOB: {make.birth("{m:02}/{d:02}/{y}")}, '
                               f'MRN: {make.record_number()}\ncall {make.phone()}, IBAN {make.iban()}, card {make.card()}\n')
    yield 'notes/utf16.txt', f'card {make.card()}\r\npassword = "{make.password()}"\r\nssn {make.ssn()}\r\n'.encode('utf-16')
    yield 'notes/base64.txt', base64.encodebytes(f'card {make.card()} token {make.token()} password="{make.password()}"\n'.encode()).decode()
    yield 'notes/hex.txt', f'token {make.token()} ssn {make.ssn()}\n'.encode().hex() + '\n'
    yield 'notes/percent.txt', 'https://x.internal/?' + ''.join(f'%{byte:02X}' for byte in f'card={make.card()}&mail={make.email()}'.encode()) + '\n'
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('cards.csv', 'card\n' + ''.join(f'{make.card()}\n' for _ in range(3)))
        archive.writestr('.env', f'TOKEN={make.token()}\nDB_PASSWORD={make.password()}\n')
    yield 'notes/backup.zip', inner.getvalue()


def plant(seed):
    """({value: what it is}, {path: content})"""
    make = Originals(seed)
    files = {path: content for part in (sources, settings, tables, health, others) for path, content in part(make)}
    return make.all, files
