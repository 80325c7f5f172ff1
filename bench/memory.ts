/**
 * `npm run bench:memory`: one load under a memory limit that the kernel enforces, watched from outside.
 * Options: --rows N (5,000,000), --bad P in percent (1), --to postgres|sqlite (both), --limit MB (512 and 256); --expected-rows N: told apart
 * by content, in a new table, with a Bloom filter for so many, and the limit is what it may take; --stdin: through a pipe.
 * --base N: before that so many records the same way; the rate must stay within 15 % of theirs, and files beyond 5,000,000 records are
 * removed in the end. 5 GB: `npm run bench:memory -- --rows 25000000 --base 5000000`.
 * Fails when the receipt does not balance or does not agree with the file, or when memory grows.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createReadStream, rmSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { createGroup } from './memory-group.ts'
import { startPostgres } from './postgres.ts'
import { keylessSchema, type Sample, SLUICE, sample, WORK } from './sample.ts'
import { dedupeTarget, newSqliteTarget, postgresTarget, removeSqlite, sqliteTarget, type Target } from './targets.ts'
import { expect, expectFlat, MB, show, watch } from './watch.ts'

/** Most that a load may hold at once. */
const PEAK_LIMIT = 128 * MB

const { values: flags } = parseArgs({
  options: {
    rows: { type: 'string', default: '5000000' },
    bad: { type: 'string', default: '1' },
    to: { type: 'string', multiple: true, default: ['postgres', 'sqlite'] },
    limit: { type: 'string' },
    'expected-rows': { type: 'string' },
    stdin: { type: 'boolean', default: false },
    base: { type: 'string' },
  },
})

/** How much slower a long load may be than a short one. */
const RATE_LOSS = 0.15
/** Larger samples are not kept for another run. */
const KEPT_RECORDS = 5_000_000

const sizes = [flags.base, flags.rows].filter((rows) => rows !== undefined).map(Number)
const files = sizes.map((rows) => sample(rows, Number(flags.bad)))
const expectedRows = flags['expected-rows']
try {
  for (const to of flags.to) {
    if (to === 'sqlite') {
      const path = join(WORK, 'memory.db')
      const target = expectedRows === undefined ? sqliteTarget(path, 'primary key') : newSqliteTarget(path)
      try {
        await judgeAll('SQLite', target, Number(flags.limit ?? 256))
      } finally {
        removeSqlite(path)
      }
    } else if (to === 'postgres')
      await withPostgres((target) => judgeAll('PostgreSQL', target, Number(flags.limit ?? 512)))
    else throw new Error(`--to ${to} is neither postgres nor sqlite`)
  }
} finally {
  for (const { path, records } of files) if (records > KEPT_RECORDS) rmSync(path)
}

/** Loads one file after the other and compares their rates. */
async function judgeAll(title: string, target: Target, limit: number): Promise<void> {
  const rates: number[] = []
  for (const file of files) rates.push(await judge(title, file, target, limit))
  const [base, last] = [rates[0]!, rates.at(-1)!]
  if (rates.length > 1) expect(`${rate(last)} is at most 15 % below ${rate(base)}`, last >= base * (1 - RATE_LOSS))
}

function rate(recordsPerSecond: number): string {
  return `${Math.round(recordsPerSecond).toLocaleString('en')} records/s`
}

async function withPostgres(use: (target: Target) => Promise<void>): Promise<void> {
  const server = await startPostgres()
  try {
    await use(expectedRows === undefined ? postgresTarget(server, 'primary key') : dedupeTarget(server, 0))
  } finally {
    await server.stop()
  }
}

/** Loads a file in a group of `limit` MB and prints what it held, by quarters of the time it took. @returns records a second */
async function judge(title: string, file: Sample, target: Target, limit: number): Promise<number> {
  await target.reset()
  const group = createGroup(limit * MB)
  try {
    const start = performance.now()
    const { receipt, quarters, peak } = await load(file, target, group.enter)
    const seconds = (performance.now() - start) / 1000
    console.log(
      `\n${title}: ${file.records.toLocaleString('en')} records, ${Math.round(file.bytes / 1e6)} MB, in ${seconds.toFixed(1)} s, ${rate(file.records / seconds)}`,
    )
    console.log(`limit ${limit} MB; peak RSS (VmHWM) ${show(peak)}; by quarters ${quarters.map(show).join(', ')}`)
    console.log(`group: ${group.report()}`)
    console.log(`receipt: ${JSON.stringify(receipt)}`)
    const { recordsRead, inserted, updated, unchanged, duplicates, rejected } = receipt
    expect('the receipt balances', recordsRead === inserted + updated + unchanged + duplicates + rejected)
    expect('every record was read', recordsRead === file.records)
    expect('just the bad records were rejected', rejected === file.bad)
    expect('the table holds what was inserted', (await target.count()) === inserted)
    expectFlat(peak, quarters, expectedRows === undefined ? PEAK_LIMIT : limit * MB)
    return file.records / seconds
  } finally {
    group.remove()
  }
}

async function load(file: Sample, { url }: Target, enter: string) {
  const schema = expectedRows === undefined ? file.schema : keylessSchema(file)
  const options = ['--to', url, '--table', 'customers', '--schema', schema, '--json', '--quiet']
  if (expectedRows !== undefined) options.push('--dedupe', 'content', '--expected-rows', expectedRows)
  const source = flags.stdin ? '-' : file.path
  // The shell enters the group and then becomes the load, so that not one page of it is outside.
  const child = spawn(
    'sh',
    ['-c', `${enter} && exec "$0" "$@"`, process.execPath, SLUICE, 'load', source, ...options],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  )
  if (flags.stdin) createReadStream(file.path).pipe(child.stdin)
  else child.stdin.end()
  const watched = watch(child.pid!)
  const [stdout, [code, signal]] = await Promise.all([text(child.stdout), once(child, 'exit')])
  watched.stop()
  if (code !== 0) throw new Error(`the load ended with ${code ?? signal}`)
  return { receipt: JSON.parse(stdout) as Receipt, quarters: watched.quarters(), peak: watched.peak() }
}

type Receipt = Record<'recordsRead' | 'inserted' | 'updated' | 'unchanged' | 'duplicates' | 'rejected', number>
