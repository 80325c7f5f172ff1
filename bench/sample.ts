/** The files that are loaded: what `sluice generate` writes, kept between runs because writing 1 GB takes a while. */
import { execFileSync, spawnSync } from 'node:child_process'
import { hash } from 'node:crypto'
import {
  appendFileSync,
  closeSync,
  copyFileSync,
  createReadStream,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { parse } from 'csv-parse'

const ROOT = join(import.meta.dirname, '..')
export const SLUICE = join(ROOT, 'packages/sluice/bin/sluice.js')
/** Generated files and databases. */
export const WORK = join(ROOT, '.tmp/bench')

export interface Sample {
  path: string
  schema: string
  bytes: number
  /** Records in the file. */
  records: number
  /** Records that must not be in the table: those that have to be rejected, or come twice. */
  bad: number
}

/** The sample of so many records of which the given percentage is bad. */
export function sample(records: number, badPercent = 0): Sample {
  mkdirSync(WORK, { recursive: true })
  const path = join(WORK, `customers-${records}-${badPercent}.csv`)
  const schema = join(WORK, 'customers.schema.json')
  writeWhole(schema, execFileSync(process.execPath, [SLUICE, 'generate', '--schema']))
  if (!existsSync(path)) generate(path, records, badPercent)
  return { path, schema, bytes: statSync(path).size, records, bad: Math.round((records * badPercent) / 100) }
}

/** A sample of which the first hundredth of the records comes again at the end, byte by byte, and its schema without a key. */
export function twinSample(records: number): Sample {
  const twins = Math.round(records / 100)
  const [whole, again] = [sample(records - twins), sample(twins)]
  const path = join(WORK, `customers-${records}-twins.csv`)
  if (!existsSync(path)) {
    const unfinished = unfinishedOf(path)
    copyFileSync(whole.path, unfinished)
    // Whatever their number is, samples begin with the same header and the same records.
    const text = readFileSync(again.path)
    appendFileSync(unfinished, text.subarray(text.indexOf('\n') + 1))
    renameSync(unfinished, path)
  }
  // By their content, and by nothing else.
  const schema = keylessSchema(whole)
  return { path, schema, bytes: statSync(path).size, records, bad: twins }
}

/** The schema of a sample without its key. @returns its path */
export function keylessSchema({ schema }: Sample): string {
  const path = join(WORK, 'customers-keyless.schema.json')
  const { primaryKey: _, ...keyless } = JSON.parse(readFileSync(schema, 'utf8'))
  writeWhole(path, JSON.stringify(keyless))
  return path
}

/** A sample with a column before the others that holds the SHA-256 of their bytes. */
export async function hashedSample(plain: Sample): Promise<Sample> {
  const path = plain.path.replace('.csv', '-hashed.csv')
  if (!existsSync(path)) {
    const unfinished = unfinishedOf(path)
    const file = openSync(unfinished, 'w')
    let isHeader = true
    for await (const { raw } of createReadStream(plain.path).pipe(parse({ raw: true }))) {
      const line = (raw as string).replace(/^\n/, '')
      writeSync(file, `${isHeader ? 'content_hash' : hash('sha256', line)},${line.replace(/\n$/, '')}\n`)
      isHeader = false
    }
    closeSync(file)
    renameSync(unfinished, path)
  }
  return { ...plain, path, bytes: statSync(path).size }
}

/** The same sample as NDJSON: id and amount as numbers, the rest as strings. */
export async function ndjsonSample(records: number): Promise<Sample> {
  const csv = sample(records)
  const path = csv.path.replace('.csv', '.ndjson')
  if (!existsSync(path)) {
    const unfinished = unfinishedOf(path)
    const file = openSync(unfinished, 'w')
    for await (const row of createReadStream(csv.path).pipe(parse({ columns: true }))) {
      const members = Object.entries(row as Record<string, string>).map(
        ([key, value]) => `"${key}":${NUMBERS.has(key) ? value : JSON.stringify(value)}`,
      )
      writeSync(file, `{${members.join(',')}}\n`)
    }
    closeSync(file)
    renameSync(unfinished, path)
  }
  return { ...csv, path, bytes: statSync(path).size }
}

/** The same sample, packed by gzip with its usual level. */
export function gzipSample(records: number): Sample {
  const csv = sample(records)
  const path = `${csv.path}.gz`
  if (!existsSync(path)) {
    const unfinished = unfinishedOf(path)
    const file = openSync(unfinished, 'w')
    const { status } = spawnSync('gzip', ['-c', csv.path], { stdio: ['ignore', file, 'inherit'] })
    closeSync(file)
    if (status !== 0) throw new Error(`gzip ended with ${status}`)
    renameSync(unfinished, path)
  }
  return { ...csv, path }
}

const NUMBERS = new Set(['id', 'amount'])

/** Of this process's own: others may want the same file at the same time. */
function unfinishedOf(path: string): string {
  return `${path}.${process.pid}.part`
}

/** Nobody sees a part of it. */
function writeWhole(path: string, content: string | Uint8Array): void {
  writeFileSync(unfinishedOf(path), content)
  renameSync(unfinishedOf(path), path)
}

function generate(path: string, records: number, badPercent: number): void {
  const unfinished = unfinishedOf(path)
  const file = openSync(unfinished, 'w')
  const options = ['--rows', String(records), '--bad', `${badPercent}%`]
  const { status } = spawnSync(process.execPath, [SLUICE, 'generate', ...options], {
    stdio: ['ignore', file, 'inherit'],
  })
  closeSync(file)
  if (status !== 0) throw new Error(`sluice generate ended with ${status}`)
  renameSync(unfinished, path)
}
