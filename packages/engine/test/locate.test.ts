import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CSV, type Dialect } from '../src/parse/dialect.ts'
import type { Reject } from '../src/reject/reject.ts'
import type { Refusal } from '../src/write/isolate.ts'
import { rejectRows } from '../src/write/locate.ts'

const shared = (bytes: Uint8Array) => {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length))
  copy.set(bytes)
  return copy
}

/** The records of a text that begin at `starts`; those at `refused` were refused by the checks. */
function batch(text: string, starts: number[], refused: number[] = []) {
  const from = { byte: 100, line: 5, record: 10 }
  const rejects = refused.map((at) => ({ byteOffset: from.byte + at }) as Reject)
  const rowStarts = new Uint32Array(new SharedArrayBuffer(64))
  rowStarts.set(starts)
  return { rows: starts.length, input: shared(Buffer.from(text)), rowStarts, rejects, from }
}

const refusal: Refusal = { code: 'unique-error', message: 'taken', column: 'id' }
const naming = {
  names: ['other', 'id'],
  origins: [
    { header: 'O', cell: 1 },
    { header: 'ID', cell: 0 },
  ],
}

function located(input: ReturnType<typeof batch>, ranks: number[], lineEnd: Dialect['lineEnd'] = 'lf') {
  const guilty = ranks.map((rank) => ({ rank, refusal }))
  return rejectRows(input, guilty, { ...naming, dialect: { ...CSV, lineEnd } }).map(
    ({ record, line, byteOffset, raw, rawLength, errors }) => {
      assert.deepEqual(
        errors.map(({ column, code, message }) => [column, code, message]),
        [['ID', 'unique-error', 'taken']],
      )
      return [record, line, byteOffset, Buffer.from(raw).toString(), rawLength]
    },
  )
}

test('counts records refused before it, lines within quotes, CRLF and blank lines', () => {
  const text = '1,a\nbad\r\n"2\n\n",b\r\n\r\n3,c'
  const starts = ['1,a', '"2', '3,c'].map((record) => text.indexOf(record))
  assert.deepEqual(located(batch(text, starts, [text.indexOf('bad')]), [0, 1, 2]), [
    [11, 5, 100, '1,a', 3],
    [13, 7, 109, '"2\n\n",b', 7],
    [14, 11, 120, '3,c', 3],
  ])
})

test('a reject behind the row ends its bytes', () => {
  assert.deepEqual(located(batch('1\nbad\n2\n', [0, 6], [2]), [0]), [[11, 5, 100, '1', 1]])
})

test('lines end as the dialect says', () => {
  const text = '1\r2\n3\r\n4'
  const starts = [7]
  assert.deepEqual(located(batch(text, starts), [0], 'lf'), [[11, 7, 107, '4', 1]])
  assert.deepEqual(located(batch(text, starts), [0], 'cr'), [[11, 7, 107, '4', 1]])
  assert.deepEqual(located(batch(text, starts), [0], 'any'), [[11, 8, 107, '4', 1]])
})

test('keeps 64 KiB of a record, and its length', () => {
  const [reject] = rejectRows(batch(`${'x'.repeat(70_000)}\n`, [0]), [{ rank: 0, refusal }], {
    ...naming,
    dialect: CSV,
  })
  assert.equal(reject!.raw.length, 65_536)
  assert.equal(reject!.rawLength, 70_000)
})

test('names the value, and leaves comments behind the record out of its bytes', () => {
  const text = '"a""b",c\n# a comment\nx,y\n'
  const guilty = [{ rank: 0, refusal }]
  const [reject] = rejectRows(batch(text, [0, text.indexOf('x')]), guilty, {
    ...naming,
    dialect: { ...CSV, comment: '#' },
  })
  assert.equal(reject!.errors[0]!.value, 'a"b')
  assert.equal(Buffer.from(reject!.raw).toString(), '"a""b",c')
})
