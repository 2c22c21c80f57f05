"""Sentences that hold an identifier of somebody, and their like that hold none: telephones of many countries, dates, ages, licences, plates,
accounts, devices, codes. Made up by a fixed seed; no value is anybody's.

A row: {'text', 'spans': [{'start', 'end', 'type'}]} in characters. Sentences without a span hold nothing. `kinds` of a row are the types that are
scored on it.
"""
import random
import re

MONTHS = 'January February March April May June July August September October November December'.split()

# Digits: 0 any, N 2 to 9, K 1 to 9. What people write down, by country; some with the number that extends it.
PHONES = ['(NKN) NKN-0000', 'NKN-NKN-0000', 'NKN.NKN.0000', 'NKN NKN 0000', '1-NKN-NKN-0000', '+1 NKN-NKN-0000', '001-NKN-NKN-0000', 'NKN-NKN-0000x000',
          '+1-NKN-NKN-0000x00000', '(NKN)NKN-0000 ext. 000', '020 7K00 0000', '07K00 000 000', '+44 7K00 000000', '(0K000) 000000', '0K000 000000',
          '030 0K000000', '+49 30 0K00000', '0KK0 0000000', '0KK/0000000', '01 00 00 00 00', '06 00 00 00 00', '+33 6 00 00 00 00', '06 0000 0000', '+31 6 0000 0000',
          'K00 000 000', '+34 K00 000 000', '0KK-0000000', '3K0 0000000', '+39 3K0 000 0000', '070-000 00 00', '00-00 00 00', '+46 70 000 00 00', 'K0 00 00 00', '000 00 000',
          '+47 000 00 000', '040 000 0000', '050-0000000', '(0K) 0000 0000', '04K0 000 000', '+61 4K0 000 000', '(KK) 0000-0000', 'KK 90000-0000', '+55 KK 90000-0000',
          '0KK 000 00 00', '+41 KK 000 00 00', '0664 0000000', '0660 000 00 00', '+43 664 0000000', '20-00-00-00', 'K0 000 000', '(00) 000-000', 'KK 000 000', '000-0000',
          '000 0000', '+81 90-0000-0000', '090-0000-0000', '0K0-0000-0000', '+91 90000 00000', '90000 00000', '600 00 00 00', '+420 600 000 000', '600 000 000', '051 000 000']
PLATES = ['AAA-0000', 'AA-00-AA', '0AAA000', 'AAA 000', 'AA00 AAA', 'AAA0000']
LICENCES = ['A0000000', '000000000', 'A000-0000-0000', 'A000000000000', '00000000', '000-00-0000', 'AA000000', 'A00000000', '0000000', 'AAA000000', '00-000-0000', '0000-00-0000']
PASSPORTS = ['K00000000', 'A00000000', 'AA0000000', 'CK0AA0AA0']

LABELS = {  # type: [(sentence, forms or maker)]
    'PHONE_NUMBER': ['Call me at {} please.', 'My phone number is {}.', 'Phone: {}', 'Tel. {}', 'Tel: {}', 'Mobile: {}', 'You can reach her on {}.', 'Fax: {}', 'Contact: {}',
                     'Please text {} before noon.', 'If nobody answers, try {}.', 'I will be on {} all day, call me there.', 'The number to dial is {}.', 'Cell {}, home unknown.',
                     'patient phone {}', 'Telefon: {}', 'Her WhatsApp is {}.', 'Emergency contact (son): {}', 'Is {} still your number?', 'Left a voicemail at {}.', 'Handy {}',
                     'Téléphone : {}', 'Teléfono: {}', 'Reach me at {} or by mail.', 'They called from {} twice.', 'Home phone:\n{}\n', 'Ring {} when you arrive.', 'Pager {}',
                     'Stop calling {}.', 'My new number: {}', 'Send an SMS to {}.', 'He hung up; his line is {}.', 'Phone numbers: {}', 'office {}', 'Direct line {}'],
    'BIRTHDAY': ['She was born on {}.', 'DOB: {}', 'D.O.B. {}', 'Date of birth: {}', 'date of birth is {}', 'My birthday is {}.', 'born {} in the village', 'Birth date {}',
                 'Patient (DOB {}) came in today.', 'His date of birth? {}.', 'The child, born on {}, is well.', 'Geburtsdatum: {}', 'Date de naissance : {}', 'Fecha de nacimiento: {}',
                 'Data di nascita: {}', 'geboren am {}', 'née le {}', 'nacido el {}', 'b. {}', 'Birthdate: {}', 'I was born {}, so I am old enough.'],
    'PATIENT_DATE': ['Admitted on {} with a fever.', 'Date of admission: {}', 'Discharged {}.', 'Discharge date: {}', 'He died on {}.', 'Date of death: {}', 'She passed away on {}.',
                     'Date of service: {}', 'Surgery was performed on {}.', 'Hospitalized {} for pneumonia.', 'Admission date {}', 'deceased {}', 'Patient expired on {}.', 'Visit date: {}',
                     'Last seen in clinic on {}.', 'Appointment: {}', 'Operation date: {}', 'Diagnosed on {}.'],
    'AGE_OVER_89': ['A {} year old woman fell.', '{}yo M with cough', '{} y/o female', 'aged {}', 'Age: {}', 'He is {} years old.', 'a {}-year-old man', 'at the age of {}', 'My grandmother is {} years of age.',
                    '{} yr old F', 'She just turned {}.', 'patient age {}', '{}-yr-old', 'age={}', 'lived to be {} years old'],
    'US_DRIVER_LICENSE': ["driver's license {}", 'Driver license number: {}', "My driver's licence number is {}.", 'DL# {}', 'DL: {}', 'drivers license no. {}', 'License number (driver): {}', "Driver's License #{}",
                          'His driving licence is {}.', 'state issued driver license {}'],
    'PASSPORT': ['Passport number: {}', 'passport no. {}', 'My passport is {}.', 'Passport #{}', 'US passport {} expires soon.'],
    'PLATE': ['License plate: {}', 'licence plate {}', 'car with plate {}', 'Vehicle registration: {}', 'plate number {}', 'registration plate {} seen'],
    'ACCOUNT': ['Account number: {}', 'account no. {}', 'Acct# {}', 'bank account number {}', 'My account number is {}.', 'Patient account: {}', 'acct: {}', 'Claim number: {}', 'Invoice account number {}'],
    'RECORD': ['MRN: {}', 'MRN {}', 'Medical record number {}', 'Medical record #{}', 'Chart number: {}', 'Patient ID: {}', 'patient number {}', 'MR# {}', 'Hospital number: {}', 'Encounter number: {}'],
    'PLAN': ['Member ID: {}', 'Subscriber ID {}', 'Policy number: {}', 'Insurance ID: {}', 'Group number: {}', 'Health plan ID {}', 'Medicaid ID: {}', 'Beneficiary number: {}', 'Insurance policy {}'],
    'PERSON_LICENCE': ['Medical license number: {}', 'State license no. {}', 'License #: {}', 'Certificate number: {}', 'nursing license {}'],
    'DEVICE': ['Serial number: {}', 'Device serial no. {}', 'pacemaker serial number {}', 'Device ID: {}', 'Implant S/N: {}', 'insulin pump serial no: {}'],
    'URL': ['My website is {}', 'Homepage: {}', 'See my blog at {}', 'Her LinkedIn profile: {}', 'personal web site {}', 'Website:\n{}\n'],
    'ZIP_CODE': ['zip code {}', 'My zip code is {}.', 'ZIP: {}', 'Postal code: {}', 'postcode {}', 'PLZ {}', 'Code postal : {}'],
    'BIOMETRIC': ['fingerprint template: {}', 'voiceprint_id = "{}"', 'iris_code: {}', 'Fingerprint ID {}', 'retina scan id: {}', 'face_embedding_id={}'],
    'NATIONAL': ['{}'],
}
NOTHING = {
    'PHONE_NUMBER': ['Version 2.10.4 released.', 'The year 1990-1995 was good.', 'See pages 100-105 and 200-2010.', 'Open from 9 to 17, call ahead.', 'order 4500 123 456', 'Build 20240131.1200', 'commit 1234567 fixes it',
                     'The call took 350 ms and 1024 bytes.', 'Call foo(1, 2, 3).', 'It costs 1 250 000 euros.', 'range 100 200 300 400', 'Dimensions 120 x 300 x 200', 'ISBN 978-3-16-148410-0', 'Contact us within 30 days.',
                     'call on 2024-03-01', 'The text has 12.345.678 words.', 'phone: none', 'Chapter 3.4.5', 'table row 00 01 02 03', 'port 8080', '10.0.0.12 answered', 'Ratio 1:1000000'],
    'BIRTHDAY': ['Released on 2024-03-01.', 'Copyright 2019-2024', 'Updated: 03/04/2024', 'Version 1.2.2020', 'The war ended on May 8, 1945.', 'build 20240131', 'Deadline: 2025-12-31', 'meeting on 3 March 2024'],
    'PATIENT_DATE': ['Changed on 2024-03-01.', 'expires 12/31/2030', 'Next release: March 3, 2025', 'Log of 2024-05-06'],
    'AGE_OVER_89': ['a 45 year old man', 'page 95', 'usage 95%', '95 years of history', 'The image is 100 px', 'aged cheese', 'a 12-year-old boy', '99 bottles', 'package 92', 'message 101', 'average 97'],
    'US_DRIVER_LICENSE': ['License: MIT', 'GPL license 2.0', 'driver version 12345678', 'Apache License 2.0, 2004', 'install the driver 390.157', 'License 10283'],
    'PASSPORT': ['passport-js 0.6.0', 'the passport office', 'passport.authenticate(123)'],
    'PLATE': ['plate 12', 'boilerplate code', 'template 100', 'The plate is hot'],
    'ACCOUNT': ['account for 2024', 'accounts: 25', 'account number is required', 'Account number must have 8 digits'],
    'RECORD': ['record number 5 of the table', 'record 12', 'MRN is required', 'chart number one'],
    'PLAN': ['member 5', 'policy version 3', 'group 12', 'plan 2024'],
    'DEVICE': ['serial port', 'device id 5', 'serial number of the certificate', 'device 0x1f'],
    'ZIP_CODE': ['gzip -9', 'zip file', 'unzip 10000 files', 'zip code is required'],
}


class Maker:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def pick(self, things):
        return things[int(self.random.random() * len(things))]

    def digits(self, count):
        return self.pick('123456789') + ''.join(self.pick('0123456789') for _ in range(count - 1))

    def form(self, form):
        kinds = {'0': '0123456789', 'N': '23456789', 'K': '123456789', 'A': 'ABCDEFGHJKLMNPRSTUVWXYZ'}
        first = self.random.random()
        text = ''.join(self.pick(kinds[c]) if c in kinds else c for c in form)
        return text if first >= 0 else ''

    def phone(self):
        while True:
            text = ''.join({'0': lambda: self.pick('0123456789'), 'N': lambda: self.pick('23456789'), 'K': lambda: self.pick('123456789')}.get(c, lambda: c)()
                           if i else c if c == '0' else {'N': lambda: self.pick('23456789'), 'K': lambda: self.pick('23456789')}.get(c, lambda: c)()
                           for i, c in enumerate(self.fixed(self.pick(PHONES))))
            if '55501' not in re.sub(r'\D', '', text):  # kept for fiction: nobody's
                return text.replace('\x00', '0')

    @staticmethod
    def fixed(form):
        """What a country's numbers begin with stays."""
        return re.sub(r'^(\+?\d{1,3} |0\d{1,2}(?=[ /-])|00(?=1-))', lambda m: m.group().replace('0', '\x00'), form) if form[0] in '+0' else form

    def date(self, first=1925, last=2020):
        year, month, day = first + int(self.random.random() * (last - first)), 1 + int(self.random.random() * 12), 1 + int(self.random.random() * 28)
        name = MONTHS[month - 1]
        return self.pick([f'{month}/{day}/{year}', f'{month:02}/{day:02}/{year}', f'{year}-{month:02}-{day:02}', f'{day}.{month}.{year}', f'{day:02}.{month:02}.{year}', f'{name} {day}, {year}', f'{day} {name} {year}',
                          f'{name[:3]} {day}, {year}', f'{day}-{name[:3]}-{year}', f'{month:02}/{day:02}/{year % 100:02}', f'{day:02}/{month:02}/{year}', f'{name} {day}{"th" if 3 < day < 21 else "st" if day % 10 == 1 else "nd" if day % 10 == 2 else "rd" if day % 10 == 3 else "th"}, {year}'])

    def value(self, kind):
        if kind == 'PHONE_NUMBER':
            return self.phone()
        if kind == 'BIRTHDAY':
            return self.date()
        if kind == 'PATIENT_DATE':
            return self.date(2000, 2025)
        if kind == 'AGE_OVER_89':
            return str(90 + int(self.random.random() * 16))
        if kind == 'URL':
            return f'https://www.{self.form("AAAAAAAA").lower()}.{self.pick(["com", "co.uk", "de", "org", "net"])}/'
        if kind == 'ZIP_CODE':
            return self.form(self.pick(['K0000', 'K0000-0000', 'K000', 'K0000']))
        forms = {'US_DRIVER_LICENSE': LICENCES, 'PASSPORT': PASSPORTS, 'PLATE': PLATES, 'ACCOUNT': ['K000000', 'K000000000', 'K0000000000', 'KKKK-0000-00', 'AK0000000'],
                 'RECORD': ['K000000', 'K0000000', 'AK000000', 'K00-00-00', 'AAK00000'], 'PLAN': ['AAAK00000000', 'K00000000', 'AK0000000', 'K0000-00'],
                 'PERSON_LICENCE': ['AK00000', 'K000000', 'AA-K00000', 'AAK0000'], 'DEVICE': ['AAAK00000A', 'K00000000', 'AK0-000-AAA0', 'AAK0000000'],
                 'BIOMETRIC': ['AAK0A0A0A0A0A0A0K0', 'K0A0A0A0A0A0A0A0']}
        return self.form(self.pick(forms[kind]))


def rows(seed=11, each=12):
    maker = Maker(seed)
    for kind, sentences in LABELS.items():
        if kind == 'NATIONAL':
            continue
        for sentence in sentences:
            for _ in range(each):
                value = maker.value(kind)
                start = sentence.index('{}')
                before, after = maker.pick(['', '', 'Note for the file. ', 'Thanks. ']), maker.pick(['', '', ' Thank you.', '\n'])
                yield {'text': before + sentence.replace('{}', value) + after, 'kinds': [kind],
                       'spans': [{'start': len(before) + start, 'end': len(before) + start + len(value), 'type': kind}]}
    for kind, sentences in NOTHING.items():
        for sentence in sentences:
            yield {'text': sentence + '\n', 'kinds': [kind], 'spans': []}
