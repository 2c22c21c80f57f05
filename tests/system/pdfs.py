"""PDF files for tests, written by hand: objects, a table of where they stand, a trailer."""
import zlib


def write(objects, info=None, before=b''):
    """`objects`: number to body; object 1 is the catalog. `before`: a file that this one changes."""
    out, places = before or b'%PDF-1.7\n', {}
    for number, body in objects.items():
        places[number] = len(out)
        out += b'%d 0 obj\n%s\nendobj\n' % (number, body)
    table, size = len(out), max(objects) + 1
    out += b'xref\n0 1\n0000000000 65535 f \n'
    for number, place in places.items():
        out += b'%d 1\n%010d 00000 n \n' % (number, place)
    more = (b'/Info %d 0 R' % info if info else b'') + (b'/Prev %d' % before.rindex(b'xref\n0 1') if before else b'')
    return out + b'trailer\n<</Size %d/Root 1 0 R%s>>\nstartxref\n%d\n%%%%EOF\n' % (size, more, table)


def stream(data, keys=b''):
    data = zlib.compress(data)
    return b'<<%s/Filter/FlateDecode/Length %d>>\nstream\n%s\nendstream' % (keys, len(data), data)


def shown(text):
    """A content stream: each line in two strings, as programs that set type write them."""
    lines = [f'({line[:len(line) // 2]}) Tj ({line[len(line) // 2:]}) Tj 0 -14 Td' for line in text.splitlines()]
    return stream(('BT /F1 12 Tf 72 720 Td ' + ' '.join(lines) + ' ET').encode())


def pages(*texts, more=None, info=None):
    """One page a text; `more` are objects from 100 on."""
    objects = {1: b'<</Type/Catalog/Pages 2 0 R>>',
               2: b'<</Type/Pages/Count %d/Kids[%s]/Resources<</Font<</F1 3 0 R>>>>>>' % (
                   len(texts), b' '.join(b'%d 0 R' % (10 + 2 * i) for i in range(len(texts)))),
               3: b'<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>'}
    for i, text in enumerate(texts):
        objects[10 + 2 * i] = b'<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents %d 0 R>>' % (11 + 2 * i)
        objects[11 + 2 * i] = shown(text)
    return write({**objects, **(more or {})}, info)
