import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, beforeEach, describe, test } from 'node:test'
import { load } from '../src/load.ts'
import type { LoadOptions } from '../src/options.ts'
import type { Database } from '../src/write/database.ts'
import { openDatabase } from '../src/write/open.ts'
import { Random } from './support/random.ts'
import { SEED } from './support/small-load.ts'
import { temporaryFolder } from './support/temporary-folder.ts'

const ROWS = 3_000
const HEAD = 'code,name\n'
const line = (n: number) => `c${n},name of ${n}\n`

/** Records told apart by their content and their number among their equals: `dedupe: 'content:count'`. */
export function contentCountSuite(start: () => Promise<{ url: string; stop(): Promise<void> }>): void {
  let place: Awaited<ReturnType<typeof start>>
  let db: Database
  let folder: string
  before(async () => {
    folder = temporaryFolder()
    place = await start()
    db = await openDatabase(place.url)
  })
  after(async () => {
    await db?.close()
    await place?.stop()
  })
  beforeEach(async () => {
    for (const table of ['t', 'ingestion_jobs', 'ingestion_checkpoints', 'failed_imports']) {
      await db.query(`DROP TABLE IF EXISTS ${table}`)
    }
  })

  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }
  const options = (more: Partial<LoadOptions> = {}) => ({
    to: place.url,
    table: 't',
    dedupe: 'content:count' as const,
    batchRows: 300,
    force: true,
    ...more,
  })
  const loadFile = (source: LoadOptions['source'], more: Partial<LoadOptions> = {}) =>
    load({ source, ...options(more) })

  /** Most records are alone, some come up to a dozen times, anywhere in the file. */
  const twins = (): string => {
    const random = new Random(SEED)
    const rows = Array.from({ length: ROWS }, (_, i) => (random.below(4) === 0 ? random.below(300) : 1_000 + i))
    return HEAD + rows.map(line).join('')
  }
  const countsOf = (text: string): Map<string, number> => {
    const counts = new Map<string, number>()
    for (const row of text.split('\n').slice(1, -1)) counts.set(row, (counts.get(row) ?? 0) + 1)
    return counts
  }

  /** Each row as often as it stands in the text that has it most often, with the numbers from 1 on; nothing waits any more. */
  const assertTable = async (...texts: string[]) => {
    const most = new Map<string, number>()
    for (const text of texts)
      for (const [row, count] of countsOf(text)) most.set(row, Math.max(most.get(row) ?? 0, count))
    const rows = await db.query<{ code: string; name: string; content_hash: string }>(
      'SELECT code, name, content_hash FROM t',
    )
    const numbers = new Map<string, Set<number>>()
    for (const { code, name, content_hash } of rows) {
      const [hash, number = '1'] = content_hash.split(':')
      assert.equal(hash, hashOf(code, name))
      const own = numbers.get(`${code},${name}`) ?? new Set()
      numbers.set(`${code},${name}`, own.add(Number(number)))
    }
    assert.equal(
      rows.length,
      [...most.values()].reduce((sum, count) => sum + count, 0),
    )
    for (const [row, count] of most) {
      assert.deepEqual(
        [...numbers.get(row)!].sort((a, b) => a - b),
        Array.from({ length: count }, (_, i) => i + 1),
      )
    }
    const [jobs] = await db.query('SELECT sum(inserted) AS rows FROM ingestion_jobs')
    assert.equal(Number(jobs!.rows), rows.length)
  }

  describe('content:count', () => {
    test('three equal rows stay three, and the same file again adds none, in any batches', async () => {
      const text = `${HEAD}a,x\na,x\nb,x\na,x\n`
      const source = file('three.csv', text)
      const first = await loadFile(source)
      assert.deepEqual([first.recordsRead, first.inserted, first.duplicates], [4, 4, 0])
      await assertTable(text)
      for (const batchRows of [1, 2, 500]) {
        const again = await loadFile(source, { batchRows })
        assert.deepEqual([again.recordsRead, again.inserted, again.duplicates], [4, 0, 4])
      }
      const more = `${text}a,x\nb,x\n`
      const grown = await loadFile(file('more.csv', more))
      assert.deepEqual([grown.inserted, grown.duplicates], [2, 4])
      await assertTable(text, more)
    })

    test('numbers do not depend on batches, and rows stand in the order of the source', async () => {
      const text = twins()
      for (const batchRows of [117, 50_000]) {
        await db.query('DROP TABLE IF EXISTS t')
        await db.query('DROP TABLE IF EXISTS ingestion_jobs')
        await db.query('DROP TABLE IF EXISTS ingestion_checkpoints')
        const receipt = await loadFile(file('twins.csv', text), { batchRows })
        assert.deepEqual([receipt.recordsRead, receipt.inserted, receipt.duplicates], [ROWS, ROWS, 0])
        await assertTable(text)
        const rows = await db.query('SELECT code, name FROM t ORDER BY id')
        assert.deepEqual(
          rows.map(({ code, name }) => `${code},${name}`),
          text.split('\n').slice(1, -1),
        )
      }
    })

    test('a table that knows the content: its rows keep it, and updated_at is renewed', async () => {
      const plain = await loadFile(file('plain.csv', `${HEAD}a,x\nb,x\n`), { dedupe: 'content' })
      assert.equal(plain.inserted, 2)
      await db.query(`UPDATE t SET created_at = '2001-01-01T00:00:00Z', updated_at = '2001-01-01T00:00:00Z'`)
      const text = `${HEAD}a,x\nc,x\na,x\n`
      const receipt = await loadFile(file('counted.csv', text))
      assert.deepEqual([receipt.inserted, receipt.duplicates], [2, 1])
      await assertTable(text, `${HEAD}a,x\nb,x\n`)
      const renewed = await db.query(`SELECT code FROM t WHERE created_at < '2002-01-01' AND updated_at > '2002-01-01'`)
      assert.deepEqual(renewed, [{ code: 'a' }])
    })

    test('through a map hook, with rejects beside', async () => {
      const receipt = await loadFile(file('mapped.csv', `${HEAD}a,p\nb,q\nb,q\na\nc,r\n`), {
        map: (row) => (row.code === 'c' ? 'no c' : { ...row, code: 'a', name: 'x' }),
      })
      assert.deepEqual([receipt.recordsRead, receipt.inserted, receipt.rejected], [5, 3, 2])
      await assertTable(`${HEAD}a,x\na,x\na,x\n`)
    })

    for (const point of ['after-commit:5=kill', 'before-publish=kill', 'after-publish=kill']) {
      test(`${point}: the same command goes on, and the numbers go on`, async () => {
        const text = twins()
        const source = file('killed.csv', text)
        const settings = { ...options({ force: false }), source }
        const program = `
          import { load } from ${JSON.stringify(new URL('../src/load.ts', import.meta.url).href)}
          await load(${JSON.stringify(settings)})`
        const run = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
          env: { ...process.env, SLUICE_FAILPOINTS: point },
          encoding: 'utf8',
        })
        assert.equal(run.signal, 'SIGKILL', run.stderr)
        await load(settings)
        await assertTable(text)
        const again = await loadFile(source)
        assert.deepEqual([again.inserted, again.duplicates], [0, ROWS])
      })
    }

    test('two loads of the same file, and one of its rows in opposite order, at the same time', async () => {
      const text = twins()
      const backwards =
        HEAD +
        text
          .split('\n')
          .slice(1, -1)
          .reverse()
          .map((row) => `${row}\n`)
          .join('')
      const sources = [file('one.csv', text), file('two.csv', text), file('back.csv', backwards)]
      const receipts = await Promise.all(sources.map((source) => loadFile(source)))
      for (const { recordsRead, inserted, duplicates } of receipts) assert.equal(recordsRead, inserted + duplicates)
      assert.equal(
        receipts.reduce((sum, { inserted }) => sum + inserted, 0),
        ROWS,
      )
      await assertTable(text)
    })

    test('a column without room for a number is refused before the first row', async () => {
      await db.query('CREATE TABLE t (content_hash varchar(64) UNIQUE, code text, name text)')
      await assert.rejects(loadFile(file('short.csv', `${HEAD}a,x\n`)), {
        code: 'SLUICE_COLUMNS',
        message: /content_hash.* must have room for 96 characters, and has it for 64/,
      })
    })
  })
}

/** As docs/reference/tables.md says it. */
function hashOf(code: string, name: string): string {
  const parts = [
    ['code', code],
    ['name', name],
  ].flatMap((column) => column.flatMap((text) => [Buffer.alloc(4, 0).fill(0), Buffer.from(text)]))
  for (let i = 0; i < parts.length; i += 2) parts[i]!.writeUInt32LE(parts[i + 1]!.length)
  return createHash('sha256').update(Buffer.concat(parts)).digest('hex')
}
